//! The calls of the last so many seconds.
//!
//! Each second has one bucket with its sums, and a long window sums up several seconds in one, so that what is stored has
//! a bound however long it is and however many calls there are. Only seconds that had calls are kept. What is summed up
//! goes all at once: the window is as long as configured, less the part of the present bucket that is still to come.

use policy::Instant;

use super::{Mark, Totals};

/// So many buckets at most.
pub const BUCKETS_MAX: u32 = 60;

const BUCKET_BYTES: usize = 16;

/// The calls of the last seconds, by bucket.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Seconds {
    /// How many seconds a bucket stands for.
    step: u32,
    /// Oldest first.
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Bucket {
    /// Counted since the epoch.
    number: u32,
    totals: Totals,
}

impl Seconds {
    /// Records one more call, and forgets those of buckets that are too old. Other steps begin anew.
    pub fn push(&mut self, step: u32, buckets: u32, now: Instant, mark: Mark) {
        if self.step != step {
            *self = Self { step, buckets: Vec::new() };
        }
        let number = u32::try_from(now.unix_seconds() / u64::from(step.max(1))).unwrap_or(u32::MAX);
        let number = self.settle(number);
        self.buckets.retain(|bucket| number.saturating_sub(bucket.number) < buckets);
        if self.buckets.last().is_none_or(|last| last.number != number) {
            self.buckets.push(Bucket { number, totals: Totals::default() });
        }
        if let Some(Bucket { totals, .. }) = self.buckets.last_mut() {
            totals.calls = totals.calls.saturating_add(1);
            totals.failures = totals.failures.saturating_add(u32::from(mark.failed));
            totals.slow = totals.slow.saturating_add(u32::from(mark.slow));
        }
    }

    /// The number of the present bucket, which is none before the last one.
    ///
    /// A clock that stepped back takes all buckets with it: they grow as old as they would have. The worker that was
    /// slower to look at the clock has not stepped back, it belongs to the bucket that another has begun.
    fn settle(&mut self, number: u32) -> u32 {
        let Some(last) = self.buckets.last().map(|last| last.number) else { return number };
        let step = last.saturating_sub(number);
        if step > 1 {
            for bucket in &mut self.buckets {
                bucket.number = bucket.number.saturating_sub(step);
            }
            return number;
        }
        number.max(last)
    }

    /// The sums of all calls.
    pub fn totals(&self) -> Totals {
        self.buckets.iter().fold(Totals::default(), |sum, Bucket { totals, .. }| Totals {
            calls: sum.calls.saturating_add(totals.calls),
            failures: sum.failures.saturating_add(totals.failures),
            slow: sum.slow.saturating_add(totals.slow),
        })
    }

    /// Writes the step, and for each bucket its number and its sums, at the end of `bytes`.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.step.to_le_bytes());
        for Bucket { number, totals } in &self.buckets {
            for number in [number, &totals.calls, &totals.failures, &totals.slow] {
                bytes.extend(number.to_le_bytes());
            }
        }
    }

    /// Reads what [`Seconds::write`] wrote, to the last byte.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (step, rest) = bytes.split_first_chunk()?;
        let (chunks, rest) = rest.as_chunks::<BUCKET_BYTES>();
        if chunks.len() > BUCKETS_MAX as usize || !rest.is_empty() {
            return None;
        }
        let buckets: Vec<Bucket> = chunks.iter().filter_map(bucket).collect();
        let is_sorted = buckets.is_sorted_by(|before, after| before.number < after.number);
        is_sorted.then_some(Self { step: u32::from_le_bytes(*step), buckets })
    }
}

fn bucket(bytes: &[u8; BUCKET_BYTES]) -> Option<Bucket> {
    let (words, _) = bytes.as_chunks::<4>();
    let [number, calls, failures, slow] = *words else { return None };
    let totals = Totals {
        calls: u32::from_le_bytes(calls),
        failures: u32::from_le_bytes(failures),
        slow: u32::from_le_bytes(slow),
    };
    Some(Bucket { number: u32::from_le_bytes(number), totals })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const START: Instant = Instant::from_unix_seconds(1_800_000_000);

    /// Records calls (`+`, `-`, and `s` and `f` for slow ones) after so many milliseconds, and compares the totals after
    /// each.
    fn check(step: u32, buckets: u32, rows: &[(u64, char, u32, u32, u32)]) {
        let mut window = Seconds::default();
        for (index, &(millis, call, calls, failures, slow)) in rows.iter().enumerate() {
            let mark = Mark { failed: matches!(call, '-' | 'f'), slow: matches!(call, 's' | 'f') };
            window.push(step, buckets, START + Duration::from_millis(millis), mark);
            assert_eq!(window.totals(), Totals { calls, failures, slow }, "row {index}");
            assert!(window.buckets.len() <= buckets as usize, "row {index}");
            let mut bytes = Vec::new();
            window.write(&mut bytes);
            assert_eq!(Seconds::read(&bytes), Some(window.clone()), "row {index}");
        }
    }

    #[test]
    fn a_second_that_is_over_takes_its_calls_with_it() {
        // resilience4j@af9e7c9, SlidingTimeWindowMetricsTest, testSlidingTimeWindowMetrics.
        check(
            1,
            5,
            &[
                (0, '-', 1, 1, 0),
                (100, '+', 2, 1, 0),
                (200, '+', 3, 1, 0),
                (1200, '+', 4, 1, 0),
                (2200, '+', 5, 1, 0),
                (3200, '-', 6, 2, 0),
                (4200, '+', 7, 2, 0),
                (5200, '+', 5, 1, 0),
                (6200, '+', 5, 1, 0),
                (11_200, '+', 1, 0, 0),
            ],
        );
    }

    #[test]
    fn a_long_window_goes_by_several_seconds_at_once() {
        check(10, 3, &[(0, 'f', 1, 1, 1), (9999, 's', 2, 1, 2), (29_999, '+', 3, 1, 2), (30_000, '+', 2, 0, 0)]);
    }

    #[test]
    fn a_clock_that_steps_back_makes_no_call_older_and_none_stay_longer() {
        check(
            1,
            3,
            &[
                (3_600_000, '-', 1, 1, 0),
                (3_601_000, '+', 2, 1, 0),
                (0, '+', 3, 1, 0),
                (1000, '+', 4, 1, 0),
                (2000, '+', 4, 0, 0),
                (3000, '+', 3, 0, 0),
            ],
        );
        check(1, 3, &[(1001, '-', 1, 1, 0), (999, '+', 2, 1, 0), (3999, '+', 3, 1, 0), (4000, '+', 2, 0, 0)]);
    }

    #[test]
    fn other_steps_begin_anew() {
        let mut window = Seconds::default();
        let failed = Mark { failed: true, slow: false };
        for (step, calls) in [(1, 1), (1, 2), (2, 1), (1, 1), (0, 1)] {
            window.push(step, 60, START, failed);
            assert_eq!(window.totals().calls, calls);
        }
    }

    #[test]
    fn the_window_never_grows_beyond_its_buckets() {
        let mut window = Seconds::default();
        for second in 0..500 {
            for _ in 0..100 {
                window.push(1, BUCKETS_MAX, START + Duration::from_secs(second), Mark::default());
            }
        }
        let mut bytes = Vec::new();
        window.write(&mut bytes);
        assert_eq!((window.totals().calls, bytes.len()), (6000, 4 + 60 * BUCKET_BYTES));
    }

    #[test]
    fn what_cannot_be_is_not_read() {
        let mut window = Seconds::default();
        for second in 0..3 {
            window.push(1, 60, START + Duration::from_secs(second), Mark::default());
        }
        let mut bytes = Vec::new();
        window.write(&mut bytes);
        for end in (0..bytes.len()).filter(|end| *end < 4 || (end - 4) % BUCKET_BYTES != 0) {
            assert_eq!(Seconds::read(&bytes[..end]), None, "cut at {end}");
        }
        let (first, second) = bytes[4..].split_at_mut(BUCKET_BYTES);
        first.swap_with_slice(&mut second[..BUCKET_BYTES]);
        assert_eq!(Seconds::read(&bytes), None, "in the wrong order");
        assert_eq!(Seconds::read(&[0; 4 + 61 * BUCKET_BYTES]), None, "too many");
    }
}
