//! The providers' own limits: one token bucket for each caller, and how much of its window a caller has used.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{settings::Limit, upstream::Upstream};

/// How many callers are remembered.
const CALLERS_MAX: usize = 4096;
/// How much of a caller's name is remembered.
const NAME_BYTES_MAX: usize = 128;

/// What a provider makes of one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is answered.
    Pass,
    /// It came too soon; the same request would be answered after this long.
    Over { retry_after: Duration },
}

/// A verdict with what the provider's headers tell about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Charge {
    pub(crate) verdict: Verdict,
    /// What a caller may do in one window.
    pub(crate) limit: u64,
    /// What is left of it; nothing for a caller that was turned away.
    pub(crate) remaining: u64,
    /// When a new window begins, or when the next request is answered.
    pub(crate) reset_in: Duration,
}

impl Charge {
    /// The whole seconds to wait, rounded up: at least one.
    pub(crate) fn reset_seconds(&self) -> u64 {
        u64::try_from(self.reset_in.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
    }
}

/// One caller's bucket. It is full at `full_at`, and each token taken moves that moment by one interval.
struct Bucket {
    full_at: Instant,
    window_start: Instant,
    used: u64,
    /// The requests of the last stretch, where the limit is about any.
    recent: VecDeque<Instant>,
}

impl Bucket {
    const fn full(now: Instant) -> Self {
        Self { full_at: now, window_start: now, used: 0, recent: VecDeque::new() }
    }

    fn charge(&mut self, limit: &Limit, window: Duration, now: Instant) -> Charge {
        if now.saturating_duration_since(self.window_start) >= window {
            (self.window_start, self.used) = (now, 0);
        }
        let total = limit.within(window);
        let interval = limit.interval();
        let capacity = interval * limit.burst.get();
        let full_at = self.full_at.max(now) + interval;
        let missing = full_at.saturating_duration_since(now);
        let wait = missing.saturating_sub(capacity).max(self.crowded(limit, now));
        if let Some(retry_after) = Some(wait).filter(|wait| !wait.is_zero()) {
            return Charge {
                verdict: Verdict::Over { retry_after },
                limit: total,
                remaining: 0,
                reset_in: retry_after,
            };
        }
        self.full_at = full_at;
        self.used += 1;
        if limit.rolling_ms.is_some() {
            self.recent.push_back(now);
        }
        let reset_in = window.saturating_sub(now.saturating_duration_since(self.window_start));
        Charge { verdict: Verdict::Pass, limit: total, remaining: total.saturating_sub(self.used), reset_in }
    }
}

impl Bucket {
    /// How long it takes until the stretch behind a request has room for it.
    fn crowded(&mut self, limit: &Limit, now: Instant) -> Duration {
        let Some(millis) = limit.rolling_ms else { return Duration::ZERO };
        let length = Duration::from_millis(millis.get().into());
        while self.recent.front().is_some_and(|first| now.saturating_duration_since(*first) >= length) {
            self.recent.pop_front();
        }
        let is_full = self.recent.len() as u64 >= limit.within(length);
        let first = self.recent.front().filter(|_| is_full);
        first.map_or(Duration::ZERO, |first| length.saturating_sub(now.saturating_duration_since(*first)))
    }
}

/// The buckets of every caller of every provider.
#[derive(Default)]
pub(crate) struct Meters(Mutex<HashMap<(Upstream, String), Bucket>>);

impl Meters {
    /// Charges one request to a caller; `window` is the period that the provider's headers speak of.
    pub(crate) fn charge(
        &self,
        upstream: Upstream,
        caller: &str,
        limit: &Limit,
        window: Duration,
        now: Instant,
    ) -> Charge {
        let name = caller.chars().take(NAME_BYTES_MAX / 4).collect::<String>();
        let mut buckets = self.0.lock().expect("no holder of this lock panics");
        if buckets.len() >= CALLERS_MAX && !buckets.contains_key(&(upstream, name.clone())) {
            buckets.retain(|_, bucket| now < bucket.full_at);
            if buckets.len() >= CALLERS_MAX {
                buckets.clear();
            }
        }
        buckets.entry((upstream, name)).or_insert_with(|| Bucket::full(now)).charge(limit, window, now)
    }

    /// Gives every caller a full bucket.
    pub(crate) fn reset(&self) {
        self.0.lock().expect("no holder of this lock panics").clear();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const WINDOW: Duration = Duration::from_mins(1);

    fn limit(requests: u32, per_ms: u32, burst: u32) -> Limit {
        let number = |n| NonZeroU32::new(n).unwrap();
        Limit { requests: number(requests), per_ms: number(per_ms), burst: number(burst), rolling_ms: None }
    }

    /// Plays `(milliseconds, wait until the next token or none)` rows to one caller.
    fn check(limit: &Limit, rows: &[(u64, Option<u64>)]) {
        let (meters, start) = (Meters::default(), Instant::now());
        for &(at, wait) in rows {
            let now = start + Duration::from_millis(at);
            let verdict = meters.charge(Upstream::Discogs, "one", limit, WINDOW, now).verdict;
            let expected = wait.map_or(Verdict::Pass, |ms| Verdict::Over { retry_after: Duration::from_millis(ms) });
            assert_eq!(verdict, expected, "at {at} ms");
        }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        check(
            &limit(10, 1000, 2),
            &[(0, None), (0, None), (0, Some(100)), (99, Some(1)), (100, None), (100, Some(100))],
        );
    }

    #[test]
    fn a_pause_earns_no_more_than_a_burst() {
        check(&limit(1, 1000, 1), &[(0, None), (90_000, None), (90_000, Some(1000))]);
    }

    #[test]
    fn a_burst_is_no_more_than_its_part_of_a_rolling_window() {
        let rows = [
            (0, None),
            (0, None),
            (500, None),
            (500, None),
            (999, Some(1)),
            (1000, None),
            (1000, None),
            (1001, Some(499)),
        ];
        check(&limit(4, 1000, 4).rolling(1000), &rows);
    }

    #[test]
    fn callers_do_not_spend_each_others_budget() {
        let (meters, now, limit) = (Meters::default(), Instant::now(), limit(1, 1000, 1));
        let ask = |upstream, caller| meters.charge(upstream, caller, &limit, WINDOW, now).verdict;
        assert_eq!(ask(Upstream::Spotify, "a"), Verdict::Pass);
        assert_eq!(ask(Upstream::Spotify, "b"), Verdict::Pass);
        assert_eq!(ask(Upstream::Discogs, "a"), Verdict::Pass);
        assert_ne!(ask(Upstream::Spotify, "a"), Verdict::Pass);
        meters.reset();
        assert_eq!(ask(Upstream::Spotify, "a"), Verdict::Pass);
    }

    #[test]
    fn the_window_counts_down_and_begins_anew() {
        let (meters, start, limit) = (Meters::default(), Instant::now(), limit(1, 1000, 1));
        let ask = |at| meters.charge(Upstream::Discogs, "a", &limit, WINDOW, start + Duration::from_secs(at));
        assert_eq!((ask(0).limit, ask(1).remaining, ask(2).remaining), (60, 58, 57));
        assert_eq!(ask(2).remaining, 0, "turned away");
        assert_eq!((ask(60).remaining, ask(61).reset_seconds()), (59, 59));
    }

    #[test]
    fn a_flood_of_callers_is_forgotten() {
        let (meters, now, limit) = (Meters::default(), Instant::now(), limit(1, 1000, 1));
        for caller in 0..=CALLERS_MAX {
            meters.charge(Upstream::Spotify, &caller.to_string(), &limit, WINDOW, now);
        }
        assert!(meters.0.lock().unwrap().len() <= CALLERS_MAX);
    }
}
