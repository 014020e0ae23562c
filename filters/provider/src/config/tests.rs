//! What a configuration means, and what is said of a mistake in it.

use policy::Headers;

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn what_is_not_said_has_a_default() {
    let json =
        br#"{"providers": {"acousticbrainz": {}, "mine": {"profile": "lastfm", "base": "/2.0/", "answer_max": 4096,
        "user_agent": "a", "credentials": {"query": {"name": "api_key", "env": "A"}}}}}"#;
    let config = Config::from_json(json).ok().unwrap();
    let [first, second] = config.providers.as_slice() else { panic!("two providers") };
    assert_eq!(
        (first.name.as_str(), first.profile.name, first.base.as_str()),
        ("acousticbrainz", "acousticbrainz", "")
    );
    assert_eq!((first.user_agent.as_str(), first.answer_bytes_max), (USER_AGENT, 2 << 20));
    assert!(matches!(first.credential, Credential::None));
    assert_eq!((second.name.as_str(), second.profile.name, second.base.as_str()), ("mine", "lastfm", "/2.0"));
    assert_eq!((second.user_agent.as_str(), second.answer_bytes_max), ("a", 4096));
    assert!(Config::from_json(b"").is_ok());
}

#[test]
fn where_requests_are_only_judged_nothing_is_said_of_how_they_are_sent() {
    let json = br#"{"checks_only": true, "providers": {"discogs": {}, "mine": {"profile": "spotify"}}, "routes": [{"provider": "mine"}]}"#;
    let config = Config::from_json(json).ok().unwrap();
    assert!(config.checks_only);
    assert!(config.providers.iter().all(|provider| matches!(provider.credential, Credential::None)));
    for (json, expected) in [
        (r#"{"checks_only": 1}"#, "checks_only: must be true or false"),
        (
            r#"{"checks_only": true, "providers": {"spotify": {"base": "/v1"}}}"#,
            "providers.spotify.base: unknown field `base`",
        ),
        (r#"{"checks_only": true, "providers": {"x": {}}}"#, "providers.x.profile: must be one of "),
    ] {
        let said = Config::from_json(json.as_bytes()).err().unwrap().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn the_first_route_that_matches_names_the_provider() {
    let json = br#"{"providers": {"acousticbrainz": {}, "b": {"profile": "acousticbrainz"}}, "routes": [
        {"match": {"prefix": "/b/"}, "provider": "b", "strip": "/b/"}, {"match": {"methods": ["GET"]}, "provider": "acousticbrainz"}]}"#;
    let config = Config::from_json(json).ok().unwrap();
    for (method, path, expected) in
        [("GET", "/b/x", Some((1, "/b"))), ("GET", "/c", Some((0, ""))), ("POST", "/c", None)]
    {
        let headers = Headers::from_pairs(&[(b":method", method.as_bytes()), (b":path", path.as_bytes())]);
        let found = config.find(&Target::of(&headers)).map(|route| (route.provider, route.strip.as_str()));
        assert_eq!(found, expected, "{method} {path}");
    }
}

#[test]
fn a_mistake_says_where_it_is_and_what_would_be_right() {
    let provider = |json: &str| format!(r#"{{"providers": {{"acousticbrainz": {json}}}}}"#);
    let named = |name: &str, json: &str| format!(r#"{{"providers": {{"{name}": {json}}}}}"#);
    let route = |json: &str| format!(r#"{{"providers": {{"acousticbrainz": {{}}}}, "routes": [{json}]}}"#);
    for (json, expected) in [
        (r#"{"provider": {}}"#.to_owned(), "provider: unknown field `provider`"),
        (named("x", "{}"), "providers.x.profile: must be one of spotify, musicbrainz, lastfm, beatport, discogs"),
        (named("a b", "{}"), "providers.a b: a provider's name must be 1 to 64"),
        (named("spotify", "{}"), "providers.spotify.credentials: is missing, and spotify answers nobody without"),
        (named("musicbrainz", "{}"), "providers.musicbrainz.user_agent: is missing"),
        (
            named("musicbrainz", r#"{"user_agent": "curl/8.5"}"#),
            "providers.musicbrainz.user_agent: must be like \"name/1.0 (",
        ),
        (named("musicbrainz", r#"{"user_agent": "weir (a@b.c)"}"#), "providers.musicbrainz.user_agent: must be like"),
        (provider(r#"{"user_agent": "a\nb"}"#), "providers.acousticbrainz.user_agent: must be printable ASCII"),
        (provider(r#"{"user_agent": " "}"#), "providers.acousticbrainz.user_agent: must be like"),
        (provider(r#"{"base": "v1"}"#), "providers.acousticbrainz.base: must begin with /"),
        (provider(r#"{"base": "/v1?a"}"#), "providers.acousticbrainz.base: must begin with / and have no query"),
        (provider(r#"{"answer_max": 1}"#), "providers.acousticbrainz.answer_max: must be a whole number from 1024"),
        (provider(r#"{"credentials": {}}"#), "providers.acousticbrainz.credentials: must have one of query"),
        (provider(r#"{"again": {}}"#), "providers.acousticbrainz.again.cluster: is missing"),
        (provider(r#"{"again": {"cluster": ""}}"#), "providers.acousticbrainz.again: must have a cluster"),
        (
            provider(r#"{"again": {"cluster": "a", "timeout": "0"}}"#),
            "providers.acousticbrainz.again: must have a cluster",
        ),
        (
            provider(r#"{"again": {"cluster": "a", "retries": 3}}"#),
            "providers.acousticbrainz.again.retries: is not known here",
        ),
        (
            provider(r#"{"credentials": {"oauth2": {}}}"#),
            "providers.acousticbrainz.credentials.oauth2.token_url: is missing",
        ),
        (provider(r#"{"limit": 1}"#), "providers.acousticbrainz.limit: unknown field `limit`"),
        (provider("1"), "providers.acousticbrainz: must be an object"),
        (route(r#"{"provider": "x"}"#), "routes[0].provider: no such provider: \"x\""),
        (route("{}"), "routes[0].provider: is missing"),
        (route(r#"{"provider": "acousticbrainz", "strip": "a"}"#), "routes[0].strip: must begin with /"),
        (route(r#"{"provider": "acousticbrainz", "match": {"path": "x"}}"#), "routes[0].match.path: must begin with /"),
    ] {
        let said = Config::from_json(json.as_bytes()).err().unwrap().to_string();
        assert!(said.starts_with(expected), "{json}: {said}");
    }
}
