//! Shares of failures and of slow calls, by count and by time.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::check;

#[test]
fn slow_calls_open_it_whether_or_not_they_fail() {
    check(
        r#"{"slow_rate": 50, "slow_after": "2s", "window": 10, "minimum_calls": 4}"#,
        "
        0s  ok took 2s
        0s  ok took 2001ms
        0s  fail × 1
        0s  has 3 calls 1 failed 1 slow
        0s  fail took 5s
        0s  because 2 slow calls in 4
        ",
    );
}

#[test]
fn failures_alone_do_not_open_one_that_watches_slow_calls_alone() {
    check(
        r#"{"slow_rate": 50, "slow_after": "2s", "window": 4, "minimum_calls": 4}"#,
        "0s fail × 9 \n 0s is closed \n 0s has 4 calls 4 failed 0 slow",
    );
}

#[test]
fn failures_and_slow_calls_are_shares_of_their_own() {
    check(
        r#"{"failure_rate": 50, "slow_rate": 80, "slow_after": "1s", "window": 5, "minimum_calls": 5}"#,
        "
        0s  fail × 2
        0s  ok took 3s × 3
        0s  has 5 calls 2 failed 3 slow
        0s  is closed
        0s  ok took 3s
        0s  because 4 slow calls in 5
        ",
    );
}

#[test]
fn every_limit_holds_where_all_are_set() {
    let all = r#"{"consecutive_failures": 3, "failure_rate": 60, "slow_rate": 70, "slow_after": "1s", "window": 10,
        "minimum_calls": 10}"#;
    check(all, "0s fail × 3 \n 0s because 3 consecutive failures");
    check(all, "0s fail × 2 \n 0s ok \n 0s fail × 2 \n 0s ok \n 0s fail × 2 \n 0s ok \n 0s fail \n 0s is open");
    check(all, "0s ok × 3 \n 0s ok took 2s × 6 \n 0s is closed \n 0s ok took 2s \n 0s is open");
}

#[test]
fn a_window_of_seconds_forgets_what_is_over() {
    check(
        r#"{"failure_rate": 50, "window": "10s", "minimum_calls": 4, "open_for": "5s"}"#,
        "
        0s   fail × 3
        9s   has 3 calls 3 failed 0 slow
        10s  ok
        10s  has 1 calls 0 failed 0 slow
        11s  fail × 2
        11s  is closed
        12s  fail
        12s  because 3 failures in 4 calls
        17s  ok × 2
        17s  has 0 calls 0 failed 0 slow
        ",
    );
}

#[test]
fn a_window_of_seconds_has_any_number_of_calls() {
    check(
        r#"{"failure_rate": 50, "window": "60s", "minimum_calls": 5000}"#,
        "
        0s  ok × 3000
        1s  fail × 2999
        1s  has 5999 calls 2999 failed 0 slow
        1s  is closed
        1s  fail
        1s  because 3000 failures in 6000 calls
        ",
    );
}

#[test]
fn a_clock_that_steps_back_keeps_no_failure_for_longer() {
    check(
        r#"{"failure_rate": 50, "window": "10s", "minimum_calls": 4}"#,
        "
        1h   fail × 3
        0s   ok
        0s   because 3 failures in 4 calls
        ",
    );
    check(
        r#"{"failure_rate": 50, "window": "10s", "minimum_calls": 5}"#,
        "
        1h   fail × 3
        0s   ok
        9s   has 4 calls 3 failed 0 slow
        10s  ok
        10s  has 1 calls 0 failed 0 slow
        ",
    );
}

#[test]
fn a_slow_probe_is_a_failed_one_where_slow_calls_are_watched() {
    let breaker = r#"{"failure_rate": 50, "slow_rate": 50, "slow_after": "1s", "window": 2, "minimum_calls": 2,
        "open_for": "1s", "close_after": 1}"#;
    check(breaker, "0s fail × 2 \n 1s ok took 2s \n 1s because a slow probe \n 2s ok took 1s \n 2s is closed");
    check(
        r#"{"consecutive_failures": 1, "open_for": "1s", "close_after": 1}"#,
        "0s fail \n 1s ok took 2h \n 1s is closed",
    );
}

#[test]
fn what_is_ignored_is_in_no_window() {
    check(
        r#"{"failure_rate": 50, "slow_rate": 50, "slow_after": "1s", "window": 4, "minimum_calls": 2}"#,
        "0s fail \n 0s drop took 9s × 5 \n 0s has 1 calls 1 failed 0 slow \n 0s fail \n 0s is open",
    );
}
