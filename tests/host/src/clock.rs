//! The clock that the test moves: wall time, which may step either way, and monotonic time, which only advances.

use std::time::Duration;

/// 2026-01-01T00:00:00Z, where a host's wall clock starts unless told otherwise.
pub(crate) const START: Duration = Duration::from_hours(490_896);

/// Both clocks of the host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Time since the Unix epoch.
    pub(crate) wall: Duration,
    /// Time since the host started; timers run by it.
    pub(crate) monotonic: Duration,
}

impl Clock {
    /// A clock that shows this wall time.
    pub(crate) const fn starting_at(wall: Duration) -> Self {
        Self { wall, monotonic: Duration::ZERO }
    }

    /// Moves both clocks on, until the monotonic one shows `moment`.
    pub(crate) fn advance_to(&mut self, moment: Duration) {
        let step = moment.saturating_sub(self.monotonic);
        self.monotonic += step;
        self.wall += step;
    }
}

/// Nanoseconds as Proxy-Wasm writes them.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
