//! The breaker filter's bulkhead: how many requests are under way to one upstream.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Duration;

use suite::player::play;
use suite::{HostStage, Scenario, check, check_chain, parser, refuses};

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
        r#"{"bulkhead": 2, "consecutive_failures": 1, "open_for": "10s", "half_open_requests": 3, "close_after": 3}"#,
        r"
        origin 500
        GET / -> 500
        advance 10s
        origin 200
        origin /slow 200 hold
        start GET /slow as a
        saw GET /slow
        start GET /slow as b
        saw GET /slow
        5 times GET / -> 503 body.error.code=SERVICE_UNAVAILABLE
        release
        finish a -> 200
        finish b -> 200
        GET / -> 200
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

/// The host with a bulkhead of this size, and as many requests as it may have under way on the first worker.
fn full(most: usize) -> HostStage {
    let config = config(&format!(r#"{{"bulkhead": {most}}}"#));
    let mut stage = Scenario::new(&[("breaker", &config)]).host().expect("the host starts");
    goes_on(&mut stage, "origin /slow 200 hold");
    for call in 0..most {
        goes_on(&mut stage, &format!("start GET /slow @1 as c{call}"));
    }
    goes_on(&mut stage, "GET / @1 -> 503\nGET / @2 -> 503");
    stage
}

#[track_caller]
fn goes_on(stage: &mut HostStage, lines: &str) {
    play(stage, &parser::parse(lines).expect("lines")).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn the_calls_of_a_worker_that_crashes_lapse() {
    let mut stage = full(2);
    stage.host.crash(0, "breaker");
    stage.host.advance(Duration::from_secs(3));
    goes_on(&mut stage, "GET / @2 -> 503");
    stage.host.advance(Duration::from_secs(2));
    goes_on(&mut stage, "GET / @2 -> 200\nGET / @1 -> 200");
}

#[test]
fn a_call_that_takes_long_keeps_its_place() {
    spotify(
        r#"{"bulkhead": 1}"#,
        r"
        origin /slow 200 hold
        start GET /slow @1 as a
        saw GET /slow
        advance 10m
        GET / @2 -> 503
        metric api_gateway_bulkhead_calls{provider=spotify} 1
        release
        finish a -> 200
        GET / @2 -> 200
    ",
    );
}

#[test]
fn a_clock_that_steps_back_frees_no_place_and_keeps_none() {
    spotify(
        r#"{"bulkhead": 1}"#,
        r"
        origin /slow 200 hold
        start GET /slow @1 as a
        saw GET /slow
        back 1h
        GET / @2 -> 503
        advance 5m
        GET / @2 -> 503
        release
        finish a -> 200
        GET / @2 -> 200
    ",
    );
}

#[test]
fn calls_from_before_a_change_of_configuration_count_under_the_new_one() {
    let mut stage = full(1);
    stage.host.reload("breaker", config(r#"{"bulkhead": 2}"#)).expect("the configuration is good");
    goes_on(&mut stage, "start GET /slow @2 as late\nGET / @2 -> 503\nGET / @1 -> 503");
    stage.host.advance(Duration::from_mins(1));
    goes_on(&mut stage, "GET / @1 -> 503\nrelease\n4 times GET / -> 200");
}

#[test]
fn what_is_no_count_in_shared_data_counts_nothing() {
    let mut stage = full(1);
    goes_on(&mut stage, "release\nGET / -> 200");
    for bytes in [&b"x"[..], &[0xff; 4096], &[1; 32]] {
        stage.host.set_shared_data("weir", "weir.breaker/calls/spotify", bytes.to_vec());
        stage.host.advance(Duration::from_secs(6));
        goes_on(&mut stage, "eventually GET / @1 -> 200\nGET / @2 -> 200");
    }
}

#[test]
fn a_bulkhead_for_nobody_is_refused() {
    refuses(
        "breaker",
        &config(r#"{"bulkhead": 0}"#),
        "configuration refused: breakers.spotify.bulkhead: must be at least 1",
    );
}
