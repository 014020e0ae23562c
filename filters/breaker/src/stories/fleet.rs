//! What others have found, and what one has found by itself.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::check;

const TWO: &str = r#"{"consecutive_failures": 2, "open_for": "10s", "close_after": 1, "half_open_requests": 1}"#;

#[test]
fn what_others_have_opened_asks_by_itself_and_has_no_vote() {
    check(
        TWO,
        "
        0s  ok
        0s  follow 10s
        0s  silent
        5s  refuse 5s
        10s send a
        10s is half_open
        10s silent
        11s a ok
        11s is closed
        ",
    );
}

#[test]
fn a_failed_probe_makes_a_vote_of_it() {
    check(
        TWO,
        "
        0s  follow 10s
        10s fail
        10s because a failed probe
        10s is open
        10s votes
        20s ok
        20s is closed
        20s silent
        ",
    );
}

#[test]
fn a_vote_stands_until_a_probe_closes_it_or_nobody_has_asked_for_a_while() {
    check(
        TWO,
        "
        0s  silent
        0s  fail × 2
        0s  votes
        14s votes
        15s silent
        16s send a
        16s votes
        17s a fail
        17s votes
        27s ok
        27s silent
        ",
    );
}

#[test]
fn a_straggler_from_before_says_nothing_of_what_others_have_opened() {
    check(
        TWO,
        "
        0s  fail
        0s  send a
        1s  follow 10s
        2s  a fail
        2s  silent
        2s  refuse 9s
        ",
    );
}

#[test]
fn only_what_is_closed_follows() {
    check(
        TWO,
        "
        0s  fail × 2
        1s  follow nothing
        1s  refuse 9s
        10s send a
        10s follow nothing
        10s is half_open
        ",
    );
    for order in ["disabled", "forced_open", "metrics_only"] {
        let story = ["0s fail × 2\n0s force ", order, "\n1s follow nothing\n1s silent\n1s is ", order].concat();
        check(TWO, &story);
    }
}

#[test]
fn what_was_found_before_it_only_counted_is_no_vote_after() {
    let counting = TWO.replace('}', r#", "order": "metrics_only"}"#);
    check(
        &counting,
        "
        0s  fail × 2
        0s  is metrics_only
        0s  force automatic
        0s  silent
        0s  follow 10s
        0s  silent
        ",
    );
}
