//! What a window lets pass, against an exact log and against what others assert of theirs.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn window(kind: Kind, count: u32, seconds: u64) -> Window {
    Window::new(kind, NonZeroU32::new(count).unwrap(), Duration::from_secs(seconds)).unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::EPOCH + Duration::from_millis(millis)
}

/// Takes `cost`, says `allow left` or `deny left`, and the milliseconds until a reset.
fn take(log: &mut Log, window: &Window, millis: u64, cost: u32) -> String {
    match log.try_take(window, at(millis), NonZeroU32::new(cost).unwrap()) {
        Decision::Allow { remaining, full_in } => format!("allow {remaining} {}", full_in.as_millis()),
        Decision::Deny { remaining, retry_after } => format!("deny {remaining} {}", retry_after.as_millis()),
    }
}

/// Plays rows of milliseconds, cost and what follows, on a log that has `before` in it already.
fn check(window: Window, before: u32, rows: &[(u64, u32, &str)]) {
    let mut log = Log::default();
    if let (Some(count), Some((millis, ..))) = (NonZeroU32::new(before), rows.first()) {
        log.0.push(Spent { until: window.until(at(*millis)), count: count.get() });
    }
    for (millis, cost, expected) in rows {
        let said = match cost {
            0 => format!("peek {}", log.tokens(&window, at(*millis))),
            _ => take(&mut log, &window, *millis, *cost),
        };
        assert_eq!(said, *expected, "{window:?} at {millis}");
    }
}

// The sequences that other projects assert of their own limiters; numbers only, each with its source.

#[test]
fn envoys_ratelimit_agrees() {
    // envoyproxy/ratelimit test/redis/fixed_cache_impl_test.go testRedis: what was counted before, and the next request
    check(window(Kind::Fixed, 10, 1), 4, &[(1_234_000, 1, "allow 5 1000")]);
    check(window(Kind::Fixed, 10, 3600), 11, &[(1_000_000_000, 0, "peek 0"), (1_000_000_000, 1, "deny 0 800000")]);
    // TestNearLimit: a request that crosses the limit is refused whole
    check(window(Kind::Fixed, 15, 3600), 10, &[(1_000_000_000, 1, "allow 4 800000")]);
    check(window(Kind::Fixed, 15, 3600), 15, &[(1_000_000_000, 1, "deny 0 800000")]);
    check(window(Kind::Fixed, 8, 1), 5, &[(1_234_000, 2, "allow 1 1000")]);
    // There the refused request is counted; here it costs nothing, so that what is left is left.
    check(window(Kind::Fixed, 20, 1), 19, &[(1_234_000, 3, "deny 1 1000")]);
    check(window(Kind::Fixed, 10, 1), 27, &[(1_234_000, 3, "deny 0 1000")]);
    // test/integration/integration_test.go testBasicBaseConfig
    check(window(Kind::Fixed, 50, 1), 0, &[(0, 1, "allow 49 1000")]);
}

#[test]
fn limitador_agrees() {
    // Kuadrant/limitador limitador/tests/integration_tests.rs: rate_limited, takes_into_account_only_vars_of_the_limits,
    // multiple_limits_rate_limited (3 and 4 a minute), rate_limited_with_delta_higher_than_max
    for kind in [Kind::Fixed, Kind::Sliding] {
        for limit in [3, 4] {
            let mut log = Log::default();
            for _ in 0..limit {
                assert!(take(&mut log, &window(kind, limit, 60), 0, 1).starts_with("allow"));
            }
            assert!(take(&mut log, &window(kind, limit, 60), 40, 1).starts_with("deny 0"));
        }
        check(window(kind, 4, 60), 0, &[(0, 3, "allow 1 60000"), (40, 0, "peek 1")]);
        check(window(kind, 10, 60), 0, &[(0, 11, "deny 10 60000")]);
    }
}

#[test]
fn a_fixed_window_starts_over_with_the_clock() {
    check(
        window(Kind::Fixed, 2, 60),
        0,
        &[
            (59_000, 1, "allow 1 1000"),
            (59_999, 1, "allow 0 1"),
            (59_999, 1, "deny 0 1"),
            (60_000, 2, "allow 0 60000"),
            (119_999, 1, "deny 0 1"),
            (120_000, 1, "allow 1 60000"),
        ],
    );
}

#[test]
fn a_sliding_window_counts_who_comes_seldom_exactly() {
    check(
        window(Kind::Sliding, 2, 60),
        0,
        &[
            (0, 1, "allow 1 60000"),
            (30_000, 1, "allow 0 60000"),
            (59_999, 1, "deny 0 1"),
            (60_000, 1, "allow 0 60000"),
            (60_000, 1, "deny 0 30000"),
            (60_000, 2, "deny 0 60000"),
            (90_000, 1, "allow 0 60000"),
        ],
    );
}

/// Numbers that look random and are the same each time.
fn dice(seed: u32) -> impl FnMut(u32) -> u32 {
    let mut state = seed;
    move |sides| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % sides
    }
}

#[test]
fn no_stretch_of_one_window_ever_holds_more_than_the_limit() {
    for seed in 0..60 {
        let mut dice = dice(seed);
        let (count, seconds) = (1 + dice(40), 1 + u64::from(dice(30)));
        let window = window(Kind::Sliding, count, seconds);
        let length = seconds * 1000;
        let (mut log, mut exact, mut millis): (_, Vec<(u64, u32)>, _) = (Log::default(), Vec::new(), 1_000_000);
        for _ in 0..4_000 {
            // Bursts, a trickle, and silences.
            millis += u64::from(match dice(10) {
                0..5 => 0,
                5..9 => dice(200),
                _ => dice(6_000),
            });
            let cost = 1 + dice(count.min(3));
            let spent = |since: u64| exact.iter().rev().take_while(|(at, _)| *at > since).map(|(_, n)| n).sum::<u32>();
            let allowed = take(&mut log, &window, millis, cost).starts_with("allow");
            assert!(!allowed || spent(millis - length) + cost <= count, "seed {seed}: {millis}");
            // What would pass even if everything counted for a part longer passes here.
            let part = length.div_ceil(PARTS) + 1;
            assert!(allowed || spent(millis - length - part) + cost > count, "seed {seed}: {millis}");
            assert!(log.0.len() <= COUNTS_MAX, "seed {seed}");
            if allowed {
                exact.push((millis, cost));
            }
        }
    }
}

#[test]
fn a_request_that_waits_as_long_as_it_was_told_passes() {
    for (kind, count, seconds) in [(Kind::Sliding, 7, 3), (Kind::Fixed, 7, 3), (Kind::Sliding, 1, 86_400)] {
        let (window, mut log, mut now) = (window(kind, count, seconds), Log::default(), at(12_345));
        let mut passed = 0;
        while passed < 200 {
            match log.try_take(&window, now, NonZeroU32::MIN) {
                Decision::Allow { .. } => passed += 1,
                Decision::Deny { retry_after, .. } => {
                    let early = now + retry_after.saturating_sub(Duration::from_nanos(1));
                    assert!(matches!(log.try_take(&window, early, NonZeroU32::MIN), Decision::Deny { .. }));
                    now = now + retry_after;
                }
            }
            now = now + Duration::from_millis(7);
        }
    }
}

#[test]
fn what_is_given_back_can_be_taken_once() {
    for kind in [Kind::Sliding, Kind::Fixed] {
        let (window, mut log) = (window(kind, 4, 60), Log::default());
        let one = NonZeroU32::MIN;
        for millis in [0, 20_000, 40_000] {
            take(&mut log, &window, millis, 1);
        }
        log.give_back(&window, at(40_000), one, Duration::from_secs(20));
        assert_eq!(log.tokens(&window, at(40_000)), 2);
        // The one of the beginning still counts until its own time.
        let left = if kind == Kind::Sliding { 3 } else { 4 };
        assert_eq!(log.tokens(&window, at(60_000)), left);
        // What no longer counts is not given back out of what does.
        take(&mut log, &window, 70_000, 1);
        let before = log.clone();
        log.give_back(&window, at(70_000), one, Duration::from_secs(70));
        assert_eq!(log, before);
    }
}

#[test]
fn a_changed_limit_keeps_what_was_spent_and_locks_nobody_out() {
    let mut log = Log::default();
    take(&mut log, &window(Kind::Sliding, 100, 86_400), 0, 80);
    assert_eq!(log.tokens(&window(Kind::Sliding, 1000, 86_400), at(1)), 920);
    let minute = window(Kind::Sliding, 10, 60);
    assert_eq!(take(&mut log, &minute, 1, 1), "deny 0 60000");
    assert!(log.adopt(&minute, at(1)) && !log.adopt(&minute, at(1)));
    assert_eq!(take(&mut log, &minute, 60_001, 1), "allow 9 60000");
}

#[test]
fn a_log_that_rises_never_counts_less_than_either_did() {
    for seed in 0..200 {
        let mut dice = dice(seed);
        let mut random = || {
            let mut until = 0;
            let counts = (0..dice(18)).map(|_| {
                until += u64::from(dice(50));
                Spent { until: at(until), count: 1 + dice(9) }
            });
            Log(counts.collect())
        };
        let (one, other) = (random(), random());
        let mut both = one.clone();
        both.raise(&other);
        assert!(both.0.len() <= COUNTS_MAX && both.0.is_sorted_by_key(|spent| spent.until));
        for millis in 0..1000 {
            let most = one.spent(at(millis)).max(other.spent(at(millis)));
            assert!(both.spent(at(millis)) >= most, "seed {seed} at {millis}");
        }
        assert_eq!(both.spent(at(0)), one.spent(at(0)).max(other.spent(at(0))), "seed {seed}");
    }
}

#[test]
fn a_window_is_a_second_to_a_year() {
    let of = |seconds| Window::new(Kind::Fixed, NonZeroU32::MIN, Duration::from_secs(seconds));
    assert!(of(0).is_none() && of(1).is_some() && of(366 * 86_400).is_some() && of(366 * 86_400 + 1).is_none());
}
