//! A Redis that hangs instead of being gone, and what several limits of a fleet do without one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proxy::{Reply, Request};
use suite::stage::Stage;
use suite::{HostStage, Scenario};

use crate::store::{PASSWORD, Store};
use crate::{Tally, assert_one_bucket, fleet, keyed, last, load, load_for, proxy, shared, status};

#[test]
fn a_redis_that_hangs_keeps_nobody_waiting_and_shares_hold_until_it_goes_on() {
    let store = Store::start();
    let rules = [shared(r#"{"rate": "200/s", "burst": 400}"#), keyed(r#"{"rate": "5000/s"}"#)].join(", ");
    let config = fleet(&rules, r#", "fleet": {"budget": "100ms"}"#);
    let stages = [proxy(&store, &config), proxy(&store, &config), proxy(&store, &config)];
    let (before, _) = load_for(&stages, 2);
    assert_eq!(before.other, 0, "{before:?}\n{}", stages[0].envoy.log());
    store.redis.pause().unwrap();
    let (first, _) = load_for(&stages, 1);
    let (second, lasted) = load_for(&stages, 2);
    for tally in [first, second] {
        assert_eq!(tally.other, 0, "{tally:?}\n{}", stages[0].envoy.log());
        // The budget, and what a busy machine takes for anything: exactly, it is shown below, on a clock of the test's.
        assert!(tally.slowest < Duration::from_millis(900), "{tally:?}");
    }
    // The shares of three are the limit; what their buckets held at first may be spent at any time.
    let most = 400.0 + 200.0 * lasted.as_secs_f64();
    assert!(second.passed as f64 <= most && second.passed as f64 >= 200.0, "{second:?} of {most}");
    let (is_over, mut begun) = (AtomicBool::new(false), Instant::now());
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let clients = scope.spawn(|| load(&stages, 3, usize::MAX, &is_over));
        store.redis.resume().unwrap();
        last(2);
        begun = Instant::now();
        is_over.store(true, Ordering::Relaxed);
        tally = clients.join().expect("the load");
    });
    assert_eq!(tally.other, 0, "{tally:?}\n{}", stages[0].envoy.log());
    assert_one_bucket(&stages, begun);
}

#[test]
fn without_redis_several_limits_do_together_what_was_configured() {
    let mut store = Store::start();
    store.redis.kill();
    let local = r#"{"name": "local", "key": ["user"], "scope": "proxy", "limit": {"rate": "5/h"}}"#;
    let rules = [keyed(r#"{"rate": "3/h"}"#), shared(r#"{"rate": "4/h"}"#), local.to_owned()].join(", ");
    for (when, expected) in [
        ("share", [200, 200, 200, 429, 429, 429]),
        ("open", [200, 200, 200, 200, 200, 429]),
        ("closed", [503, 503, 503, 503, 503, 503]),
    ] {
        let stage = proxy(&store, &fleet(&rules, &format!(r#", "fleet": {{"when_unavailable": "{when}"}}"#)));
        let alice = Request::get("/").header("x-weir-user", "alice");
        let said: Vec<_> = (0..6).map(|_| status(&stage, &alice)).collect();
        assert_eq!(said, expected, "{when}\n{}", stage.envoy.log());
        if when == "share" {
            // What was refused to one has cost nothing of the share of all.
            let bob = Request::get("/").header("x-weir-user", "bob");
            assert_eq!([status(&stage, &bob), status(&stage, &bob)], [200, 429], "{}", stage.envoy.log());
        }
    }
}

#[test]
fn without_redis_a_limit_in_the_shadow_refuses_nothing_and_keeps_others_from_nothing() {
    let mut store = Store::start();
    store.redis.kill();
    let shadow = shared(r#"{"rate": "1/h"}"#).replacen('{', r#"{"shadow": true, "#, 1);
    let local = r#"{"name": "local", "key": ["user"], "scope": "proxy", "limit": {"rate": "3/h"}}"#;
    for when in ["share", "open", "closed"] {
        let more = format!(r#", "fleet": {{"when_unavailable": "{when}"}}"#);
        let stage = proxy(&store, &fleet(&[shadow.as_str(), local].join(", "), &more));
        let alice = Request::get("/").header("x-weir-user", "alice");
        let said: Vec<_> = (0..5).map(|_| status(&stage, &alice)).collect();
        assert_eq!(said, [200, 200, 200, 429, 429], "{when}\n{}", stage.envoy.log());
    }
}

/// What a request may wait for Redis, and how often who waits is looked at.
const BUDGET: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(5);

/// Workers on a clock of the test's, whose Redis is asked at `/store` and does not answer.
fn hanging(rules: &[String], when: &str, workers: usize) -> HostStage {
    let bridge = r#""state": {"env": "STATE_PASSWORD", "path": "/store", "timeout": "1s"}"#;
    let rules = rules.join(", ");
    let fleet = format!(r#""fleet": {{"budget": "100ms", "when_unavailable": "{when}"}}"#);
    let config = format!(r#"{{{bridge}, "scope": "fleet", {fleet}, "rules": [{rules}]}}"#);
    let scenario = Scenario::new(&[("ratelimit", &config)]).environment("STATE_PASSWORD", PASSWORD).cluster("state");
    let mut stage = scenario.workers(workers).host().unwrap();
    stage.answer(Some("/store"), Reply::status(200).held());
    stage
}

/// Sends a request every so often, and says how long each has waited, to the millisecond, and what it was answered.
fn waits(stage: &mut HostStage, worker: usize, every: u32, requests: u32) -> Vec<(Duration, u16)> {
    let (mut open, mut waits) = (Vec::new(), Vec::new());
    for millisecond in 0.. {
        if millisecond % every == 0 && millisecond / every < requests {
            let user = format!("{millisecond}");
            open.push((stage.host.now(), stage.host.open(worker, host::Request::get("/").header("x-weir-user", user))));
        }
        stage.host.poll();
        let now = stage.host.now();
        open.retain(|(since, stream)| {
            let response = stage.host.exchange(*stream).response;
            waits.extend(response.iter().map(|response| (now.saturating_sub(*since), response.status())));
            response.is_none()
        });
        if waits.len() == requests as usize {
            break;
        }
        assert!(millisecond < 10_000, "{open:?}");
        stage.host.advance(Duration::from_millis(1));
    }
    waits
}

#[test]
fn nobody_waits_for_redis_longer_than_the_budget_and_one_look() {
    let rules = [keyed(r#"{"rate": "1000/h"}"#), shared(r#"{"rate": "1000/s"}"#)];
    for (when, status) in [("share", 200), ("open", 200), ("closed", 503)] {
        for every in [1, 7, 60, 99, 101, 450] {
            let mut stage = hanging(&rules, when, 1);
            let waits = waits(&mut stage, 0, every, 20);
            assert!(waits.iter().all(|(_, said)| *said == status), "{when}, every {every} ms: {waits:?}");
            // The first has all of its budget; who comes later is let go with it, or finds that Redis is away.
            assert!((BUDGET..=BUDGET + LOOK).contains(&waits[0].0), "{when}, every {every} ms: {waits:?}");
            assert!(waits.iter().all(|(waited, _)| *waited <= BUDGET + LOOK), "{when}, every {every} ms: {waits:?}");
        }
    }
}

/// Sends requests together, and says at which of so many milliseconds each was answered, and what.
fn line_up(stage: &mut HostStage, requests: usize, millis: u64) -> Vec<(u64, u16)> {
    let mut open: Vec<_> = (0..requests).map(|_| stage.host.open(0, host::Request::get("/"))).collect();
    let mut said = Vec::new();
    for millisecond in 0..=millis {
        stage.host.poll();
        open.retain(|stream| {
            let response = stage.host.exchange(*stream).response;
            said.extend(response.iter().map(|response| (millisecond, response.status())));
            response.is_none()
        });
        stage.host.advance(Duration::from_millis(1));
    }
    assert!(open.is_empty(), "{} of {requests} still wait: {said:?}", open.len());
    said
}

#[test]
fn a_redis_that_hangs_holds_up_no_line() {
    let limit = r#"{"rate": "1/s", "burst": 1, "when_empty": {"queue": {"max_wait": "10s"}}}"#;
    for (when, expected) in [("share", 200), ("open", 200), ("closed", 503)] {
        for answers in [false, true] {
            let mut stage = hanging(&[shared(limit)], when, 1);
            if answers {
                // One has passed, and the next is there in a second; it is asked for then, and nothing comes.
                let one = format!("1 {} 1 0 1000000 0 1000000 0 0", "0".repeat(32));
                let stream = stage.host.open(0, host::Request::get("/"));
                stage.host.advance(Duration::from_millis(5));
                let call = stage.host.held()[0].call;
                stage.host.release(call, host::Answer::status(200).body(format!("${}\r\n{one}\r\n", one.len())));
                stage.host.advance(Duration::from_millis(5));
                let response = stage.host.exchange(stream).response;
                assert_eq!(response.map(|response| response.status()), Some(200), "{when}");
            }
            let said = line_up(&mut stage, 3, 5_000);
            assert!(said.iter().all(|(_, status)| *status == expected), "{when}: {said:?}");
            // The first waits for a budget after it was asked for, and one more look at the line.
            let asked_at = if answers { 990..=1000 } else { 0..=1 };
            let within = asked_at.start() + 100..=asked_at.end() + 110;
            assert!(within.contains(&said[0].0), "{when}, {answers}: {said:?}");
            // A share has a pace of its own; otherwise nobody waits for Redis again.
            let pace = if when == "share" { 1_000..=1_110 } else { 0..=0 };
            assert!(said.windows(2).all(|two| pace.contains(&(two[1].0 - two[0].0))), "{when}, {answers}: {said:?}");
        }
    }
}

#[test]
fn what_one_worker_has_waited_for_no_other_waits_for_again() {
    for pause in [0, 1, 2, 5, 20, 50, 99] {
        let mut stage = hanging(&[shared(r#"{"rate": "1000/h"}"#)], "share", 2);
        assert!(waits(&mut stage, 0, 1, 1)[0].0 >= BUDGET);
        stage.host.advance(Duration::from_millis(pause));
        // It is looked at once before anything is asked for it.
        let (waited, _) = waits(&mut stage, 1, 1, 1)[0];
        assert!(waited <= LOOK, "{waited:?}, {pause} ms after Redis was found away");
    }
}

#[test]
fn an_answer_within_the_budget_is_waited_for_and_none_that_leads_to_another_question_prolongs_it() {
    let seed = "0".repeat(32);
    let one = format!("1 {seed} 1 0 0 999 1000 0 0");
    let good = format!("${}\r\n{one}\r\n", one.len());
    let (all, each) = (shared(r#"{"rate": "1000/h"}"#), keyed(r#"{"rate": "1000/h"}"#));
    for (rules, reply, status) in [
        (&[all.clone()][..], good.as_str(), 200),
        // Users are known to the fleet under a seed that comes with the first answer, so there is another question.
        (&[all.clone(), each], &good, 503),
        (&[all], "-NOSCRIPT No matching script.\r\n", 503),
    ] {
        let mut stage = hanging(rules, "closed", 1);
        let said = |stage: &HostStage, stream| stage.host.exchange(stream).response.map(|response| response.status());
        let stream = stage.host.open(0, host::Request::get("/").header("x-weir-user", "alice"));
        stage.host.advance(BUDGET.checked_sub(Duration::from_millis(2)).unwrap());
        assert_eq!(said(&stage, stream), None);
        let call = stage.host.held()[0].call;
        stage.host.release(call, host::Answer::status(200).body(reply));
        assert_eq!(said(&stage, stream), (status == 200).then_some(200), "{reply}");
        assert_eq!(stage.host.held().len(), usize::from(status == 503), "{reply}");
        stage.host.advance(Duration::from_millis(2) + LOOK);
        assert_eq!(said(&stage, stream), Some(status), "{reply}");
    }
}
