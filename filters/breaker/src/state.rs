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
//! **It stays open for longer each time** (`open_growth`, up to `open_for_max`) that it opens without having been closed by
//! probes in between, and for as long as the upstream's `Retry-After` says (up to `retry_after_max`).
//!
//! **A fleet** may open it where it is closed ([`crate::fleet`]): that is no finding of its own, so it does not count as a trip.
//!
//! **An order** of the operator's goes before all that: [`Order::Disabled`] and [`Order::ForcedOpen`] neither ask nor count,
//! [`Order::MetricsOnly`] counts as when closed and says when it would have opened. An order begins a new generation, so
//! whatever was on its way before counts neither under it nor after it.
//!
//! **A clock that steps back.** A moment of the stored state that lies in the future cannot be; it is replaced by the
//! present. So the breaker is open for at most its open time from when such a clock is first seen, whatever the step.

use std::time::Duration;

use policy::Instant;

use crate::limits::{Cause, Limits, Order};
use crate::window::{Mark, Window};

/// The whole state of one breaker, as all workers share it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// How often the state has changed, so that calls of earlier times are told apart.
    pub generation: u32,
    /// What an operator has ordered; if nothing, the configuration says.
    pub order: Option<Order>,
    /// How often in a row it has opened without being closed in between.
    pub trips: u8,
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
        /// For how long.
        length: Duration,
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
    /// By order, calls pass and are not counted.
    Disabled = 3,
    /// By order, calls are refused.
    ForcedOpen = 4,
    /// By order, calls pass and are counted.
    MetricsOnly = 5,
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

/// A call that has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct End {
    /// How.
    pub outcome: Outcome,
    /// How long it took; of no meaning where slow calls are not watched.
    pub took: Duration,
    /// For how long the upstream wants to be left alone.
    pub retry_after: Duration,
}

/// What came of telling a breaker how a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recorded {
    /// It said nothing about the present.
    Ignored,
    /// It counted, and the breaker is what it was.
    Counted,
    /// It opened the breaker.
    Opened {
        /// Why.
        cause: Cause,
        /// For how long.
        length: Duration,
    },
    /// It would have opened the breaker, whose order is not to.
    Exceeded(Cause),
    /// It closed the breaker.
    Closed,
}

impl State {
    /// Asks whether a call may pass, `now`.
    pub fn admit(&mut self, limits: &Limits, now: Instant) -> Decision {
        match self.order(limits) {
            Order::Automatic => {}
            Order::Disabled => return self.pass(0),
            Order::ForcedOpen => return Decision::Refuse { retry_after: limits.open_for },
            Order::MetricsOnly => {
                // A configuration that orders so finds the breaker as it was.
                if !matches!(self.phase, Phase::Closed { .. }) {
                    self.trips = 0;
                    self.turn(Phase::default());
                }
                return self.pass(0);
            }
        }
        match &mut self.phase {
            Phase::Closed { .. } => self.pass(0),
            Phase::Open { since, length } => {
                *since = (*since).min(now);
                *length = (*length).min(limits.longest_open_time());
                let waited = now.since(*since);
                if waited < *length {
                    return Decision::Refuse { retry_after: length.saturating_sub(waited) };
                }
                self.turn(Phase::HalfOpen { successes: 0, next: 0, probes: Vec::new() });
                self.probe(limits, now)
            }
            Phase::HalfOpen { .. } => self.probe(limits, now),
        }
    }

    /// Tells how a call ended that was let through with `permit`. `random` is asked where the breaker opens.
    pub fn record(
        &mut self,
        limits: &Limits,
        now: Instant,
        permit: Permit,
        end: &End,
        random: impl FnOnce() -> [u8; 4],
    ) -> Recorded {
        let order = self.order(limits);
        if permit.generation != self.generation || matches!(order, Order::Disabled | Order::ForcedOpen) {
            return Recorded::Ignored;
        }
        let slow = limits.slow_after().is_some_and(|longest| end.took > longest);
        let mark = Mark { failed: end.outcome == Outcome::Failure, slow };
        let cause = match (&mut self.phase, end.outcome) {
            (Phase::Open { .. }, _) | (Phase::Closed { .. }, Outcome::Abandoned) => return Recorded::Ignored,
            (Phase::Closed { failures, window }, Outcome::Success | Outcome::Failure) => {
                let only_says = order == Order::MetricsOnly;
                let was_broken = only_says && limits.broken_by(*failures, window.totals()).is_some();
                *failures = if mark.failed { failures.saturating_add(1) } else { 0 };
                if let Some(rates) = limits.rates {
                    window.push(rates.span, now, mark);
                }
                match limits.broken_by(*failures, window.totals()) {
                    Some(cause) if !only_says => cause,
                    Some(cause) if !was_broken => return Recorded::Exceeded(cause),
                    _ => return Recorded::Counted,
                }
            }
            (Phase::HalfOpen { probes, .. }, Outcome::Abandoned) => {
                probes.retain(|probe| probe.number != permit.probe);
                return Recorded::Ignored;
            }
            (Phase::HalfOpen { .. }, Outcome::Failure) => Cause::Probe,
            (Phase::HalfOpen { .. }, Outcome::Success) if slow => Cause::SlowProbe,
            (Phase::HalfOpen { successes, probes, .. }, Outcome::Success) => {
                probes.retain(|probe| probe.number != permit.probe);
                *successes = successes.saturating_add(1);
                if *successes < limits.close_after {
                    return Recorded::Counted;
                }
                self.trips = 0;
                self.turn(Phase::default());
                return Recorded::Closed;
            }
        };
        self.open(limits, now, cause, end.retry_after, random)
    }

    /// Opens it, for as long as it is its turn and at least for as long as the upstream `wants` to be left alone.
    fn open(
        &mut self,
        limits: &Limits,
        now: Instant,
        cause: Cause,
        wants: Duration,
        random: impl FnOnce() -> [u8; 4],
    ) -> Recorded {
        self.trips = self.trips.saturating_add(1);
        let length = limits.open_time(self.trips, random).max(wants.min(limits.retry_after_max));
        self.turn(Phase::Open { since: now, length });
        Recorded::Opened { cause, length }
    }

    /// Opens it because other proxies have opened theirs, where it is closed; answers for how long.
    pub fn follow(&mut self, limits: &Limits, now: Instant, random: impl FnOnce() -> [u8; 4]) -> Option<Duration> {
        if self.mode(limits) != Mode::Closed {
            return None;
        }
        let length = limits.open_time(1, random);
        self.turn(Phase::Open { since: now, length });
        Some(length)
    }

    /// Whether it has found the upstream failing by itself, and nothing since that says otherwise. One whose time is up and
    /// that nobody has asked knows nothing of the present.
    pub fn votes(&self, limits: &Limits, now: Instant) -> bool {
        const GRACE: Duration = Duration::from_secs(5);
        let is_of_now = match &self.phase {
            Phase::Closed { .. } => false,
            Phase::Open { since, length } => now.since(*since) < length.saturating_add(GRACE),
            Phase::HalfOpen { .. } => true,
        };
        is_of_now && self.trips > 0 && self.order(limits) == Order::Automatic
    }

    /// Takes an operator's order, or takes it back; either way all that was seen until now is forgotten.
    pub fn force(&mut self, order: Option<Order>) {
        self.order = order;
        self.trips = 0;
        self.turn(Phase::default());
    }

    /// What the breaker is.
    pub fn mode(&self, limits: &Limits) -> Mode {
        match (self.order(limits), &self.phase) {
            (Order::Disabled, _) => Mode::Disabled,
            (Order::ForcedOpen, _) => Mode::ForcedOpen,
            (Order::MetricsOnly, _) => Mode::MetricsOnly,
            (Order::Automatic, Phase::Closed { .. }) => Mode::Closed,
            (Order::Automatic, Phase::Open { .. }) => Mode::Open,
            (Order::Automatic, Phase::HalfOpen { .. }) => Mode::HalfOpen,
        }
    }

    fn order(&self, limits: &Limits) -> Order {
        self.order.unwrap_or(limits.order)
    }

    const fn pass(&self, probe: u32) -> Decision {
        Decision::Pass(Permit { generation: self.generation, probe })
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
        let sent = probes.len().saturating_add(*successes as usize);
        if !probes.is_empty() && (probes.len() >= limits.half_open_requests || sent >= wanted) {
            // A probe may be answered at any moment; nobody knows when.
            return Decision::Refuse { retry_after: Duration::ZERO };
        }
        let number = *next;
        *next = number.wrapping_add(1);
        probes.push(Probe { number, since: now });
        self.pass(number)
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

impl Mode {
    /// As filter state and logs name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Disabled => "disabled",
            Self::ForcedOpen => "forced_open",
            Self::MetricsOnly => "metrics_only",
        }
    }
}
