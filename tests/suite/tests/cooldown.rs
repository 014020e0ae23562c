//! Cool-downs: an upstream that says it is asked too often is left alone by every worker until it wants to be asked again.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "cooldown/fleet.rs"]
mod fleet;
mod store;

use suite::{Scenario, check, check_chain, refuses};

/// One upstream that learns from these words, and more about it.
fn upstream(learn: &str, more: &str) -> String {
    format!(r#"{{"upstreams": [{{"name": "spotify", "match": {{"prefix": "/spotify/"}}, "learn": [{learn}]{more}}}]}}"#)
}

#[test]
fn an_upstream_that_says_when_to_come_back_is_left_alone_by_every_worker() {
    check(
        "ratelimit",
        &upstream(r#""retry_after""#, ""),
        r#"
        origin 429 retry-after=300
        GET /spotify/1 @1 -> 429 retry-after=300 !body
        saw 1
        origin 200
        3 times GET /spotify/1 @1 -> 429 retry-after>=290 retry-after<=300 body.error.code=RATE_LIMITED
        3 times GET /spotify/1 @2 x-request-id=r1 -> 429 body.error.retry_after<=300 body.error.request_id=r1
        saw nothing
        # What goes elsewhere is not concerned.
        GET /other @2 -> 200
        saw 1
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=cooling} 6
        metric api_gateway_rate_limit_cooldowns_total{provider=spotify} 1
        log~"spotify: left alone for 300 s"
        "#,
    );
}

#[test]
fn a_cool_down_ends_when_it_was_said_to() {
    check(
        "ratelimit",
        &upstream(r#""retry_after""#, ""),
        "
        origin 503 retry-after=60
        GET /spotify/1 @1 -> 503
        origin 200
        advance 59999ms
        GET /spotify/1 @2 -> 429 retry-after=1
        advance 1ms
        GET /spotify/1 @2 -> 200
        GET /spotify/1 @1 -> 200
        ",
    );
}

#[test]
fn nobody_is_left_alone_for_longer_than_allowed() {
    check(
        "ratelimit",
        &upstream(r#""retry_after", "429""#, r#", "longest": "1m", "default": "40s""#),
        r"
        origin 429 retry-after=99999999999999999999999999
        GET /spotify/1 -> 429
        GET /spotify/1 -> 429 retry-after>=55 retry-after<=60
        saw 1
        ",
    );
    check(
        "ratelimit",
        &upstream(r#""retry_after", "429""#, r#", "longest": "1m", "default": "40s""#),
        r#"
        origin 429 retry-after=-1 retry-after="\xff" retry-after="Mon, 32 Jan 2040 00:00:00 GMT"
        GET /spotify/1 -> 429
        GET /spotify/1 -> 429 retry-after>=35 retry-after<=40
        saw 1
        "#,
    );
}

#[test]
fn of_two_cool_downs_the_later_end_holds() {
    check(
        "ratelimit",
        &upstream(r#""retry_after""#, ""),
        "
        origin /spotify/slow 429 retry-after=2 hold
        start GET /spotify/slow @1 as a
        saw GET /spotify/slow
        origin 429 retry-after=300
        GET /spotify/1 @2 -> 429
        release
        finish a -> 429 retry-after=2
        GET /spotify/1 @1 -> 429 retry-after>=290
        metric api_gateway_rate_limit_cooldowns_total{provider=spotify} 1
        ",
    );
}

#[test]
fn a_success_with_nothing_left_is_the_last_until_the_reset() {
    check(
        "ratelimit",
        &upstream(r#""ratelimit_headers""#, ""),
        r"
        origin 200 x-ratelimit-remaining=1 x-ratelimit-reset=200
        3 times GET /spotify/1 -> 200
        origin 200 x-ratelimit-remaining=0 x-ratelimit-reset=200
        GET /spotify/1 @1 -> 200 x-ratelimit-remaining=0
        GET /spotify/1 @2 -> 429 retry-after>=190 retry-after<=200
        saw 4
        ",
    );
    check(
        "ratelimit",
        &upstream(r#""ratelimit_headers""#, ""),
        r#"
        origin 200 ratelimit='"day";r=7;t=9000, "minute";r=0;t=50'
        GET /spotify/1 @1 -> 200
        GET /spotify/1 @2 -> 429 retry-after>=45 retry-after<=50
        "#,
    );
}

#[test]
fn after_the_end_the_upstreams_bucket_is_as_empty_as_its_own() {
    let config = r#"{
        "upstreams": [{"name": "spotify", "learn": ["retry_after"]}],
        "rules": [{"name": "spotify", "key": ["upstream"], "upstream": "spotify", "limit": {"rate": "1/s", "burst": 10}},
                  {"name": "other", "key": ["upstream"], "upstream": "other", "limit": {"rate": "100/h"}}]
    }"#;
    check(
        "ratelimit",
        config,
        "
        origin 429 retry-after=60
        GET / @1 -> 429
        origin 200
        advance 60s
        GET / @1 -> 200
        GET / @2 -> 429 retry-after=1
        advance 2s
        2 times GET / @2 -> 200
        GET / @1 -> 429
        # Once is enough: ten have come back.
        advance 10s
        10 times GET / -> 200
        GET / -> 429
        metric api_gateway_rate_limit_tokens{provider=other} >=85
        ",
    );
    check(
        "ratelimit",
        config,
        "
        origin 429 retry-after=60
        GET / @1 -> 429
        origin 200
        advance 64s
        5 times GET / @1 -> 200
        GET / @2 -> 429 retry-after=1
        ",
    );
}

#[test]
fn a_clock_that_steps_back_makes_a_cool_down_no_longer() {
    check(
        "ratelimit",
        &upstream(r#""retry_after""#, ""),
        "
        origin 429 retry-after=60
        GET /spotify/1 @1 -> 429
        origin 200
        advance 30s
        back 10d
        GET /spotify/1 @2 -> 429 retry-after=60
        advance 59s
        GET /spotify/1 @1 -> 429 retry-after=1
        advance 1s
        GET /spotify/1 @2 -> 200
        ",
    );
}

#[test]
fn a_flood_reaches_nobody_who_wants_to_be_left_alone() {
    Scenario::new(&[("ratelimit", &upstream(r#""retry_after""#, ""))]).workers(4).check(
        "
        origin 429 retry-after=600
        GET /spotify/1 -> 429
        origin 200
        500 times GET /spotify/1 -> 429
        saw 1
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=cooling} 500
        ",
    );
}

#[test]
fn an_upstream_that_says_it_stands_in_for_another_is_heard_all_the_same() {
    check(
        "ratelimit",
        &upstream(r#""retry_after""#, ""),
        "
        origin 429 retry-after=60 x-weir-fallback=upstream
        GET /spotify/1 @1 -> 429
        origin 200
        GET /spotify/1 @2 -> 429 retry-after>=55
        saw 1
        ",
    );
}

#[test]
fn what_envoy_or_the_breaker_says_is_not_the_upstreams_word() {
    let breaker = r#"{"breakers": {"spotify": {"consecutive_failures": 2, "open_for": "1h"}}, "routes": [{"upstream": "spotify"}]}"#;
    let quota = r#"{"upstreams": [{"name": "spotify", "learn": ["retry_after", "503"]}]}"#;
    check_chain(
        &[("ratelimit", quota), ("breaker", breaker)],
        "
        origin reset
        2 times GET / -> 503
        # The breaker's own answer, with a Retry-After.
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN retry-after=*
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=cooling} 0
        ",
    );
    check_chain(
        &[("ratelimit", quota), ("breaker", breaker)],
        "
        origin 429 retry-after=300
        5 times GET / -> 429
        saw 1
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=cooling} 4
        metric api_gateway_circuit_breaker_failures_total{provider=spotify} 0
        ",
    );
}

#[test]
fn a_cool_down_costs_callers_nothing() {
    let config = r#"{
        "upstreams": [{"name": "spotify", "match": {"prefix": "/spotify/"}, "learn": ["retry_after"]}],
        "rules": [{"name": "clients", "key": ["user"], "limit": {"rate": "3/h"}}]
    }"#;
    check(
        "ratelimit",
        config,
        "
        origin 429 retry-after=300
        GET /spotify/1 x-weir-user=a -> 429 x-ratelimit-remaining=2
        origin 200
        9 times GET /spotify/1 x-weir-user=a -> 429 body.error.code=RATE_LIMITED
        GET /other x-weir-user=a -> 200 x-ratelimit-remaining=1
        ",
    );
}

#[test]
fn last_fms_refusal_is_a_429_that_no_cache_keeps() {
    let cache =
        r#"{"routes": [{"match": {}, "upstream": "lastfm", "data_type": "genres", "ttl": "1h", "shared": true}]}"#;
    let quota = r#"{"upstreams": [{"name": "lastfm", "learn": ["lastfm"], "default": "100s"}]}"#;
    check_chain(
        &[("cache", cache), ("ratelimit", quota)],
        r#"
        origin 200 body='{"toptags": {}}'
        GET /1 accept-encoding=gzip -> 200 body='{"toptags": {}}' cache-status~stored
        saw GET /1 !accept-encoding
        origin 200 body='{"error":' body='29,"message":"Rate Limit Exceeded"}'
        GET /2 @1 -> 429 retry-after=100 body.error=29 !cache-status~stored
        saw 1
        GET /2 @2 -> 429 body.error.code=RATE_LIMITED retry-after>=95
        GET /1 @2 -> 200 cache-status~hit
        saw nothing
        "#,
    );
    check(
        "ratelimit",
        quota,
        r#"
        origin 200 body='<lfm status="failed"><error code="29">Rate Limit Exceeded</error></lfm>'
        GET /1 -> 429 retry-after=100
        GET /1 -> 429
        saw 1
        "#,
    );
}

#[test]
fn other_answers_of_last_fm_pass_as_they_are() {
    check(
        "ratelimit",
        r#"{"upstreams": [{"name": "lastfm", "learn": ["lastfm"]}]}"#,
        r#"
        origin 200 body="a"*200000
        GET / -> 200 body="a"*200000
        origin 200 body="a"*400 body="b"*400 body='{"error":29}' trailer:t=1
        GET / -> 200 body~aaa trailer:t=1
        origin 200 body='{"error":6}' trailer:t=1
        GET / -> 200 body.error=6 trailer:t=1
        origin 200
        GET / -> 200 !body
        HEAD / -> 200 !body
        origin 204
        GET / -> 204
        origin 200 body=abcdef cut
        GET / -> *
        origin 200 body='{"error":6}'
        GET / -> 200
        metric api_gateway_rate_limit_cooldowns_total{provider=lastfm} 0
        "#,
    );
}

#[test]
fn a_mistake_is_refused_with_its_place() {
    for (config, expected) in [
        (upstream("", ""), "upstreams[0].learn: must name retry_after"),
        (upstream(r#""418""#, ""), "upstreams[0].learn[0]: must be retry_after, ratelimit_headers, 429, 503 or lastfm"),
        (upstream(r#""429""#, r#", "longest": "2d""#), "upstreams[0].longest: must be a length of time"),
        (upstream(r#""429""#, r#", "longest": "1s", "default": "2s""#), "upstreams[0].default: must be"),
        (upstream(r#""429""#, r#", "a": 1"#), "upstreams[0].a: unknown field `a`, expected one of `name`"),
        (r#"{"state": {"env": "UNSET"}}"#.to_owned(), "state.env: the variable UNSET is not set"),
    ] {
        refuses("ratelimit", &config, &format!("configuration refused: {expected}"));
    }
}
