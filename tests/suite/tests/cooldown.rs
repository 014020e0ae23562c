//! Cool-downs: an upstream that says it is asked too often is left alone by every worker until it wants to be asked again.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

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
        r"
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
        log~'spotify: left alone for 300 s'
        ",
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
