//! Limits that several proxies keep together: real Envoys on one Redis, behind a real webdis.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Client, Redis, Request, Upstash, Webdis};
use suite::{EnvoyStage, Scenario, refuses};

/// The password that the shipped configuration of webdis is to be given another one for.
const PASSWORD: &str = "change-me";

/// A real Redis behind a real webdis, as it is configured to run in production.
struct Store {
    redis: Redis,
    webdis: Webdis,
}

impl Store {
    fn start() -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envoy/state/webdis.json");
        let settings = serde_json::from_slice(&std::fs::read(shipped).unwrap()).unwrap();
        let redis = Redis::start().unwrap();
        let webdis = Webdis::start(redis.port(), &settings).unwrap();
        Self { redis, webdis }
    }

    /// One proxy of a fleet.
    fn proxy(&self, config: &str) -> EnvoyStage {
        let scenario = Scenario::new(&[("ratelimit", config)]).environment("STATE_PASSWORD", PASSWORD);
        let scenario = scenario.cluster_at("state", self.webdis.address()).workers(2);
        scenario.envoy_only("the host reaches no Redis").envoy().unwrap_or_else(|report| panic!("{report}"))
    }
}

/// A filter with these rules, and more members.
fn fleet(rules: &str, more: &str) -> String {
    format!(r#"{{"state": {{"env": "STATE_PASSWORD"}}, "scope": "fleet", "rules": [{rules}]{more}}}"#)
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
        clients.into_iter().for_each(|client| sum.add(client.join().expect("a client")));
    });
    sum
}

#[test]
fn three_proxies_spend_one_bucket() {
    let store = Store::start();
    let config = fleet(&format!("{}, {}", shared(r#"{"rate": "5/h"}"#), keyed(r#"{"rate": "1000/h"}"#)), "");
    let stages = [store.proxy(&config), store.proxy(&config), store.proxy(&config)];
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
    let config = fleet(&shared(r#"{"rate": "300/d"}"#), "");
    let stages = [store.proxy(&config), store.proxy(&config), store.proxy(&config)];
    let tally = load(&stages, 4, 200, &AtomicBool::new(false));
    assert_eq!((tally.passed, tally.other), (300, 0), "{tally:?}\n{}", stages[0].envoy.log());
}

#[test]
fn three_proxies_admit_at_most_a_fast_limit_and_nearly_all_of_it() {
    let store = Store::start();
    let config = fleet(&shared(r#"{"rate": "200/s", "burst": 400}"#), "");
    let stages = [store.proxy(&config), store.proxy(&config), store.proxy(&config)];
    let (is_over, begun) = (AtomicBool::new(false), Instant::now());
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let clients = scope.spawn(|| load(&stages, 3, usize::MAX, &is_over));
        thread::sleep(Duration::from_secs(5));
        is_over.store(true, Ordering::Relaxed);
        tally = clients.join().expect("the load");
    });
    let most = 400.0 + 200.0 * begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let passed = tally.passed as f64;
    assert!(passed <= most && passed >= 0.9 * (400.0 + 200.0 * 5.0), "{tally:?} of {most}\n{}", stages[0].envoy.log());
    assert_eq!(tally.other, 0, "{tally:?}");
}
