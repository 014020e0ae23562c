//! Several limits at once: all or nothing, and which of them is reported.

use super::*;
use crate::rate::Rate;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Limits such as `10/s burst 20, 100/m sliding, 5/d fixed`, named by their unit.
pub(crate) fn limits(text: &str) -> Limits {
    let mut limits: Vec<Limit> = Vec::new();
    for text in text.split(", ") {
        let (rate, more) = text.split_once(' ').unwrap_or((text, ""));
        let rate = Rate::parse(rate).unwrap();
        let length = rate.unit().length();
        let window = |kind| Terms::Window(Window::new(kind, rate.count(), length).unwrap());
        let terms = match more {
            "sliding" => window(Kind::Sliding),
            "fixed" => window(Kind::Fixed),
            _ => {
                let burst = more.strip_prefix("burst ").map_or(rate.count(), |burst| burst.parse().unwrap());
                Terms::Bucket(Quota::new(rate, burst).unwrap())
            }
        };
        let limit = Limit::new("", terms, length, &limits);
        limits.push(Limit { name: limit.name[1..].to_owned(), ..limit });
    }
    Limits::new(limits.remove(0), limits)
}

/// Says `allow` or `deny`, the limit that is reported, its tokens, and the milliseconds until its reset.
pub(crate) fn say(outcome: &Outcome<'_>) -> String {
    let word = if outcome.is_denied() { "deny" } else { "allow" };
    let Standing { limit, remaining, reset_in } = outcome.standing();
    format!("{word} {} {remaining} {}", limit.name, reset_in.as_millis())
}

fn check(limits: &Limits, rows: &[(u64, u32, &str)]) {
    let mut buckets = Buckets::default();
    for (millis, cost, expected) in rows {
        let now = Instant::from_unix_seconds(1_000) + Duration::from_millis(*millis);
        let outcome = limits.try_take(&mut buckets, now, NonZeroU32::new(*cost).unwrap());
        assert_eq!(say(&outcome), *expected, "at {millis}");
    }
}

#[test]
fn every_limit_must_hold_enough() {
    check(
        &limits("2/s, 3/m"),
        &[
            (0, 1, "allow second 1 500"),
            (0, 1, "allow second 0 1000"),
            (0, 1, "deny second 0 500"),
            (1000, 1, "allow minute 0 59000"),
            (1000, 1, "deny minute 0 19000"),
        ],
    );
}

#[test]
fn a_denied_request_costs_no_limit_anything() {
    let limits = limits("5/s, 2/m");
    let mut buckets = Buckets::default();
    let now = Instant::from_unix_seconds(1_000);
    for _ in 0..2 {
        assert!(!limits.try_take(&mut buckets, now, NonZeroU32::MIN).is_denied());
    }
    let before = buckets.clone();
    for _ in 0..100 {
        assert!(limits.try_take(&mut buckets, now, NonZeroU32::MIN).is_denied());
    }
    assert_eq!(buckets, before);
    assert_eq!(limits.tokens(&buckets, now), 0);
    limits.give_back(&mut buckets, now, NonZeroU32::MIN, Duration::ZERO);
    assert_eq!(limits.tokens(&buckets, now), 1);
}

#[test]
fn the_refusal_that_lasts_longest_is_reported() {
    check(
        &limits("1/s, 1/h, 1/m"),
        &[(0, 1, "allow hour 0 3600000"), (0, 1, "deny hour 0 3600000"), (1000, 1, "deny hour 0 3599000")],
    );
}
