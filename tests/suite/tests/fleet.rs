//! Limits that several proxies keep together: real Envoys on one Redis, behind a real webdis.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]

#[path = "fleet/flood.rs"]
mod flood;
#[path = "fleet/hung.rs"]
mod hung;
#[path = "fleet/lines.rs"]
mod lines;
mod model;
#[path = "fleet/refunds.rs"]
mod refunds;
mod store;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use policy::state::{Form, Reply};
use proxy::deadline::{Deadline, PATIENCE};
use proxy::redis::Value;
use proxy::{Client, Redis, Request, Upstash};
use ratelimit::script::SCRIPT;
use store::{PASSWORD, Store};
use suite::{EnvoyStage, Scenario, refuses};

/// One proxy of a fleet.
fn proxy(store: &Store, config: &str) -> EnvoyStage {
    let scenario = store.scenario("ratelimit", config).workers(2);
    scenario.envoy().unwrap_or_else(|report| panic!("{report}"))
}

/// A filter with these rules, and more members.
fn fleet(rules: &str, more: &str) -> String {
    format!(r#"{{"state": {{"env": "STATE_PASSWORD"}}, "scope": "fleet", "rules": [{rules}]{more}}}"#)
}

/// What lets nobody fall back on a share of a limit because the machine is busy.
const PATIENT: &str = r#", "fleet": {"budget": "5s"}, "state": {"env": "STATE_PASSWORD", "timeout": "5s"}"#;

/// A filter with these rules that waits for Redis for as long as it takes.
fn patient(rules: &str) -> String {
    fleet(rules, PATIENT).replacen(r#""state": {"env": "STATE_PASSWORD"}, "#, "", 1)
}

/// One rule for all callers.
fn shared(limit: &str) -> String {
    format!(r#"{{"name": "spotify", "key": ["upstream"], "upstream": "spotify", "limit": {limit}}}"#)
}

/// One rule for each user.
fn keyed(limit: &str) -> String {
    format!(r#"{{"name": "users", "key": ["user"], "limit": {limit}}}"#)
}

fn status(stage: &EnvoyStage, request: &Request) -> u16 {
    proxy::client::call(stage.envoy.address(), request).map_or(0, |answer| answer.status)
}

/// What a load was answered: how often 200, 429, and anything else.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    passed: usize,
    limited: usize,
    other: usize,
    /// The longest that one took.
    slowest: Duration,
}

impl Tally {
    fn note(&mut self, status: u16, took: Duration) {
        match status {
            200 => self.passed += 1,
            429 => self.limited += 1,
            _ => self.other += 1,
        }
        self.slowest = self.slowest.max(took);
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.limited += other.limited;
        self.other += other.other;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// Lets a load last for some seconds: what is counted is what passes in them.
fn last(seconds: u64) {
    Deadline::after(Duration::from_secs(seconds)).wait_until(|| false);
}

/// Sends requests to all proxies at once on connections that stay open, until `is_over` or so many for each connection.
fn load(stages: &[EnvoyStage], connections: usize, most: usize, is_over: &AtomicBool) -> Tally {
    let client = |stage: &EnvoyStage| {
        let mut tally = Tally::default();
        let mut client = Client::connect(stage.envoy.address()).unwrap();
        for _ in 0..most {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let begun = Instant::now();
            let status = client.call(&Request::get("/")).map_or(0, |answer| answer.status);
            tally.note(status, begun.elapsed());
        }
        tally
    };
    let mut sum = Tally::default();
    thread::scope(|scope| {
        let all = stages.iter().flat_map(|stage| (0..connections).map(move |_| stage));
        let clients: Vec<_> = all.map(|stage| scope.spawn(move || client(stage))).collect();
        for client in clients {
            sum.add(client.join().expect("a client"));
        }
    });
    sum
}

/// What a load on all proxies, or on some, was answered in so many seconds, and how long it was there.
fn load_for(stages: &[EnvoyStage], seconds: u64) -> (Tally, Duration) {
    let (begun, is_over) = (Instant::now(), AtomicBool::new(false));
    let tally = thread::scope(|scope| {
        let clients = scope.spawn(|| load(stages, 3, usize::MAX, &is_over));
        last(seconds);
        is_over.store(true, Ordering::Relaxed);
        clients.join().expect("the load")
    });
    (tally, begun.elapsed())
}

/// Shows that proxies whose bucket of 200/s was empty at `begun` spend one: all of them what comes back, and one alone as much,
/// which is three times its share.
fn assert_one_bucket(stages: &[EnvoyStage], begun: Instant) {
    for stage in stages {
        let is_there = "api_gateway_rate_limit_fleet_away: 0";
        assert!(stage.envoy.stats().lines().any(|line| line.ends_with(is_there)), "{}", stage.envoy.stats());
    }
    let (tally, _) = load_for(stages, 2);
    // Beside what comes back, only what was leased ahead, of two intervals' demand.
    let most = 100.0 + 200.0 * begun.elapsed().as_secs_f64();
    assert!((tally.passed as f64) <= most && tally.other == 0, "{tally:?} of {most}");
    let (tally, lasted) = load_for(&stages[..1], 3);
    let least = 0.75 * 200.0 * lasted.as_secs_f64();
    assert!(tally.passed as f64 >= least && tally.other == 0, "{tally:?} of {least}");
}

#[test]
fn three_proxies_spend_one_bucket() {
    let store = Store::start();
    let config = patient(&format!("{}, {}", shared(r#"{"rate": "5/h"}"#), keyed(r#"{"rate": "1000/h"}"#)));
    let stages = [proxy(&store, &config), proxy(&store, &config), proxy(&store, &config)];
    let alice = Request::get("/").header("x-weir-user", "alice");
    for round in 0..5 {
        assert_eq!(status(&stages[round % 3], &alice), 200, "{round}\n{}", stages[round % 3].envoy.log());
    }
    for stage in &stages {
        let answer = proxy::client::call(stage.envoy.address(), &alice).unwrap();
        assert_eq!(answer.status, 429, "{}", stage.envoy.log());
    }
}

#[test]
fn three_proxies_admit_exactly_a_slow_limit() {
    let store = Store::start();
    for (name, limit) in [
        ("bucket", r#"{"rate": "300/d"}"#),
        ("sliding", r#"{"count": 300, "window": "1d", "algorithm": "sliding_window"}"#),
        ("fixed", r#"{"count": 300, "window": "300d", "algorithm": "fixed_window"}, {"rate": "9000/d"}"#),
    ] {
        let config =
            patient(&format!(r#"{{"name": "{name}", "key": ["upstream"], "upstream": "a", "limits": [{limit}]}}"#));
        let stages = [proxy(&store, &config), proxy(&store, &config), proxy(&store, &config)];
        let tally = load(&stages, 4, 150, &AtomicBool::new(false));
        assert_eq!((tally.passed, tally.other), (300, 0), "{limit}: {tally:?}\n{}", stages[0].envoy.log());
    }
}

#[test]
fn three_proxies_admit_at_most_a_fast_limit_and_nearly_all_of_it() {
    let store = Store::start();
    let config = patient(&shared(r#"{"rate": "200/s", "burst": 400}"#));
    let stages = [proxy(&store, &config), proxy(&store, &config), proxy(&store, &config)];
    let (is_over, begun) = (AtomicBool::new(false), Instant::now());
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let clients = scope.spawn(|| load(&stages, 3, usize::MAX, &is_over));
        last(8);
        is_over.store(true, Ordering::Relaxed);
        tally = clients.join().expect("the load");
    });
    let most = 400.0 + 200.0 * begun.elapsed().as_secs_f64();
    let passed = tally.passed as f64;
    assert!(passed <= most && passed >= 0.9 * (400.0 + 200.0 * 8.0), "{tally:?} of {most}\n{}", stages[0].envoy.log());
    assert_eq!(tally.other, 0, "{tally:?}");
}

#[test]
fn redis_killed_and_restarted_under_load_fails_no_request_and_limits_hold_again() {
    let mut store = Store::start();
    let config = fleet(&shared(r#"{"rate": "200/s", "burst": 400}"#), "");
    let stages = [proxy(&store, &config), proxy(&store, &config), proxy(&store, &config)];
    let is_over = AtomicBool::new(false);
    let (mut tally, mut begun) = (Tally::default(), Instant::now());
    thread::scope(|scope| {
        let clients = scope.spawn(|| load(&stages, 3, usize::MAX, &is_over));
        last(2);
        store.redis.kill();
        last(2);
        store.redis.restart().unwrap();
        last(2);
        begun = Instant::now();
        is_over.store(true, Ordering::Relaxed);
        tally = clients.join().expect("the load");
    });
    assert_eq!(tally.other, 0, "{tally:?}\n{}", stages[0].envoy.log());
    assert!(tally.limited > 0 && tally.slowest < Duration::from_secs(1), "{tally:?}");
    for stage in &stages {
        assert!(stage.envoy.log().contains("answers again"), "{}", stage.envoy.log());
    }
    // Two seconds after Redis is back, all spend one bucket again: what a new one had too much is gone.
    assert_one_bucket(&stages, begun);
}

#[test]
fn without_redis_each_proxy_has_what_it_was_configured_to() {
    let mut store = Store::start();
    store.redis.kill();
    let fleet =
        |when: &str| fleet(&keyed(r#"{"rate": "3/h"}"#), &format!(r#", "fleet": {{"when_unavailable": "{when}"}}"#));
    for (when, expected) in
        [("share", [200, 200, 200, 429]), ("open", [200, 200, 200, 200]), ("closed", [503, 503, 503, 503])]
    {
        let stage = proxy(&store, &fleet(when));
        let alice = Request::get("/").header("x-weir-user", "alice");
        let said: Vec<_> = (0..4).map(|_| status(&stage, &alice)).collect();
        assert_eq!(said, expected, "{when}\n{}", stage.envoy.log());
    }
}

#[test]
fn requests_with_bodies_wait_whole_for_redis() {
    let store = Store::start();
    let stage = proxy(&store, &patient(&keyed(r#"{"rate": "2/h"}"#)));
    let post = Request::new("POST", "/").header("x-weir-user", "bob").body(vec![b'x'; 100_000]);
    for expected in [200, 200, 429] {
        let answer = proxy::client::call(stage.envoy.address(), &post).unwrap();
        assert_eq!(answer.status, expected, "{}", stage.envoy.log());
        assert!(answer.headers.iter().any(|(name, value)| name == b"x-ratelimit-limit" && value == b"2"), "{answer:?}");
    }
    let bodies: Vec<_> = stage.origin.received().iter().map(|request| request.body.concat().len()).collect();
    assert_eq!(bodies, [100_000, 100_000]);
}

#[test]
fn a_bridge_of_the_other_dialect_leases_as_well() {
    let redis = Redis::start().unwrap();
    let upstash = Upstash::start(redis.address(), PASSWORD);
    let config = patient(&keyed(r#"{"rate": "2/h"}"#)).replace(r#""env""#, r#""dialect": "upstash", "env""#);
    let scenario = Scenario::new(&[("ratelimit", &config)]).environment("STATE_PASSWORD", PASSWORD);
    let stage =
        scenario.cluster_at("state", upstash.address()).envoy_only("the host reaches no Redis").envoy().unwrap();
    let carol = Request::get("/").header("x-weir-user", "carol");
    let said: Vec<_> = (0..3).map(|_| status(&stage, &carol)).collect();
    assert_eq!(said, [200, 200, 429], "{}", stage.envoy.log());
    assert!(
        Deadline::after(PATIENCE).wait_until(|| redis.call(&["ZCARD", "weir:fleet"]).unwrap() == Value::Integer(1))
    );
}

#[test]
fn redis_runs_the_arithmetic_that_the_simulation_does() {
    let redis = Redis::start().unwrap();
    let loaded = redis.call(&["SCRIPT", "LOAD", SCRIPT.source]).unwrap();
    assert_eq!(loaded, Value::Bytes(SCRIPT.words(Form::Digest)[1].into()));
    // The same, on the test's clock.
    let (clock, rest) = SCRIPT.source.split_once("local a,n").unwrap();
    assert!(clock.contains("TIME"));
    // Where a bucket lapses on Redis's own clock, a slow machine would decide.
    let (lapse, stays) = ("call('PEXPIRE',key,say(math.ceil(longest/1000)+1))", "call('PERSIST',key)");
    assert!(rest.contains(lapse));
    let script = format!("local now=tonumber(ARGV[#ARGV])\nlocal a,n{}", rest.replace(lapse, stays));
    let (mut state, mut now) = (7_u64, 1_767_225_600_000_000_u64);
    let mut roll = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let buckets = [(0, 1_000_000_000, 5), (0, 333_333_334, 3), (0, 1_000_000, 1000), (0, 86_400_000_000, 1)];
    let windows = [(1, 10_000_000_000, 20), (2, 10_000_000_000, 20), (1, 3_000_000_000, 2), (2, 60_000_000_000, 30)];
    for (index, (kind, length, most)) in buckets.into_iter().chain(windows).enumerate() {
        // In what time a token comes back, taken over all of them.
        let refill = if kind == 0 { length } else { length / most };
        let (mut model, key) = (model::Redis::default(), format!("bucket{index}"));
        for _ in 0..300 {
            now += roll(refill * 2 / 1000);
            let (least, want, back) = (1 + roll(2), 1 + roll(6), if roll(4) == 0 { roll(3) } else { 0 });
            let (held, reserve) = (roll(2_000_000), roll(2) * refill / 10_000);
            let patience = roll(2) * roll(3 * refill / 1000);
            let mut words: Vec<String> = ["3", "fleet", "seed", &key, "p", "5000000"].map(Into::into).into();
            words.push("0".repeat(32));
            words.extend([least, want, back, held, reserve, patience, 1].map(|number| number.to_string()));
            words.push("second".into());
            words.extend([kind, length, most].map(|number| number.to_string()));
            let expected = model.run(&words, now);
            words.push(now.to_string());
            let words: Vec<_> = ["EVAL", &script].into_iter().chain(words.iter().map(String::as_str)).collect();
            let Value::Bytes(said) = redis.call(&words).unwrap() else { panic!("no text") };
            assert_eq!(Reply::Bytes(said), expected, "{words:?}");
        }
    }
}

#[test]
fn a_fleet_without_a_store_is_refused() {
    let config = r#"{"rules": [{"name": "a", "key": ["user"], "limit": {"rate": "1/s"}, "scope": "fleet"}]}"#;
    let expected = "configuration refused: rules[0].scope: a fleet needs `state`, where its proxies meet";
    refuses("ratelimit", config, expected);
}
