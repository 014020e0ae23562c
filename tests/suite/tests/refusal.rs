//! `refuses` holds where both proxies refuse a configuration and say why, and fails everywhere else; what a filter
//! leaves behind (state, metrics, log lines) can be seen on both.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use std::panic::catch_unwind;
use std::time::Duration;

use suite::{Scenario, check, refuses};

/// What a check that must fail says.
fn report(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(check).expect_err("the check does not hold");
    panic.downcast_ref::<String>().cloned().expect("a report is text")
}

#[test]
fn both_proxies_refuse_a_bad_configuration_and_say_why() {
    refuses("correlation", r#"{"no_such_field": 1}"#, "no_such_field");
}

#[test]
fn a_configuration_that_is_accepted_is_reported() {
    let report = report(|| refuses("correlation", "{}", "anything"));
    assert!(report.starts_with("the host accepts this configuration of correlation: {}"), "{report}");
}

#[test]
fn a_refusal_without_the_expected_text_is_reported() {
    let report = report(|| refuses("correlation", r#"{"no_such_field": 1}"#, "another reason"));
    assert!(report.contains(r#"its log does not say "another reason""#), "{report}");
}

#[test]
fn what_a_filter_leaves_behind_is_seen_on_both_proxies() {
    check(
        "correlation",
        "{}",
        "
        GET /  x-request-id=abc  -> 200 x-request-id=abc
        saw GET /  x-request-id=abc
        state wasm.weir.request_id=abc !wasm.weir.agent
        GET /  -> 200 x-request-id=$made
        saw GET /  x-request-id=$made
        state wasm.weir.request_id=$made
        metric api_gateway_correlation_requests_total{source=client} 1
        metric api_gateway_correlation_requests_total 2
    ",
    );
    let wrong = [
        ("state wasm.weir.request_id=other", r#"wasm.weir.request_id: expected "other", got "abc""#),
        ("metric api_gateway_correlation_requests_total{source=client} 2", "expected 2, got 1"),
    ];
    for (line, expected) in wrong {
        let lines = format!("GET / x-request-id=abc -> 200\n{line}");
        let scenario = Scenario::new(&[("correlation", "{}")]).patience(Duration::from_millis(200));
        let report = scenario.outcome(&lines).expect_err(line);
        assert!(report.contains("host, line 2") && report.contains("Envoy, line 2"), "{report}");
        assert_eq!(report.matches(expected).count(), 2, "{report}");
    }
}
