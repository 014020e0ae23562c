//! The breaker's rules beyond its defaults: windows, what counts as what, open times, scopes, orders.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use suite::{Scenario, check, check_chain};

/// The configuration of a breaker for one upstream, `spotify`, which all requests are for.
fn config(breaker: &str) -> String {
    format!(r#"{{"breakers": {{"spotify": {breaker}}}, "routes": [{{"upstream": "spotify"}}]}}"#)
}

/// Plays the lines to such a breaker.
#[track_caller]
fn spotify(breaker: &str, lines: &str) {
    check("breaker", &config(breaker), lines);
}

#[test]
fn a_window_of_seconds_forgets() {
    spotify(
        r#"{"failure_rate": 50, "window": "30s", "minimum_calls": 4, "open_for": "60s"}"#,
        r#"
        origin 500
        3 times GET / -> 500
        advance 30s
        origin 200
        GET / -> 200
        origin 500
        2 times GET / @1 -> 500
        state wasm.weir.breaker=closed
        GET / @2 -> 500
        log~"spotify: open for 60s after 3 failures in 4 calls"
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
    "#,
    );
}

#[test]
fn a_window_of_seconds_counts_for_every_worker() {
    spotify(
        r#"{"failure_rate": 50, "window": "1h", "minimum_calls": 10}"#,
        r#"
        origin 200
        5 times GET / -> 200
        origin 503
        5 times GET / -> 503 !body
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        log~"spotify: open for 60s after 5 failures in 10 calls"
    "#,
    );
}

#[test]
fn slow_calls_open_it() {
    let slow = r#"{"slow_rate": 50, "slow_after": "2s", "window": 4, "minimum_calls": 2, "open_for": "1m"}"#;
    spotify(
        slow,
        r#"
        GET / -> 200
        origin 200 hold
        start GET / as a
        saw GET /
        advance 3s
        release
        finish a -> 200
        log~"spotify: open for 60s after 1 slow calls in 2"
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        metric api_gateway_circuit_breaker_failures_total{provider=spotify} 0
    "#,
    );
    spotify(slow, "9 times GET / -> 200");
}

#[test]
fn what_is_ignored_is_neither_a_failure_nor_a_success() {
    spotify(
        r#"{"consecutive_failures": 2, "ignored_statuses": [404, 501]}"#,
        r"
        origin 500
        GET / -> 500
        origin 404
        GET / -> 404
        origin 501
        GET / -> 501
        state wasm.weir.breaker=closed
        origin 500
        GET / -> 500
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
    ",
    );
}

#[test]
fn an_upstream_that_cannot_be_reached_has_failed_whatever_its_statuses_mean() {
    spotify(
        r#"{"consecutive_failures": 2, "failure_statuses": [429], "ignored_statuses": [503]}"#,
        r"
        origin 503
        3 times GET / -> 503 !body
        origin reset
        2 times GET / -> 503
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
    ",
    );
}

#[test]
fn a_call_of_grpc_ends_with_its_trailers() {
    spotify(
        r#"{"consecutive_failures": 2, "open_for": "60s"}"#,
        r#"
        origin 200 content-type=application/grpc body=x trailer:grpc-status=14
        POST /s/m content-type=application/grpc+proto -> 200 trailer:grpc-status=14
        origin 200 content-type=application/grpc body=x trailer:grpc-status=5
        POST /s/m content-type=application/grpc -> 200
        origin 200 content-type=application/grpc body=x trailer:grpc-status=14
        POST /s/m content-type=application/grpc -> 200
        # Not a call of gRPC, whatever the answer says.
        POST /s/m -> 200
        origin 200 content-type=application/grpc body=x trailer:grpc-status=13
        2 times POST /s/m content-type=application/grpc -> 200
        log~"spotify: open for 60s after 2 consecutive failures"
        saw 6
    "#,
    );
}

#[test]
fn a_call_of_grpc_may_have_its_code_in_the_headers() {
    spotify(
        r#"{"consecutive_failures": 1}"#,
        r"
        origin 200 content-type=application/grpc grpc-status=3
        POST /s/m content-type=application/grpc -> 200
        state wasm.weir.breaker=closed
        origin 200 content-type=application/grpc grpc-status=14
        POST /s/m content-type=application/grpc -> 200
        saw 2
        POST /s/m content-type=application/grpc -> *
        saw nothing
    ",
    );
}

#[test]
fn a_call_of_grpc_without_a_code_has_failed() {
    spotify(
        r#"{"consecutive_failures": 1}"#,
        r#"
        origin 200 content-type=application/grpc body=x
        POST /s/m content-type=application/grpc -> 200
        log~"spotify: open for 60s after 1 consecutive failures"
    "#,
    );
    spotify(
        r#"{"consecutive_failures": 1}"#,
        r#"
        origin 200 content-type=application/grpc
        POST /s/m content-type=application/grpc -> 200 !body
        log~"spotify: open for 60s after 1 consecutive failures"
    "#,
    );
}

#[test]
fn an_answer_that_breaks_off_is_a_failure_where_answers_count_whole() {
    spotify(
        r#"{"consecutive_failures": 2, "whole_answer": true}"#,
        r#"
        origin 200 body=abcdef
        GET / -> 200
        origin 200 body=abcdef cut
        2 times GET / -> cut
        log~"spotify: open for 60s after 2 consecutive failures"
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
    "#,
    );
    spotify(
        r#"{"consecutive_failures": 1}"#,
        r"
        origin 200 body=abcdef cut
        3 times GET / -> cut
        origin 200
        GET / -> 200
    ",
    );
}

#[test]
fn it_stays_open_as_long_as_the_upstream_asks() {
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "10s", "retry_after_max": "5m"}"#,
        r#"
        origin 503 retry-after=90
        GET / -> 503 retry-after=90 !body
        GET / -> 503 retry-after>=89 retry-after<=90 body.error.code=CIRCUIT_BREAKER_OPEN
        log~"spotify: open for 90s after 1 consecutive failures"
    "#,
    );
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "10s", "retry_after_max": "5m"}"#,
        r#"
        origin 500 retry-after="Fri, 31 Dec 9999 23:59:59 GMT"
        GET / -> 500
        GET / -> 503 retry-after>=299 retry-after<=300
    "#,
    );
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "10s"}"#,
        r#"
        origin 500 retry-after="\xff\xfe" retry-after=7
        GET / -> 500
        GET / -> 503 retry-after>=9 retry-after<=10
    "#,
    );
}

#[test]
fn it_stays_open_longer_each_time() {
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "10s", "open_for_max": "30s", "close_after": 1}"#,
        r#"
        origin 500
        GET / -> 500
        GET / -> 503 retry-after=10
        advance 10s
        GET / -> 500
        GET / -> 503 retry-after=20
        advance 20s
        GET / -> 500
        log~"spotify: open for 30s after a failed probe"
        GET / -> 503 retry-after=30
        advance 30s
        origin 200
        GET / -> 200
        log~"spotify: half-open after 30s"
        origin 500
        GET / -> 500
        GET / -> 503 retry-after=10
    "#,
    );
}

#[test]
fn each_value_of_a_header_has_a_breaker_of_its_own() {
    spotify(
        r#"{"consecutive_failures": 1, "per": {"header": "x-tenant"}}"#,
        r#"
        origin 500
        GET / x-tenant=a -> 500
        GET / x-tenant=a @1 -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        GET / x-tenant=a @2 -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        GET / x-tenant=b -> 500
        GET / -> 500
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        GET / x-tenant="\xff\xfe" -> 500
        GET / x-tenant="\xff\xfe" -> 503
        GET / x-tenant="a"*50000 -> 500
        saw 5
        metric api_gateway_circuit_breaker_opens_total{provider=spotify} 5
        log~"spotify/"
        !log~"aaaaaaaa"
    "#,
    );
}

#[test]
fn each_host_has_a_breaker_of_its_own() {
    spotify(
        r#"{"consecutive_failures": 1, "per": "host"}"#,
        r#"
        origin 500
        GET / host=a.example -> 500
        GET / host=A.example -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        GET / host=b.example -> 500
        log~"spotify/a.example: open for 60s"
    "#,
    );
}

#[test]
fn each_route_has_a_breaker_of_its_own() {
    check(
        "breaker",
        r#"{"breakers": {"s": {"consecutive_failures": 1, "per": "route"}}, "routes": [
            {"match": {"prefix": "/search"}, "upstream": "s", "name": "search"}, {"upstream": "s"}]}"#,
        r#"
        origin 500
        GET /search -> 500
        GET /search/x -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        GET /other -> 500
        GET /another -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        log~"s/search: open for 60s"
        log~"s/2: open for 60s"
    "#,
    );
}

#[test]
fn an_order_of_the_configuration_holds() {
    spotify(
        r#"{"consecutive_failures": 2, "order": "metrics_only"}"#,
        r#"
        origin 500
        5 times GET / -> 500
        log~"spotify: would open after 2 consecutive failures"
        state wasm.weir.breaker=metrics_only
        metric api_gateway_circuit_breaker_failures_total{provider=spotify} 5
        metric api_gateway_circuit_breaker_opens_total{provider=spotify} 0
        metric api_gateway_circuit_breaker_state{provider=spotify} 5
    "#,
    );
    spotify(
        r#"{"order": "forced_open", "open_for": "7s"}"#,
        r"
        2 times GET / -> 503 retry-after=7 body.error.code=CIRCUIT_BREAKER_OPEN
        saw nothing
        state wasm.weir.breaker=forced_open
    ",
    );
    spotify(
        r#"{"consecutive_failures": 1, "order": "disabled"}"#,
        r"
        origin 500
        5 times GET / -> 500
        metric api_gateway_circuit_breaker_failures_total{provider=spotify} 0
    ",
    );
}

#[test]
fn no_more_probes_reach_the_upstream_than_allowed_whatever_the_workers() {
    let breaker = r#"{"consecutive_failures": 1, "open_for": "100ms", "half_open_requests": 3, "close_after": 3}"#;
    Scenario::new(&[("breaker", &config(breaker))]).workers(4).check(
        r"
        origin 500
        GET / -> 500
        saw GET /
        origin 200
        origin /slow 200 hold
        eventually GET / -> 200
        saw GET /
        start GET /slow as a
        start GET /slow as b
        start GET /slow as c
        start GET /slow as d
        start GET /slow as e
        start GET /slow as f
        start GET /slow as g
        start GET /slow as h
        saw 2
        release /slow
        ",
    );
}

#[test]
fn a_filter_behind_it_that_answers_takes_no_place_in_a_window_of_seconds() {
    let outer = r#"{"breakers": {"outer": {"failure_rate": 100, "window": "1h", "minimum_calls": 2}},
        "routes": [{"upstream": "outer"}]}"#;
    let inner = r#"{"breakers": {"inner": {"consecutive_failures": 1}},
        "routes": [{"match": {"prefix": "/a"}, "upstream": "inner"}]}"#;
    check_chain(
        &[("breaker", outer), ("breaker", inner)],
        r#"
        origin 500
        GET /a -> 500
        5 times GET /a -> 503 body.error.message="Circuit breaker open for service: inner"
        metric api_gateway_circuit_breaker_failures_total{provider=outer} 1
        GET /b -> 500
        log~"outer: open for 60s after 2 failures in 2 calls"
    "#,
    );
}

#[test]
fn an_upstream_of_grpc_that_cannot_be_reached_has_failed() {
    spotify(
        r#"{"consecutive_failures": 2, "failure_codes": [2]}"#,
        r#"
        origin reset
        2 times POST /s/m content-type=application/grpc -> 200 grpc-status=14
        log~"spotify: open for 60s after 2 consecutive failures"
        saw 2
        POST /s/m content-type=application/grpc -> 200 grpc-status=14 content-type=application/grpc !body \
            grpc-message~CIRCUIT_BREAKER_OPEN retry-after>=59
        saw nothing
    "#,
    );
}
