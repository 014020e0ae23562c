//! The ratelimit filter where requests wait: in which order they are sent and when, who is answered at once, and what
//! becomes of those who leave.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "waiting/callers.rs"]
mod callers;
#[path = "waiting/life.rs"]
mod life;

use std::time::{Duration, Instant};

use proxy::{Client, Request};
use suite::{Scenario, check};

/// One call a second, for which others wait.
fn musicbrainz(max_wait: &str, max_requests: u32) -> String {
    format!(
        r#"{{
        "tiers": {{"anonymous": {{"per_hour": 1}}, "pro": {{"per_hour": 1, "priority": 5}}}},
        "rules": [{{
            "name": "musicbrainz", "key": ["upstream"], "upstream": "musicbrainz",
            "limit": {{
                "rate": "1/s", "burst": 1,
                "when_empty": {{"queue": {{"max_wait": "{max_wait}", "max_requests": {max_requests}}}}}
            }}
        }}]
    }}"#
    )
}

#[test]
fn ten_callers_at_once_are_ten_calls_a_second_apart() {
    check(
        "ratelimit",
        &musicbrainz("10s", 100),
        "
        start GET /1 @1 as a
        saw GET /1
        start GET /2 @1 as b
        start GET /3 @2 as c
        start GET /4 @1 as d
        start GET /5 @2 as e
        start GET /6 @2 as f
        start GET /7 @1 as g
        start GET /8 @2 as h
        start GET /9 @1 as i
        start GET /10 @2 as j
        saw nothing
        advance 999ms
        saw nothing
        advance 2ms
        saw 1
        finish b -> 200
        advance 997ms
        saw nothing
        advance 5ms
        saw GET /3
        advance 1s
        saw GET /4
        advance 1001ms
        saw GET /5
        advance 1s
        saw GET /6
        advance 1s
        saw GET /7
        advance 1s
        saw GET /8
        advance 1s
        saw GET /9
        advance 990ms
        saw nothing
        advance 10ms
        saw GET /10
        finish a -> 200
        finish c -> 200
        finish d -> 200
        finish e -> 200
        finish f -> 200
        finish g -> 200
        finish h -> 200
        finish i -> 200
        finish j -> 200
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=allowed} 10
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=limited} 0
        metric api_gateway_rate_limit_wait_seconds_count{provider=musicbrainz} 10
        metric api_gateway_rate_limit_wait_seconds_bucket{provider=musicbrainz,le=0.05} 1
        metric api_gateway_rate_limit_wait_seconds_bucket{provider=musicbrainz,le=0.5} 1
        metric api_gateway_rate_limit_wait_seconds_bucket{provider=musicbrainz,le=2.5} 3
        metric api_gateway_rate_limit_wait_seconds_bucket{provider=musicbrainz,le=5} 6
        metric api_gateway_rate_limit_wait_seconds_bucket{provider=musicbrainz,le=+Inf} 10
        metric api_gateway_rate_limit_wait_seconds_sum{provider=musicbrainz} 45
    ",
    );
}

#[test]
fn ten_callers_of_a_real_proxy_are_ten_calls_none_before_its_turn() {
    let config = musicbrainz("10s", 100).replace(r#""rate": "1/s""#, r#""rate": "10/s""#);
    let stage =
        Scenario::new(&[("ratelimit", &config)]).workers(2).envoy_only("a clock that goes by itself").envoy().unwrap();
    let begun = Instant::now();
    let mut clients: Vec<_> = (0..10).map(|_| Client::connect(stage.envoy.address()).unwrap()).collect();
    for client in &mut clients {
        client.send(&Request::get("/"));
    }
    let said: Vec<_> = clients.iter_mut().map(|client| client.receive().map_or(0, |answer| answer.status)).collect();
    assert_eq!(said, [200; 10], "{}", stage.envoy.log());
    let arrivals = stage.origin.arrivals();
    assert_eq!(arrivals.len(), 10);
    for (place, arrival) in (0..).zip(&arrivals) {
        let due = Duration::from_millis(100) * place;
        assert!(*arrival >= begun + due, "{place}: {:?}", *arrival - begun);
    }
}

#[test]
fn who_waits_is_sent_in_both_proxies() {
    check(
        "ratelimit",
        &musicbrainz("10s", 100),
        r"
        start GET /1 as a
        start GET /2 x-weir-user=b as b
        start POST /3 body=one body=two trailer:sum=1 as c
        finish a -> 200
        finish b -> 200 !retry-after
        finish c -> 200
        saw 3
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=allowed} 3
        metric api_gateway_rate_limit_wait_seconds_count{provider=musicbrainz} 3
        metric api_gateway_rate_limit_wait_seconds_bucket{provider=musicbrainz,le=0.5} 1
        metric api_gateway_rate_limit_wait_seconds_bucket{provider=musicbrainz,le=+Inf} 3
        GET / -> 200
        saw GET /
    ",
    );
}

#[test]
fn a_higher_priority_is_sent_first() {
    check(
        "ratelimit",
        &musicbrainz("10s", 100),
        "
        GET /0 @1 -> 200
        saw GET /0
        start GET /1 @1 as a
        start GET /2 @2 x-weir-tier=pro as b
        start GET /3 @1 x-weir-tier=pro as c
        advance 1s
        saw GET /2
        advance 1s
        saw GET /3
        advance 1s
        saw GET /1
        finish a -> 200
        finish b -> 200
        finish c -> 200
    ",
    );
}

#[test]
fn nobody_overtakes_those_who_wait_even_where_a_token_is_there() {
    // The worker that holds the first request does not look before its tick.
    check(
        "ratelimit",
        r#"{"rules": [{"name": "p", "key": ["upstream"], "upstream": "p",
            "limit": {"rate": "1/s", "burst": 2, "when_empty": {"queue": {"max_wait": "1m"}}}}]}"#,
        "
        2 times GET / @1 -> 200
        saw 2
        start GET /1 @1 as a
        start GET /2 @2 as b
        advance 1s
        saw GET /1
        start GET /3 @1 as c
        advance 1s
        saw GET /2
        advance 1s
        saw GET /3
        finish a -> 200
        finish b -> 200
        finish c -> 200
    ",
    );
}

#[test]
fn a_full_queue_answers_at_once_and_says_when_to_come_back() {
    check(
        "ratelimit",
        &musicbrainz("10s", 2),
        "
        GET / -> 200
        saw GET /
        start GET /1 as a
        start GET /2 as b
        advance 1ms
        GET /3 -> 429 retry-after=3 body.error.code=RATE_LIMITED body.error.retry_after=3
        GET /4 x-weir-tier=pro -> 429 retry-after=1
        finish a -> 200
        finish b -> 200
        saw 2
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=limited} 2
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=allowed} 3
    ",
    );
}

#[test]
fn who_would_wait_too_long_is_answered_at_once() {
    check(
        "ratelimit",
        &musicbrainz("1500ms", 100),
        "
        GET / -> 200
        saw GET /
        start GET /1 as a
        advance 1ms
        GET /2 -> 429 retry-after=2
        finish a -> 200
        saw GET /1
    ",
    );
}

#[test]
fn who_is_overtaken_until_its_time_is_up_is_answered_then() {
    check(
        "ratelimit",
        &musicbrainz("2500ms", 100),
        "
        GET / -> 200
        saw GET /
        start GET /1 @1 as low
        start GET /2 @2 x-weir-tier=pro as a
        advance 500ms
        start GET /3 @2 x-weir-tier=pro as b
        advance 500ms
        saw GET /2
        start GET /4 @1 x-weir-tier=pro as c
        advance 1s
        saw GET /3
        advance 400ms
        saw nothing
        advance 200ms
        finish low -> 429 retry-after=2
        advance 400ms
        saw GET /4
        finish a -> 200
        finish b -> 200
        finish c -> 200
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=limited} 1
    ",
    );
}

#[test]
fn a_client_that_leaves_gives_its_place_up() {
    check(
        "ratelimit",
        &musicbrainz("10s", 3),
        "
        GET / -> 200
        saw GET /
        start GET /1 @1 as a
        start GET /2 @2 as b
        start GET /3 @1 as c
        GET /4 -> 429 retry-after=4
        leave a
        leave b
        start GET /5 @2 as d
        advance 1001ms
        saw GET /3
        advance 1001ms
        saw GET /5
        finish c -> 200
        finish d -> 200
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=allowed} 3
    ",
    );
}

#[test]
fn the_other_limits_of_a_request_are_charged_once_and_given_back_to_who_leaves() {
    check(
        "ratelimit",
        r#"{"rules": [
            {"name": "clients", "key": ["user"], "limit": {"rate": "3/d"}},
            {"name": "p", "key": ["upstream"], "upstream": "p",
             "limit": {"rate": "1/s", "burst": 1, "when_empty": {"queue": {"max_wait": "10s"}}}}
        ]}"#,
        r#"
        GET / x-weir-user=a -> 200 x-ratelimit-remaining=2
        saw GET /
        start GET /1 @1 x-weir-user=a as a
        start GET /2 @2 x-weir-user=a as b
        GET /3 x-weir-user=a -> 429 x-ratelimit-remaining=0 retry-after>=28000
        leave b
        advance 1001ms
        saw GET /1
        finish a -> 200 x-ratelimit-remaining=1 ratelimit-policy='"clients-day";q=3;w=86400'
        GET /4 x-weir-user=b -> 200 x-ratelimit-remaining=2
        GET /5 x-weir-user=a -> 200 x-ratelimit-remaining=0
        GET /6 x-weir-user=a -> 429
    "#,
    );
}

#[test]
fn a_clock_that_steps_back_keeps_nobody_waiting() {
    check(
        "ratelimit",
        &musicbrainz("5s", 100),
        "
        GET / -> 200
        saw GET /
        start GET /1 @1 as a
        start GET /2 @2 as b
        advance 500ms
        back 1d
        advance 700ms
        saw GET /1
        advance 1100ms
        saw GET /2
        back 1h
        start GET /3 @1 as c
        advance 1100ms
        saw GET /3
        finish a -> 200
        finish b -> 200
        finish c -> 200
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=limited} 0
    ",
    );
}

#[test]
fn a_clock_that_leaps_ahead_loses_nobody() {
    check(
        "ratelimit",
        &musicbrainz("5s", 100),
        "
        GET / -> 200
        saw GET /
        start GET /1 @1 as a
        start GET /2 @2 as b
        start GET /3 @1 as c
        advance 1h
        saw 3
        finish a -> 200
        finish b -> 200
        finish c -> 200
    ",
    );
}

#[test]
fn a_body_waits_with_its_request_and_arrives_whole() {
    check(
        "ratelimit",
        &musicbrainz("10s", 100),
        r#"
        GET / -> 200
        saw GET /
        start POST /1 body=one body=two trailer:sum=1 as a
        finish a -> 200
        saw POST /1 body=onetwo trailer:sum=1
        start POST /2 body="x"*100000 as b
        finish b -> 200
        saw POST /2
    "#,
    );
}

#[test]
fn three_workers_send_in_the_order_of_arrival() {
    let line = (0..30).map(|n| format!("start GET /{n} @{} as r{n}", n % 3 + 1)).collect::<Vec<_>>().join("\n");
    let sent = (0..30).map(|n| format!("advance 100ms\nsaw GET /{n}\nfinish r{n} -> 200")).collect::<Vec<_>>();
    let config = r#"{"rules": [{"name": "p", "key": ["upstream"], "upstream": "p",
        "limit": {"rate": "10/s", "burst": 1, "when_empty": {"queue": {"max_wait": "10s"}}}}]}"#;
    let scenario = Scenario::new(&[("ratelimit", config)]).workers(3);
    scenario.check(&format!("GET / -> 200\nsaw GET /\n{line}\n{}", sent.join("\n")));
}
