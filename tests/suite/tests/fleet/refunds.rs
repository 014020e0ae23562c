//! What a request has paid to the fleet that a limit behind refuses, and what several limits do while Redis is away.

use proxy::Request;
use suite::{EnvoyStage, Scenario};

use crate::store::{PASSWORD, Store};
use crate::{PATIENT, status};

/// Callers' limits of the fleet in front of an upstream's, of which a proxy has one request in an hour.
const UPSTREAM: &str = r#"{"rules": [{"name": "upstream", "match": {"prefix": "/limited"}, "key": ["upstream"], "upstream": "u",
    "limit": {"rate": "1/h"}}]}"#;

/// The fleet's limits in front of it, with these words more; a caller of no upstream counts under its own name.
fn stage(store: &Store, limits: &str, more: &str) -> EnvoyStage {
    let users =
        format!(r#"{{"scope": "fleet", "rules": [{{"name": "users", "key": ["user"], "limits": [{limits}]}}]{more}}}"#);
    let chain = Scenario::new(&[("ratelimit", users.as_str()), ("ratelimit", UPSTREAM)]).workers(1);
    let chain = chain.environment("STATE_PASSWORD", PASSWORD).cluster_at("state", store.webdis.address());
    chain.envoy_only("the host reaches no Redis").envoy().unwrap_or_else(|report| panic!("{report}"))
}

fn ask(stage: &EnvoyStage, path: &str, user: &str) -> u16 {
    status(stage, &Request::get(path).header("x-weir-user", user))
}

#[test]
fn a_request_that_a_limit_behind_refuses_costs_the_fleet_nothing() {
    let store = Store::start();
    for limits in [
        r#"{"rate": "4/h"}"#,
        r#"{"count": 4, "window": "1d", "algorithm": "sliding_window"}"#,
        r#"{"count": 4, "window": "300d", "algorithm": "fixed_window"}, {"rate": "9/h"}"#,
    ] {
        store.redis.call(&["FLUSHALL"]).unwrap();
        let stage = stage(&store, limits, PATIENT);
        assert_eq!(ask(&stage, "/limited", "alice"), 200, "{limits}\n{}", stage.envoy.log());
        for _ in 0..5 {
            assert_eq!(ask(&stage, "/limited", "alice"), 429, "{limits}");
        }
        let said: Vec<_> = (0..4).map(|_| ask(&stage, "/", "alice")).collect();
        assert_eq!(said, [200, 200, 200, 429], "{limits}\n{}", stage.envoy.log());
        assert_eq!(stage.origin.received().len(), 4, "{limits}");
    }
}

#[test]
fn what_is_refused_behind_is_as_good_as_not_leased() {
    let store = Store::start();
    // A second's burst at an hour's refusals: without what comes back, the fortieth would find nothing.
    let stage = stage(&store, r#"{"rate": "20/s", "burst": 20}"#, PATIENT);
    assert_eq!(ask(&stage, "/limited", "alice"), 200, "{}", stage.envoy.log());
    for _ in 0..200 {
        let answer =
            proxy::client::call(stage.envoy.address(), &Request::get("/limited").header("x-weir-user", "alice"))
                .unwrap();
        assert_eq!(answer.status, 429);
        // It is the upstream's limit that refuses, of which a caller hears that it ends in an hour.
        let after: u64 = answer.text("retry-after").unwrap().parse().unwrap();
        assert!(after > 3000, "{after}: {answer:?}\n{}", stage.envoy.log());
    }
}

#[test]
fn what_is_refused_behind_costs_nothing_of_a_share_either() {
    let users =
        r#"{"state": {}, "scope": "fleet", "rules": [{"name": "users", "key": ["user"], "limit": {"rate": "3/h"}}]}"#;
    let chain = Scenario::new(&[("ratelimit", users), ("ratelimit", UPSTREAM)]).workers(1).cluster("state");
    chain.check(
        "
        # What is to be the bridge to Redis.
        origin / 503
        GET /limited x-weir-user=a -> 200
        5 times GET /limited x-weir-user=a -> 429 retry-after>=3000
        2 times GET /other x-weir-user=a -> 200
        GET /other x-weir-user=a -> 429 retry-after<=1200
        ",
    );
}
