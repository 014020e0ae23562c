//! An upstream that dies under load, and comes back: how many requests reach it before its breaker opens, and how many while it
//! probes. Real Envoys of two workers.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Client, Reply, Request};
use suite::stage::Stage;
use suite::{EnvoyStage, Scenario};

/// So many clients ask, each as soon as it is answered.
const CLIENTS: usize = 16;

/// How often the clients were answered what.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    refused: usize,
}

fn proxy(breaker: &str) -> EnvoyStage {
    let config = format!(r#"{{"breakers": {{"spotify": {breaker}}}, "routes": [{{"upstream": "spotify"}}]}}"#);
    let scenario = Scenario::new(&[("breaker", &config)]).workers(2).envoy_only("load is a real Envoy's");
    scenario.envoy().unwrap_or_else(|report| panic!("{report}"))
}

/// Asks on a connection of its own until it is over.
fn client(address: std::net::SocketAddr, is_over: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut client = Client::connect(address).unwrap();
    while !is_over.load(Ordering::Relaxed) {
        match client.call(&Request::get("/")).unwrap().status {
            200 => tally.passed += 1,
            500 => tally.failed += 1,
            503 => tally.refused += 1,
            other => panic!("{other}"),
        }
    }
    tally
}

/// Ends the load, also where the story fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Has all clients ask while `story` is told, and sums up what they were answered.
fn load(stage: &mut EnvoyStage, story: impl FnOnce(&mut EnvoyStage)) -> Tally {
    let (is_over, address) = (AtomicBool::new(false), stage.envoy.address());
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| client(address, &is_over))).collect();
        {
            let _end = End(&is_over);
            story(stage);
        }
        let tallies = clients.into_iter().map(|client| client.join().expect("a client"));
        tallies.fold(Tally::default(), |sum, one| Tally {
            passed: sum.passed + one.passed,
            failed: sum.failed + one.failed,
            refused: sum.refused + one.refused,
        })
    })
}

fn waits(stage: &EnvoyStage, text: &str) {
    assert!(stage.envoy.wait_for_log(text), "{text}\n{}", stage.envoy.log());
}

/// Waits until the upstream has seen so many requests.
fn sees(stage: &EnvoyStage, count: usize) {
    let seen = || stage.origin.received().len();
    assert!(Deadline::after(PATIENCE).wait_until(|| seen() >= count), "{} of {count}", seen());
}

#[test]
fn no_more_requests_reach_an_upstream_that_dies_than_open_its_breaker_and_were_under_way() {
    for (breaker, threshold) in [
        (r#"{"consecutive_failures": 5, "open_for": "1h"}"#, 5),
        (r#"{"consecutive_failures": 50, "open_for": "1h"}"#, 50),
        (r#"{"failure_rate": 50, "window": 20, "open_for": "1h"}"#, 10),
    ] {
        let mut stage = proxy(breaker);
        let tally = load(&mut stage, |stage| {
            sees(stage, 200);
            stage.answer(None, Reply::status(500));
            waits(stage, "spotify: open for 3600s after");
            let seen = stage.origin.received().len();
            refuses(stage, 500);
            assert!(stage.origin.received().len() <= seen + CLIENTS, "whoever was under way, and nobody after");
        });
        assert!(tally.passed > 100 && tally.refused > 500, "{tally:?}");
        assert!((threshold..=threshold + CLIENTS).contains(&tally.failed), "{breaker}: {tally:?}");
    }
}

/// Waits until so many more calls were refused.
fn refuses(stage: &EnvoyStage, more: usize) {
    let refused = || {
        let mut all = suite::series::read(&stage.envoy).into_iter();
        all.find(|(name, _)| name.contains("circuit_breaker_refusals_total")).map_or(0.0, |(_, count)| count)
    };
    let enough = refused() + f64::from(u32::try_from(more).unwrap());
    assert!(Deadline::after(PATIENCE).wait_until(|| refused() >= enough), "{} of {enough}", refused());
}

#[test]
fn an_upstream_that_recovers_sees_as_many_probes_as_there_may_be_and_no_herd() {
    let mut stage =
        proxy(r#"{"consecutive_failures": 5, "open_for": "3s", "half_open_requests": 3, "close_after": 3}"#);
    stage.answer(None, Reply::status(500));
    let tally = load(&mut stage, |stage| {
        waits(stage, "spotify: open for 3s after 5 consecutive failures");
        // Whoever was under way has been answered when so many others were refused.
        refuses(stage, 500);
        let before = stage.origin.received().len() + 3;
        stage.answer(None, Reply::status(200).held());
        waits(stage, "spotify: half-open after 3s");
        sees(stage, before);
        // All clients go on asking meanwhile, and none of them gets through.
        refuses(stage, 500);
        assert_eq!(stage.origin.received().len(), before, "three probes are under way, and no more");
        stage.answer(None, Reply::status(200));
        stage.release(None);
        waits(stage, "spotify: closed after 3 probes succeeded");
        sees(stage, before + 200);
    });
    assert!(tally.passed >= 200 && tally.refused > 500, "{tally:?}");
    assert!((5..=5 + CLIENTS).contains(&tally.failed), "{tally:?}");
}
