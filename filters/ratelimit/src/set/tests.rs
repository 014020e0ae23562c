//! What a set promises to those in it, to those who were pushed out, and to those who are new.

use super::*;
use crate::limit::tests::{limits, say};
use std::time::Duration;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const START: Instant = Instant::from_unix_seconds(1_000_000);

/// One slot of shared data and a rule: the bytes are all that stays between two requests.
struct Slot {
    bytes: Vec<u8>,
    limits: Limits,
    longest: Longest,
}

impl Slot {
    fn new(text: &str) -> Self {
        let limits = limits(text);
        let longest = limits.iter().map(|limit| (limit.place, limit.terms.window())).collect();
        Self { bytes: Vec::new(), limits, longest }
    }

    fn take(&mut self, millis: u64, key: u32) -> String {
        let now = START + Duration::from_millis(millis);
        let mut set = Set::read(&self.bytes, now);
        let Self { limits, longest, .. } = &*self;
        let outcome = set.try_take(&Taker { print: print(key), limits, longest, cost: NonZeroU32::MIN });
        let (said, denied) = (say(&outcome), outcome.is_denied());
        if !denied || set.upkeep() == Upkeep::Due {
            set.write(&mut self.bytes);
        }
        said
    }

    fn admits(&mut self, millis: u64, key: u32) -> bool {
        self.take(millis, key).starts_with("allow")
    }
}

fn print(key: u32) -> Fingerprint {
    Fingerprint::from_bytes((0x0123_4567_89ab_cdef_u128 * u128::from(key + 1)).to_le_bytes())
}

/// Numbers that look random and are the same each time.
fn dice(seed: u32) -> impl FnMut(u32) -> u32 {
    let mut state = seed;
    move |sides| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % sides
    }
}

fn check(text: &str, rows: &[(u64, u32, &str)]) {
    let mut slot = Slot::new(text);
    for (index, (millis, key, expected)) in rows.iter().enumerate() {
        assert_eq!(slot.take(*millis, *key), *expected, "row {index}");
    }
}

#[test]
fn each_caller_has_its_own_buckets() {
    check(
        "2/s, 3/m",
        &[
            (0, 1, "allow second 1 500"),
            (0, 2, "allow second 1 500"),
            (0, 1, "allow second 0 1000"),
            (0, 1, "deny second 0 500"),
            (1000, 1, "allow minute 0 59000"),
            (1000, 2, "allow minute 1 39000"),
        ],
    );
}

#[test]
fn a_clock_that_steps_back_gives_no_tokens_and_takes_none() {
    // golang/time rate/rate_test.go TestLimiterJumpBackwards: 10/s, burst 3
    check(
        "10/s burst 3",
        &[
            (100, 1, "allow second 2 100"),
            (0, 1, "allow second 1 200"),
            (0, 1, "allow second 0 300"),
            (0, 1, "deny second 0 100"),
            (0, 1, "deny second 0 100"),
            (100, 1, "allow second 0 300"),
            (100, 1, "deny second 0 100"),
            (100, 1, "deny second 0 100"),
            (200, 1, "allow second 0 300"),
            (200, 1, "deny second 0 100"),
            (200, 1, "deny second 0 100"),
        ],
    );
}

#[test]
fn a_clock_that_steps_back_locks_nobody_out() {
    // A day back, and time counts from there on although nothing was taken then.
    check(
        "1/m",
        &[
            (86_400_000, 1, "allow minute 0 60000"),
            (0, 1, "deny minute 0 60000"),
            (59_999, 1, "deny minute 0 1"),
            (60_000, 1, "allow minute 0 60000"),
        ],
    );
}

#[test]
fn a_changed_rate_locks_nobody_out_and_gives_nothing_away() {
    let mut slot = Slot::new("1/d");
    assert!(slot.admits(0, 1));
    slot = Slot { bytes: slot.bytes, ..Slot::new("10/d") };
    assert_eq!(slot.take(0, 1), "deny day 0 8640000");
    slot = Slot { bytes: slot.bytes, ..Slot::new("10/m, 2/d") };
    assert_eq!(slot.take(0, 1), "deny day 0 43200000");
    slot = Slot { bytes: slot.bytes, ..Slot::new("10/s") };
    assert_eq!(slot.take(0, 1), "allow second 9 100");
}

#[test]
fn a_slower_day_becomes_a_faster_one_at_once() {
    let mut slot = Slot::new("1/d");
    assert!(slot.admits(0, 1));
    slot = Slot { bytes: slot.bytes, ..Slot::new("1000/d burst 2") };
    assert_eq!(slot.take(0, 1), "deny day 0 86400");
    assert_eq!(slot.take(86_400, 1), "allow day 0 172800");
}

#[test]
fn a_set_never_grows_beyond_its_ways() {
    let mut slot = Slot::new("10/s, 10/m, 10/h, 10/d");
    for key in 0..10_000 {
        slot.admits(u64::from(key), key);
        assert!(slot.bytes.len() <= 9 + (WAYS + 1) * (18 + 4 * 17), "{}", slot.bytes.len());
    }
    assert_eq!(Set::read(&slot.bytes, START + Duration::from_secs(10)).entries.len(), WAYS);
}

#[test]
fn who_owes_nothing_is_forgotten() {
    let mut slot = Slot::new("10/s");
    (0..8).for_each(|key| assert!(slot.admits(0, key)));
    assert!(slot.admits(101, 100));
    let set = Set::read(&slot.bytes, START + Duration::from_millis(101));
    assert_eq!((set.entries.len(), set.floor), (1, Buckets::default()));
}

#[test]
fn a_flood_frees_nobody_sooner() {
    let mut slot = Slot::new("1/h burst 3");
    (0..3).for_each(|_| assert!(slot.admits(0, 0)));
    assert!(!slot.admits(0, 0));
    // A flood of keys that owe more and more, until the first caller owes least and has to go.
    for key in 1..10_000 {
        slot.admits(1, key);
        assert!(!slot.admits(1, 0), "after {key}");
    }
    assert!(!slot.admits(3_599_999, 0));
    assert!(slot.admits(3_600_000 * 3, 0));
}

#[test]
fn a_flood_frees_nobody_sooner_than_its_window() {
    for (text, over) in [("3/h sliding", 3_600_000), ("3/h fixed", 800_000), ("9/s, 3/h sliding", 3_600_000)] {
        let mut slot = Slot::new(text);
        (0..3).for_each(|_| assert!(slot.admits(0, 0), "{text}"));
        for key in 1..3_000 {
            slot.admits(u64::from(key) * over / 3_000, key);
            assert!(!slot.admits(u64::from(key) * over / 3_000, 0), "{text} after {key}");
            assert!(slot.bytes.len() <= 9 + (WAYS + 1) * (18 + 17 + 223), "{text}: {}", slot.bytes.len());
        }
        assert!(!slot.admits(over - 1, 0), "{text}");
        // The last newcomers' debts are the floor's, and are paid within one more window.
        assert!(slot.admits(over + 3_600_000, 0), "{text}");
    }
}

#[test]
fn nobody_in_a_set_passes_more_often_than_its_window_allows() {
    for (seed, text) in (0..20).zip(["5/m sliding", "5/m fixed", "2/s burst 3, 5/m sliding"].iter().cycle()) {
        let mut dice = dice(seed);
        let mut slot = Slot::new(text);
        // When each was let through; START is 40 s into a minute.
        let mut passed: Vec<Vec<u64>> = vec![Vec::new(); 40];
        let (mut millis, mut admitted) = (0, 0);
        for _ in 0..3_000 {
            millis += u64::from(dice(300));
            let key = if dice(2) == 0 { dice(3) } else { dice(40) };
            if slot.admits(millis, key) {
                admitted += 1;
                let counts = |at: &&u64| {
                    let minute = |millis: u64| (millis + 40_000) / 60_000;
                    if text.ends_with("fixed") { minute(**at) == minute(millis) } else { **at + 60_000 > millis }
                };
                let its = &mut passed[key as usize];
                assert!(its.iter().filter(counts).count() < 5, "seed {seed}: {key} at {millis}");
                its.push(millis);
            }
        }
        // No fewer than one caller alone may, and no more than those that are told apart and one.
        let windows = millis / 60_000;
        assert!(admitted >= 5 * windows / 2, "seed {seed}: {admitted} in {millis} ms");
        assert!(admitted <= (WAYS as u64 + 1) * 5 * (windows + 2), "seed {seed}: {admitted} in {millis} ms");
    }
}

#[test]
fn a_windows_clock_that_steps_back_gives_no_tokens_and_locks_nobody_out() {
    for text in ["2/m sliding", "2/m fixed"] {
        let mut slot = Slot::new(text);
        assert!(slot.admits(86_400_000, 1) && slot.admits(86_400_000, 1));
        assert!(!slot.admits(0, 1), "{text}");
        assert!(slot.admits(60_000, 1), "{text}");
    }
}

#[test]
fn a_floor_of_longer_windows_than_there_are_is_cut() {
    let mut slot = Slot::new("1/d sliding");
    (0..100).for_each(|key| _ = slot.admits(u64::from(key), key));
    slot = Slot { bytes: slot.bytes, ..Slot::new("1/d sliding, 1/m") };
    let shorter = Slot::new("1/h sliding");
    slot.longest = vec![(slot.longest[0].0, shorter.longest[0].1), slot.longest[1]];
    assert!(!slot.admits(100, 500));
    assert!(slot.admits(100 + 3_600_000, 501));
}

#[test]
fn whoever_a_set_admits_would_pass_with_a_bucket_of_its_own() {
    for seed in 0..20 {
        let mut dice = dice(seed);
        let mut slot = Slot::new("2/s burst 3, 20/m");
        let mut alone: Vec<Buckets> = vec![Buckets::default(); 40];
        let (mut millis, mut admitted) = (0, 0);
        for _ in 0..5_000 {
            millis += u64::from(dice(30));
            // A few callers come often, many rarely.
            let key = if dice(2) == 0 { dice(3) } else { dice(40) };
            if slot.admits(millis, key) {
                admitted += 1;
                let now = START + Duration::from_millis(millis);
                let exact = slot.limits.try_take(&mut alone[key as usize], now, NonZeroU32::MIN);
                assert!(!exact.is_denied(), "seed {seed}: {key} at {millis}");
            }
        }
        let callers = WAYS as u64 + 1;
        assert!(admitted <= callers * (20 + millis / 3000), "seed {seed}: {admitted} in {millis} ms");
        assert!(admitted >= millis / 3000, "seed {seed}: {admitted} in {millis} ms");
    }
}

#[test]
fn a_newcomer_is_free_of_a_flood_within_its_window() {
    let mut slot = Slot::new("2/s, 20/m");
    (0..1_000).for_each(|key| _ = slot.admits(u64::from(key / 10), key));
    assert!(!slot.admits(100, 5_000));
    assert_eq!(slot.take(60_100, 5_001), "allow second 1 500");
}

#[test]
fn a_stored_set_is_read_back_as_it_was() {
    let mut slot = Slot::new("10/s, 10/d");
    (0..20).for_each(|key| assert!(slot.admits(0, key) || key > 8));
    let set = Set::read(&slot.bytes, START);
    let mut again = Vec::new();
    set.write(&mut again);
    assert_eq!(again, slot.bytes);
    assert_eq!(set.entries.len(), WAYS);
}

#[test]
fn what_cannot_be_understood_is_a_set_without_callers() {
    let mut slot = Slot::new("10/s, 10/d");
    assert!(slot.admits(0, 1));
    let whole = slot.bytes.clone();
    for cut in 0..whole.len() {
        assert_eq!(Set::read(&whole[..cut], START).entries.len(), 0, "cut at {cut}");
    }
    let other = [&[FORMAT + 1], &whole[1..]].concat();
    assert_eq!(Set::read(&other, START).entries.len(), 0);
    assert_eq!(Set::read(&whole, START).entries.len(), 1);
}

#[test]
fn what_is_given_back_is_as_if_it_had_not_been_taken() {
    let mut slot = Slot::new("5/s, 100/m");
    assert!(slot.admits(0, 1));
    let before = slot.bytes.clone();
    let mut set = Set::read(&before, START);
    let written = |set: &Set| {
        let mut bytes = Vec::new();
        set.write(&mut bytes);
        bytes
    };
    let taker = Taker { print: print(1), limits: &slot.limits, longest: &slot.longest, cost: NonZeroU32::MIN };
    assert!(!set.try_take(&taker).is_denied());
    assert_ne!(written(&set), before);
    set.give_back(&taker, START);
    assert_eq!(written(&set), before);
    set.give_back(&Taker { print: print(2), ..taker }, START);
    assert_eq!(written(&set), before);
}
