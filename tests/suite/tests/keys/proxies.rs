//! What no line can say: keys under continuous load in a real Envoy, and workers of the host that die.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proxy::{Client, Origin, Reply, Request};
use suite::EnvoyStage;

use super::{config, scenario, token, tokens};
use crate::tokens::{Algorithm, mint};

/// How many clients ask at once.
const CLIENTS: usize = 8;

/// A real Envoy of four workers.
fn envoy(fetch: &str) -> EnvoyStage {
    scenario(fetch, "").workers(4).envoy().unwrap_or_else(|report| panic!("{report}"))
}

fn publish(origin: &Origin, algorithms: &[Algorithm]) {
    origin.answer(Some("/jwks.json"), Reply::status(200).body(tokens::published(algorithms)));
}

/// How often the issuer was asked.
fn fetches(origin: &Origin) -> usize {
    origin.received().iter().filter(|request| request.path() == b"/jwks.json").count()
}

fn ask(stage: &EnvoyStage, token: &str) -> u16 {
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    proxy::client::call(stage.envoy.address(), &request).expect("an answer").status
}

/// Sends requests on connections of their own until the end of `meanwhile`; answers how many got which status. 0 is none.
fn under_load(stage: &EnvoyStage, token: impl Fn() -> String + Sync, meanwhile: impl FnOnce()) -> BTreeMap<u16, usize> {
    let is_over = AtomicBool::new(false);
    let client = || {
        let mut statuses = Vec::new();
        let mut client = Client::connect(stage.envoy.address()).expect("a connection");
        while !is_over.load(Ordering::Relaxed) {
            let request = Request::get("/").header("authorization", format!("Bearer {}", token()));
            statuses.push(client.call(&request).map_or(0, |answer| answer.status));
        }
        statuses
    };
    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let outcome = panic::catch_unwind(AssertUnwindSafe(meanwhile));
        // Whatever went wrong meanwhile: clients that went on forever would hide it.
        is_over.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|cause| panic::resume_unwind(cause));
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    let mut counts = BTreeMap::new();
    for status in statuses {
        *counts.entry(status).or_default() += 1;
    }
    counts
}

/// All got this status, and they were enough to say something.
#[track_caller]
fn all(counts: &BTreeMap<u16, usize>, status: u16, stage: &EnvoyStage) {
    let is_so = counts.keys().eq([&status]) && counts.values().sum::<usize>() > 20;
    assert!(is_so, "{counts:?}\n{}", stage.envoy.log());
}

/// Waits until every worker has keys.
fn settle(stage: &EnvoyStage) {
    let deadline = proxy::deadline::Deadline::after(Duration::from_secs(10));
    assert!(deadline.wait_until(|| (0..20).all(|_| ask(stage, &token()) == 200)), "{}", stage.envoy.log());
}

/// Waits until the issuer has been asked so many times more.
fn until_fetched(stage: &EnvoyStage, times: usize) {
    let wanted = fetches(&stage.origin) + times;
    let deadline = proxy::deadline::Deadline::after(Duration::from_secs(20));
    assert!(deadline.wait_until(|| fetches(&stage.origin) >= wanted), "{}", stage.envoy.log());
}

/// Waits until so many requests more have passed, fetches included.
fn until_served(stage: &EnvoyStage, times: usize) {
    let wanted = stage.origin.received().len() + times;
    assert!(stage.origin.wait_for(wanted, Duration::from_secs(20)) >= wanted, "{}", stage.envoy.log());
}

#[test]
fn a_rotation_with_overlap_loses_no_request() {
    let stage = envoy(r#", "refresh": "1s""#);
    let is_new = AtomicBool::new(false);
    let (old, new) = (token(), mint(Algorithm::Es256, r#""sub": "alice""#));
    publish(&stage.origin, &[Algorithm::EdDsa]);
    settle(&stage);
    let bearer = || if is_new.load(Ordering::Relaxed) { new.clone() } else { old.clone() };
    let counts = under_load(&stage, bearer, || {
        // The second one begins when all workers know the first.
        publish(&stage.origin, &[Algorithm::EdDsa, Algorithm::Es256]);
        until_fetched(&stage, 2);
        is_new.store(true, Ordering::Relaxed);
        until_served(&stage, 100);
        publish(&stage.origin, &[Algorithm::Es256]);
        until_fetched(&stage, 2);
    });
    all(&counts, 200, &stage);
    assert_eq!(ask(&stage, &old), 401, "the old key is gone");
}

#[test]
fn a_rotation_without_overlap_loses_no_request_that_may_wait() {
    let stage = envoy(r#", "wait": "5s""#);
    let is_new = AtomicBool::new(false);
    let (old, new) = (token(), mint(Algorithm::Es256, r#""sub": "alice""#));
    publish(&stage.origin, &[Algorithm::EdDsa]);
    settle(&stage);
    let before = fetches(&stage.origin);
    let bearer = || if is_new.load(Ordering::Relaxed) { new.clone() } else { old.clone() };
    let counts = under_load(&stage, bearer, || {
        until_served(&stage, 100);
        publish(&stage.origin, &[Algorithm::Es256]);
        is_new.store(true, Ordering::Relaxed);
        until_served(&stage, 200);
    });
    all(&counts, 200, &stage);
    assert_eq!(fetches(&stage.origin) - before, 1);
}

#[test]
fn a_flood_of_unknown_keys_makes_one_fetch_in_a_cooldown() {
    let stage = envoy(r#", "cooldown": "2s", "wait": "0", "waiting_max": 16"#);
    publish(&stage.origin, &[Algorithm::EdDsa]);
    settle(&stage);
    let (begun, before) = (Instant::now(), fetches(&stage.origin));
    let next = AtomicUsize::new(0);
    let other = || tokens::mint_under(&format!("k{}", next.fetch_add(1, Ordering::Relaxed)));
    let counts = under_load(&stage, other, || until_fetched(&stage, 2));
    let (most, made) = (begun.elapsed().as_secs() / 2 + 1, fetches(&stage.origin) - before);
    all(&counts, 401, &stage);
    assert!(made >= 2 && made as u64 <= most, "{made} fetches, {counts:?}");
    assert_eq!(ask(&stage, &token()), 200);
}

#[test]
fn an_outage_is_survived_as_long_as_keys_are_kept() {
    let stage = envoy(r#", "refresh": "500ms", "keep": "4s", "wait": "100ms""#);
    publish(&stage.origin, &[Algorithm::EdDsa]);
    settle(&stage);
    stage.origin.answer(Some("/jwks.json"), Reply::status(503));
    let counts = under_load(&stage, token, || until_fetched(&stage, 2));
    all(&counts, 200, &stage);
    let deadline = proxy::deadline::Deadline::after(Duration::from_secs(20));
    assert!(deadline.wait_until(|| (0..20).all(|_| ask(&stage, &token()) == 503)), "{}", stage.envoy.log());
    let counts = under_load(&stage, token, || drop((0..20).map(|_| ask(&stage, &token())).collect::<Vec<_>>()));
    all(&counts, 503, &stage);
    publish(&stage.origin, &[Algorithm::EdDsa]);
    settle(&stage);
}

#[test]
fn another_worker_takes_over_from_one_that_dies_while_it_fetches() {
    let fetch = r#", "wait": "20s", "timeout": "5s""#;
    let mut stage = scenario(fetch, "").workers(3).host().unwrap_or_else(|report| panic!("{report}"));
    suite::stage::Stage::answer(&mut stage, Some("/jwks.json"), Reply::status(200).held());
    let request = || host::Request::new("GET", "/").header("authorization", format!("Bearer {}", token()));
    stage.host.advance(Duration::from_millis(200));
    let leaders = |host: &host::Host| host.held().iter().map(|arrival| arrival.worker).collect::<Vec<_>>();
    let [leader] = leaders(&stage.host)[..] else { panic!("one leads") };
    let survivor = (leader + 1) % 3;
    let waiting = stage.host.send(survivor, request()).stream;
    stage.host.crash(leader, "auth");
    stage.host.advance(Duration::from_secs(5));
    assert!(!leaders(&stage.host).iter().any(|worker| *worker != leader), "its lease has not run out");
    stage.host.advance(Duration::from_secs(2));
    let heirs: Vec<_> = leaders(&stage.host).into_iter().filter(|worker| *worker != leader).collect();
    assert_eq!(heirs.len(), 1, "{:?}", stage.host.log());
    let document = tokens::published(&[Algorithm::EdDsa]);
    suite::stage::Stage::answer(&mut stage, Some("/jwks.json"), Reply::status(200).body(document));
    stage.host.advance(Duration::from_secs(8));
    let exchange = stage.host.exchange(waiting);
    assert_eq!(exchange.response.map(|response| response.status()), Some(200), "{:?}", stage.host.log());
}

#[test]
fn another_configuration_keeps_the_keys() {
    let mut stage = scenario("", "").host().unwrap_or_else(|report| panic!("{report}"));
    let document = tokens::published(&[Algorithm::EdDsa]);
    suite::stage::Stage::answer(&mut stage, Some("/jwks.json"), Reply::status(200).body(document));
    let request = || host::Request::new("GET", "/").header("authorization", format!("Bearer {}", token()));
    stage.host.advance(Duration::from_secs(1));
    suite::stage::Stage::answer(&mut stage, Some("/jwks.json"), Reply::status(503));
    stage.host.reload("auth", config("", r#", "leeway": "10s""#)).expect("it is good");
    for worker in [0, 1] {
        let exchange = stage.host.send(worker, request());
        assert_eq!(exchange.response.map(|response| response.status()), Some(200), "{:?}", stage.host.log());
    }
    let asked = stage.host.arrivals().iter().filter(|arrival| arrival.path() == "/jwks.json").count();
    assert_eq!(asked, 1);
}
