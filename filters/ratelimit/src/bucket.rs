//! The token bucket, stored as one instant.
//!
//! A bucket of `burst` tokens gains one every `refill`. Instead of a count and the time of that count, the generic cell
//! rate algorithm keeps the instant at which the bucket will be full: taking `n` tokens moves it `n * refill` further
//! away, and a request passes where it stays within the bucket's *window*, the time that the whole burst takes to come
//! back. Nothing has to run for tokens to come back, and a full bucket is one whose instant has passed: it needs no
//! storing at all.
//!
//! What a bucket promises: in any stretch of time `t` at most `burst + t / refill` tokens are taken. So `100/m` lets
//! 100 pass at once and then 100 a minute: a steady rate, not a count that starts over at each full minute.
//!
//! **A changed quota.** Beside the instant stands the window that it was written under. When the configuration is
//! reloaded with another rate, or the caller's tier changes, the bucket stays as full as it was in proportion: half
//! full is half full. An old debt neither locks anybody out for longer than the new window, nor is it forgiven. It is
//! paid at the new rate as soon as it was written anew ([`Bucket::adopt`]).
//!
//! **A clock that steps back** is noticed where a set of buckets is read ([`crate::set`]), which moves their instants.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::Instant;

use crate::rate::Rate;

/// How many tokens a bucket holds, and how fast they come back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Nanoseconds in which one token comes back.
    refill: u64,
    burst: NonZeroU32,
}

/// A longer window is refused: nobody waits for a bucket to fill for more than a year, and sums stay within a `u64`.
pub(crate) const WINDOW_MAX: u64 = 366 * 24 * 3_600_000_000_000;

impl Quota {
    /// A bucket of `burst` tokens that is filled at `rate`; `None` where filling it takes more than a year.
    ///
    /// The time for one token is rounded up to a nanosecond, so that the rate is never exceeded.
    pub fn new(rate: Rate, burst: NonZeroU32) -> Option<Self> {
        Self::over(rate.count(), rate.unit().length(), burst)
    }

    /// A bucket of `burst` tokens that gains `count` in `length`; `None` where filling it takes more than a year.
    pub fn over(count: NonZeroU32, length: Duration, burst: NonZeroU32) -> Option<Self> {
        let refill = nanos(length).div_ceil(u64::from(count.get()));
        let window = refill.checked_mul(u64::from(burst.get()))?;
        (window <= WINDOW_MAX).then_some(Self { refill, burst })
    }

    /// A bucket of `burst` tokens that is filled so many times more slowly; `None` as for [`Quota::new`].
    pub fn slower(&self, times: NonZeroU32, burst: NonZeroU32) -> Option<Self> {
        let refill = self.refill.checked_mul(u64::from(times.get()))?;
        let window = refill.checked_mul(u64::from(burst.get()))?;
        (window <= WINDOW_MAX).then_some(Self { refill, burst })
    }

    /// How many tokens a full bucket holds.
    pub const fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// How long one token takes to come back.
    pub const fn refill(&self) -> Duration {
        Duration::from_nanos(self.refill)
    }

    /// How long an empty bucket takes to be full.
    pub const fn window(&self) -> Duration {
        Duration::from_nanos(self.capacity())
    }

    /// The window in whole seconds, rounded up; the nanosecond by which a token's time was rounded does not count.
    pub const fn window_seconds(&self) -> u64 {
        self.capacity().saturating_sub(self.burst.get() as u64).div_ceil(1_000_000_000)
    }

    const fn capacity(&self) -> u64 {
        self.refill * self.burst.get() as u64
    }

    /// The time in which `n` tokens come back; more than any window where `n` is more than any burst.
    const fn time_for(&self, n: NonZeroU32) -> u64 {
        self.refill.saturating_mul(n.get() as u64)
    }

    /// Whole tokens in a bucket that lacks `missing` nanoseconds.
    fn whole_tokens(&self, missing: u64) -> u32 {
        u32::try_from(self.capacity().saturating_sub(missing) / self.refill).unwrap_or(u32::MAX)
    }
}

/// What a bucket says to one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Let it pass.
    Allow {
        /// So many tokens are left.
        remaining: u32,
        /// Until the bucket is full again.
        full_in: Duration,
    },
    /// Turn it away.
    Deny {
        /// So many tokens there are, which is not enough.
        remaining: u32,
        /// The same request would pass after this long (where it costs no more than the burst).
        retry_after: Duration,
    },
}

/// A token bucket; [`Bucket::FULL`] until something is taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bucket {
    /// When it is full again.
    pub full_at: Instant,
    /// The window of the quota under which `full_at` was written; zero where it is meant as it stands.
    pub window: Duration,
}

impl Bucket {
    /// One from which nothing is missing.
    pub const FULL: Self = Self { full_at: Instant::EPOCH, window: Duration::ZERO };

    /// Takes `n` tokens where the bucket holds them, and none where it does not.
    pub fn try_take(&mut self, quota: &Quota, now: Instant, n: NonZeroU32) -> Decision {
        let missing = self.missing(quota, now);
        let after = missing.saturating_add(quota.time_for(n));
        if after > quota.capacity() {
            return Decision::Deny {
                remaining: quota.whole_tokens(missing),
                retry_after: Duration::from_nanos(after - quota.capacity()),
            };
        }
        self.lack(quota, now, after);
        Decision::Allow { remaining: quota.whole_tokens(after), full_in: Duration::from_nanos(after) }
    }

    /// Puts `n` tokens back that were taken `held_for` ago.
    ///
    /// While they were missing the bucket may have been full without them, and time that passes over a full bucket is
    /// lost; so what came back in the meantime is not given twice, and nobody gains by it.
    pub fn give_back(&mut self, quota: &Quota, now: Instant, n: NonZeroU32, held_for: Duration) {
        let back = quota.time_for(n).saturating_sub(nanos(held_for));
        let missing = self.missing(quota, now).saturating_sub(back);
        self.lack(quota, now, missing);
    }

    /// Goes over to a quota with another window, as full as it is. Says whether it had to.
    pub fn adopt(&mut self, quota: &Quota, now: Instant) -> bool {
        let other = self.full_at > now && self.window != quota.window();
        if other {
            self.lack(quota, now, self.missing(quota, now));
        }
        other
    }

    /// Whole tokens that it holds.
    pub fn tokens(&self, quota: &Quota, now: Instant) -> u32 {
        quota.whole_tokens(self.missing(quota, now))
    }

    fn lack(&mut self, quota: &Quota, now: Instant, missing: u64) {
        *self = Self { full_at: now + Duration::from_nanos(missing), window: quota.window() };
    }

    /// Nanoseconds until it is full, never more than an empty one of this quota takes.
    fn missing(&self, quota: &Quota, now: Instant) -> u64 {
        let missing = nanos(self.full_at.since(now));
        let (old, new) = (nanos(self.window), quota.capacity());
        let missing = if old == new || old == 0 || missing == 0 {
            missing
        } else {
            let scaled = (u128::from(missing) * u128::from(new)).div_ceil(u128::from(old));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        missing.min(new)
    }
}

/// A length in nanoseconds: 584 years at most, which nothing here comes near.
pub(crate) fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn quota(rate: &str, burst: u32) -> Quota {
        Quota::new(Rate::parse(rate).unwrap(), NonZeroU32::new(burst).unwrap()).unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::from_unix_seconds(1_000) + Duration::from_millis(millis)
    }

    /// Plays lines of `milliseconds cost allow|deny`, then what follows it: tokens `left`, and the milliseconds until
    /// the bucket is `full` or until a `retry`. A cost of 0 looks without taking.
    fn check(rate: &str, burst: u32, story: &str) {
        let (quota, mut bucket) = (quota(rate, burst), Bucket::FULL);
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.split_whitespace().collect();
            let now = at(words[0].parse().unwrap());
            let mut said = match NonZeroU32::new(words[1].parse().unwrap()) {
                None => format!("allow left={}", bucket.tokens(&quota, now)),
                Some(n) => match bucket.try_take(&quota, now, n) {
                    Decision::Allow { remaining, .. } => format!("allow left={remaining}"),
                    Decision::Deny { remaining, retry_after } => {
                        format!("deny left={remaining} retry={}", retry_after.as_millis())
                    }
                },
            };
            write!(said, " full={}", bucket.full_at.since(now).as_millis()).unwrap();
            let said: Vec<_> = said.split_whitespace().collect();
            for expected in &words[2..] {
                assert!(said.contains(expected), "{line}: {said:?}");
            }
        }
    }

    // The sequences that other projects assert of their own limiters; numbers only, each with its source.

    #[test]
    fn throttled_agrees() {
        // throttled/throttled rate_test.go TestRateLimit
        check(
            "1/s",
            5,
            "0 6 deny left=5 full=0
             0 1 allow left=4 full=1000
             0 1 allow left=3 full=2000
             0 1 allow left=2 full=3000
             0 1 allow left=1 full=4000
             0 1 allow left=0 full=5000
             0 1 deny left=0 full=5000 retry=1000
             3000 1 allow left=2 full=3000
             3100 1 allow left=1 full=3900
             4000 1 allow left=1 full=4000
             8000 1 allow left=4 full=1000
             9500 1 allow left=4 full=1000
             9500 0 allow left=4 full=1000
             9500 2 allow left=2 full=3000
             9500 5 deny left=2 full=3000 retry=3000
             15000 6 deny left=5 full=0",
        );
    }

    #[test]
    fn redis_cell_agrees() {
        // brandur/redis-cell tests/e2e.rs it_works
        check("30/m", 1, "0 1 allow left=0 full=2000\n 0 1 deny left=0 full=2000 retry=2000\n 2000 1 allow full=2000");
    }

    #[test]
    fn governor_agrees() {
        // boinkor-net/governor governor/tests/direct.rs: rejects_too_many, does_not_allow_one_extra_cell_after_longer_interval,
        // rejects_too_many_all, actual_threadsafety
        check("2/s", 2, "0 1 allow\n 1 1 allow\n 2 1 deny\n 1002 1 allow\n 1003 1 allow\n 1004 1 deny");
        let five = |at: u32| format!("{at} 1 allow\n").repeat(5) + &format!("{at} 1 deny\n");
        check("5/s", 5, &(five(0) + &five(2000)));
        check("5/s", 5, "0 15 deny\n 3000 15 deny");
        check("20/s", 20, &("0 1 allow\n".repeat(20) + "2 1 deny\n 1000 1 allow"));
    }

    #[test]
    fn go_agrees() {
        // golang/time rate/rate_test.go TestLimiterBurst1; its TestLimiterJumpBackwards is with the set
        check(
            "10/s",
            1,
            "0 0 allow left=1
             0 1 allow
             0 1 deny left=0
             0 1 deny left=0
             100 0 allow left=1
             100 1 allow
             100 1 deny left=0
             100 1 deny left=0
             200 2 deny left=1
             200 1 allow
             200 1 deny left=0",
        );
    }

    #[test]
    fn envoy_agrees() {
        // envoyproxy/envoy test/common/common/token_bucket_impl_test.cc Consume, NextTokenAvailable
        let consume = "0 20 deny\n 0 9 allow\n 0 1 allow\n 999 1 deny\n 5999 6 deny\n 6000 6 allow\n 6000 1 deny";
        check("1/s", 10, consume);
        check("5/s", 10, "0 9 allow\n 0 1 allow\n 0 1 deny retry=200");
    }

    #[test]
    fn a_request_that_waits_as_long_as_it_was_told_passes() {
        for (rate, burst) in [("3/s", 1), ("7/s", 7), ("100/m", 100), ("7/h", 2), ("1000/d", 10), ("1000000/s", 1)] {
            let (quota, mut bucket, mut now) = (quota(rate, burst), Bucket::FULL, at(0));
            let mut passed = 0;
            while passed < 300 {
                match bucket.try_take(&quota, now, NonZeroU32::MIN) {
                    Decision::Allow { .. } => passed += 1,
                    Decision::Deny { retry_after, .. } => {
                        let early = now + retry_after.saturating_sub(Duration::from_nanos(1));
                        assert!(matches!(bucket.try_take(&quota, early, NonZeroU32::MIN), Decision::Deny { .. }));
                        now = now + retry_after;
                    }
                }
            }
        }
    }

    #[test]
    fn a_rate_is_never_exceeded_by_rounding() {
        // 1/3 s is not a whole number of nanoseconds.
        let (quota, mut bucket) = (quota("3/s", 3), Bucket::FULL);
        let mut passed = 0;
        for step in 0..=300_000 {
            let allowed = bucket.try_take(&quota, at(step), NonZeroU32::MIN);
            passed += u32::from(matches!(allowed, Decision::Allow { .. }));
        }
        assert!((900..=903).contains(&passed), "{passed}");
    }

    #[test]
    fn what_is_given_back_can_be_taken_once() {
        let (quota, mut bucket) = (quota("1/s", 2), Bucket::FULL);
        let two = NonZeroU32::new(2).unwrap();
        bucket.try_take(&quota, at(0), two);
        bucket.give_back(&quota, at(0), two, Duration::ZERO);
        assert_eq!(bucket.tokens(&quota, at(0)), 2);
        // Without the first one, the bucket would have been full until 400 and lost what came in until then.
        bucket.try_take(&quota, at(0), NonZeroU32::MIN);
        bucket.try_take(&quota, at(400), NonZeroU32::MIN);
        bucket.give_back(&quota, at(400), NonZeroU32::MIN, Duration::from_millis(400));
        assert_eq!(bucket.full_at, at(1400));
    }

    #[test]
    fn a_changed_quota_leaves_the_bucket_as_full_as_it_was() {
        for (old, new, tokens) in [
            (("10/s", 20), ("10/s", 20), 10),
            (("10/s", 20), ("1/h", 1), 0),
            (("10/s", 20), ("1000/d", 1000), 500),
            (("1/h", 2), ("10/s", 20), 10),
            (("1/d", 300), ("2/s", 3), 1),
        ] {
            let (old, new) = (quota(old.0, old.1), quota(new.0, new.1));
            let mut bucket = Bucket::FULL;
            let half = NonZeroU32::new(old.burst().get() / 2).unwrap();
            bucket.try_take(&old, at(0), half);
            assert_eq!(bucket.tokens(&new, at(0)), tokens, "{old:?} {new:?}");
            assert_eq!(bucket.adopt(&new, at(0)), old.window() != new.window());
            assert_eq!(bucket.tokens(&new, at(0)), tokens, "{old:?} {new:?}");
            assert_eq!(bucket.tokens(&new, at(0) + new.window()), new.burst().get());
        }
    }

    #[test]
    fn no_bucket_takes_longer_than_its_window_to_fill() {
        let quota = quota("10/s", 20);
        let far = Bucket { full_at: at(86_400_000), window: Duration::ZERO };
        assert_eq!(far.tokens(&quota, at(0)), 0);
        let mut bucket = far;
        assert_eq!(
            bucket.try_take(&quota, at(0), NonZeroU32::MIN),
            Decision::Deny { remaining: 0, retry_after: Duration::from_millis(100) }
        );
    }

    #[test]
    fn a_window_over_a_year_is_none() {
        assert!(Quota::new(Rate::parse("1/d").unwrap(), NonZeroU32::new(366).unwrap()).is_some());
        assert!(Quota::new(Rate::parse("1/d").unwrap(), NonZeroU32::new(367).unwrap()).is_none());
        assert!(Quota::new(Rate::parse("1/d").unwrap(), NonZeroU32::MAX).is_none());
    }
}
