//! Callers with a line each: who is in it, who says whether there is one, and what floods do.

use suite::{Scenario, check};

/// One call a second for each user, for which that user's others wait.
fn users(max_requests: u32) -> String {
    format!(
        r#"{{
        "tiers": {{"anonymous": {{"per_hour": 1}}, "pro": {{"per_hour": 1, "priority": 5}}}},
        "rules": [{{"name": "users", "key": ["user"], "limit": {{"rate": "1/s", "burst": 1,
            "when_empty": {{"queue": {{"max_wait": "10s", "max_requests": {max_requests}}}}}}}}}],
        "slots": 1
    }}"#
    )
}

#[test]
fn each_caller_has_a_line_of_its_own() {
    check(
        "ratelimit",
        &users(2),
        "
        GET /a @1 x-weir-user=a -> 200 x-ratelimit-remaining=0
        saw GET /a
        GET /b @2 x-weir-user=b -> 200
        saw GET /b
        start GET /a1 @1 x-weir-user=a as a1
        start GET /a2 @2 x-weir-user=a as a2
        start GET /b1 @2 x-weir-user=b as b1
        saw nothing
        advance 1ms
        GET /a3 @2 x-weir-user=a -> 429 retry-after=3 x-ratelimit-limit=1
        GET /c @1 x-weir-user=c -> 200
        saw GET /c
        advance 998ms
        saw nothing
        advance 3ms
        saw 2
        advance 1s
        saw GET /a2
        finish a1 -> 200
        finish a2 -> 200
        finish b1 -> 200
        metric api_gateway_rate_limit_requests_total{provider=users,status=limited} 1
        metric api_gateway_rate_limit_requests_total{provider=users,status=allowed} 6
        metric api_gateway_rate_limit_wait_seconds_count{provider=users} 6
    ",
    );
}

#[test]
fn a_callers_own_requests_are_sent_by_priority_and_a_place_is_given_up() {
    check(
        "ratelimit",
        &users(3),
        "
        GET / @1 x-weir-user=a -> 200
        saw GET /
        start GET /1 @1 x-weir-user=a as a
        start GET /2 @2 x-weir-user=a x-weir-tier=pro as b
        start GET /3 @2 x-weir-user=a as c
        GET /4 @1 x-weir-user=a -> 429
        leave a
        start GET /5 @1 x-weir-user=a as d
        advance 1001ms
        saw GET /2
        advance 1001ms
        saw GET /3
        advance 1001ms
        saw GET /5
        finish b -> 200
        finish c -> 200
        finish d -> 200
    ",
    );
}

#[test]
fn a_tier_says_whether_its_callers_wait() {
    check(
        "ratelimit",
        r#"{"tiers": {"anonymous": {"per_second": 1},
                      "pro": {"per_second": 1, "when_empty": {"queue": {"max_wait": "5s", "max_requests": 1}}}},
            "rules": [{"name": "users", "key": ["user"], "tiers": true}]}"#,
        "
        GET / x-weir-user=a -> 200
        saw GET /
        GET / x-weir-user=a -> 429
        GET / x-weir-user=b x-weir-tier=pro -> 200
        saw GET /
        start GET /1 x-weir-user=b x-weir-tier=pro as b
        GET / x-weir-user=b x-weir-tier=pro -> 429 retry-after=2
        advance 1001ms
        saw GET /1
        finish b -> 200
    ",
    );
}

#[test]
fn a_request_waits_for_whichever_of_its_limits_is_spent() {
    check(
        "ratelimit",
        r#"{"rules": [
            {"name": "users", "key": ["user"], "limit": {"rate": "1/s", "burst": 2, "when_empty": {"queue": {"max_wait": "5s"}}}},
            {"name": "p", "key": ["upstream"], "upstream": "p",
             "limit": {"rate": "2/m", "burst": 2, "when_empty": {"queue": {"max_wait": "40s"}}}}
        ]}"#,
        "
        2 times GET / x-weir-user=a -> 200
        saw 2
        GET / x-weir-user=a -> 429
        start GET /b x-weir-user=b as b
        saw nothing
        leave b
        advance 30001ms
        GET /a x-weir-user=a -> 200
        saw GET /a
    ",
    );
}

#[test]
fn a_flood_of_callers_that_wait_takes_no_place_of_others_and_ends_in_refusals() {
    // One slot for all: no value of shared data holds more than a thousand tickets, whoever they are.
    let flood: Vec<_> =
        (0..1000).map(|n| format!("start GET /f @{} x-weir-user=f{} as f{n}", n % 2 + 1, n / 2)).collect();
    let config = users(2);
    let story = format!(
        "
        GET / @1 x-weir-user=alice -> 200
        saw GET /
        start GET /1 @1 x-weir-user=alice as a
        {}
        start GET /2 @1 x-weir-user=alice as b
        GET /3 @2 x-weir-user=alice -> 429
        advance 1001ms
        finish a -> 200
        ",
        flood.join("\n")
    );
    Scenario::new(&[("ratelimit", &config)]).workers(2).host_only("a thousand streams of one test").check(&story);
}
