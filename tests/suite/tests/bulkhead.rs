//! The breaker filter's bulkhead: how many requests are under way to one upstream.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use suite::{Scenario, check, check_chain, refuses};

/// Plays the lines to the breaker of one upstream, `spotify`, which all requests are for.
#[track_caller]
fn spotify(breaker: &str, lines: &str) {
    check("breaker", &config(breaker), lines);
}

fn config(breaker: &str) -> String {
    format!(r#"{{"breakers": {{"spotify": {breaker}}}, "routes": [{{"upstream": "spotify"}}]}}"#)
}

#[test]
fn no_more_requests_are_under_way_than_may_be_over_all_workers() {
    spotify(
        r#"{"bulkhead": 2}"#,
        r#"
        origin /slow 200 hold
        start GET /slow @1 as a
        start GET /slow @2 as b
        saw 2
        GET / @1 -> 503 retry-after=1 body.error.code=SERVICE_UNAVAILABLE \
            body.error.message="Too many requests under way to service: spotify"
        GET / @2 -> 503
        saw nothing
        metric api_gateway_bulkhead_refusals_total{provider=spotify} 2
        metric api_gateway_circuit_breaker_refusals_total{provider=spotify} 0
        metric api_gateway_bulkhead_calls{provider=spotify} 2
        state wasm.weir.breaker=closed
        release
        finish a -> 200
        finish b -> 200
        eventually GET / @1 -> 200
        GET / @2 -> 200
        metric api_gateway_bulkhead_calls{provider=spotify} 0
    "#,
    );
}

#[test]
fn a_place_is_free_again_whatever_way_a_request_ends() {
    spotify(
        r#"{"bulkhead": 1, "consecutive_failures": 100}"#,
        r"
        origin /slow 200 hold
        start GET /slow as a
        saw GET /slow
        GET / -> 503
        leave a
        eventually GET / -> 200
        origin reset
        eventually GET / -> 503 !body~SERVICE_UNAVAILABLE
        origin 200 body=abcdef cut
        eventually GET / -> cut
        origin 500
        eventually GET / -> 500
        origin 200 body=a body=b trailer:t=1
        eventually GET / -> 200 trailer:t=1
        origin 200
        eventually POST / body=x -> 200
        eventually GET / -> 200
        metric api_gateway_bulkhead_calls{provider=spotify} 0
    ",
    );
}

#[test]
fn a_refusal_by_an_open_breaker_takes_no_place() {
    spotify(
        r#"{"bulkhead": 1, "consecutive_failures": 1, "open_for": "60s"}"#,
        r"
        origin 500
        GET / -> 500
        5 times GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        metric api_gateway_bulkhead_refusals_total{provider=spotify} 0
        metric api_gateway_bulkhead_calls{provider=spotify} 0
    ",
    );
}

#[test]
fn a_probe_that_finds_no_place_makes_room_for_another() {
    spotify(
        r#"{"bulkhead": 1, "consecutive_failures": 1, "open_for": "10s", "half_open_requests": 1, "close_after": 1}"#,
        r"
        origin /slow 200 hold
        start GET /slow as late
        saw GET /slow
        advance 1s
        release
        finish late -> 200
        origin /slow 200 hold
        origin 500
        GET / -> 500
        advance 10s
        origin 200
        start GET /slow as probe
        saw GET /slow
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        leave probe
        eventually GET / -> 200
        state wasm.weir.breaker=half_open
        GET / -> 200
        state wasm.weir.breaker=closed
    ",
    );
}

#[test]
fn a_flood_never_gets_past_it() {
    let config = config(r#"{"bulkhead": 20}"#);
    let mut lines = String::from("origin /slow 200 hold\n");
    for call in 0..20 {
        lines.push_str(&format!("start GET /slow as c{call}\n"));
    }
    lines.push_str("saw 20\n200 times GET / -> 503\nsaw nothing\nrelease\n");
    for call in 0..20 {
        lines.push_str(&format!("finish c{call} -> 200\n"));
    }
    lines.push_str("eventually GET / -> 200\n20 times GET / -> 200\n");
    Scenario::new(&[("breaker", &config)]).workers(4).check(&lines);
}

#[test]
fn two_of_them_in_one_proxy_count_their_own() {
    check_chain(
        &[
            ("breaker", r#"{"breakers": {"a": {"bulkhead": 1}}, "routes": [{"upstream": "a"}]}"#),
            ("breaker", r#"{"breakers": {"b": {"bulkhead": 1}}, "routes": [{"upstream": "b"}]}"#),
        ],
        r"
        origin /slow 200 hold
        start GET /slow as a
        saw GET /slow
        GET / -> 503
        release
        finish a -> 200
        eventually GET / -> 200
        metric api_gateway_bulkhead_refusals_total{provider=a} >=1
        metric api_gateway_bulkhead_refusals_total{provider=b} 0
    ",
    );
}

#[test]
fn a_bulkhead_for_nobody_is_refused() {
    refuses(
        "breaker",
        &config(r#"{"bulkhead": 0}"#),
        "configuration refused: breakers.spotify.bulkhead: must be at least 1",
    );
}
