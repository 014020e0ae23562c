//! Several proxies and one Redis: what one of them is told, all of them honour.

use std::time::{Duration, Instant};

use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Client, Redis, Reply, Request, Upstash};
use suite::stage::Stage;
use suite::{EnvoyStage, Scenario};

use crate::store::{PASSWORD, Store};

/// Two refreshes and Redis's answers; the rest is what a busy machine may take.
const BOUND: Duration = Duration::from_secs(2);

const CONFIG: &str = r#"{
    "upstreams": [{"name": "spotify", "match": {"prefix": "/spotify"}, "learn": ["retry_after"]},
                  {"name": "other", "match": {"prefix": "/other"}, "learn": ["503"], "default": "200s"}],
    "state": {"env": "STATE_PASSWORD", "timeout": "1s"}
}"#;

fn proxy(store: &Store) -> EnvoyStage {
    store.scenario("ratelimit", CONFIG).envoy().unwrap()
}

/// Sends a request on a connection of its own; its status, and the seconds of its `Retry-After`.
fn ask(stage: &EnvoyStage, path: &str) -> (u16, u64) {
    let mut client = Client::connect(stage.envoy.address()).unwrap();
    client.send(&Request::get(path));
    let answer = client.receive().unwrap();
    let seconds = answer.text("retry-after").and_then(|text| text.parse().ok()).unwrap_or_default();
    (answer.status, seconds)
}

/// Waits until so many new connections in a row are answered so; the kernel spreads them over the workers.
fn settles(stage: &EnvoyStage, path: &str, expected: u16) -> Duration {
    let since = Instant::now();
    let settled = Deadline::after(PATIENCE).wait_until(|| (0..10).all(|_| ask(stage, path).0 == expected));
    assert!(settled, "expected {expected} for {path}, got {:?}\n{}", ask(stage, path), stage.envoy.log());
    since.elapsed()
}

#[test]
fn every_proxy_leaves_alone_whom_one_was_told_to() {
    let mut store = Store::start();
    let (mut one, two) = (proxy(&store), proxy(&store));
    for stage in [&one, &two] {
        settles(stage, "/spotify", 200);
        settles(stage, "/other", 200);
    }
    one.answer(None, Reply::status(429).header("retry-after", "300"));
    assert_eq!(ask(&one, "/spotify"), (429, 300));
    one.answer(None, Reply::status(200));
    let took = settles(&two, "/spotify", 429);
    assert!(took <= BOUND, "{took:?}\n{}", two.envoy.log());
    let (_, left) = ask(&two, "/spotify");
    assert!((290..=301).contains(&left), "{left}");
    assert_eq!(ask(&two, "/other").0, 200);
    // One that comes later hears of it, too.
    settles(&proxy(&store), "/spotify", 429);

    // By hand, and as long as it says.
    store.redis.call(&["SET", "weir:cool:other", "1", "PX", "1500"]).unwrap();
    for stage in [&one, &two] {
        settles(stage, "/other", 429);
    }
    for stage in [&one, &two] {
        settles(stage, "/other", 200);
    }

    // Redis is away: each keeps to what it knows, and tells it when Redis is back.
    store.redis.kill();
    assert!(one.envoy.wait_for_log("state does not answer"));
    one.answer(None, Reply::status(503));
    assert_eq!(ask(&one, "/other").0, 503);
    settles(&one, "/other", 429);
    assert_eq!((ask(&two, "/other").0, ask(&two, "/spotify").0), (200, 429));
    store.redis.restart().unwrap();
    settles(&two, "/other", 429);
    assert!(one.envoy.wait_for_log("state answers again"));
    settles(&proxy(&store), "/spotify", 429);
}

#[test]
fn a_bridge_of_the_other_dialect_tells_proxies_as_well() {
    let redis = Redis::start().unwrap();
    let upstash = Upstash::start(redis.address(), PASSWORD);
    let config = CONFIG.replace(r#""env""#, r#""dialect": "upstash", "env""#);
    let proxy = || {
        let scenario = Scenario::new(&[("ratelimit", &config)]).environment("STATE_PASSWORD", PASSWORD);
        scenario.cluster_at("state", upstash.address()).envoy_only("the host reaches no Redis").envoy().unwrap()
    };
    let (mut one, two) = (proxy(), proxy());
    settles(&two, "/spotify", 200);
    one.answer(None, Reply::status(429).header("retry-after", "300"));
    assert_eq!(ask(&one, "/spotify"), (429, 300));
    settles(&two, "/spotify", 429);
    let (_, left) = ask(&two, "/spotify");
    assert!((1..=301).contains(&left), "{left}");
    assert_eq!(ask(&two, "/other").0, 200);
}
