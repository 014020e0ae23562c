//! For how long a breaker stays open.

use std::time::Duration;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{START, check, check_with, limits};
use crate::state::{Decision, End, Outcome, State};

#[test]
fn it_stays_open_longer_each_time_until_the_longest() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "10s", "open_for_max": "35s", "close_after": 1}"#,
        "
        0s    fail
        0s    refuse 10s
        10s   fail
        10s   refuse 20s
        30s   fail
        30s   refuse 35s
        65s   fail
        65s   refuse 35s
        100s  ok
        100s  is closed
        100s  fail
        100s  refuse 10s
        ",
    );
}

#[test]
fn a_probe_that_succeeds_alone_does_not_make_it_forget() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "10s", "open_for_max": "1h", "close_after": 2}"#,
        "0s fail \n 10s ok \n 10s fail \n 10s refuse 20s",
    );
}

#[test]
fn it_grows_by_as_much_as_is_said() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "1s", "open_for_max": "1h", "open_growth": 1.5}"#,
        "0s fail \n 1s fail \n 1s refuse 1500ms \n 3s fail \n 3s refuse 2250ms",
    );
    check(
        r#"{"consecutive_failures": 1, "open_for": "1s", "open_for_max": "1h", "open_growth": 1}"#,
        "0s fail \n 1s fail \n 1s refuse 1s",
    );
}

#[test]
fn however_often_it_opens_it_is_for_the_longest_time_at_most() {
    let limits = limits(r#"{"open_for": "1ms", "open_for_max": "3000d", "open_growth": 10, "open_jitter": 90}"#);
    for trip in 0..=u8::MAX {
        assert!(limits.open_time(trip, || [0xff; 4]) <= Duration::from_hours(3000 * 24), "{trip}");
    }
}

#[test]
fn jitter_makes_it_shorter_or_longer_by_so_much() {
    let breaker = r#"{"consecutive_failures": 1, "open_for": "10s", "open_jitter": 20}"#;
    check_with([0; 4], breaker, "0s fail \n 0s refuse 8s");
    check_with([0xff; 4], breaker, "0s fail \n 0s refuse 12s");
    let capped = r#"{"consecutive_failures": 1, "open_for": "10s", "open_for_max": "12s", "open_jitter": 20}"#;
    check_with([0; 4], capped, "0s fail \n 8s fail \n 8s refuse 8s");
    check_with([0xff; 4], capped, "0s fail \n 12s fail \n 12s refuse 12s");
}

#[test]
fn jitter_spreads_evenly_below_the_longest_time() {
    let limits = limits(r#"{"open_for": "10s", "open_for_max": "20s", "open_jitter": 50}"#);
    let mut tenths = [0; 10];
    for step in 0..1000_u32 {
        let length = limits.open_time(9, || (step * 4_294_967).to_le_bytes());
        let share = (length.as_secs_f64() - 20.0 / 3.0) / (20.0 - 20.0 / 3.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 9")]
        let tenth = (share * 9.999) as usize;
        tenths[tenth] += 1;
    }
    assert!(tenths.iter().all(|&count| (90..=110).contains(&count)), "{tenths:?}");
}

#[test]
fn it_stays_open_as_long_as_the_upstream_asks() {
    let breaker = r#"{"consecutive_failures": 2, "open_for": "10s", "retry_after_max": "5m", "close_after": 1}"#;
    check(breaker, "0s fail says 90s × 2 \n 0s refuse 90s \n 90s ok \n 90s is closed");
    check(breaker, "0s fail × 2 \n 10s fail says 30s \n 10s because a failed probe \n 10s refuse 30s");
}

#[test]
fn an_upstream_that_asks_for_less_or_for_too_much_does_not_have_its_way() {
    let breaker = r#"{"consecutive_failures": 1, "open_for": "10s", "retry_after_max": "5m"}"#;
    check(breaker, "0s fail says 3s \n 0s refuse 10s");
    check(breaker, "0s fail says 3000d \n 0s refuse 5m");
    check(
        r#"{"consecutive_failures": 1, "open_for": "10s", "retry_after_max": "0"}"#,
        "0s fail says 90s \n 0s refuse 10s",
    );
}

#[test]
fn what_an_upstream_asks_for_before_it_opens_is_not_kept() {
    check(r#"{"consecutive_failures": 2, "open_for": "10s"}"#, "0s fail says 90s \n 0s fail \n 0s refuse 10s");
}

#[test]
fn a_clock_that_steps_back_keeps_it_open_no_longer_than_it_opened_for() {
    check(
        r#"{"consecutive_failures": 1, "open_for": "10s", "close_after": 1}"#,
        "1h fail says 60s \n 0s refuse 60s \n 59s refuse 1s \n 60s ok \n 60s is closed",
    );
}

#[test]
fn a_configuration_with_shorter_times_holds_for_what_is_open_already() {
    let long = limits(r#"{"consecutive_failures": 1, "open_for": "10h"}"#);
    let short = limits(r#"{"open_for": "10s", "retry_after_max": "20s"}"#);
    let mut state = State::default();
    let Decision::Pass(permit) = state.admit(&long, START) else { panic!("refused") };
    let end = End { outcome: Outcome::Failure, took: Duration::ZERO, retry_after: Duration::ZERO };
    state.record(&long, START, permit, &end, || [0; 4]);
    assert_eq!(state.admit(&short, START), Decision::Refuse { retry_after: Duration::from_secs(20) });
    assert!(matches!(state.admit(&short, START + Duration::from_secs(20)), Decision::Pass(_)));
}
