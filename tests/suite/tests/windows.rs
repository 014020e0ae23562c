//! The ratelimit filter's windows, several limits at once, its keys, callers with limits of their own, and rules in the
//! shadow.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use suite::{Scenario, check, check_chain};

/// One rule for everybody, with these members.
fn rule(members: &str) -> String {
    format!(r#"{{"rules": [{{"name": "clients", {members}}}]}}"#)
}

#[test]
fn a_sliding_window_holds_on_every_worker_and_opens_as_it_said() {
    check(
        "ratelimit",
        &rule(r#""key": ["user"], "limit": {"count": 3, "window": "30s", "algorithm": "sliding_window"}"#),
        r#"
        2 times GET / x-weir-user=a @1 -> 200
        advance 10s
        GET / x-weir-user=a @2 -> 200 x-ratelimit-limit=3 x-ratelimit-remaining=0 ratelimit-policy='"clients-30s";q=3;w=30'
        GET / x-weir-user=a @1 -> 429 retry-after>=19 retry-after<=20
        GET / x-weir-user=b @1 -> 200
        advance 20s
        2 times GET / x-weir-user=a @1 -> 200
        GET / x-weir-user=a @2 -> 429 retry-after>=9 retry-after<=10
    "#,
    );
}

#[test]
fn a_fixed_window_is_one_on_every_worker() {
    check(
        "ratelimit",
        &rule(r#""key": ["user"], "limit": {"count": 2, "window": "300d", "algorithm": "fixed_window"}"#),
        r#"
        GET / x-weir-user=a @1 -> 200 x-ratelimit-remaining=1
        GET / x-weir-user=a @2 -> 200 x-ratelimit-remaining=0
        GET / x-weir-user=a @1 -> 429 retry-after<=25920000 ratelimit-policy='"clients-300d";q=2;w=25920000'
    "#,
    );
}

#[test]
fn a_request_that_one_of_several_limits_refuses_costs_none_of_them_anything() {
    check(
        "ratelimit",
        &rule(
            r#""key": ["user"], "limits": [{"rate": "1000/s"}, {"rate": "3/h", "algorithm": "sliding_window"},
                {"count": 2, "window": "300d", "algorithm": "fixed_window"}]"#,
        ),
        r#"
        2 times GET / x-weir-user=a -> 200
        5 times GET / x-weir-user=a -> 429 x-ratelimit-limit=2 x-ratelimit-remaining=0
        GET / x-weir-user=b -> 200 x-ratelimit-remaining=1 \
            ratelimit-policy='"clients-second";q=1000;w=1, "clients-hour";q=3;w=3600, "clients-300d";q=2;w=25920000'
    "#,
    );
}

#[test]
fn a_windows_clock_that_steps_back_gives_nothing_and_locks_nobody_out() {
    check(
        "ratelimit",
        &rule(r#""key": ["user"], "limit": {"rate": "2/m", "algorithm": "sliding_window"}"#),
        "
        2 times GET / x-weir-user=a @1 -> 200
        back 1d
        GET / x-weir-user=a @2 -> 429 retry-after=60
        advance 59s
        GET / x-weir-user=a @1 -> 429 retry-after=1
        advance 1s
        GET / x-weir-user=a @2 -> 200
    ",
    );
}

#[test]
fn a_route_has_its_own_cost_and_a_path_its_own_bucket() {
    check(
        "ratelimit",
        &rule(
            r#""key": ["user", "path", "method", "upstream"], "limit": {"rate": "6/h"}, "routes": [
                {"match": {"template": "/search/{what}"}, "upstream": "discovery", "cost": 4},
                {"match": {"prefix": "/tracks/"}, "upstream": "spotify"}]"#,
        ),
        "
        GET /search/a x-weir-user=a -> 200 x-ratelimit-remaining=2
        GET /search/b x-weir-user=a -> 429 x-ratelimit-remaining=2
        POST /search/b x-weir-user=a -> 200 x-ratelimit-remaining=2
        GET /tracks/1 x-weir-user=a -> 200 x-ratelimit-remaining=5
        GET /tracks/2 x-weir-user=a -> 200 x-ratelimit-remaining=4
        GET /other x-weir-user=a -> 200 !x-ratelimit-limit
    ",
    );
}

#[test]
fn who_is_named_has_limits_of_its_own() {
    check(
        "ratelimit",
        r#"{"tiers": {"anonymous": {"per_hour": 1}, "pro": {"per_hour": 4}}, "rules": [
            {"name": "clients", "key": ["user"], "tiers": true, "overrides": [
                {"key": ["alice"], "tier": "pro"}, {"key": ["bob"], "limit": {"count": 2, "window": "300d", "algorithm": "fixed_window"}}]}]}"#,
        "
        GET / x-weir-user=alice -> 200 x-ratelimit-limit=4
        GET / x-weir-user=bob x-weir-tier=pro -> 200 x-ratelimit-limit=2
        GET / x-weir-user=carol -> 200 x-ratelimit-limit=1
        GET / x-weir-user=carol x-weir-tier=pro -> 429
    ",
    );
}

#[test]
fn a_rule_in_the_shadow_only_counts() {
    check(
        "ratelimit",
        r#"{"rules": [
            {"name": "tried", "key": ["user"], "limit": {"rate": "1/h"}, "shadow": true},
            {"name": "clients", "key": ["user"], "limit": {"rate": "3/h"}}]}"#,
        r#"
        3 times GET / x-weir-user=a -> 200 x-ratelimit-limit=3 ratelimit-policy='"clients-hour";q=3;w=3600'
        GET / x-weir-user=a -> 429
        metric api_gateway_rate_limit_requests_total{provider=tried,status=allowed} 1
        metric api_gateway_rate_limit_requests_total{provider=tried,status=shadow} 2
        metric api_gateway_rate_limit_requests_total{provider=clients,status=allowed} 3
        metric api_gateway_rate_limit_requests_total{provider=clients,status=limited} 1
    "#,
    );
}

#[test]
fn what_a_limit_refuses_costs_the_limits_before_it_nothing() {
    let auth = r#"{"routes": [], "default": "optional", "api_keys": {"keys": [
        {"id": "robot", "user": "r2", "sha256": "1b705e0d8c4b9c2c0015b29a5189de79cb3c649e07682bbd173d97deb8a03b95"}]}}"#;
    let front = r#"{"rules": [{"name": "address", "key": ["address"], "headers": false, "limit": {"rate": "3/h"}}]}"#;
    let user = rule(r#""key": ["user"], "limit": {"rate": "1/h"}"#);
    check_chain(
        &[("ratelimit", front), ("auth", auth), ("ratelimit", &user)],
        "
        GET / -> 200 x-ratelimit-limit=1
        5 times GET / -> 429 x-ratelimit-remaining=0
        GET / x-api-key=sandbox-key-of-the-scraper -> 200
        # Whatever else becomes of a request, it was one.
        GET / x-api-key=wrong -> 401
        GET / -> 429 !x-ratelimit-limit retry-after>=1
        GET / from:127.0.0.2 -> 200
    ",
    );
}

#[test]
fn what_a_rule_in_the_shadow_never_took_it_is_not_given_back() {
    let callers = r#"{"rules": [
        {"name": "tried", "key": ["user"], "limit": {"rate": "1/h"}, "shadow": true},
        {"name": "clients", "key": ["user"], "limit": {"rate": "9/h"}}]}"#;
    let quota = r#"{"rules": [{"name": "u", "match": {"path": "/u"}, "key": ["upstream"], "upstream": "u", "limit": {"rate": "1/h"}}]}"#;
    check_chain(
        &[("ratelimit", callers), ("ratelimit", quota)],
        "
        GET /u x-weir-user=a -> 200
        GET /u x-weir-user=a -> 429
        GET /v x-weir-user=a -> 200
        metric api_gateway_rate_limit_requests_total{provider=tried,status=allowed} 1
        metric api_gateway_rate_limit_requests_total{provider=tried,status=shadow} 2
        ",
    );
}

#[test]
fn what_an_upstreams_limit_refuses_costs_the_caller_nothing() {
    let callers = rule(r#""key": ["user"], "limit": {"rate": "3/h"}"#);
    let quota = r#"{"rules": [{"name": "u", "match": {"path": "/u"}, "key": ["upstream"], "upstream": "u", "limit": {"rate": "1/h"}}]}"#;
    check_chain(
        &[("ratelimit", &callers), ("ratelimit", quota)],
        "
        GET /u x-weir-user=a -> 200
        5 times GET /u x-weir-user=a -> 429
        2 times GET /v x-weir-user=a -> 200
        GET /v x-weir-user=a -> 429
    ",
    );
}

#[test]
fn what_stands_in_for_an_upstreams_answer_costs_the_upstreams_limit_nothing() {
    let breaker = r#"{"breakers": {"u": {"consecutive_failures": 1, "fallback": {"static": {"status": 200, "body": "[]"}}}},
        "routes": [{"match": {"path": "/u"}, "upstream": "u"}]}"#;
    for (shown, remaining) in [("true", "x-ratelimit-remaining=4"), ("false", "!x-ratelimit-remaining")] {
        let quota = format!(
            r#"{{"rules": [{{"name": "u", "key": ["upstream"], "upstream": "u", "headers": {shown}, "limit": {{"rate": "5/h"}}}}]}}"#
        );
        let lines = "
        origin 500
        GET /u -> 500 REMAINING
        10 times GET /u -> 200 x-weir-fallback=static body=[] REMAINING
        saw 1
        # An upstream may say of itself what it likes: it has been asked.
        origin 200 x-weir-fallback=static
        4 times GET /v -> 200 x-weir-fallback=static
        GET /v -> 429
        saw 4
        ";
        check_chain(&[("ratelimit", &quota), ("breaker", breaker)], &lines.replace("REMAINING", remaining));
    }
}

#[test]
fn a_key_is_known_by_its_id_and_nobody_can_claim_one() {
    let auth = r#"{"routes": [{"match": {"prefix": "/"}, "auth": "optional"}], "api_keys": {"keys": [
        {"id": "robot", "user": "r2", "sha256": "1b705e0d8c4b9c2c0015b29a5189de79cb3c649e07682bbd173d97deb8a03b95"}]}}"#;
    let keys = rule(r#""key": ["api_key"], "limit": {"rate": "1/h"}"#);
    check_chain(
        &[("auth", auth), ("ratelimit", &keys)],
        "
        GET / x-api-key=sandbox-key-of-the-scraper -> 200
        GET / x-api-key=sandbox-key-of-the-scraper from:127.0.0.2 -> 429
        GET / x-weir-api-key=robot -> 200
        GET / x-weir-api-key=other -> 429
    ",
    );
}

#[test]
fn without_a_burst_a_window_is_exact_on_three_workers() {
    let config = rule(r#""key": ["user"], "limit": {"rate": "50/d", "algorithm": "sliding_window"}"#);
    Scenario::new(&[("ratelimit", &config)]).workers(3).check(
        "
        50 times GET / x-weir-user=a -> 200
        20 times GET / x-weir-user=a -> 429
    ",
    );
}
