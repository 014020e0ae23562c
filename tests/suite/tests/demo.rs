//! The demonstration that `make run` starts: its policy in a real Envoy, in front of the sandbox.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "demo/providers.rs"]
mod providers;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proxy::{Answer, Envoy, Request, client};
use sandbox::{Claims, Fault, Sandbox, Upstream};
use serde_json::Value;
use suite::module;
use weir::document::{self, Document, Reading};
use weir::envoy::{Plan, bootstrap};
use weir::policy::Policy;
use weir::translate::bundled;

/// The gateway and what is behind it.
struct Demo {
    envoy: Envoy,
    sandbox: Sandbox,
    document: Document,
}

fn policy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envoy/policies/demo.yaml")
}

impl Demo {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// With another policy.
    fn start_with(change: impl FnOnce(&mut Policy)) -> Self {
        let sandbox = Sandbox::start();
        let url = format!("http://{}", sandbox.address());
        let bytes = std::fs::read(policy()).expect("the policy is in the repository");
        let reading = Reading { sandbox: Some(&url), ..Reading::default() };
        let mut document = document::read(Path::new("demo.yaml"), &bytes, &reading)
            .unwrap_or_else(|refused| panic!("{}", refused.render(false)));
        document.policy.listen.value.set_port(0);
        change(&mut document.policy);
        let filters = if module::is_one() { bundled(&document.filters) } else { document.filters.clone() };
        let plan = Plan { policy: &document.policy, filters: &filters, wasm: &module::folder() };
        let envoy =
            Envoy::start(&bootstrap::standalone(&plan).to_string()).unwrap_or_else(|failure| panic!("{failure}"));
        Self { envoy, sandbox, document }
    }

    fn send(&self, request: &Request) -> Answer {
        client::call(self.envoy.address(), request).expect("an answer")
    }

    /// Sends a request without a token.
    fn ask(&self, line: &str) -> Answer {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        self.send(&Request::new(method, target))
    }

    /// Sends a request with a token of this tier.
    fn ask_as(&self, tier: &str, line: &str) -> Answer {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        let token = self.sandbox.token(&Claims { tier: tier.to_owned(), ..Claims::default() });
        self.send(&Request::new(method, target).header("authorization", format!("Bearer {token}")))
    }
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&answer.body)))
}

#[test]
fn a_lookup_at_a_provider_comes_from_the_cache_the_second_time() {
    let demo = Demo::start();
    for (target, upstream, member, expected) in [
        ("GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW", Upstream::Spotify, "/name", "Strobe"),
        ("GET /api/musicbrainz/isrc/GBTDG0900141", Upstream::Musicbrainz, "/results/0/name", "Strobe"),
    ] {
        let first = demo.ask(target);
        assert_eq!((first.status, json(&first).pointer(member).unwrap().as_str()), (200, Some(expected)), "{target}");
        let second = demo.ask(target);
        assert_eq!((second.status, &second.body), (200, &first.body), "{target}");
        let cache = second.text("cache-status").unwrap();
        assert!(cache.contains("hit") && !cache.contains("fwd"), "{cache}");
        assert_eq!(demo.sandbox.count(upstream), 1, "{target}");
    }
}

#[test]
fn a_search_is_kept_by_what_its_body_says() {
    let demo = Demo::start();
    let ask = |body: &str| {
        let request = Request::new("POST", "/api/v1/search").header("content-type", "application/json");
        let answer = demo.send(&request.body(body.as_bytes()));
        (answer.status, answer.text("cache-status").unwrap(), json(&answer))
    };
    let example =
        demo.document.policy.examples.iter().find_map(|example| Some((example.before.as_ref()?, &example.call)));
    let (before, call) =
        example.filter(|(before, _)| before.target == "/api/v1/search").expect("the first with two requests");
    let (status, cache, first) = ask(before.body.as_ref().unwrap());
    assert_eq!((status, cache.as_str()), (200, "weir; fwd=uri-miss; stored"), "{first}");
    let (status, cache, second) = ask(call.body.as_ref().unwrap());
    assert!(cache.starts_with("weir; hit; ttl="), "{cache}");
    assert_eq!((status, second), (200, first));
    assert_eq!(demo.sandbox.count(Upstream::Discovery), 1);
    assert_eq!(ask(r#"{"query": ""}"#).0, 400);
    assert_eq!(ask(r#"{"query": ""}"#).1, "weir; fwd=uri-miss; detail=not-fresh");
}

#[test]
fn what_is_recommended_to_one_user_is_for_no_other() {
    let demo = Demo::start();
    let ask = |subject: &str| {
        let token = demo.sandbox.token(&Claims { user: subject.to_owned(), ..Claims::default() });
        let answer =
            demo.send(&Request::get("/api/v1/recommendations").header("authorization", format!("Bearer {token}")));
        (answer.text("cache-status").unwrap(), json(&answer)["user_id"].clone())
    };
    for (subject, expected) in [("user123", "fwd=uri-miss"), ("user456", "fwd=uri-miss"), ("user123", "hit")] {
        let (cache, user) = ask(subject);
        assert!(cache.contains(expected) && user == subject, "{subject}: {cache} {user}");
    }
    let anonymous = demo.ask("GET /api/v1/recommendations");
    assert_eq!(anonymous.text("cache-status").as_deref(), Some("weir; fwd=bypass; detail=isolate"));
}

#[test]
fn a_providers_limit_counts_what_is_sent_there() {
    let demo = Demo::start();
    // The stand-in itself is asked for a release that it has.
    demo.sandbox.limit(Upstream::Discogs, None);
    let credential = format!("Discogs key={}, secret={}", sandbox::CLIENT_ID, sandbox::CLIENT_SECRET);
    let search =
        Request::get("/discogs/database/search?q=strobe").header("authorization", credential).header("user-agent", "x");
    let found = json(&client::call(demo.sandbox.address(), &search).expect("an answer"));
    let known = found["results"][0]["id"].as_u64().expect("an id");
    let ask = |id: u64| demo.ask_as("pro", &format!("GET /api/discogs/release/{id}"));
    assert_eq!(ask(known).status, 200);
    for _ in 0..5 {
        assert_eq!(ask(known).status, 200, "an answer from the cache costs the provider nothing");
    }
    // One a second: of several others at once, the provider sees at most as many as seconds have passed.
    let refused = (2..7).map(ask).find(|answer| answer.status == 429);
    let refused = refused.expect("five requests within two seconds");
    assert_eq!(json(&refused)["error"]["code"], "RATE_LIMITED");
    assert!(refused.text("retry-after").is_some());
}

#[test]
fn requests_that_are_too_many_for_musicbrainz_are_sent_a_second_apart() {
    let demo = Demo::start();
    // The stand-in is as strict as we are, and would refuse a call that was on its way a little faster than the one before.
    demo.sandbox.limit(Upstream::Musicbrainz, None);
    let begun = Instant::now();
    let ask = |n: u32| demo.ask_as("pro", &format!("GET /api/musicbrainz/isrc/GBTDG090000{n}"));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|n| scope.spawn(move || ask(n).status)).collect();
        asked.into_iter().map(|answer| answer.join().expect("an answer")).collect()
    });
    assert_eq!(statuses, [404; 4], "nothing has these codes");
    assert_eq!(demo.sandbox.count(Upstream::Musicbrainz), 4);
    assert_eq!(counted(&demo, "musicbrainz"), [4, 0]);
    assert!(begun.elapsed() >= Duration::from_secs(3), "four calls at one a second take three seconds");
}

#[test]
fn a_provider_learns_who_we_are_and_not_who_asks() {
    let demo = Demo::start();
    assert_eq!(demo.ask_as("pro", "GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW").status, 200);
    assert_eq!(demo.ask_as("pro", "GET /api/musicbrainz/isrc/GBTDG0900141").status, 200);
    assert_eq!(demo.ask_as("pro", "GET /api/v1/user/profile").status, 200);
    let header = |upstream, name: &str| {
        let seen = demo.sandbox.requests(upstream).pop().expect("a request");
        seen.headers.into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    };
    assert!(header(Upstream::Spotify, "authorization").is_some_and(|value| value.starts_with("Bearer BQ")));
    assert_eq!(header(Upstream::Musicbrainz, "user-agent").as_deref(), Some("weir-demo/0.1 (https://weir.example)"));
    for upstream in [Upstream::Spotify, Upstream::Musicbrainz] {
        for private in ["x-weir-user", "x-weir-tier", "x-weir-roles", "x-forwarded-for", "cookie"] {
            assert_eq!(header(upstream, private), None, "{private}");
        }
        assert!(header(upstream, "x-request-id").is_some() && header(upstream, "traceparent").is_some());
    }
    assert_eq!(header(Upstream::Musicbrainz, "authorization"), None);
    assert_eq!(header(Upstream::Auth, "x-weir-user").as_deref(), Some("user123"));
}

#[test]
fn a_callers_tier_limits_it() {
    let demo = Demo::start();
    let answers: Vec<_> = (0..60).map(|_| demo.ask("GET /api/v1/products/TEST-001")).collect();
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    let refused = answers.iter().find(|answer| answer.status == 429).expect("more than the limit was sent");
    assert!(passed >= 10, "the burst of an anonymous caller is 10, and {passed} passed");
    assert_eq!(json(refused)["error"]["code"], "RATE_LIMITED");
    assert!(refused.text("retry-after").is_some() && refused.text("ratelimit-policy").is_some());
    for (tier, burst) in [("free", "20"), ("pro", "100"), ("enterprise", "400")] {
        let answer = demo.ask_as(tier, "GET /api/v1/products/TEST-001");
        assert_eq!((answer.status, answer.text("x-ratelimit-limit").as_deref()), (200, Some(burst)), "{tier}");
    }
}

#[test]
fn a_users_routes_need_a_token_and_the_others_accept_one() {
    let demo = Demo::start();
    for line in ["GET /api/v1/user/profile", "GET /api/v1/user/watchlist", "GET /api/v1/user/history"] {
        let answer = demo.ask(line);
        assert_eq!((answer.status, json(&answer)["error"]["code"].as_str()), (401, Some("UNAUTHORIZED")), "{line}");
        assert!(answer.text("www-authenticate").is_some_and(|challenge| challenge.contains("gateway")));
        assert_eq!(demo.ask_as("pro", line).status, 200, "{line}");
    }
    let forged = Request::get("/api/v1/genres").header("authorization", "Bearer e30.e30.AAAA");
    assert_eq!(demo.send(&forged).status, 401);
}

#[test]
fn a_failing_service_is_left_alone_by_its_breaker() {
    let demo = Demo::start();
    demo.sandbox.fault(Upstream::Pricing, Fault::status(503).times(5));
    for _ in 0..5 {
        assert_eq!(demo.ask_as("pro", "GET /api/v1/prices/TEST-001").status, 503);
    }
    let answer = demo.ask_as("pro", "GET /api/v1/prices/TEST-001");
    assert_eq!((answer.status, json(&answer)["error"]["code"].as_str()), (503, Some("CIRCUIT_BREAKER_OPEN")));
    assert!(answer.text("retry-after").is_some());
    assert_eq!(demo.sandbox.count(Upstream::Pricing), 5);
    assert_eq!(demo.ask_as("pro", "GET /api/v1/products/TEST-001").status, 200, "another service has another breaker");
    let state = r#"api_gateway_circuit_breaker_state{provider="pricing"} 1"#;
    assert!(demo.envoy.prometheus().contains(state), "{}", demo.envoy.prometheus());
}

#[test]
fn what_is_stored_of_a_provider_stands_in_while_its_breaker_is_open() {
    let demo = Demo::start();
    let cache = demo.document.filters.iter().find(|filter| filter.name == "cache").expect("the cache");
    let routes = cache.config["routes"].as_array().expect("routes").iter();
    for route in routes.filter(|route| route["keeps"] != false) {
        let is_ours = ["discovery", "sona"].iter().any(|own| route["upstream"] == *own);
        let expected = (!is_ours).then_some("7d");
        assert_eq!(route["stale_if_error"].as_str(), expected, "{route}");
    }
}

#[test]
fn what_envoy_has_retried_is_in_the_figures_that_the_rules_are_made_of() {
    let demo = Demo::start();
    demo.sandbox.fault(Upstream::Spotify, Fault::status(503).times(1));
    assert_eq!(demo.ask_as("pro", "GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW").status, 200);
    demo.sandbox.fault(Upstream::Spotify, Fault::reset().times(1));
    assert_eq!(demo.ask_as("pro", "GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW").status, 200);
    let metrics = demo.envoy.prometheus();
    let value = |name: &str, labels: &[&str]| -> Option<u64> {
        let is_it = |line: &&str| {
            let named = line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
            named && labels.iter().all(|label| line.contains(label))
        };
        metrics.lines().find(is_it)?.rsplit(' ').next()?.parse().ok()
    };
    let spotify = r#"envoy_cluster_name="spotify""#;
    for (name, labels, expected) in [
        ("envoy_cluster_retry_upstream_rq", &[spotify, r#"envoy_response_code="503""#][..], 1),
        ("envoy_cluster_retry_upstream_rq_completed", &[spotify], 1),
        ("envoy_cluster_upstream_rq_retry", &[spotify], 2),
        ("envoy_cluster_upstream_rq_retry_success", &[spotify], 2),
        ("envoy_cluster_upstream_rq_retry_limit_exceeded", &[spotify], 0),
        ("envoy_cluster_upstream_rq_retry_overflow", &[spotify], 0),
    ] {
        assert_eq!(value(name, labels), Some(expected), "{name}\n{metrics}");
    }
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envoy/prometheus/retries.yaml");
    let rules = std::fs::read_to_string(rules).expect("the rules are in the repository");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let labels = ["envoy_cluster_name", "envoy_response_code"];
    let used: Vec<&str> = rules.split(|c| !is_part(c)).filter(|word| word.starts_with("envoy_")).collect();
    assert!(used.len() >= 6);
    for word in used.into_iter().filter(|word| !labels.contains(word)) {
        assert!(value(word, &[spotify]).is_some(), "Envoy has no {word}");
    }
}

#[test]
fn every_route_leads_to_its_upstream() {
    let demo = Demo::start();
    let asked = [
        ("GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW", Upstream::Spotify),
        ("GET /api/musicbrainz/track/7d357162-6c37-47f4-abcd-c74889a01919", Upstream::Musicbrainz),
        ("GET /api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919", Upstream::Lastfm),
        ("GET /api/beatport/track/1", Upstream::Beatport),
        ("GET /api/discogs/release/1", Upstream::Discogs),
        ("GET /api/acousticbrainz/features/7d357162-6c37-47f4-abcd-c74889a01919", Upstream::Acousticbrainz),
        ("GET /api/v1/products?page=0&size=2", Upstream::Inventory),
        ("GET /api/v1/prices/TEST-001", Upstream::Pricing),
        ("GET /api/v1/content/trending", Upstream::Discovery),
        ("GET /api/v1/movies/popular", Upstream::Discovery),
        ("GET /api/v1/tv/popular", Upstream::Discovery),
        ("GET /api/v1/search/autocomplete?q=a", Upstream::Discovery),
        ("GET /api/v1/discover/movies", Upstream::Discovery),
        ("GET /api/v1/discover/tv", Upstream::Discovery),
        ("GET /api/v1/genres", Upstream::Discovery),
        ("GET /api/v1/recommendations", Upstream::Sona),
        ("GET /api/v1/user/watchlist", Upstream::Sync),
        ("GET /api/v1/user/profile", Upstream::Auth),
    ];
    for (line, upstream) in asked {
        let before = demo.sandbox.count(upstream);
        let answer = demo.ask_as("enterprise", line);
        // What a stand-in makes of it is its own matter, as long as it is the one that was meant.
        assert_eq!(demo.sandbox.count(upstream), before + 1, "{line}: {}", answer.status);
        assert!(answer.status < 500, "{line}: {}", answer.status);
        let seen = demo.sandbox.requests(upstream).pop().expect("a request");
        assert!(seen.path.starts_with(upstream.base()), "{line}: {}", seen.path);
    }
    assert_eq!(demo.ask("GET /api/v1/nothing").status, 404);
    assert_eq!(demo.ask("DELETE /api/v1/genres").status, 404);
}

#[test]
fn a_service_shows_an_api_key_of_its_own() {
    let demo = Demo::start();
    let example = demo.document.policy.examples.iter().find(|example| !example.call.headers.is_empty()).unwrap();
    let (name, key) = &example.call.headers[0];
    let request = Request::new(example.call.method.as_str(), example.call.target.as_str());
    let ask = |key: &str| demo.send(&request.clone().header(name.as_str(), key));
    let answer = ask(key);
    assert_eq!((answer.status, answer.text("x-ratelimit-limit").as_deref()), (200, Some("400")));
    let seen = demo.sandbox.requests(Upstream::Pricing).pop().expect("a request");
    assert!(seen.headers.contains(&("x-weir-user".into(), "scraper".into())), "{:?}", seen.headers);
    assert!(seen.headers.iter().all(|(found, _)| found != name), "{:?}", seen.headers);
    assert_eq!(ask(&format!("{key}x")).status, 401);
}

#[test]
fn the_keys_in_the_policy_are_the_sandboxes_and_its_examples_have_routes() {
    let text = std::fs::read_to_string(policy()).expect("the policy is in the repository");
    let keys: Value = serde_json::from_str(&sandbox::jwks()).expect("a key set");
    for key in keys["keys"].as_array().expect("keys") {
        for part in ["kid", "x"] {
            assert!(text.contains(key[part].as_str().expect("text")), "{key}");
        }
    }
    let demo = Demo::start();
    let examples = &demo.document.policy.examples;
    assert!(examples.len() >= 5);
    for example in examples.iter().filter(|example| example.call.target.starts_with('/')) {
        let call = &example.call;
        let request = Request::new(call.method.as_str(), call.target.as_str());
        let request = match &call.body {
            Some(body) => request.header("content-type", "application/json").body(body.as_bytes()),
            None => request,
        };
        let token = demo.sandbox.token(&Claims { tier: "pro".to_owned(), ..Claims::default() });
        let answer = demo.send(&request.header("authorization", format!("Bearer {token}")));
        assert_eq!(answer.status, 200, "{}", example.title);
    }
}

/// What the metrics endpoint says of requests to a provider: allowed and limited.
fn counted(demo: &Demo, provider: &str) -> [u64; 2] {
    let metrics = demo.envoy.prometheus();
    ["allowed", "limited"].map(|status| {
        let series = format!(r#"api_gateway_rate_limit_requests_total{{provider="{provider}",status="{status}"}} "#);
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok());
        value.unwrap_or_else(|| panic!("no {series}\n{metrics}"))
    })
}

#[test]
fn every_request_is_counted_once_under_its_upstreams_name() {
    let demo = Demo::start();
    let ask = |tier: &str, line: &str| demo.ask_as(tier, line).status;
    // Spotify has a limit of its own, behind the cache: what is allowed is what was sent there.
    for track in ["41Xji81wFy3cM7ggbGczQW", "41Xji81wFy3cM7ggbGczQW", "41Xji81wFy3cM7ggbGczQW"] {
        assert_eq!(ask("pro", &format!("GET /api/spotify/track/{track}")), 200);
    }
    assert_eq!((counted(&demo, "spotify"), demo.sandbox.count(Upstream::Spotify)), ([1, 0], 1));
    // What its limit refuses is counted under it, too: one a second.
    let statuses: Vec<_> = (1..5).map(|n| ask("enterprise", &format!("GET /api/discogs/release/{n}"))).collect();
    let limited = statuses.iter().filter(|status| **status == 429).count() as u64;
    assert_eq!(counted(&demo, "discogs"), [4 - limited, limited], "{statuses:?}");
    assert!(limited > 0, "{statuses:?}");
    // An internal service has none: the callers' limit counts whatever it lets pass, whether the cache answers or not.
    for _ in 0..3 {
        assert_eq!(ask("pro", "GET /api/v1/genres"), 200);
    }
    assert_eq!((counted(&demo, "discovery"), demo.sandbox.count(Upstream::Discovery)), ([3, 0], 1));
    // A caller that asks too often is counted where it wanted to go, be that limited there or not.
    let anonymous = |line: &str| (0..40).filter(|_| demo.ask(line).status == 429).count() as u64;
    let inventory = anonymous("GET /api/v1/products");
    assert_eq!(counted(&demo, "inventory"), [40 - inventory, inventory]);
    let spotify = anonymous("GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW");
    assert!(inventory > 0 && spotify > 0, "{inventory} and {spotify} of 40");
    assert_eq!(counted(&demo, "spotify"), [1, spotify]);
    assert_eq!(counted(&demo, "sona"), [0, 0]);
    assert!(!demo.envoy.prometheus().contains(r#"provider="client""#));
}
