//! What an operator orders.

use std::time::Duration;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{START, check, limits};
use crate::state::{Decision, End, Mode, Outcome, Recorded, State};

const ONE: &str = r#"{"consecutive_failures": 1, "open_for": "10s", "close_after": 1}"#;

#[test]
fn forced_open_it_refuses_until_another_order() {
    check(
        ONE,
        "
        0s  force forced_open
        0s  is forced_open
        0s  refuse 10s
        1h  refuse 10s
        1h  force nothing
        1h  is closed
        1h  ok
        ",
    );
}

#[test]
fn disabled_it_passes_all_and_counts_nothing() {
    check(
        ONE,
        "
        0s  force disabled
        0s  fail × 9
        0s  is disabled
        0s  has 0 calls 0 failed 0 slow
        0s  force nothing
        0s  ok
        0s  is closed
        0s  fail
        0s  is open
        ",
    );
}

#[test]
fn metrics_only_it_passes_all_and_says_when_it_would_have_opened() {
    check(
        r#"{"failure_rate": 50, "window": 4, "minimum_calls": 4}"#,
        "
        0s  force metrics_only
        0s  ok × 2
        0s  fail × 2
        0s  exceeds 2 failures in 4 calls
        0s  is metrics_only
        0s  has 4 calls 2 failed 0 slow
        0s  fail × 2
        0s  ok × 3
        0s  has 4 calls 1 failed 0 slow
        0s  fail × 2
        0s  exceeds 2 failures in 4 calls
        ",
    );
}

#[test]
fn an_order_forgets_what_was_seen_before_it_and_so_does_its_end() {
    check(
        r#"{"consecutive_failures": 3, "failure_rate": 100, "window": 9, "minimum_calls": 9}"#,
        "
        0s  fail × 2
        0s  force metrics_only
        0s  has 0 calls 0 failed 0 slow
        0s  fail × 2
        0s  force nothing
        0s  fail × 2
        0s  is closed
        0s  fail
        0s  because 3 consecutive failures
        ",
    );
}

#[test]
fn what_was_on_its_way_before_an_order_does_not_count_after_it() {
    check(
        ONE,
        "
        0s  send a
        0s  send b
        0s  force metrics_only
        0s  a fail
        0s  has 0 calls 0 failed 0 slow
        0s  force automatic
        0s  b fail
        0s  is closed
        ",
    );
}

#[test]
fn an_order_ends_half_open_and_its_probes() {
    check(
        ONE,
        "
        0s   fail
        10s  send probe
        10s  force forced_open
        10s  probe ok
        10s  is forced_open
        10s  force nothing
        10s  is closed
        ",
    );
}

#[test]
fn an_order_at_run_time_goes_before_the_configured_one() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "10s", "order": "metrics_only"}"#,
        "
        0s  fail
        0s  exceeds 1 consecutive failures
        0s  is metrics_only
        0s  force automatic
        0s  fail
        0s  is open
        0s  force nothing
        0s  fail × 5
        0s  is metrics_only
        ",
    );
}

#[test]
fn a_configuration_that_orders_finds_an_open_breaker_and_lets_calls_pass() {
    let automatic = limits(ONE);
    let end = End { outcome: Outcome::Failure, took: Duration::ZERO, retry_after: Duration::ZERO };
    for (order, passes, mode) in [
        ("disabled", true, Mode::Disabled),
        ("forced_open", false, Mode::ForcedOpen),
        ("metrics_only", true, Mode::MetricsOnly),
    ] {
        let ordered = limits(&format!(r#"{{"consecutive_failures": 1, "order": "{order}"}}"#));
        let mut state = State::default();
        let Decision::Pass(permit) = state.admit(&automatic, START) else { panic!("refused") };
        state.record(&automatic, START, permit, &end, || [0; 4]);
        assert_eq!(state.mode(&automatic), Mode::Open);
        let decision = state.admit(&ordered, START);
        assert_eq!((matches!(decision, Decision::Pass(_)), state.mode(&ordered)), (passes, mode), "{order}");
        if let Decision::Pass(permit) = decision {
            let counted = state.record(&ordered, START, permit, &end, || [0; 4]) != Recorded::Ignored;
            assert_eq!(counted, mode == Mode::MetricsOnly, "{order}");
        }
    }
}
