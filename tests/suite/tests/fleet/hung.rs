//! A Redis that hangs instead of being gone, and what several limits of a fleet do without one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proxy::Request;

use crate::store::Store;
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
        // The budget, and what a busy machine takes for anything.
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
