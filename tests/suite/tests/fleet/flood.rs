//! Floods of clients that come once, and a Redis that has no room: who has spent a limit of the fleet has spent it all the same.

use std::thread;
use std::time::{Duration, Instant};

use proxy::deadline::{Deadline, PATIENCE};
use proxy::redis::Value;
use proxy::{Client, Request};
use suite::EnvoyStage;

use crate::store::Store;
use crate::{fleet, keyed, patient, proxy, status};

/// As many clients of each flood as a proxy has slots, so many times.
const SLOTS: usize = 64;
const TIMES: usize = 40;

fn of(user: &str) -> Request {
    Request::get("/").header("x-weir-user", user)
}

/// Sends requests that no user sends twice, over so many connections at once; all must pass.
fn flood(stage: &EnvoyStage, name: &str, requests: usize) {
    const CONNECTIONS: usize = 16;
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            scope.spawn(move || {
                let mut client = Client::connect(stage.envoy.address()).unwrap();
                for request in (connection..requests).step_by(CONNECTIONS) {
                    let said = client.call(&of(&format!("{name}-{request}"))).map(|answer| answer.status);
                    assert_eq!(said.unwrap(), 200, "{}", stage.envoy.log());
                }
            });
        }
    });
}

#[test]
fn a_flood_of_strangers_frees_nobody_who_has_spent_a_limit_of_the_fleet() {
    // Asked of Redis for each request: a bucket, and a window. Leased ahead: a bucket that is full again after a minute.
    for (limit, most) in [
        (r#"{"rate": "5/h"}"#, 5),
        (r#"{"count": 5, "window": "1h", "algorithm": "sliding_window"}"#, 5),
        (r#"{"rate": "10/s", "burst": 600}"#, 600),
    ] {
        let store = Store::start();
        let config = patient(&keyed(limit)).replacen('{', &format!(r#"{{"slots": {SLOTS}, "#), 1);
        let stage = proxy(&store, &config);
        let mut client = Client::connect(stage.envoy.address()).unwrap();
        let (mut passed, begun) = (0, Instant::now());
        // What comes back meanwhile is spent, too.
        while client.call(&of("alice")).unwrap().status == 200 {
            passed += 1;
            assert!(begun.elapsed() < Duration::from_secs(30), "{limit}: {passed}");
        }
        assert!(passed >= most, "{limit}: {passed} passed");
        let spent = Instant::now();
        flood(&stage, "stranger", SLOTS * TIMES);
        let after = (0..most).take_while(|_| client.call(&of("alice")).unwrap().status == 200).count();
        // No more than what the limit itself gives back in that time, which is nothing or ten a second, and a lease of it.
        let is_slow = most == 5;
        let most = if is_slow { 0 } else { 10 * spent.elapsed().as_secs() as usize + 30 };
        assert!(after <= most, "{limit}: {after} after {:?}", spent.elapsed());
        // Whichever worker a new connection is given to.
        let refused = (0..10).all(|_| status(&stage, &of("alice")) == 429);
        assert!(refused || !is_slow, "{limit}\n{}", stage.envoy.log());
    }
}

#[test]
fn a_redis_that_is_full_is_one_that_is_away() {
    let store = Store::start();
    let set = |name: &str, value: &str| {
        assert_eq!(store.redis.call(&["CONFIG", "SET", name, value]).unwrap(), Value::Status("OK".into()));
    };
    set("maxmemory-policy", "noeviction");
    let rule = keyed(r#"{"rate": "3/h"}"#);
    for (when, expected) in
        [("share", [200, 200, 200, 429]), ("open", [200, 200, 200, 200]), ("closed", [503, 503, 503, 503])]
    {
        let more = format!(r#", "fleet": {{"budget": "5s", "when_unavailable": "{when}"}}"#);
        let stage = store.scenario("ratelimit", &fleet(&rule, &more)).workers(1).envoy().unwrap();
        let user = |name: &str| of(&format!("{name}-{when}"));
        assert_eq!(status(&stage, &user("bob")), 200, "{when}\n{}", stage.envoy.log());
        set("maxmemory", "1");
        assert!(stage.envoy.wait_for_log("fleet: state does not answer: OOM"), "{when}\n{}", stage.envoy.log());
        let said: Vec<_> = (0..4).map(|_| status(&stage, &user("alice"))).collect();
        assert_eq!(said, expected, "{when}\n{}", stage.envoy.log());
        set("maxmemory", "0");
        assert!(stage.envoy.wait_for_log("fleet: state answers again"), "{when}\n{}", stage.envoy.log());
        // The worker hears of it, too: it asks Redis about a stranger.
        let known = || {
            let Value::List(keys) = store.redis.call(&["KEYS", "weir:limit:users:*"]).unwrap() else {
                panic!("a list")
            };
            keys.len()
        };
        let (before, mut stranger) = (known(), 0);
        let is_back = Deadline::after(PATIENCE).wait_until(|| {
            stranger += 1;
            status(&stage, &user(&stranger.to_string()));
            known() > before
        });
        assert!(is_back, "{when}\n{}", stage.envoy.log());
        // What was spent before is spent, and not a token more.
        let said: Vec<_> = (0..3).map(|_| status(&stage, &user("bob"))).collect();
        assert_eq!(said, [200, 200, 429], "{when}\n{}", stage.envoy.log());
    }
}
