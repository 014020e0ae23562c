//! When a worker is woken next: every so often or never while nothing is due, and as soon as something is.

use std::cell::Cell;
use std::time::Duration;

use policy::Instant;

use crate::plugin::tick;

/// The host knows no shorter period, and none at all stops the ticks.
const SHORTEST: Duration = Duration::from_millis(1);

/// The longest period: so soon a worker follows what it is told of its log (see [`crate::level`]).
const LONGEST: Duration = Duration::from_secs(1);

/// The worker's ticks.
pub struct Pulse {
    /// The period when nothing is due.
    idle: Duration,
    period: Cell<Duration>,
    next: Cell<Instant>,
}

impl Pulse {
    /// Ticks every `idle`, and every [`LONGEST`] where that is none.
    pub fn new(idle: Duration) -> Self {
        let idle = if idle.is_zero() { LONGEST } else { idle };
        Self { idle, period: Cell::new(Duration::ZERO), next: Cell::new(Instant::EPOCH) }
    }

    /// Begins.
    pub fn start(&self, now: Instant) {
        self.set(self.idle, now);
    }

    /// Has the worker woken after `due` at the latest. The host starts a period anew whenever it is set, so an earlier one stays.
    pub fn wake_in(&self, due: Duration, now: Instant) {
        let due = due.max(SHORTEST);
        let is_running = !self.period.get().is_zero();
        if !is_running || due < self.next.get().since(now).min(self.period.get()) {
            self.set(due, now);
        }
    }

    /// At the end of a tick: the next one comes after `due`, if anything is.
    pub fn ticked(&self, due: Option<Duration>, now: Instant) {
        let period = whole_millis(due.map_or(self.idle, |due| due.max(SHORTEST)));
        if period == self.period.get() {
            self.next.set(now + period);
        } else {
            self.set(period, now);
        }
    }

    fn set(&self, period: Duration, now: Instant) {
        let period = whole_millis(period);
        if period != self.period.replace(period) || !period.is_zero() {
            tick(period);
        }
        self.next.set(now + period);
    }
}

/// Rounded up, so that what is due is due when the tick comes.
fn whole_millis(period: Duration) -> Duration {
    Duration::from_millis(u64::try_from(period.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}
