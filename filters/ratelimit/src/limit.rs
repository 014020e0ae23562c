//! The limits of one rule for one caller: several of any algorithm that let a request pass together or not at all.

use std::iter;
use std::num::NonZeroU32;
use std::time::Duration;

use policy::{Instant, Period};

use crate::bucket::{Decision, Quota};
use crate::debt::{Buckets, Owed, Place};
use crate::rate::Unit;
use crate::window::{Kind, Window};

/// How much one limit allows, and how that is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Terms {
    /// A steady rate with a burst.
    Bucket(Quota),
    /// So many in a window.
    Window(Window),
}

impl Terms {
    /// How many tokens there are where nothing was taken.
    pub const fn most(&self) -> NonZeroU32 {
        match self {
            Self::Bucket(quota) => quota.burst(),
            Self::Window(window) => window.count(),
        }
    }

    /// In what time one more is there, taken over all of them.
    pub fn pace(&self) -> Duration {
        match self {
            Self::Bucket(quota) => quota.refill(),
            Self::Window(window) => window.length() / window.count().get(),
        }
    }

    /// After this time without a request, all are there again.
    pub const fn window(&self) -> Duration {
        match self {
            Self::Bucket(quota) => quota.window(),
            Self::Window(window) => window.length(),
        }
    }

    /// The same in whole seconds, as clients read it.
    pub const fn window_seconds(&self) -> u64 {
        match self {
            Self::Bucket(quota) => quota.window_seconds(),
            Self::Window(window) => window.length().as_secs(),
        }
    }

    /// The token bucket's quota; `None` of a window.
    pub const fn bucket(&self) -> Option<&Quota> {
        match self {
            Self::Bucket(quota) => Some(quota),
            Self::Window(_) => None,
        }
    }
}

/// One limit: its terms under a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limit {
    /// As clients read it in `RateLimit-Policy`: the rule's name and the unit, `clients-minute`.
    pub name: String,
    /// Which of a caller's states it is about.
    pub place: Place,
    /// How much.
    pub terms: Terms,
}

impl Limit {
    /// A limit of the rule `rule`, beside `others` of it. `period` is what its rate or window is given in: a second, 30 s.
    pub fn new(rule: &str, terms: Terms, period: Duration, others: &[Self]) -> Self {
        let algorithm = match &terms {
            Terms::Bucket(_) => 0,
            Terms::Window(window) if window.kind() == Kind::Sliding => 0x40,
            Terms::Window(_) => 0x80,
        };
        let (index, unit) = Unit::within(period);
        let length = if unit.length() == period { unit.noun().to_owned() } else { Period::of(period).to_string() };
        let mut name = format!("{rule}-{length}");
        let called_so = others.iter().filter(|other| other.name.starts_with(&name)).count();
        if called_so > 0 {
            name = format!("{name}-{}", called_so + 1);
        }
        let mut place = algorithm | index << 4;
        while others.iter().any(|other| other.place.to_byte() == place) {
            place += 1;
        }
        Self { name, place: Place::from_byte(place), terms }
    }
}

/// More limits of one rule are refused.
pub const LIMITS_MAX: usize = 8;

/// At least one limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    first: Limit,
    others: Vec<Limit>,
}

/// How a caller stands with the tightest of some limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing<'a> {
    /// Which limit that is.
    pub limit: &'a Limit,
    /// Tokens that are left.
    pub remaining: u32,
    /// For a request that passed, until all are there again; for one that did not, until it would pass.
    pub reset_in: Duration,
}

/// What some limits say to one request together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome<'a> {
    /// Each of them holds enough.
    Allow(Standing<'a>),
    /// Some do not; the one that takes longest tells when all will.
    Deny(Standing<'a>),
}

impl<'a> Outcome<'a> {
    /// How the caller stands.
    pub const fn standing(&self) -> &Standing<'a> {
        match self {
            Self::Allow(standing) | Self::Deny(standing) => standing,
        }
    }

    /// The same answer, where the `n` tokens of a pass were not taken after all.
    #[must_use]
    pub fn untaken(self, n: NonZeroU32) -> Self {
        match self {
            Self::Allow(Standing { limit, remaining, reset_in }) => {
                let remaining = remaining.saturating_add(n.get());
                let reset_in = match &limit.terms {
                    Terms::Bucket(quota) => reset_in.saturating_sub(quota.refill() * n.get()),
                    Terms::Window(window) if remaining >= window.count().get() => Duration::ZERO,
                    Terms::Window(_) => reset_in,
                };
                Self::Allow(Standing { limit, remaining, reset_in })
            }
            Self::Deny(_) => self,
        }
    }

    /// Whether the request is turned away.
    pub const fn is_denied(&self) -> bool {
        matches!(self, Self::Deny(_))
    }
}

impl Limits {
    /// These limits.
    pub const fn new(first: Limit, others: Vec<Limit>) -> Self {
        Self { first, others }
    }

    /// The first of them.
    pub const fn first(&self) -> &Limit {
        &self.first
    }

    /// Each limit, in the configured order.
    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        iter::once(&self.first).chain(&self.others)
    }

    /// What other limits of the same names have said, in the words of these.
    pub fn own(&self, said: Outcome<'_>) -> Outcome<'_> {
        let Standing { limit, remaining, reset_in } = *said.standing();
        let limit = self.iter().find(|own| own.name == limit.name).unwrap_or(&self.first);
        let standing = Standing { limit, remaining, reset_in };
        if said.is_denied() { Outcome::Deny(standing) } else { Outcome::Allow(standing) }
    }

    /// Takes `n` tokens under every limit, or none where one does not hold them.
    pub fn try_take(&self, buckets: &mut Buckets, now: Instant, n: NonZeroU32) -> Outcome<'_> {
        let mut after = buckets.clone();
        let mut outcome = take(&self.first, &mut after, now, n);
        for limit in &self.others {
            outcome = tighter(outcome, take(limit, &mut after, now, n));
        }
        if !outcome.is_denied() {
            *buckets = after;
        }
        outcome
    }

    /// Puts `n` tokens back under every limit, taken `held_for` ago.
    pub fn give_back(&self, buckets: &mut Buckets, now: Instant, n: NonZeroU32, held_for: Duration) {
        for limit in self.iter() {
            buckets.change(limit.place, |owed| match (owed, &limit.terms) {
                (Owed::Bucket(bucket), Terms::Bucket(quota)) => bucket.give_back(quota, now, n, held_for),
                (Owed::Log(log), Terms::Window(window)) => log.give_back(window, now, n, held_for),
                _ => {}
            });
        }
    }

    /// Brings what was written under other terms over to these. Says whether there was any.
    pub fn adopt(&self, buckets: &mut Buckets, now: Instant) -> bool {
        let mut any = false;
        for limit in self.iter() {
            buckets.change(limit.place, |owed| {
                any |= match (owed, &limit.terms) {
                    (Owed::Bucket(bucket), Terms::Bucket(quota)) => bucket.adopt(quota, now),
                    (Owed::Log(log), Terms::Window(window)) => log.adopt(window, now),
                    _ => false,
                };
            });
        }
        any
    }

    /// How many tokens there are where nothing was taken.
    pub fn most(&self) -> u32 {
        self.iter().map(|limit| limit.terms.most().get()).min().unwrap_or(0)
    }

    /// Whole tokens under the limit that leaves fewest.
    pub fn tokens(&self, buckets: &Buckets, now: Instant) -> u32 {
        let left = |limit: &Limit| match (&limit.terms, buckets.at(limit.place)) {
            (Terms::Bucket(quota), Some(Owed::Bucket(bucket))) => bucket.tokens(quota, now),
            (Terms::Window(window), Some(Owed::Log(log))) => log.tokens(window, now),
            (terms, _) => terms.most().get(),
        };
        self.iter().map(left).min().unwrap_or(0)
    }
}

fn take<'a>(limit: &'a Limit, buckets: &mut Buckets, now: Instant, n: NonZeroU32) -> Outcome<'a> {
    let decision = match &limit.terms {
        Terms::Bucket(quota) => {
            let mut bucket = buckets.bucket(limit.place);
            let decision = bucket.try_take(quota, now, n);
            buckets.put(limit.place, Owed::Bucket(bucket));
            decision
        }
        // A place is of one algorithm, so there always is a log.
        Terms::Window(window) => match buckets.log_mut(limit.place) {
            Some(log) => log.try_take(window, now, n),
            None => Decision::Deny { remaining: 0, retry_after: window.length() },
        },
    };
    match decision {
        Decision::Allow { remaining, full_in } => Outcome::Allow(Standing { limit, remaining, reset_in: full_in }),
        Decision::Deny { remaining, retry_after } => {
            Outcome::Deny(Standing { limit, remaining, reset_in: retry_after })
        }
    }
}

/// Of two limits' answers, the one to report: a refusal before a pass, the refusal that lasts longer, the pass that
/// leaves fewer tokens.
pub fn tighter<'a>(one: Outcome<'a>, other: Outcome<'a>) -> Outcome<'a> {
    let other_wins = match (&one, &other) {
        (Outcome::Deny(_), Outcome::Allow(_)) => false,
        (Outcome::Allow(_), Outcome::Deny(_)) => true,
        (Outcome::Deny(one), Outcome::Deny(other)) => other.reset_in > one.reset_in,
        (Outcome::Allow(one), Outcome::Allow(other)) => {
            (other.remaining, one.reset_in) < (one.remaining, other.reset_in)
        }
    };
    if other_wins { other } else { one }
}

#[cfg(test)]
pub(crate) mod tests;
