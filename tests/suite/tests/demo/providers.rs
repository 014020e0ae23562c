//! Six providers as one API, and what they and their clients learn of each other.

use proxy::{Answer, Request, client};
use sandbox::{Claims, Fault, Upstream};
use serde_json::Value;

use crate::{Demo, json};

/// What tokens of the sandbox begin with.
const TOKEN: &str = "Bearer BQ";
const SECRETS: [&str; 4] = [TOKEN, sandbox::CLIENT_SECRET, sandbox::API_KEY, "key=weir-sandbox"];

fn search(demo: &Demo, provider: &str, body: &str) -> Answer {
    let token = demo.sandbox.token(&Claims { tier: "enterprise".to_owned(), ..Claims::default() });
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
        // Where the provider's limit of one a second is spent, too.
        assert_eq!(refused.status, 400, "{provider}: {}", String::from_utf8_lossy(&refused.body));
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
fn what_a_provider_does_not_have_is_not_asked_for_twice() {
    let demo = Demo::start();
    let [first, second] = [(), ()].map(|()| demo.ask("GET /api/discogs/release/999999999"));
    assert_eq!((first.status, second.status), (404, 404));
    assert!(second.text("cache-status").is_some_and(|said| said.starts_with("weir; hit; ttl=")), "{second:?}");
    assert_eq!(demo.sandbox.count(Upstream::Discogs), 1);
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

/// What shows who calls: a user's token of this tier.
fn of_tier(demo: &Demo, tier: &str) -> (&'static str, String) {
    let token = demo.sandbox.token(&Claims { tier: tier.to_owned(), ..Claims::default() });
    ("authorization", format!("Bearer {token}"))
}

/// A batch of these lines (`GET /path`, `POST /path {…}`), with a header that says whose it is.
fn batch(demo: &Demo, caller: (&str, String), lines: &[String]) -> Vec<Value> {
    let item = |line: &String| {
        let mut words = line.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let body = words.next().map(|body| format!(r#","body":{body}"#)).unwrap_or_default();
        format!(r#"{{"method":"{method}","path":"{path}"{body}}}"#)
    };
    let body = format!(r#"{{"requests":[{}]}}"#, lines.iter().map(item).collect::<Vec<_>>().join(","));
    let request = Request::new("POST", "/api/batch").header("x-request-id", "batch-1").header("x-weir-user", "root");
    let answer = demo.send(&request.header(caller.0, caller.1).body(body.as_bytes()));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    json(&answer)["responses"].as_array().expect("a list").clone()
}

/// How many requests a caller may send at once after this one.
fn left(demo: &Demo, (name, value): (&str, String)) -> u32 {
    let answer = demo.send(&Request::get("/api/v1/genres").header(name, value));
    answer.text("x-ratelimit-remaining").expect("a limit").parse().expect("a number")
}

#[test]
fn a_batch_is_answered_as_its_requests_would_be_alone() {
    let demo = Demo::start();
    let search = r#"{"artist": "Deadmau5", "title": "Strobe", "limit": 3}"#;
    let lines = [
        &format!("POST /api/spotify/search {search}"),
        "GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW",
        "GET /api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919?raw=true",
        "GET /api/discogs/release/999999999",
        &format!("POST /api/beatport/search {}", search.replace('3', "51")),
        "GET /api/acousticbrainz/features/7d357162-6c37-47f4-abcd-c74889a01919",
        "GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW",
        "GET /api/nobody/track/1",
    ]
    .map(str::to_owned);
    let responses = batch(&demo, of_tier(&demo, "enterprise"), &lines);
    let statuses: Vec<_> = responses.iter().map(|response| response["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 200, 404, 400, 200, 200, 404], "{responses:#?}");
    assert_eq!(
        responses[4]["body"]["error"]["message"], "limit: must be a whole number from 1 to 50",
        "{}",
        responses[4]
    );
    assert_eq!(responses[4]["body"]["error"]["request_id"], "batch-1");
    assert_eq!(responses[1], responses[6]);
    // The second time, and whoever asks alone, gets what is stored.
    for (line, response) in
        lines.iter().zip(&responses).filter(|(line, _)| line.starts_with("GET") && !line.contains("nobody"))
    {
        let alone = demo.ask_as("enterprise", line);
        assert_eq!(
            (u64::from(alone.status), &json(&alone)),
            (response["status"].as_u64().unwrap(), &response["body"]),
            "{line}"
        );
        assert!(alone.text("cache-status").is_some_and(|said| said.starts_with("weir; hit")), "{line}: {alone:?}");
    }
    assert_eq!(demo.sandbox.count(Upstream::Spotify), 2);
    for seen in demo.sandbox.requests(Upstream::Spotify) {
        let shown = seen.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.as_str());
        assert!(
            shown.is_some_and(|value| value.starts_with(TOKEN)) && !format!("{seen:?}").contains("x-weir-"),
            "{seen:?}"
        );
    }
}

#[test]
fn a_batch_is_no_way_around_its_callers_limit() {
    // Callers without a token are told apart by address, which another proxy says here: a client on the loopback has none that
    // could be handed on.
    let demo = Demo::start_with(|policy| policy.clients.trusted_hops = 1);
    let from = |address: &str| ("x-forwarded-for", address.to_owned());
    // Whatever is asked for: what is refused at once is counted, too.
    let many: Vec<_> = (0..50).map(|number| format!("GET /api/spotify/track/no-{number}")).collect();
    let responses = batch(&demo, from("203.0.113.7"), &many);
    let limited: Vec<_> = responses.iter().filter(|response| response["status"] == 429).collect();
    // Ten at once, and five a second; the batch is one, too.
    assert!((35..=41).contains(&limited.len()), "{} {responses:?}", limited.len());
    for response in limited {
        assert!(response["retry_after"].as_u64() >= Some(1), "{response}");
        assert_eq!(response["body"]["error"]["code"], "RATE_LIMITED", "{response}");
    }
    let here = left(&demo, from("203.0.113.7"));
    assert!(here <= 4, "what is left after the batch, and has come back since: {here}");
    assert_eq!(left(&demo, from("203.0.113.8")), 9, "another's is another account");
}

#[test]
fn what_a_user_asks_for_in_a_batch_is_counted_once_and_for_that_user() {
    let demo = Demo::start();
    let lines: Vec<_> = (0..12).map(|number| format!("GET /api/spotify/track/no-{number}")).collect();
    let responses = batch(&demo, of_tier(&demo, "free"), &[lines.clone(), lines].concat());
    assert!(responses.len() == 24 && responses.iter().all(|response| response["status"] == 400), "{responses:?}");
    let left = left(&demo, of_tier(&demo, "free"));
    assert!((6..=14).contains(&left), "twenty less one, twelve and this, and some that have come back: {left}");
}
