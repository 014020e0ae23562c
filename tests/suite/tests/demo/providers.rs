//! Six providers as one API, and what they and their clients learn of each other.

use proxy::{Answer, Request, client};
use sandbox::{Fault, Upstream};

use crate::{Demo, json};

/// What tokens of the sandbox begin with.
const TOKEN: &str = "Bearer BQ";
const SECRETS: [&str; 4] = [TOKEN, sandbox::CLIENT_SECRET, sandbox::API_KEY, "key=weir-sandbox"];

fn search(demo: &Demo, provider: &str, body: &str) -> Answer {
    let token = demo.sandbox.token(&sandbox::Claims { tier: "enterprise".to_owned(), ..sandbox::Claims::default() });
    let request = Request::new("POST", &format!("/api/{provider}/search")).header("content-type", "application/json");
    demo.send(&request.header("authorization", format!("Bearer {token}")).body(body))
}

#[test]
fn a_search_is_the_same_at_every_provider_that_has_one() {
    let demo = Demo::start();
    for (provider, upstream, name) in [
        ("spotify", Upstream::Spotify, "Strobe"),
        ("musicbrainz", Upstream::Musicbrainz, "Strobe"),
        ("lastfm", Upstream::Lastfm, "Strobe"),
        ("beatport", Upstream::Beatport, "Strobe"),
        ("discogs", Upstream::Discogs, "For Lack of a Better Name"),
    ] {
        let answer = search(&demo, provider, r#"{"artist": "Deadmau5", "title": "Strobe", "limit": 3}"#);
        let found = json(&answer);
        assert_eq!((answer.status, found["provider"].as_str()), (200, Some(provider)), "{found}");
        assert_eq!((found["query"]["title"].as_str(), found["query"]["limit"].as_u64()), (Some("Strobe"), Some(3)));
        let first = &found["results"][0];
        assert_eq!(
            (first["name"].as_str(), first["artists"][0]["name"].as_str()),
            (Some(name), Some("deadmau5")),
            "{found}"
        );
        assert!(first["id"].is_string(), "{found}");
        let seen = demo.sandbox.requests(upstream).pop().expect("a request");
        assert_eq!(seen.method, "GET", "{provider}");
        let refused = search(&demo, provider, r#"{"artist": "Deadmau5", "title": "Strobe", "limit": 51}"#);
        // A limit of one a second may have been spent.
        assert!(matches!(refused.status, 400 | 429), "{provider}: {}", refused.status);
        assert_eq!(demo.sandbox.count(upstream), 1, "{provider}");
    }
    assert_eq!(search(&demo, "acousticbrainz", "{}").status, 404);
}

#[test]
fn no_secret_comes_back_and_none_of_the_clients_goes_out() {
    let demo = Demo::start();
    let mut answers = Vec::new();
    for line in [
        "GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW",
        "GET /api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919?raw=true",
        "GET /api/lastfm/track/nothing",
        "GET /api/discogs/release/1",
        "GET /api/beatport/track/1",
    ] {
        answers.push(demo.ask_as("pro", line));
    }
    for upstream in [Upstream::Spotify, Upstream::Lastfm, Upstream::Discogs, Upstream::Beatport] {
        let seen = demo.sandbox.requests(upstream).pop().expect("a request");
        for private in [
            "cookie",
            "x-weir-user",
            "x-weir-tier",
            "x-weir-roles",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-api-key",
        ] {
            assert!(seen.headers.iter().all(|(name, _)| name != private), "{private}: {:?}", seen.headers);
        }
        let shown = seen.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.as_str());
        assert!(shown.is_none_or(|value| SECRETS.iter().any(|secret| value.contains(secret))), "{shown:?}");
    }
    demo.sandbox.fault(Upstream::Lastfm, Fault::status(403).times(1));
    answers.push(demo.ask_as("pro", "GET /api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01910"));
    assert!(demo.envoy.wait_for_log("c74889a01910"), "{}", demo.envoy.log());
    let told = answers.iter().map(|answer| format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body)));
    let told: Vec<String> = told.chain([demo.envoy.log(), demo.envoy.prometheus()]).collect();
    for secret in SECRETS {
        assert!(told.iter().all(|text| !text.contains(secret)), "{secret}: {told:#?}");
    }
    assert!(demo.envoy.log().contains(r#""path":"/api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919""#));
}

#[test]
fn a_client_cannot_take_the_way_that_is_the_filters_own() {
    let demo = Demo::start();
    for target in ["/spotify/v1/tracks/41Xji81wFy3cM7ggbGczQW", "/lastfm/2.0/?method=track.getInfo&format=json"] {
        let request =
            Request::get(target).header("x-envoy-original-path", "/api/spotify/x").header("weir.provider", "spotify");
        let answer = client::call(demo.envoy.address(), &request).expect("an answer");
        assert_eq!(answer.status, 404, "{target}");
    }
    assert_eq!(demo.sandbox.count(Upstream::Spotify), 0);
}

#[test]
fn what_is_tried_again_is_the_providers_own_request() {
    let demo = Demo::start();
    demo.sandbox.fault(Upstream::Beatport, Fault::status(502).times(1));
    let answer = search(&demo, "beatport", r#"{"artist": "Deadmau5", "title": "Strobe"}"#);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let seen = demo.sandbox.requests(Upstream::Beatport);
    assert_eq!(seen.len(), 2, "{seen:?}");
    for request in seen {
        let header =
            |name: &str| request.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        assert_eq!(request.method, "GET");
        assert_eq!(request.path, "/beatport/v4/catalog/tracks/?name=Strobe&artist_name=Deadmau5&per_page=10");
        assert_eq!((header("content-length"), header("transfer-encoding")), (Some("0"), None));
        assert!(header("authorization").is_some_and(|value| value.starts_with(TOKEN)));
    }
}

#[test]
fn the_sample_client_waits_where_it_is_asked_to() {
    let demo = Demo::start();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".tools/client/bin/python");
    assert!(python.is_file(), "`make client` installs what it needs");
    let mut client = std::process::Command::new(python);
    client.arg(root.join("envoy/policies/enrich.py")).arg(format!("http://{}", demo.envoy.address()));
    let output = client.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().count(), 10, "{said}");
    assert!(said.lines().any(|line| line == "spotify: deadmau5 - Strobe: deadmau5 - Strobe"), "{said}");
}
