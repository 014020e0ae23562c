//! An operator of a fleet: orders reach every proxy through its Redis, or say that they have not.

use proxy::Request;
use proxy::deadline::{Deadline, PATIENCE};
use proxy::redis::Value;
use suite::{EnvoyStage, Scenario};

use super::store::{PASSWORD, Store};

const STATE: &str = r#""state": {"env": "STATE_PASSWORD", "timeout": "1s"}"#;

fn proxy(store: &Store) -> EnvoyStage {
    let admin =
        format!(r#"{{"operators": {{"role": "operator"}}, "cache": {{"name": "weir", "shared": true}}, {STATE}}}"#);
    let breaker = format!(
        r#"{{{STATE}, "breakers": {{"spotify": {{}}}}, "routes": [{{"match": {{"prefix": "/spotify"}}, "upstream": "spotify"}}]}}"#
    );
    let scenario = Scenario::new(&[("admin", &admin), ("breaker", &breaker)]);
    let scenario = scenario.environment("STATE_PASSWORD", PASSWORD).cluster_at("state", store.webdis.address());
    scenario.envoy_only("the host reaches no Redis").workers(2).envoy().unwrap_or_else(|report| panic!("{report}"))
}

/// A proxy whose limits are the fleet's: one for all callers, one for each user.
fn limited(store: &Store) -> EnvoyStage {
    let state = r#""state": {"env": "STATE_PASSWORD", "timeout": "5s"}"#;
    let admin = format!(r#"{{"operators": {{"role": "operator"}}, {state}}}"#);
    let rules = r#"{"name": "all", "key": ["upstream"], "upstream": "all", "match": {"prefix": "/all"}, "limit": {"rate": "2/h"}},
        {"name": "users", "key": ["user"], "upstream": "users", "match": {"prefix": "/users"}, "limit": {"rate": "1/h"}}"#;
    let ratelimit =
        format!(r#"{{{state}, "scope": "fleet", "fleet": {{"budget": "5s"}}, "slots": 16, "rules": [{rules}]}}"#);
    let scenario = Scenario::new(&[("admin", &admin), ("ratelimit", &ratelimit)]);
    let scenario = scenario.environment("STATE_PASSWORD", PASSWORD).cluster_at("state", store.webdis.address());
    scenario.envoy_only("the host reaches no Redis").workers(2).envoy().unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn limits_of_a_fleet_are_filled_for_all_of_its_proxies_or_not_at_all() {
    let mut store = Store::start();
    let stages = [limited(&store), limited(&store)];
    for (path, passes) in [("/all", 2), ("/users", 1)] {
        for turn in 0..passes {
            assert_eq!(ask(&stages[turn % 2], "GET", path).0, 200, "{path}");
        }
        for stage in &stages {
            becomes(stage, path, 429, "RATE_LIMITED");
        }
    }
    for (name, path) in [("all", "/all"), ("users", "/users")] {
        let reset = format!("/admin/rate-limits/{name}/reset");
        // A rule is told of a second after it is there.
        becomes(&stages[0], "/admin/rate-limits", 200, &format!(r#""name":"{name}""#));
        let (status, body) = ask(&stages[0], "POST", &reset);
        assert!(status == 200 && body.contains(r#""after":"full","reach":"fleet""#), "{status} {body}");
        assert_eq!(ask(&stages[0], "GET", path).0, 200, "at once here: {path}\n{}", stages[0].envoy.log());
    }
    // The other proxy has one token of the first limit left, as soon as it asks again.
    becomes(&stages[1], "/all", 200, "");
    becomes(&stages[1], "/users", 429, "");
    assert!(stages[0].envoy.wait_for_log(r#""what":"rate limit","target":"users""#));
    store.redis.kill();
    let (status, body) = ask(&stages[0], "POST", "/admin/rate-limits/all/reset");
    assert!(status == 503 && body.contains("SERVICE_UNAVAILABLE"), "{status} {body}");
    assert_eq!(stages[0].envoy.log().matches("audit ").count(), 2, "{}", stages[0].envoy.log());
}

fn ask(stage: &EnvoyStage, method: &str, path: &str) -> (u16, String) {
    let request = Request::new(method, path).header("x-weir-user", "olga").header("x-weir-roles", "operator");
    let answer = proxy::client::call(stage.envoy.address(), &request).unwrap();
    (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

/// Asks again and again until the answer is this one.
fn becomes(stage: &EnvoyStage, path: &str, status: u16, part: &str) {
    let mut last = (0, String::new());
    let became = Deadline::after(PATIENCE).wait_until(|| {
        last = ask(stage, "GET", path);
        last.0 == status && last.1.contains(part)
    });
    assert!(became, "{path}: {last:?}\n{}", stage.envoy.log());
}

#[test]
fn an_order_reaches_the_whole_fleet_and_none_is_half_given_without_redis() {
    let mut store = Store::start();
    let stages = [proxy(&store), proxy(&store)];
    for stage in &stages {
        becomes(stage, "/health", 200, r#""redis":"connected""#);
        becomes(stage, "/health", 200, r#""spotify":{"name":"spotify","state":"closed""#);
    }
    let (status, body) = ask(&stages[0], "POST", "/admin/circuit-breakers/spotify/force?state=forced_open&for=1h");
    assert!(status == 200 && body.contains(r#""after":"forced_open for 1h","reach":"fleet""#), "{status} {body}");
    for stage in &stages {
        becomes(stage, "/spotify", 503, "CIRCUIT_BREAKER_OPEN");
        becomes(stage, "/health", 200, r#""state":"forced_open""#);
    }
    let Value::Integer(left) = store.redis.call(&["TTL", "weir:breaker:order:spotify"]).unwrap() else { panic!() };
    assert!((3500..=3600).contains(&left), "{left}");
    let (status, body) = ask(&stages[1], "POST", "/admin/circuit-breakers/reset-all");
    assert!(status == 200 && body.contains(r#""before":"forced_open","after":"reset","reach":"fleet""#), "{body}");
    for stage in &stages {
        becomes(stage, "/spotify", 200, "");
    }
    assert!(stages[1].envoy.wait_for_log(r#""target":"spotify","before":"forced_open","after":"reset""#));
    let purge = "/admin/cache/invalidate?tag=t-1";
    let (status, body) = ask(&stages[0], "POST", purge);
    assert!(status == 200 && body.contains(r#""reach":"fleet""#), "{status} {body}");
    store.redis.kill();
    becomes(&stages[0], "/health", 503, r#""status":"unhealthy","redis":"away""#);
    let (status, body) = ask(&stages[0], "POST", purge);
    assert!(status == 200 && body.contains(r#""reach":"proxy""#), "nobody is promised a fleet: {status} {body}");
    assert_eq!(ask(&stages[0], "GET", "/health/ready").0, 200, "the filters go on without it");
    assert_eq!(ask(&stages[0], "GET", "/health/live").0, 200);
    let (status, body) = ask(&stages[0], "POST", "/admin/circuit-breakers/spotify/force?state=forced_open");
    assert!(status == 503 && body.contains("SERVICE_UNAVAILABLE"), "{status} {body}");
    let log = stages[0].envoy.log();
    // The order before, and both purges: nothing of the one that failed.
    assert_eq!(log.matches("audit ").count(), 3, "{log}");
    let local = "/admin/circuit-breakers/spotify/force?state=forced_open&reach=proxy";
    let (status, body) = ask(&stages[0], "POST", local);
    assert!(status == 200 && body.contains(r#""reach":"proxy""#), "{status} {body}");
    becomes(&stages[0], "/spotify", 503, "CIRCUIT_BREAKER_OPEN");
    assert_eq!(ask(&stages[1], "GET", "/spotify").0, 200, "{}", stages[1].envoy.log());
    store.redis.restart().unwrap();
    becomes(&stages[0], "/health", 200, r#""redis":"connected""#);
}
