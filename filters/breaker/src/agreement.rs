//! What well-known implementations assert of themselves, where the semantics are meant to agree, and where they are not.
//!
//! Their own forced transitions are played as what leads there here: a failure with a limit of one opens, and the time that
//! passes makes it half-open. Where a story differs from its source, a comment says how and why. In short:
//!
//! - **Half-open.** resilience4j lets a fixed number of calls pass, then compares their rates with the thresholds. Here, as
//!   in gobreaker, one failed (or slow) probe is enough to open, and `close_after` successes to close: nobody has to wait
//!   for the slowest probe, and an upstream that still fails gets as few calls as possible.
//! - **A probe that never answers** makes room for another after `probe_timeout`, and the breaker stays half-open.
//!   resilience4j opens after `maxWaitDurationInHalfOpenState`. What never answers is ended by Envoy's own timeout, which
//!   is a failure and opens it; what is left are clients that leave, who say nothing about the upstream.
//! - **Windows slide.** gobreaker's `interval` clears all counts at once.
//! - **Nothing happens by itself.** Open turns half-open with the first call after its time, as in both.
//! - **Nothing begins open.** resilience4j's configuration may name the state in which a breaker begins, `OPEN` among them. Here what was
//!   seen outlives a reload, and of an upstream that nobody has asked yet nothing bad is known. An operator who wants it left
//!   alone from the start says `"order": "forced_open"`, which does not end by itself.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::stories::check;

/// resilience4j@af9e7c9, `CircuitBreakerStateMachineTest`: four calls permitted half-open, 5 s open.
const FOUR: &str = r#"{"consecutive_failures": 1, "open_for": "5s", "half_open_requests": 4, "close_after": 4}"#;

/// Its windows: 20 s, five calls, half of them failed or slower than 4 s.
const TIME: &str = r#"{"failure_rate": 50, "slow_rate": 50, "slow_after": "4s", "window": "20s", "minimum_calls": 5,
    "open_for": "5s", "half_open_requests": 4, "close_after": 4}"#;

#[test]
fn probes_agree_with_resilience4j() {
    // shouldIncreaseCounterOnReleasePermission
    check(
        FOUR,
        "
        0s fail \n 5s send a \n 5s send b \n 5s send c \n 5s send d \n 5s refuse \n 5s refuse
        5s d drop \n 5s send e
        ",
    );
    // shouldOnlyPermitFourCallsInHalfOpenState
    check(
        FOUR,
        "
        0s  fail \n 5s send a \n 5s send b \n 5s send c \n 5s send d \n 5s refuse \n 5s refuse
        5s  a fail \n 5s is open
        10s send a \n 10s send b \n 10s send c \n 10s send d \n 10s refuse \n 10s refuse
        ",
    );
    // shouldIgnoreExceptionsAndThenTransitionToClosed
    check(
        FOUR,
        "
        0s fail \n 5s drop \n 5s drop \n 5s drop \n 5s drop \n 5s is half_open
        5s ok \n 5s ok \n 5s ok \n 5s is half_open \n 5s ok \n 5s is closed \n 5s has 0 calls 0 failed 0 slow
        ",
    );
    // shouldTransitionBackToOpenStateWhenSlowCallRateIsAboveThreshold: there after the fourth probe, here after the first.
    check(TIME, "0s fail × 5 \n 5s send a \n 5s send b \n 10s a ok took 5s \n 10s because a slow probe \n 10s is open");
    // circuitBreakerTransitionsToOpenAfterWaitDurationInHalfOpenState: there open after a second, here room for another.
    check(
        r#"{"consecutive_failures": 1, "open_for": "5s", "half_open_requests": 1, "probe_timeout": "1s"}"#,
        "0s fail \n 5s send a \n 5s refuse \n 7s is half_open \n 7s send b \n 7s refuse",
    );
}

#[test]
fn windows_agree_with_resilience4j() {
    // shouldOpenAfterFailureRateThresholdExceeded: it opens on a success, once there are five calls.
    check(
        TIME,
        "
        0s is closed \n 0s has 0 calls 0 failed 0 slow
        0s fail \n 0s has 1 calls 1 failed 0 slow \n 0s fail \n 0s has 2 calls 2 failed 0 slow
        0s fail \n 0s has 3 calls 3 failed 0 slow \n 0s is closed
        0s ok \n 0s has 4 calls 3 failed 0 slow \n 0s is closed
        0s ok \n 0s because 3 failures in 5 calls \n 0s refuse 5s
        ",
    );
    // shouldOpenAfterSlowCallRateThresholdExceededUsingMockClock
    check(
        TIME,
        "
        5s  ok took 5s \n 5s has 1 calls 0 failed 1 slow
        10s ok took 5s \n 10s has 2 calls 0 failed 2 slow
        11s ok took 1s \n 11s has 3 calls 0 failed 2 slow
        12s ok took 1s \n 12s has 4 calls 0 failed 2 slow
        17s ok took 5s \n 17s because 3 slow calls in 5
        ",
    );
    // FixedSizeSlidingWindowMetricsTest, testSlowCallsPercentage: two in five are 40 %.
    check(
        r#"{"slow_rate": 40, "slow_after": "4s", "window": 5, "minimum_calls": 5}"#,
        "0s ok took 10s \n 0s fail took 10s \n 0s ok took 100ms × 2 \n 0s is closed \n 0s ok took 100ms \n 0s is open",
    );
    // CircuitBreakerExceptionHandlingTest, shouldIgnoreNumberFormatException: what is ignored is not counted.
    check(
        r#"{"failure_rate": 50, "window": 5, "minimum_calls": 5}"#,
        "0s fail \n 0s drop \n 0s has 1 calls 1 failed 0 slow",
    );
}

#[test]
fn open_times_agree_with_resilience4j() {
    // shouldTransitionToHalfOpenAfterPassedWaitDuration
    check(
        r#"{"consecutive_failures": 1, "open_for": "2h"}"#,
        "
        0s fail \n 0s refuse 2h \n 1h refuse 1h \n 7201s send a \n 7201s is half_open
        ",
    );
    // shouldTransitionToHalfOpenAfterWaitInterval: 5 s, then 1.5 times as long.
    check(
        r#"{"consecutive_failures": 1, "open_for": "5s", "open_for_max": "1h", "open_growth": 1.5}"#,
        "
        0s  fail \n 0s is open \n 0s refuse 5s \n 3s refuse 2s \n 6s send a \n 6s is half_open
        6s  a fail \n 12s is open \n 12s refuse 1500ms \n 17s send b \n 17s is half_open
        ",
    );
}

#[test]
fn orders_agree_with_resilience4j() {
    // shouldForceOpenCircuitBreaker, shouldThrowCallNotPermittedExceptionWhenStateIsOpen
    check(TIME, "0s force forced_open \n 0s is forced_open \n 0s refuse 5s \n 6s refuse 5s \n 6s is forced_open");
    // circuitBreakerInitializeInOpenState: there open, and half-open when that is forced; here by an order, until it is taken back.
    check(
        r#"{"failure_rate": 50, "window": "5s", "minimum_calls": 5, "open_for": "2s", "order": "forced_open"}"#,
        "0s is forced_open \n 0s refuse 2s \n 1h refuse 2s \n 1h force automatic \n 1h is closed \n 1h ok",
    );
    // shouldResetMetricsAfterMetricsOnlyStateTransition
    check(
        TIME,
        "0s ok × 2 \n 0s has 2 calls 0 failed 0 slow \n 0s force metrics_only \n 0s is metrics_only
         0s has 0 calls 0 failed 0 slow",
    );
    // shouldResetMetrics, shouldResetToClosedState: to take back any order is to reset.
    check(
        TIME,
        "0s ok \n 0s fail \n 0s has 2 calls 1 failed 0 slow \n 0s force nothing \n 0s has 0 calls 0 failed 0 slow
         0s fail × 5 \n 0s is open \n 0s force nothing \n 0s is closed",
    );
}

#[test]
fn it_agrees_with_gobreaker() {
    // sony/gobreaker@fed8e9e, TestCustomCircuitBreaker: at least 3 requests, 60 % failures, 3 requests half-open, 90 s. Its
    // counts begin anew after 30 s, here the one success of a second before is still there: it takes one failure more.
    check(
        r#"{"failure_rate": 60, "window": "30s", "minimum_calls": 3, "open_for": "90s", "half_open_requests": 3,
            "close_after": 3}"#,
        "
        0s   ok \n 0s fail \n 0s ok \n 0s fail \n 0s ok \n 0s fail \n 0s ok \n 0s fail \n 0s ok \n 0s fail
        0s   is closed \n 0s has 10 calls 5 failed 0 slow
        29s  ok \n 29s is closed \n 29s has 11 calls 5 failed 0 slow
        30s  fail \n 30s is closed \n 30s has 2 calls 1 failed 0 slow
        30s  ok \n 30s fail \n 30s is closed \n 30s fail \n 30s because 3 failures in 5 calls
        120s ok \n 120s ok \n 120s is half_open \n 120s send a \n 120s refuse \n 120s a ok \n 120s is closed
        120s has 0 calls 0 failed 0 slow
        ",
    );
    // TestGeneration: a call that was let through before the state changed does not count in the new one.
    check(
        r#"{"consecutive_failures": 1, "open_for": "90s", "close_after": 1}"#,
        "
        0s send late \n 0s fail \n 90s ok \n 90s is closed \n 90s late fail \n 90s is closed
        ",
    );
}
