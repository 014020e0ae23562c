//! Counting windows: so many in any stretch of a certain length (*sliding*), or in each such stretch of the clock (*fixed*).
//!
//! What a caller has spent is kept as a short *log*: counts, each with the moment at which it no longer counts. A request
//! passes where all counts that still do leave room for it.
//!
//! **Fixed**: the moment is the next multiple of the window's length since the Unix epoch, as in `envoyproxy/ratelimit`. A
//! day is a day of UTC. Around such a moment twice the limit may pass within less than one length.
//!
//! **Sliding**: the moment is one length after the request. What an exact log would keep for each request, this one keeps
//! for each of [`PARTS`] parts of the window together, and all of a part count until the last of them no longer does. So
//!
//! - no stretch of one length ever holds more than the limit: each request that passes was counted for at least one length;
//! - a request may be counted for up to a `PARTS`th of the length longer than that: at worst, `limit` pass in 17/16 of it;
//! - a caller who comes so seldom that no two requests fall into one part is counted exactly;
//! - a log has at most `PARTS + 1` counts, whatever the limit.
//!
//! **A changed limit.** Counts are counts: whoever has spent 80 of 100 has 20 left, and 920 where it becomes 1,000. Where the
//! window becomes shorter, nothing counts for longer than the new one ([`Log::adopt`]).

use std::num::NonZeroU32;
use std::time::Duration;

use policy::Instant;

use crate::bucket::{Decision, WINDOW_MAX, nanos};

/// In how many parts a sliding window is counted.
pub const PARTS: u64 = 16;

/// So many counts a log has at most: the window's parts, and the one that is just leaving it.
pub const COUNTS_MAX: usize = 17;

/// How many requests one window takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    count: NonZeroU32,
    /// Nanoseconds; at least a second, so never zero.
    length: u64,
    kind: Kind,
}

/// Where a window begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Anywhere: every stretch of its length is one.
    Sliding,
    /// At the multiples of its length since the Unix epoch.
    Fixed,
}

impl Window {
    /// At most `count` in `length`; `None` where that is less than a second or more than a year.
    pub fn new(kind: Kind, count: NonZeroU32, length: Duration) -> Option<Self> {
        let length = nanos(length);
        (1_000_000_000..=WINDOW_MAX).contains(&length).then_some(Self { count, length, kind })
    }

    /// The same window for so many.
    #[must_use]
    pub const fn of(self, count: NonZeroU32) -> Self {
        Self { count, ..self }
    }

    /// How many.
    pub const fn count(&self) -> NonZeroU32 {
        self.count
    }

    /// In what time.
    pub const fn length(&self) -> Duration {
        Duration::from_nanos(self.length)
    }

    /// Where it begins.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Until when a request counts that passes `now`.
    fn until(&self, now: Instant) -> Instant {
        match self.kind {
            Kind::Sliding => now + self.length(),
            Kind::Fixed => now + Duration::from_nanos(self.length - now.as_nanos() % self.length),
        }
    }

    /// Which part of the window a count belongs to.
    const fn part(&self, until: Instant) -> u64 {
        match self.kind {
            Kind::Sliding => until.as_nanos() / self.length.div_ceil(PARTS),
            Kind::Fixed => until.as_nanos() / self.length,
        }
    }
}

/// What a caller has spent; empty until something is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Log(Vec<Spent>);

/// Some tokens, and how long they count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Spent {
    /// From this moment on they no longer do.
    pub until: Instant,
    /// How many.
    pub count: u32,
}

impl Log {
    /// A log of these counts, the soonest to go first.
    pub const fn new(counts: Vec<Spent>) -> Self {
        Self(counts)
    }

    /// The counts that still count, the soonest to go first.
    pub fn counts(&self, now: Instant) -> impl Iterator<Item = &Spent> {
        self.0.iter().filter(move |spent| spent.until > now)
    }

    /// When the last of them no longer counts.
    pub fn until(&self) -> Instant {
        self.0.last().map_or(Instant::EPOCH, |spent| spent.until)
    }

    /// How much counts.
    pub fn spent(&self, now: Instant) -> u32 {
        self.counts(now).fold(0, |sum, spent| sum.saturating_add(spent.count))
    }

    /// How many more the window takes.
    pub fn tokens(&self, window: &Window, now: Instant) -> u32 {
        window.count.get().saturating_sub(self.spent(now))
    }

    /// Spends `n` where the window takes them, and nothing where it does not.
    pub fn try_take(&mut self, window: &Window, now: Instant, n: NonZeroU32) -> Decision {
        let remaining = self.tokens(window, now);
        let Some(left) = remaining.checked_sub(n.get()) else {
            return Decision::Deny { remaining, retry_after: self.room_in(window, now, n) };
        };
        self.0.retain(|spent| spent.until > now);
        self.adopt(window, now);
        let until = window.until(now);
        match self.0.last_mut() {
            Some(last) if last.until >= until || window.part(last.until) == window.part(until) => {
                *last = Spent { until: until.max(last.until), count: last.count.saturating_add(n.get()) };
            }
            _ => self.0.push(Spent { until, count: n.get() }),
        }
        self.fit();
        Decision::Allow { remaining: left, full_in: self.until().since(now) }
    }

    /// Takes back `n` that were spent `held_for` ago, where they still count.
    pub fn give_back(&mut self, window: &Window, now: Instant, n: NonZeroU32, held_for: Duration) {
        let until = window.until(now.before(held_for));
        // A count's moment only ever becomes later, so they are in the first that goes no sooner.
        if until > now
            && let Some(spent) = self.0.iter_mut().find(|spent| spent.until >= until)
        {
            spent.count = spent.count.saturating_sub(n.get());
            self.0.retain(|spent| spent.count > 0);
        }
    }

    /// Lets nothing count for longer than a window is long. Says whether anything did.
    pub fn adopt(&mut self, window: &Window, now: Instant) -> bool {
        self.clamp(now + window.length())
    }

    /// Lets nothing count beyond `latest`. Says whether anything did.
    pub fn clamp(&mut self, latest: Instant) -> bool {
        let late = self.until() > latest;
        for spent in &mut self.0 {
            spent.until = spent.until.min(latest);
        }
        late
    }

    /// Rises where `other` counts more, so that at no time it counts less than either did.
    pub fn raise(&mut self, other: &Self) {
        let (mut ours, mut theirs) = (self.0.iter().rev().peekable(), other.0.iter().rev().peekable());
        let (mut our_sum, mut their_sum, mut sum) = (0_u32, 0_u32, 0_u32);
        let mut raised = Vec::with_capacity(COUNTS_MAX);
        // From the last moment backwards: what counts just before each of them.
        while let Some(until) = ours.peek().into_iter().chain(theirs.peek()).map(|spent| spent.until).max() {
            while let Some(spent) = ours.next_if(|spent| spent.until >= until) {
                our_sum = our_sum.saturating_add(spent.count);
            }
            while let Some(spent) = theirs.next_if(|spent| spent.until >= until) {
                their_sum = their_sum.saturating_add(spent.count);
            }
            let more = our_sum.max(their_sum);
            if more > sum {
                raised.push(Spent { until, count: more - sum });
                sum = more;
            }
        }
        raised.reverse();
        self.0 = raised;
        self.fit();
    }

    /// How long until `n` pass; the whole window where it never takes as many.
    fn room_in(&self, window: &Window, now: Instant, n: NonZeroU32) -> Duration {
        let mut excess = u64::from(self.spent(now)) + u64::from(n.get()) - u64::from(window.count.get());
        for spent in self.counts(now) {
            excess = excess.saturating_sub(u64::from(spent.count));
            if excess == 0 {
                return spent.until.since(now).min(window.length());
            }
        }
        window.length()
    }

    /// Counts the first together with the second, for as long as the second counts, until there are few enough.
    fn fit(&mut self) {
        while self.0.len() > COUNTS_MAX {
            let first = self.0.remove(0);
            if let Some(second) = self.0.first_mut() {
                second.count = second.count.saturating_add(first.count);
            }
        }
    }
}

#[cfg(test)]
mod tests;
