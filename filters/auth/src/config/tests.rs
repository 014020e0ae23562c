//! Tests of the module around this one.

use super::*;
use crate::algorithm::Algorithm;
use crate::sample;
use policy::Headers;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn issuer() -> String {
    sample::issuer("i", r#"["us"]"#, &[sample::jwk(Algorithm::Hs256)])
}

#[test]
fn what_is_left_out_has_a_default() {
    let config = sample::read(&format!(r#"{{"issuers": [{}]}}"#, issuer()));
    assert_eq!((config.realm.as_str(), config.default_tier.as_str()), ("weir", "free"));
    assert_eq!((config.leeway, config.lifetime), (Duration::from_secs(30), Duration::from_mins(5)));
    assert_eq!((config.slots, config.token_bytes_max, config.forward), (1024, 8192, false));
    assert_eq!((config.refused_slots, config.refused_for), (256, Duration::from_secs(10)));
    assert_eq!(config.claims, Claims::default());
    assert_eq!(config.rest.mode, Mode::Required);
    assert_eq!((config.sources, config.kinds), (vec![Source::bearer(false)], vec![Kind::Token]));
    assert!(config.attributes.is_empty());
}

#[test]
fn credentials_are_read_where_the_configuration_says() {
    let digest = "0".repeat(64);
    let keys = format!(
        r#""api_keys": {{"header": "x-key", "query": "key", "forward": true,
        "keys": [{{"id": "a", "sha256": "{digest}"}}]}}"#
    );
    let from = r#"[{"header": "authorization"}, {"header": "x-token"}, {"header": "x-auth", "scheme": "Token"},
        {"cookie": "Session"}, {"query": "access token"}]"#;
    let config = sample::read(&format!(r#"{{"issuers": [{}], "tokens": {{"from": {from}}}, {keys}}}"#, issuer()));
    let found: Vec<_> = config
        .sources
        .iter()
        .map(|source| {
            let scheme = source.scheme.as_deref().unwrap_or_default();
            format!("{:?} {:?} {} {scheme} {}", source.kind, source.place, source.name, source.forward)
        })
        .collect();
    assert_eq!(
        found,
        [
            "Token Header authorization Bearer false",
            "Token Header x-token  false",
            "Token Header x-auth Token false",
            "Token Cookie Session  false",
            "Token Query access token  false",
            "ApiKey Header x-key  true",
            "ApiKey Query key  true",
        ]
    );
    assert_eq!(config.kinds, [Kind::Token, Kind::ApiKey]);
    // Where nobody issues tokens, `authorization` is none of our business.
    let config = sample::read(&format!("{{{keys}}}"));
    assert_eq!((config.sources.len(), config.kinds), (2, vec![Kind::ApiKey]));
}

#[test]
fn a_place_that_is_none_for_a_credential_is_a_mistake() {
    let from = |list: &str| format!(r#"{{"issuers": [{}], "tokens": {{"from": [{list}]}}}}"#, issuer());
    let many: Vec<_> = (0..17).map(|n| format!(r#"{{"query": "q{n}"}}"#)).collect();
    let rows = [
        (from(""), "tokens.from: must have a place, and issuers somebody who issues tokens"),
        (
            r#"{"default": "off", "tokens": {"from": [{"query": "a"}]}}"#.into(),
            "tokens.from: must have a place, and issuers somebody who issues tokens",
        ),
        (from("{}"), "tokens.from[0]: must have one of header, cookie and query"),
        (from(r#"{"header": "a", "query": "b"}"#), "tokens.from[0]: must have one of header, cookie and query"),
        (from(r#"{"header": "A"}"#), "tokens.from[0].header: must be a header name in lower case"),
        (from(r#"{"header": ":path"}"#), "tokens.from[0].header: must be a header name in lower case"),
        (from(r#"{"header": "cookie"}"#), r#"tokens.from[0].header: must be a header of its own, got "cookie""#),
        (from(r#"{"header": "x-weir-user"}"#), "tokens.from[0].header: must be a header of its own"),
        (from(r#"{"cookie": "a b"}"#), r#"tokens.from[0].cookie: must be the name of a cookie, got "a b""#),
        (from(r#"{"query": ""}"#), "tokens.from[0].query: must be the name of a parameter"),
        (
            from(r#"{"cookie": "a", "scheme": "b"}"#),
            "tokens.from[0].scheme: must be one word, and stand beside a header",
        ),
        (from(r#"{"header": "a", "scheme": "b c"}"#), "tokens.from[0].scheme: must be one word"),
        (from(r#"{"header": "a", "prefix": "b"}"#), "tokens.from[0].prefix: is not known here"),
        (
            from(r#"{"query": "a"}, {"query": "a"}"#),
            r#"tokens.from: two credentials are read from the same place, "a""#,
        ),
        (from(&many.join(",")), "tokens.from: credentials are read from more than 16 places"),
        (format!(r#"{{"issuers": [{}], "tokens": {{"form": []}}}}"#, issuer()), "tokens.form: is not known here"),
    ];
    check(&rows);
}

#[test]
fn a_header_that_cannot_be_handed_on_is_a_mistake() {
    let with = |list: &str| format!(r#"{{"issuers": [{}], "hand_on": [{list}]}}"#, issuer());
    let target = |header: &str| with(&format!(r#"{{"claim": "a", "header": "{header}"}}"#));
    let many: Vec<_> = (0..33).map(|n| format!(r#"{{"claim": "a", "header": "x-{n}"}}"#)).collect();
    let rows = [
        (with(r#"{"header": "x-a"}"#), "hand_on[0].claim: is missing"),
        (
            with(r#"{"claim": "a..b", "header": "x-a"}"#),
            "hand_on[0].claim: must be 1 to 8 names with dots between them",
        ),
        (with(r#"{"claim": "a"}"#), "hand_on[0].header: is missing"),
        (with(r#"{"claim": "a", "header": "x-a", "as": 1}"#), "hand_on[0].as: is not known here"),
        (target("X-A"), r#"hand_on[0].header: must be a header name in lower case, got "X-A""#),
        (target(":authority"), "hand_on[0].header: must be a header name in lower case"),
        (target("host"), r#"hand_on[0].header: must be a header of its own, got "host""#),
        (target("connection"), "hand_on[0].header: must be a header of its own"),
        (target("x-weir-admin"), "hand_on[0].header: must be a header of its own"),
        (target("x-request-id"), "hand_on[0].header: must be a header of its own"),
        (target("authorization"), "hand_on[0].header: must be a header of its own"),
        (
            with(r#"{"claim": "a", "header": "x-a-b"}, {"claim": "b", "header": "x_a-b"}"#),
            r#"hand_on[1].header: "x_a-b" holds something else already"#,
        ),
        (with(&many.join(",")), "hand_on: must have 32 claims at most"),
    ];
    check(&rows);
}

#[test]
fn what_is_said_is_taken_over() {
    let config = sample::read(&format!(
        r#"{{"issuers": [{}], "realm": "a b", "leeway": "0", "forward": true, "default_tier": "pro", "default": "off",
            "claims": {{"user": "email", "roles": "https://x.example/roles"}}, "token_bytes_max": 256,
            "remember": {{"slots": 0, "for": "1d", "refused_slots": 8, "refused_for": "0"}}}}"#,
        issuer()
    ));
    assert_eq!((config.realm.as_str(), config.default_tier.as_str()), ("a b", "pro"));
    assert_eq!((config.leeway, config.lifetime), (Duration::ZERO, Duration::from_hours(24)));
    assert_eq!((config.slots, config.token_bytes_max, config.forward), (0, 256, true));
    assert_eq!((config.refused_slots, config.refused_for), (8, Duration::ZERO));
    assert_eq!(
        config.claims,
        Claims { user: Path::of("email"), roles: Path::of("https://x.example/roles"), ..Claims::default() }
    );
    assert_eq!(config.rest.mode, Mode::Off);
}

#[test]
fn nothing_is_needed_where_no_route_needs_tokens() {
    assert!(sample::read(r#"{"default": "off"}"#).issuers.is_empty());
}

#[test]
fn the_first_route_that_matches_decides() {
    let routes = r#"[
        {"match": {"path": "/api/open", "methods": ["GET"]}, "auth": "off"},
        {"match": {"prefix": "/api/", "headers": {"x-a": "1"}}, "auth": "required"},
        {"match": {"template": "/api/{id}"}, "auth": "optional"}
    ]"#;
    let config = sample::read(&format!(r#"{{"issuers": [{}], "routes": {routes}}}"#, issuer()));
    for (method, path, value, expected) in [
        ("GET", "/api/open", "1", Mode::Off),
        ("POST", "/api/open", "1", Mode::Required),
        ("POST", "/api/open", "0", Mode::Optional),
        ("GET", "/api/7", "0", Mode::Optional),
        ("GET", "/api/7/8", "0", Mode::Required),
        ("GET", "/", "0", Mode::Required),
    ] {
        let headers = Headers::from_pairs(&[
            (b":method", method.as_bytes()),
            (b":path", path.as_bytes()),
            (b"x-a", value.as_bytes()),
        ]);
        assert_eq!(config.route(&Target::of(&headers)).mode, expected, "{method} {path} {value}");
    }
}

#[test]
fn a_secret_from_the_environment_is_needed_only_where_there_is_one() {
    let key = r#"{"kty":"oct","alg":"HS256","env":"SECRET"}"#.to_owned();
    let json = format!(r#"{{"issuers": [{}]}}"#, sample::issuer("i", "[]", &[key]));
    assert!(Config::from_json(json.as_bytes()).is_ok());
    let with = |variables: &dyn Fn(&str) -> Option<String>| Config::with_environment(json.as_bytes(), variables);
    assert!(with(&|name| (name == "SECRET").then(|| sample::SECRET.to_owned())).is_ok());
    let said = with(&|_| None).err().unwrap().to_string();
    assert_eq!(said, r#"issuers[0].jwks.keys[0].env: the environment has no text under "SECRET""#);
    let said = with(&|_| Some("short".to_owned())).err().unwrap().to_string();
    assert_eq!(said, "issuers[0].jwks.keys[0].env: must be base64url without padding");
}

/// Each document is refused, and what is said begins like this.
fn check(rows: &[(String, &str)]) {
    for (json, expected) in rows {
        let said = Config::from_json(json.as_bytes()).err().map(|mistake| mistake.to_string()).unwrap_or_default();
        assert!(said.starts_with(expected), "{json}\n{said}");
    }
}

#[test]
fn a_mistake_is_said_with_its_place() {
    let one = issuer();
    let with = |more: &str| format!(r#"{{"issuers": [{one}], {more}}}"#);
    let rows = [
        (String::new(), "issuers: must name one, or api_keys some, as long as a route needs credentials"),
        (
            r#"{"default": "off", "routes": [{"match": {}, "auth": "optional"}]}"#.into(),
            "issuers: must name one, or api_keys some, as long as a route needs credentials",
        ),
        (r#"{"issuer": []}"#.into(), "issuer: is not known here"),
        (with(r#""isuers": []"#), "isuers: is not known here"),
        (with(r#""issuers": []"#), "a name stands twice in one object at line 1"),
        ("{".into(), "EOF while parsing an object at line 1"),
        ("[]".into(), "invalid type: sequence, expected JSON at line 1"),
        (with(r#""realm": "a\"b""#), "realm: must be printable ASCII without quotes and backslashes"),
        (with(r#""realm": """#), "realm: must be printable ASCII without quotes and backslashes"),
        (with(r#""leeway": "6m""#), r#"leeway: must be a length of time like "250ms" or "30s", at most 5m"#),
        (with(r#""leeway": 30"#), "leeway: must be a string"),
        (with(r#""forward": "yes""#), "forward: must be true or false"),
        (with(r#""default": "maybe""#), r#"default: must be required, optional or off, got "maybe""#),
        (with(r#""default_tier": "a\n""#), "default_tier: must be 1 to 256 bytes of text without control characters"),
        (
            with(r#""claims": {"user": "exp"}"#),
            r#"claims.user: must be a claim other than the token's times, got "exp""#,
        ),
        (with(r#""claims": {"role": "x"}"#), "claims.role: is not known here"),
        (with(r#""claims": []"#), "claims: must be an object"),
        (with(r#""token_bytes_max": 100"#), "token_bytes_max: must be a whole number from 256 to 65536"),
        (with(r#""token_bytes_max": 1000.5"#), "token_bytes_max: must be a whole number from 256 to 65536"),
        (with(r#""remember": {"slots": -1}"#), "remember.slots: must be a whole number from 0 to 65536"),
        (
            with(r#""remember": {"for": "2d"}"#),
            r#"remember.for: must be a length of time like "250ms" or "30s", at most 1d"#,
        ),
        (with(r#""remember": {"until": "2d"}"#), "remember.until: is not known here"),
        (
            with(r#""remember": {"refused_slots": 70000}"#),
            "remember.refused_slots: must be a whole number from 0 to 65536",
        ),
        (
            with(r#""remember": {"refused_for": "1h"}"#),
            r#"remember.refused_for: must be a length of time like "250ms" or "30s", at most 5m"#,
        ),
        (with(r#""permissions": []"#), "permissions: must be an object"),
        (with(r#""permissions": {"editors": {"rol": "x"}}"#), "permissions.editors.rol: is not known here"),
        (with(r#""revocation": {}"#), "state: is missing, as long as there is `revocation`"),
        (with(r#""state": {"dialect": "redis"}"#), r#"state.dialect: must be webdis or upstash, got "redis""#),
        (with(r#""state": {"clutser": "a"}"#), "state.clutser: is not known here"),
        (with(r#""revoked": {"tokens": [7]}"#), "revoked.tokens[0]: must be an object"),
        (with(r#""revoked": {"tokens": [""]}"#), "revoked.tokens[0].jti: must not be empty"),
        (with(r#""revoked": {"keys": [{"kid": "a", "before": 5}]}"#), "revoked.keys[0].before: is not known here"),
        (with(r#""revoked": {"subjects": [{}]}"#), "revoked.subjects[0].sub: is missing"),
        (
            with(r#""revoked": {"subjects": [{"sub": "a", "before": 0}]}"#),
            "revoked.subjects[0].before: must be a whole number from 1 to 4294967294",
        ),
        (with(r#""revoked": {"users": []}"#), "revoked.users: is not known here"),
    ];
    check(&rows);
}

#[test]
fn following_the_state_store_has_limits() {
    let with = |more: &str| format!(r#"{{"default": "off", "state": {{}}, "revocation": {{{more}}}}}"#);
    let rows = [
        (with(r#""refresh": "50ms""#), "revocation.refresh: must be at least 100ms"),
        (
            with(r#""refresh": "2h""#),
            r#"revocation.refresh: must be a length of time like "250ms" or "30s", at most 1h"#,
        ),
        (with(r#""refresh": "10s", "unavailable_after": "5s""#), "revocation.unavailable_after: must be at least 10s"),
        (with(r#""keep": "0""#), "revocation.keep: must be at least 1s"),
        (with(r#""when_full": "drop""#), r#"revocation.when_full: must be stop or continue, got "drop""#),
        (with(r#""when_unavailable": 1"#), "revocation.when_unavailable: must be a string"),
        (with(r#""entries_max": 0"#), "revocation.entries_max: must be a whole number from 1 to 1000000"),
        (with(r#""refrseh": "1s""#), "revocation.refrseh: is not known here"),
    ];
    check(&rows);
}

#[test]
fn a_mistake_in_a_list_is_said_with_its_index() {
    let one = issuer();
    let with = |more: &str| format!(r#"{{"issuers": [{one}], {more}}}"#);
    let key = sample::jwk(Algorithm::Hs256);
    let keys = |keys: &[String]| format!(r#"{{"issuers": [{}]}}"#, sample::issuer("i", "[]", keys));
    let rows = [
        (with(r#""routes": {}"#), "routes: must be a list"),
        (with(r#""routes": [{"auth": "off"}]"#), "routes[0].match: is missing; an empty object matches every request"),
        (with(r#""routes": [{"match": {}}]"#), "routes[0].auth: is missing"),
        (
            with(r#""routes": [{"match": {}, "auth": "none"}]"#),
            r#"routes[0].auth: must be required, optional or off, got "none""#,
        ),
        (with(r#""routes": [{"match": {"prefx": "/"}, "auth": "off"}]"#), "routes[0].match.prefx: is not known here"),
        (
            with(r#""routes": [{"match": {"methods": ["get"]}, "auth": "off"}]"#),
            "routes[0].match.methods[0]: must be a method in upper case, got \"get\"",
        ),
        (
            with(r#""routes": [{"match": {"methods": [7]}, "auth": "off"}]"#),
            "routes[0].match.methods[0]: must be a string",
        ),
        (
            with(r#""routes": [{"match": {"headers": {"x-a": 1}}, "auth": "off"}]"#),
            "routes[0].match.headers.x-a: must be a string",
        ),
        (
            with(r#""routes": [{"match": {}, "auth": "required", "allow": "editors"}]"#),
            r#"routes[0].allow: must be a rule or the name of a permission, got "editors""#,
        ),
        (
            with(r#""routes": [{"match": {}, "auth": "required", "allow": [{"any": [{"role": 7}]}]}]"#),
            "routes[0].allow[0].any[0].role: must be the name of one",
        ),
        (
            with(r#""routes": [{"match": {}, "auth": "off", "allow": {"role": "x"}}]"#),
            "routes[0].allow: must not stand where auth is off",
        ),
        (
            r#"{"issuers": [{"issuer": "i", "audiences": [], "require_expiry": false}]}"#.into(),
            "issuers[0].require_expiry: must be true, or max_age must say when tokens end",
        ),
        (format!(r#"{{"issuers": [{one}, {one}]}}"#), r#"issuers[1].issuer: "i" is configured twice"#),
        (
            r#"{"issuers": [{"issuer": "i"}]}"#.into(),
            "issuers[0].audiences: is missing; an empty list accepts tokens that are for anybody",
        ),
        (r#"{"issuers": [{"issuer": "", "audiences": []}]}"#.into(), "issuers[0].issuer: must not be empty"),
        (
            r#"{"issuers": [{"issuer": "i", "user_prefix": " a", "audiences": []}]}"#.into(),
            "issuers[0].user_prefix: must be text that a header can carry",
        ),
        (r#"{"issuers": [{"issuer": "i", "audiences": [7]}]}"#.into(), "issuers[0].audiences[0]: must be a string"),
        (r#"{"issuers": [{"issuer": "i", "audiences": []}]}"#.into(), "issuers[0].jwks.keys: must have 1 to 64 keys"),
        (
            r#"{"issuers": [{"issuer": "i", "audiences": [], "jwks": {"keys": {}}}]}"#.into(),
            "issuers[0].jwks.keys: must be a list",
        ),
        (keys(&vec![key.clone(); 65]), "issuers[0].jwks.keys: must have 1 to 64 keys"),
        (keys(&[key.clone(), key]), "issuers[0].jwks.keys[1].kid: is the kid of another key for the same algorithm"),
        (keys(&[r#"{"kty": "RSA"}"#.into()]), "issuers[0].jwks.keys[0].n: is missing"),
    ];
    check(&rows);
}
