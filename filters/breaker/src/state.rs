//! A breaker: closed, open or half-open, and what moves it from one to the next.
//!
//! Closed, it lets calls through and watches how they end. Too many failures in a row, or too high a share of failures
//! among the latest calls, open it. Open, it refuses; that spares callers the wait and the upstream the load. After a
//! while it is half-open: a few calls are let through as probes. Enough of them succeeding close it, one failing opens
//! it again.
//!
//! All workers share one state, and calls of the past keep ending in its present. Three things follow.
//!
//! **A generation.** Every change of state begins a new one, and a call counts in the generation that let it through. A
//! straggler that was sent before the breaker opened says nothing about the upstream now, so it neither opens nor
//! closes anything.
//!
//! **A permit is a lease.** Whoever sent a probe may never tell how it ended: its client left, its worker crashed. A
//! probe therefore keeps its place for `probe_timeout` and no longer. Should its answer come later still, it counts all
//! the same, because it is of this generation.
//!
//! **A clock that steps back.** A moment of the stored state that lies in the future cannot be; it is replaced by the
//! present. So the breaker is open for at most `open_for` from when such a clock is first seen, whatever the step.

use std::fmt;
use std::time::Duration;

use policy::Instant;

use crate::config::{FailureRate, Limits};
use crate::window::Window;

/// The whole state of one breaker, as all workers share it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// How often the state has changed, so that calls of earlier times are told apart.
    pub generation: u32,
    /// What it is now.
    pub phase: Phase,
}

/// What a breaker is, with what it must remember to become something else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Calls pass.
    Closed {
        /// How many calls in a row have failed.
        failures: u32,
        /// How the latest calls ended; empty where no rate is watched.
        window: Window,
    },
    /// Calls are refused.
    Open {
        /// Since when.
        since: Instant,
    },
    /// Probes pass, other calls are refused.
    HalfOpen {
        /// How many probes have succeeded.
        successes: u32,
        /// The number of the next probe.
        next: u32,
        /// The probes on their way.
        probes: Vec<Probe>,
    },
}

/// A call that was let through to see whether the upstream is back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Probe {
    /// Its number within its generation.
    pub number: u32,
    /// When it was let through.
    pub since: Instant,
}

/// What a breaker is, as metrics, logs and filter state name it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Calls pass.
    Closed = 0,
    /// Calls are refused.
    Open = 1,
    /// Probes pass.
    HalfOpen = 2,
}

/// What a breaker says to one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Let it pass, and say with this permit how it ended.
    Pass(Permit),
    /// Refuse it; it may be worth another try after this long.
    Refuse {
        /// Until then.
        retry_after: Duration,
    },
}

/// What a call was let through with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Permit {
    generation: u32,
    /// A probe's number; of no meaning for other calls.
    probe: u32,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The upstream did its work.
    Success,
    /// It did not.
    Failure,
    /// Nothing is known of the upstream: its client left, or somebody else answered.
    Abandoned,
}

/// What came of telling a breaker how a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recorded {
    /// It said nothing about the present.
    Ignored,
    /// It counted, and the breaker is what it was.
    Counted,
    /// It opened the breaker.
    Opened(Cause),
    /// It closed the breaker.
    Closed,
}

/// Why a breaker opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Too many failures in a row.
    Consecutive {
        /// So many.
        failures: u32,
    },
    /// Too high a share of failures.
    Rate {
        /// So many failures
        failures: usize,
        /// among so many calls.
        calls: usize,
    },
    /// A probe failed.
    Probe,
}

impl State {
    /// Asks whether a call may pass, `now`.
    pub fn admit(&mut self, limits: &Limits, now: Instant) -> Decision {
        match &mut self.phase {
            Phase::Closed { .. } => Decision::Pass(Permit { generation: self.generation, probe: 0 }),
            Phase::Open { since } => {
                *since = (*since).min(now);
                let waited = now.since(*since);
                if waited < limits.open_for {
                    return Decision::Refuse { retry_after: limits.open_for.saturating_sub(waited) };
                }
                self.turn(Phase::HalfOpen { successes: 0, next: 0, probes: Vec::new() });
                self.probe(limits, now)
            }
            Phase::HalfOpen { .. } => self.probe(limits, now),
        }
    }

    /// Tells how a call ended that was let through with `permit`.
    pub fn record(&mut self, limits: &Limits, now: Instant, permit: Permit, outcome: Outcome) -> Recorded {
        if permit.generation != self.generation {
            return Recorded::Ignored;
        }
        match (&mut self.phase, outcome) {
            (Phase::Open { .. }, _) | (Phase::Closed { .. }, Outcome::Abandoned) => Recorded::Ignored,
            (Phase::Closed { failures, window }, Outcome::Success | Outcome::Failure) => {
                let failed = outcome == Outcome::Failure;
                *failures = if failed { failures.saturating_add(1) } else { 0 };
                if let Some(rate) = limits.failure_rate {
                    window.push(rate.window, failed);
                }
                match limits.broken_by(*failures, window) {
                    Some(cause) => self.open(now, cause),
                    None => Recorded::Counted,
                }
            }
            (Phase::HalfOpen { probes, .. }, Outcome::Abandoned) => {
                probes.retain(|probe| probe.number != permit.probe);
                Recorded::Ignored
            }
            (Phase::HalfOpen { .. }, Outcome::Failure) => self.open(now, Cause::Probe),
            (Phase::HalfOpen { successes, probes, .. }, Outcome::Success) => {
                probes.retain(|probe| probe.number != permit.probe);
                *successes = successes.saturating_add(1);
                if *successes < limits.close_after {
                    return Recorded::Counted;
                }
                self.turn(Phase::default());
                Recorded::Closed
            }
        }
    }

    /// What the breaker is.
    pub const fn mode(&self) -> Mode {
        match self.phase {
            Phase::Closed { .. } => Mode::Closed,
            Phase::Open { .. } => Mode::Open,
            Phase::HalfOpen { .. } => Mode::HalfOpen,
        }
    }

    /// Lets a probe through where there is room for one.
    fn probe(&mut self, limits: &Limits, now: Instant) -> Decision {
        let Phase::HalfOpen { successes, next, probes } = &mut self.phase else {
            return Decision::Refuse { retry_after: Duration::ZERO };
        };
        for probe in probes.iter_mut() {
            probe.since = probe.since.min(now);
        }
        probes.retain(|probe| now.since(probe.since) < limits.probe_timeout);
        // No more than can decide: probes beyond those that close it would only add load.
        let wanted = limits.half_open_requests.max(limits.close_after as usize);
        let sent = probes.len() + *successes as usize;
        if !probes.is_empty() && (probes.len() >= limits.half_open_requests || sent >= wanted) {
            // A probe may be answered at any moment; nobody knows when.
            return Decision::Refuse { retry_after: Duration::ZERO };
        }
        let number = *next;
        *next = number.wrapping_add(1);
        probes.push(Probe { number, since: now });
        Decision::Pass(Permit { generation: self.generation, probe: number })
    }

    fn open(&mut self, now: Instant, cause: Cause) -> Recorded {
        self.turn(Phase::Open { since: now });
        Recorded::Opened(cause)
    }

    fn turn(&mut self, phase: Phase) {
        self.generation = self.generation.wrapping_add(1);
        self.phase = phase;
    }
}

impl Default for Phase {
    /// Closed, with nothing known of any call.
    fn default() -> Self {
        Self::Closed { failures: 0, window: Window::default() }
    }
}

impl Limits {
    /// Whether so many failures in a row, or such a window, are too much.
    fn broken_by(&self, failures: u32, window: &Window) -> Option<Cause> {
        if self.consecutive_failures.is_some_and(|most| failures >= most.get()) {
            return Some(Cause::Consecutive { failures });
        }
        let rate = self.failure_rate?;
        let (failures, calls) = (window.failures(), window.calls());
        rate.is_exceeded(failures, calls).then_some(Cause::Rate { failures, calls })
    }
}

impl FailureRate {
    fn is_exceeded(&self, failures: usize, calls: usize) -> bool {
        calls >= self.minimum_calls && failures * 100 >= self.percent as usize * calls
    }
}

impl Mode {
    /// As filter state and logs name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consecutive { failures } => write!(f, "{failures} consecutive failures"),
            Self::Rate { failures, calls } => write!(f, "{failures} failures in {calls} calls"),
            Self::Probe => f.write_str("a failed probe"),
        }
    }
}
