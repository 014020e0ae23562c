//! How a breaker opens and closes, and who counts when.

use std::time::Duration;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{START, check, limits};
use crate::limits::Limits;
use crate::state::{Decision, End, Outcome, Recorded, State};

const SUCCESS: End = End { outcome: Outcome::Success, took: Duration::ZERO, retry_after: Duration::ZERO };
const FAILURE: End = End { outcome: Outcome::Failure, ..SUCCESS };

#[test]
fn so_many_failures_in_a_row_open_it_and_so_many_probes_close_it() {
    check(
        r#"{"consecutive_failures": 5, "open_for": "60s", "close_after": 2}"#,
        "
        0s   fail × 4
        0s   ok
        1s   fail × 4
        1s   is closed
        2s   fail
        2s   because 5 consecutive failures
        2s   is open
        2s   refuse 60s
        61s  refuse 1s
        62s  ok
        62s  is half_open
        62s  ok
        62s  is closed
        63s  fail × 4
        63s  is closed
        ",
    );
}

#[test]
fn a_failed_probe_opens_it_for_as_long_again() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "10s"}"#,
        "
        0s   fail
        10s  ok
        11s  fail
        11s  because a failed probe
        20s  refuse 1s
        21s  ok
        21s  ok
        21s  is closed
        ",
    );
}

#[test]
fn a_share_of_failures_opens_it_once_there_are_calls_enough() {
    check(
        r#"{"failure_rate": 50, "window": 10, "minimum_calls": 4, "open_for": "2s"}"#,
        "
        0s  fail × 3
        0s  is closed
        0s  ok
        0s  because 3 failures in 4 calls
        2s  ok × 2
        3s  ok × 9
        3s  fail × 4
        3s  is closed
        3s  fail
        3s  because 5 failures in 10 calls
        ",
    );
}

#[test]
fn what_the_window_no_longer_holds_does_not_count() {
    check(
        r#"{"failure_rate": 50, "window": 4, "minimum_calls": 4}"#,
        "
        0s  ok × 3
        0s  fail
        0s  ok × 3
        0s  fail
        0s  ok × 2
        0s  is closed
        0s  fail × 1
        0s  because 2 failures in 4 calls
        ",
    );
}

#[test]
fn both_limits_hold_where_both_are_set() {
    let both = r#"{"consecutive_failures": 3, "failure_rate": 50, "window": 10, "minimum_calls": 10}"#;
    check(both, "0s fail × 3 \n 0s because 3 consecutive failures");
    check(
        both,
        "
        0s  fail × 2
        0s  ok × 2
        0s  fail × 2
        0s  ok × 3
        0s  fail
        0s  because 5 failures in 10 calls
        ",
    );
}

#[test]
fn no_more_probes_are_on_their_way_than_allowed() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "1s", "half_open_requests": 2, "close_after": 3}"#,
        "
        0s  fail
        1s  send a
        1s  send b
        1s  refuse
        1s  a ok
        1s  send c
        1s  refuse
        1s  b ok
        1s  refuse
        1s  c ok
        1s  is closed
        ",
    );
}

#[test]
fn a_probe_that_never_answers_makes_room_for_another() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "1s", "half_open_requests": 1, "close_after": 1, "probe_timeout": "30s"}"#,
        "
        0s   fail
        1s   send a
        30s  refuse
        31s  send b
        31s  refuse
        40s  a ok
        40s  is closed
        41s  b fail
        41s  is closed
        ",
    );
}

#[test]
fn a_client_that_leaves_gives_its_place_back_and_says_nothing() {
    check(
        r#"{"consecutive_failures": 2, "open_for": "1s", "half_open_requests": 1, "close_after": 1}"#,
        "
        0s  fail
        0s  drop
        0s  fail
        0s  is open
        1s  send a
        1s  refuse
        1s  a drop
        1s  is half_open
        1s  ok
        1s  is closed
        ",
    );
}

#[test]
fn a_straggler_of_an_earlier_state_does_not_count() {
    check(
        r#"{"consecutive_failures": 2, "open_for": "1s", "half_open_requests": 2, "close_after": 2}"#,
        "
        0s  send a
        0s  send b
        0s  send c
        0s  fail × 2
        0s  is open
        0s  a ok
        0s  is open
        1s  send p
        1s  b fail
        1s  is half_open
        1s  c ok
        1s  p ok
        1s  is half_open
        1s  ok
        1s  is closed
        ",
    );
}

#[test]
fn a_probe_of_an_earlier_half_open_time_does_not_count() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "1s", "half_open_requests": 2, "close_after": 1}"#,
        "
        0s  fail
        1s  send a
        1s  send b
        1s  a fail
        1s  is open
        2s  send c
        2s  b fail
        2s  is half_open
        2s  c ok
        2s  is closed
        ",
    );
}

#[test]
fn a_clock_that_steps_back_keeps_it_open_no_longer_than_it_may_be() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "10s", "close_after": 1}"#,
        "
        1h   fail
        0s   refuse 10s
        9s   refuse 1s
        10s  ok
        10s  is closed
        ",
    );
}

#[test]
fn a_clock_that_steps_back_keeps_no_probe_s_place_for_longer() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "1s", "half_open_requests": 1, "close_after": 1, "probe_timeout": "5s"}"#,
        "
        1h  fail
        2h  send a
        0s  refuse
        4s  refuse
        5s  send b
        5s  b ok
        5s  is closed
        ",
    );
}

#[test]
fn a_clock_that_leaps_ahead_only_shortens_the_wait() {
    check(r#"{"consecutive_failures": 1, "open_for": "10s", "close_after": 1}"#, "0s fail \n 30d ok \n 30d is closed");
}

#[test]
fn a_healthy_upstream_costs_no_write() {
    for (breaker, calls) in [("{}", 0), (r#"{"failure_rate": 50, "window": 100}"#, 100)] {
        let limits = limits(breaker);
        let mut state = State::default();
        let call = |state: &mut State| {
            let Decision::Pass(permit) = state.admit(&limits, START) else { panic!("refused") };
            state.record(&limits, START, permit, &SUCCESS, || [0; 4])
        };
        for _ in 0..calls {
            call(&mut state);
        }
        let before = state.clone();
        call(&mut state);
        assert_eq!(state, before, "{breaker}");
    }
}

#[test]
fn a_configuration_that_shrinks_leaves_nobody_waiting() {
    let wide = limits(r#"{"consecutive_failures": 1, "open_for": "1s", "half_open_requests": 9, "close_after": 9}"#);
    let narrow = limits(r#"{"consecutive_failures": 1, "open_for": "1s", "half_open_requests": 1, "close_after": 1}"#);
    let (mut state, later) = (State::default(), START + Duration::from_secs(1));
    let pass = |state: &mut State, limits: &Limits, now| match state.admit(limits, now) {
        Decision::Pass(permit) => permit,
        Decision::Refuse { .. } => panic!("refused"),
    };
    let permit = pass(&mut state, &wide, START);
    state.record(&wide, START, permit, &FAILURE, || [0; 4]);
    for _ in 0..5 {
        let permit = pass(&mut state, &wide, later);
        assert_eq!(state.record(&wide, later, permit, &SUCCESS, || [0; 4]), Recorded::Counted);
    }
    let permit = pass(&mut state, &narrow, later);
    assert_eq!(state.record(&narrow, later, permit, &SUCCESS, || [0; 4]), Recorded::Closed);
}

#[test]
fn the_state_never_grows_beyond_its_probes() {
    let limits =
        limits(r#"{"consecutive_failures": 1, "open_for": "1s", "half_open_requests": 100, "close_after": 100}"#);
    let (mut state, mut bytes) = (State::default(), Vec::new());
    let Decision::Pass(permit) = state.admit(&limits, START) else { panic!("refused") };
    state.record(&limits, START, permit, &FAILURE, || [0; 4]);
    for second in 1..1000 {
        let passed = (0..200).filter(|_| {
            let decision = state.admit(&limits, START + Duration::from_secs(second));
            matches!(decision, Decision::Pass(_))
        });
        assert!(passed.count() <= 100);
        state.write(&mut bytes);
        assert!(bytes.len() <= 16 + 100 * 12);
    }
}
