//! A moment that can be written down: shared data outlives a VM, so time is a number here.

use std::ops::Add;
use std::time::Duration;

/// A moment on the host's clock, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(u64);

impl Instant {
    /// The Unix epoch: earlier than any moment that a host reports.
    pub const EPOCH: Self = Self(0);

    /// The moment `nanos` nanoseconds after the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment `seconds` seconds after the Unix epoch, or the last one that can be written.
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: the second that this moment lies in.
    pub const fn unix_seconds(self) -> u64 {
        self.0 / NANOS_PER_SECOND
    }

    /// Whole seconds since the Unix epoch, rounded up: the first second that this moment does not come after.
    pub const fn unix_seconds_ceil(self) -> u64 {
        self.0.div_ceil(NANOS_PER_SECOND)
    }

    /// How long ago `earlier` was: zero when it is not in the past, since a wall clock may step back.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment `ago` before this one, at the earliest the epoch.
    #[must_use]
    pub const fn before(self, ago: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(ago)))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The moment `later` after this one, at the latest the year 2554, where the number ends.
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(nanos(later)))
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[expect(clippy::cast_possible_truncation, reason = "what does not fit was replaced by the largest that does")]
const fn nanos(length: Duration) -> u64 {
    let nanos = length.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_moment_in_the_future_was_no_time_ago() {
        let now = Instant::from_unix_seconds(100);
        assert_eq!(now.since(now + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!((now + Duration::from_secs(1)).since(now), Duration::from_secs(1));
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        let last = Instant::from_nanos(u64::MAX);
        assert_eq!(last + Duration::MAX, last);
        assert_eq!(Instant::from_unix_seconds(u64::MAX), last);
        assert_eq!(Instant::from_nanos(5).before(Duration::from_secs(1)), Instant::EPOCH);
    }

    #[test]
    fn seconds_round_the_way_their_name_says() {
        let moment = Instant::from_nanos(1_500_000_000);
        assert_eq!((moment.unix_seconds(), moment.unix_seconds_ceil()), (1, 2));
        assert_eq!(Instant::from_unix_seconds(2).unix_seconds_ceil(), 2);
    }
}
