//! The breaker filter: when it opens, what clients are told then, and how it closes again.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use suite::{Scenario, check, check_chain, refuses};

/// Plays the lines to the breaker of one upstream, `spotify`, which all requests are for.
#[track_caller]
fn spotify(breaker: &str, lines: &str) {
    let config = format!(r#"{{"breakers": {{"spotify": {breaker}}}, "routes": [{{"upstream": "spotify"}}]}}"#);
    check("breaker", &config, lines);
}

#[test]
fn failures_in_a_row_open_it_for_every_worker() {
    spotify(
        r#"{"consecutive_failures": 3, "open_for": "60s"}"#,
        r#"
        origin 500
        2 times GET / -> 500
        origin 200
        GET / -> 200
        origin 502
        GET / @1 -> 502
        GET / @2 -> 502
        state wasm.weir.breaker=closed
        GET / @1 -> 502
        saw 6
        GET / @2 -> 503 retry-after>=59 retry-after<=60 body.error.code=CIRCUIT_BREAKER_OPEN \
            body.error.message="Circuit breaker open for service: spotify" content-type=application/json
        GET / @1 -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        saw nothing
        state wasm.weir.breaker=open
        GET / accept=application/problem+json x-request-id=r-1 -> 503 content-type=application/problem+json \
            body.code=CIRCUIT_BREAKER_OPEN body.request_id=r-1
        metric api_gateway_circuit_breaker_state{provider=spotify} 1
        metric api_gateway_circuit_breaker_failures_total{provider=spotify} 5
        metric api_gateway_circuit_breaker_opens_total{provider=spotify} 1
        metric api_gateway_circuit_breaker_refusals_total{provider=spotify} 3
        log~"spotify: open for 60s after 3 consecutive failures"
    "#,
    );
}

#[test]
fn it_closes_when_probes_succeed_and_opens_when_one_fails() {
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "60s", "close_after": 2}"#,
        r#"
        origin 500
        GET / -> 500
        advance 30s
        GET / -> 503 retry-after=30
        advance 30s
        GET / -> 500
        state wasm.weir.breaker=half_open
        log~"spotify: open for 60s after a failed probe"
        GET / -> 503 retry-after=60
        advance 60s
        origin 200
        GET / @1 -> 200
        metric api_gateway_circuit_breaker_state{provider=spotify} 2
        GET / @2 -> 200
        metric api_gateway_circuit_breaker_state{provider=spotify} 0
        metric api_gateway_circuit_breaker_opens_total{provider=spotify} 2
        log~"spotify: closed after 2 probes succeeded"
        GET / -> 200
        state wasm.weir.breaker=closed
    "#,
    );
}

#[test]
fn what_envoy_is_told_about_a_probe_does_not_reach_the_upstream() {
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "100ms", "close_after": 1}"#,
        r"
        origin 500
        GET / -> 500
        origin 200
        eventually GET / -> 200
        saw GET / !x-envoy-max-retries
    ",
    );
}

#[test]
fn a_share_of_failures_opens_it() {
    spotify(
        r#"{"failure_rate": 50, "window": 10, "minimum_calls": 4, "open_for": "60s"}"#,
        r#"
        2 times GET / -> 200
        origin 503
        GET / -> 503 !body
        GET / -> 503 !body
        log~"spotify: open for 60s after 2 failures in 4 calls"
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
    "#,
    );
}

#[test]
fn it_recovers_by_itself() {
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "500ms"}"#,
        r"
        origin 500
        GET / -> 500
        GET / -> 503
        origin 200
        eventually GET / -> 200
        GET / -> 200
        GET / -> 200
        metric api_gateway_circuit_breaker_state{provider=spotify} 0
    ",
    );
}

#[test]
fn only_so_many_probes_are_on_their_way() {
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "100ms", "half_open_requests": 1, "close_after": 2}"#,
        r"
        origin 500
        GET / -> 500
        origin 200
        eventually GET / -> 200
        saw GET /
        origin /slow 200 hold
        start GET /slow as probe
        saw GET /slow
        GET / @1 -> 503 retry-after=1
        GET / @2 -> 503 retry-after=1
        state wasm.weir.breaker=half_open
        saw nothing
        release /slow
        finish probe -> 200
        GET / -> 200
        state wasm.weir.breaker=closed
    ",
    );
}

#[test]
fn a_probe_whose_client_leaves_makes_room_for_another() {
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "100ms", "half_open_requests": 1, "close_after": 2}"#,
        r"
        origin 500
        GET / -> 500
        origin 200
        eventually GET / -> 200
        saw GET /
        origin /slow 200 hold
        start GET /slow as probe
        saw GET /slow
        GET / -> 503 retry-after=1
        leave probe
        eventually GET / -> 200
        metric api_gateway_circuit_breaker_state{provider=spotify} 0
        metric api_gateway_circuit_breaker_failures_total{provider=spotify} 1
    ",
    );
}

#[test]
fn a_probe_that_never_answers_makes_room_for_another() {
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "1s", "half_open_requests": 1, "close_after": 1, "probe_timeout": "30s"}"#,
        r"
        origin 500
        GET / -> 500
        advance 1s
        origin 200
        origin /slow 200 hold
        start GET /slow as probe
        saw GET /slow
        advance 29s
        GET / -> 503 retry-after=1
        advance 1s
        GET / -> 200
        state wasm.weir.breaker=half_open
        release
        finish probe -> 200
        GET / -> 200
        state wasm.weir.breaker=closed
    ",
    );
}

#[test]
fn a_client_that_leaves_is_no_failure() {
    spotify(
        r#"{"consecutive_failures": 1}"#,
        r"
        origin /slow 200 hold
        start GET /slow as a
        saw GET /slow
        leave a
        start GET /slow as b
        saw GET /slow
        leave b
        GET / -> 200
        state wasm.weir.breaker=closed
        metric api_gateway_circuit_breaker_failures_total{provider=spotify} 0
    ",
    );
}

#[test]
fn a_straggler_from_before_it_opened_does_not_count() {
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "60s"}"#,
        r"
        origin /slow 200 hold
        start GET /slow as late
        saw GET /slow
        origin 500
        GET / -> 500
        release /slow
        finish late -> 200
        GET / -> 503 retry-after>=59
    ",
    );
}

#[test]
fn an_upstream_that_cannot_be_reached_has_failed() {
    spotify(
        r#"{"consecutive_failures": 2}"#,
        r#"
        origin reset
        GET / -> 503
        GET / -> 503
        saw 2
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        saw nothing
        log~"spotify: open for 60s after 2 consecutive failures"
    "#,
    );
}

#[test]
fn what_is_a_failure_is_the_operator_s_to_say() {
    spotify(
        r#"{"consecutive_failures": 1}"#,
        r"
        origin 429
        3 times GET / -> 429
        origin 404
        3 times GET / -> 404
        metric api_gateway_circuit_breaker_failures_total{provider=spotify} 0
    ",
    );
    spotify(
        r#"{"consecutive_failures": 1, "failure_statuses": [429, "502-504"]}"#,
        r"
        origin 500
        GET / -> 500
        origin 429
        GET / -> 429
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
    ",
    );
}

#[test]
fn an_answer_by_a_filter_behind_it_says_nothing_about_the_upstream() {
    let breaker = |name: &str, failures: u32| {
        format!(
            r#"{{"breakers": {{"{name}": {{"consecutive_failures": {failures}}}}}, "routes": [{{"upstream": "{name}"}}]}}"#
        )
    };
    check_chain(
        &[("breaker", &breaker("outer", 2)), ("breaker", &breaker("inner", 1))],
        r#"
        origin 500
        GET / -> 500
        5 times GET / -> 503 body.error.message="Circuit breaker open for service: inner"
        metric api_gateway_circuit_breaker_failures_total{provider=outer} 1
        metric api_gateway_circuit_breaker_opens_total{provider=outer} 0
    "#,
    );
}

#[test]
fn upstreams_have_breakers_of_their_own_and_other_requests_none() {
    check(
        "breaker",
        r#"{"breakers": {"a": {"consecutive_failures": 1}, "b": {"consecutive_failures": 1}},
            "routes": [{"match": {"prefix": "/a/"}, "upstream": "a"}, {"match": {"prefix": "/b/"}, "upstream": "b"}]}"#,
        r"
        origin 500
        GET /a/x -> 500
        GET /a/x -> 503
        GET /b/x -> 500
        GET /b/x -> 503
        3 times GET /c -> 500
        state !wasm.weir.breaker
    ",
    );
}

#[test]
fn a_clock_that_steps_back_keeps_it_open_no_longer_than_it_may_be() {
    spotify(
        r#"{"consecutive_failures": 1, "open_for": "60s", "close_after": 1}"#,
        r"
        origin 500
        GET / -> 500
        origin 200
        back 1h
        GET / -> 503 retry-after=60
        advance 59s
        GET / -> 503 retry-after=1
        advance 1s
        GET / -> 200
        state wasm.weir.breaker=half_open
        GET / -> 200
        state wasm.weir.breaker=closed
    ",
    );
}

#[test]
fn hostile_headers_do_no_harm() {
    spotify(
        r#"{"consecutive_failures": 1}"#,
        r#"
        GET / accept="\xff\xfe" x-request-id="\xff\xfe" x-any="\xff\xfe" -> 200
        GET / accept="a"*59000 -> 200
        origin 500
        GET / -> 500
        GET / accept="\xff\xfe" x-request-id="\xff\xfe" -> 503 body.error.code=CIRCUIT_BREAKER_OPEN !body~request_id
        GET / x-request-id="a"*59000 -> 503 !body~aaa
        GET / accept="" accept=application/problem+json x-request-id="" -> 503
        GET / x-request-id=fine -> 503 body.error.request_id=fine
    "#,
    );
}

#[test]
fn many_workers_share_one_count() {
    let config =
        r#"{"breakers": {"a": {"consecutive_failures": 20, "open_for": "60s"}}, "routes": [{"upstream": "a"}]}"#;
    Scenario::new(&[("breaker", config)]).workers(4).check(
        r"
        origin 500
        20 times GET / -> 500
        20 times GET / -> 503
        metric api_gateway_circuit_breaker_failures_total{provider=a} 20
        metric api_gateway_circuit_breaker_opens_total{provider=a} 1
    ",
    );
}

#[test]
fn a_configuration_with_a_mistake_is_refused() {
    refuses(
        "breaker",
        r#"{"breakers": {"s": {"failure_rate": 101}}}"#,
        "configuration refused: breakers.s.failure_rate: must be 1 to 100 percent, got 101",
    );
    refuses("breaker", r#"{"routes": [{"upstream": "x"}]}"#, r#"routes[0].upstream: no such breaker: "x""#);
}
