//! When a breaker opens, for how long, and when it closes.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

pub use policy::order::Order;
use policy::{ConfigError, Period};

use crate::raw::{Length, RawBreaker};
use crate::window::{Span, Totals, calls, seconds};

/// When a breaker opens and closes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// So many failures without a success in between open it.
    pub consecutive_failures: Option<NonZeroU32>,
    /// What shares of failed and of slow calls open it.
    pub rates: Option<Rates>,
    /// So long it stays open before it lets a probe through, when it has opened for the first time.
    pub open_for: Duration,
    /// How much longer it stays open each time that no probe has closed it since, in thousandths: 2000 doubles.
    pub open_growth: u32,
    /// It stays open no longer, however often; but see `retry_after_max`.
    pub open_for_max: Duration,
    /// By how much an open time may differ from what it would be, in percent, so that proxies do not all probe at once.
    pub open_jitter: u32,
    /// It stays open as long as the upstream's own `Retry-After` says, but no longer than this.
    pub retry_after_max: Duration,
    /// So many probes may be on their way at the same time.
    pub half_open_requests: usize,
    /// So many probes must succeed for it to close.
    pub close_after: u32,
    /// A probe that has not ended for so long no longer keeps another from being sent.
    pub probe_timeout: Duration,
    /// What it is to do, whatever it has seen, where nobody has ordered anything since.
    pub order: Order,
}

/// What shares of the latest calls are too much; at least one is set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rates {
    /// The least share of failures that is too much, 1 to 100 percent.
    pub failures: Option<u32>,
    /// The least share of slow calls that is too much.
    pub slow: Option<SlowRate>,
    /// Which calls are the latest.
    pub span: Span,
    /// With fewer calls than this, no share is too much.
    pub minimum_calls: u32,
}

/// A share of calls that take too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SlowRate {
    /// The least share that is too much, 1 to 100 percent.
    pub percent: u32,
    /// A call that takes longer is slow.
    pub after: Duration,
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
        failures: u32,
        /// among so many calls.
        calls: u32,
    },
    /// Too high a share of slow calls.
    SlowRate {
        /// So many slow calls
        slow: u32,
        /// among so many.
        calls: u32,
    },
    /// A probe failed.
    Probe,
    /// A probe succeeded, but took too long.
    SlowProbe,
    /// So many other proxies have opened theirs.
    Fleet {
        /// So many
        votes: u32,
        /// of so many.
        proxies: u32,
    },
}

/// How many consecutive failures open a breaker that says neither that nor a rate.
const CONSECUTIVE_FAILURES: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
const WINDOW: usize = 100;
const MINIMUM_CALLS: u32 = 20;
const CALLS_MAX: u32 = 1_000_000;
const WINDOW_SECONDS_MAX: u64 = 3600;
const OPEN_FOR: Period = Period::of_seconds(60);
const OPEN_GROWTH: u32 = 2000;
const RETRY_AFTER_MAX: Period = Period::of_seconds(600);
const PROBES: u32 = 2;
const PROBE_TIMEOUT: Period = Period::of_seconds(60);
/// More probes than this are no probes. Their leases are in the state, so this bounds its size, too.
const PROBES_MAX: u32 = 100;
const JITTER_MAX: u32 = 90;

impl Limits {
    /// Whether so many failures in a row, or such a window, are too much.
    pub fn broken_by(&self, failures: u32, totals: Totals) -> Option<Cause> {
        if self.consecutive_failures.is_some_and(|most| failures >= most.get()) {
            return Some(Cause::Consecutive { failures });
        }
        let rates = self.rates.filter(|rates| totals.calls >= rates.minimum_calls)?;
        let Totals { calls, failures, slow } = totals;
        let exceeds = |count: u32, percent: u32| u64::from(count) * 100 >= u64::from(percent) * u64::from(calls);
        if rates.failures.is_some_and(|percent| exceeds(failures, percent)) {
            return Some(Cause::Rate { failures, calls });
        }
        rates.slow.is_some_and(|limit| exceeds(slow, limit.percent)).then_some(Cause::SlowRate { slow, calls })
    }

    /// How long is too long for a call, where that is watched.
    pub fn slow_after(&self) -> Option<Duration> {
        Some(self.rates?.slow?.after)
    }

    /// For how long it opens, the `trip`th time in a row, where `random` is anything.
    pub fn open_time(&self, trip: u8, random: impl FnOnce() -> [u8; 4]) -> Duration {
        let mut length = self.open_for;
        for _ in 1..trip {
            if length >= self.open_for_max {
                break;
            }
            length = length * self.open_growth / 1000;
        }
        // The whole range lies below the longest time, not its upper half upon it: that is where most proxies would meet.
        let top = (length * (100 + self.open_jitter) / 100).min(self.open_for_max);
        if self.open_jitter == 0 {
            return top;
        }
        let bottom = top * (100 - self.open_jitter) / (100 + self.open_jitter);
        let share = u32::from_le_bytes(random()) >> 16;
        bottom + top.saturating_sub(bottom) * share / 0xffff
    }

    /// It never stays open for longer, whatever stands in its state.
    pub fn longest_open_time(&self) -> Duration {
        self.open_for_max.max(self.retry_after_max)
    }

    pub(crate) fn new(raw: &RawBreaker) -> Result<Self, ConfigError> {
        let rates = Rates::new(raw)?;
        let consecutive_failures = match raw.consecutive_failures {
            None => rates.is_none().then_some(CONSECUTIVE_FAILURES),
            Some(count) => {
                let count = NonZeroU32::new(count);
                Some(count.ok_or_else(|| ConfigError::at("consecutive_failures", "must be at least 1"))?)
            }
        };
        let open_for = length("open_for", raw.open_for, OPEN_FOR)?;
        let open_jitter = number("open_jitter", raw.open_jitter, 0, 0, JITTER_MAX)?;
        let (open_growth, open_for_max) = growth(raw, open_for, open_jitter)?;
        Ok(Self {
            consecutive_failures,
            rates,
            open_for,
            open_growth,
            open_for_max,
            open_jitter,
            retry_after_max: raw.retry_after_max.unwrap_or(RETRY_AFTER_MAX).length(),
            half_open_requests: number("half_open_requests", raw.half_open_requests, PROBES, 1, PROBES_MAX)? as usize,
            close_after: number("close_after", raw.close_after, PROBES, 1, PROBES_MAX)?,
            probe_timeout: length("probe_timeout", raw.probe_timeout, PROBE_TIMEOUT)?,
            order: raw.order.as_deref().map_or(Ok(Order::Automatic), order)?,
        })
    }
}

fn number(name: &str, given: Option<u32>, default: u32, least: u32, most: u32) -> Result<u32, ConfigError> {
    let number = given.unwrap_or(default);
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(ConfigError::at(name, format!("must be {least} to {most}, got {number}")))
}

fn length(name: &str, given: Option<Period>, default: Period) -> Result<Duration, ConfigError> {
    match given.unwrap_or(default).length() {
        Duration::ZERO => Err(ConfigError::at(name, "must be longer than 0")),
        length => Ok(length),
    }
}

/// By how much the open time grows, and how far.
fn growth(raw: &RawBreaker, open_for: Duration, jitter: u32) -> Result<(u32, Duration), ConfigError> {
    let Some(most) = raw.open_for_max else {
        return match raw.open_growth {
            Some(_) => Err(ConfigError::at("open_growth", "means nothing without open_for_max")),
            None => Ok((1000, open_for * (100 + jitter) / 100)),
        };
    };
    if most.length() < open_for {
        return Err(ConfigError::at("open_for_max", "must not be shorter than open_for"));
    }
    let growth = match raw.open_growth {
        None => OPEN_GROWTH,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1000 and 10000")]
        Some(times) if (1.0..=10.0).contains(&times) => (times * 1000.0) as u32,
        Some(_) => return Err(ConfigError::at("open_growth", "must be 1 to 10 times")),
    };
    Ok((growth, most.length()))
}

fn order(word: &str) -> Result<Order, ConfigError> {
    Order::parse(word.as_bytes())
        .ok_or_else(|| ConfigError::at("order", "must be automatic, disabled, forced_open or metrics_only"))
}

impl Rates {
    fn new(raw: &RawBreaker) -> Result<Option<Self>, ConfigError> {
        let percent = |name: &str, percent: u32| match percent {
            1..=100 => Ok(percent),
            _ => Err(ConfigError::at(name, format!("must be 1 to 100 percent, got {percent}"))),
        };
        let failures = raw.failure_rate.map(|given| percent("failure_rate", given)).transpose()?;
        let slow = match (raw.slow_rate, raw.slow_after) {
            (None, None) => None,
            (Some(given), Some(after)) => Some(SlowRate {
                percent: percent("slow_rate", given)?,
                after: length("slow_after", Some(after), after)?,
            }),
            (Some(_), None) => return Err(ConfigError::at("slow_rate", "means nothing without slow_after")),
            (None, Some(_)) => return Err(ConfigError::at("slow_after", "means nothing without slow_rate")),
        };
        if failures.is_none() && slow.is_none() {
            let lost = [("window", raw.window.is_some()), ("minimum_calls", raw.minimum_calls.is_some())];
            return match lost.into_iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(ConfigError::at(name, "means nothing without failure_rate or slow_rate")),
                None => Ok(None),
            };
        }
        let (span, minimum_calls) = match raw.window {
            Some(Length::Time(length)) => (seconds_of(length)?, minimum_calls(raw, CALLS_MAX)?),
            given => window_of(given, raw)?,
        };
        Ok(Some(Self { failures, slow, span, minimum_calls }))
    }
}

/// A window of so many calls, and how many it needs.
fn window_of(given: Option<Length>, raw: &RawBreaker) -> Result<(Span, u32), ConfigError> {
    let size = match given {
        Some(Length::Calls(size)) => size,
        // Who says a minimum alone wants a window that can hold it.
        _ => WINDOW.max(raw.minimum_calls.unwrap_or_default() as usize),
    };
    if !(1..=calls::SIZE_MAX).contains(&size) {
        let place = if given.is_some() { "window" } else { "minimum_calls" };
        return Err(ConfigError::at(place, format!("must be 1 to {} calls, got {size}", calls::SIZE_MAX)));
    }
    Ok((Span::Calls(size), minimum_calls(raw, u32::try_from(size).unwrap_or(u32::MAX))?))
}

/// How many calls a window needs that can hold so many.
fn minimum_calls(raw: &RawBreaker, most: u32) -> Result<u32, ConfigError> {
    let needed = raw.minimum_calls.unwrap_or(MINIMUM_CALLS.min(most));
    if (1..=most).contains(&needed) {
        return Ok(needed);
    }
    Err(ConfigError::at("minimum_calls", format!("must be 1 to {most}, what the window can hold, got {needed}")))
}

/// A window of so many seconds, in so few buckets as are kept.
fn seconds_of(period: Period) -> Result<Span, ConfigError> {
    let length = period.length().as_secs();
    let is_whole = period.length().subsec_nanos() == 0;
    if !is_whole || !(1..=WINDOW_SECONDS_MAX).contains(&length) {
        return Err(ConfigError::at("window", format!("must be whole seconds, 1s to 1h, got {period}")));
    }
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let step = length.div_ceil(seconds::BUCKETS_MAX);
    Ok(Span::Seconds { step, buckets: length.div_ceil(step) })
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consecutive { failures } => write!(f, "{failures} consecutive failures"),
            Self::Rate { failures, calls } => write!(f, "{failures} failures in {calls} calls"),
            Self::SlowRate { slow, calls } => write!(f, "{slow} slow calls in {calls}"),
            Self::Probe => f.write_str("a failed probe"),
            Self::SlowProbe => f.write_str("a slow probe"),
            Self::Fleet { votes, proxies } => write!(f, "{votes} of {proxies} proxies opened theirs"),
        }
    }
}
