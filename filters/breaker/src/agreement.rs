//! What well-known implementations assert of themselves, where the semantics are meant to agree.
//!
//! An operator's action that those have and this breaker has not (to force it open, say) is played as a failure with a
//! limit of one.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::stories::check;

#[test]
fn it_agrees_with_resilience4j() {
    // resilience4j@af9e7c9, CircuitBreakerStateMachineTest: four calls permitted half-open, 5 s open.
    let four = r#"{"consecutive_failures": 1, "open_for": "5s", "half_open_requests": 4, "close_after": 4}"#;
    // shouldIncreaseCounterOnReleasePermission
    check(
        four,
        "
        0s fail \n 5s send a \n 5s send b \n 5s send c \n 5s send d \n 5s refuse \n 5s refuse
        5s d drop \n 5s send e
        ",
    );
    // shouldOnlyPermitFourCallsInHalfOpenState
    check(
        four,
        "
        0s  fail \n 5s send a \n 5s send b \n 5s send c \n 5s send d \n 5s refuse \n 5s refuse
        5s  a fail \n 5s is open
        10s send a \n 10s send b \n 10s send c \n 10s send d \n 10s refuse \n 10s refuse
        ",
    );
    // shouldIgnoreExceptionsAndThenTransitionToClosed
    check(
        four,
        "
        0s fail \n 5s drop \n 5s drop \n 5s drop \n 5s drop \n 5s is half_open
        5s ok \n 5s ok \n 5s ok \n 5s is half_open \n 5s ok \n 5s is closed
        ",
    );
    // shouldOpenAfterFailureRateThresholdExceeded: it opens on a success, once there are five calls.
    check(
        r#"{"failure_rate": 50, "window": 100, "minimum_calls": 5, "open_for": "5s"}"#,
        "
        0s fail × 3 \n 0s is closed \n 0s ok \n 0s is closed \n 0s ok
        0s because 3 failures in 5 calls \n 0s refuse 5s
        ",
    );
    // shouldTransitionToHalfOpenAfterPassedWaitDuration
    check(
        r#"{"consecutive_failures": 1, "open_for": "2h"}"#,
        "
        0s fail \n 0s refuse 2h \n 1h refuse 1h \n 7201s send a \n 7201s is half_open
        ",
    );
    // CircuitBreakerExceptionHandlingTest, shouldIgnoreNumberFormatException: what is ignored is not counted.
    check(
        r#"{"failure_rate": 50, "window": 2, "minimum_calls": 2}"#,
        "
        0s fail \n 0s drop \n 0s is closed \n 0s fail \n 0s because 2 failures in 2 calls
        ",
    );
}

#[test]
fn it_agrees_with_gobreaker() {
    // sony/gobreaker@fed8e9e, TestCustomCircuitBreaker: at least 3 requests, 60 % failures, 3 requests half-open, 90 s.
    check(
        r#"{"failure_rate": 60, "window": 100, "minimum_calls": 3, "open_for": "90s", "half_open_requests": 3, "close_after": 3}"#,
        "
        0s  fail \n 0s ok \n 0s is closed \n 0s fail \n 0s is open
        90s ok \n 90s ok \n 90s is half_open \n 90s send a \n 90s refuse \n 90s a ok \n 90s is closed
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
