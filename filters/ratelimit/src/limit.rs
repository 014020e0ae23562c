//! The limits of one rule for one caller: several buckets that let a request pass together or not at all.

use std::iter;
use std::num::NonZeroU32;
use std::time::Duration;

use policy::Instant;

use crate::bucket::{Bucket, Decision, Quota};
use crate::rate::{PerUnit, Unit};

/// A caller's buckets, one for each unit of time.
pub type Buckets = PerUnit<Bucket>;

/// One limit: a quota under a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limit {
    /// As clients read it in `RateLimit-Policy`: the rule's name and the unit, `clients-minute`.
    pub name: String,
    /// Which of a caller's buckets it is about.
    pub unit: Unit,
    /// How much.
    pub quota: Quota,
}

/// At least one limit, at most one for each unit of time.
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
    /// For a request that passed, until the bucket is full again; for one that did not, until it would pass.
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
            Self::Allow(Standing { limit, remaining, reset_in }) => Self::Allow(Standing {
                limit,
                remaining: remaining.saturating_add(n.get()),
                reset_in: reset_in.saturating_sub(limit.quota.refill() * n.get()),
            }),
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

    /// Takes `n` tokens from every bucket that has a limit, or none from any where one does not hold them.
    pub fn try_take(&self, buckets: &mut Buckets, now: Instant, n: NonZeroU32) -> Outcome<'_> {
        let mut after = *buckets;
        let mut outcome = take(&self.first, &mut after, now, n);
        for limit in &self.others {
            outcome = tighter(outcome, take(limit, &mut after, now, n));
        }
        if !outcome.is_denied() {
            *buckets = after;
        }
        outcome
    }

    /// Puts `n` tokens back into every bucket, taken `held_for` ago.
    pub fn give_back(&self, buckets: &mut Buckets, now: Instant, n: NonZeroU32, held_for: Duration) {
        for limit in self.iter() {
            buckets.at_mut(limit.unit).give_back(&limit.quota, now, n, held_for);
        }
    }

    /// Brings buckets that were written under other quotas over to these. Says whether there were any.
    pub fn adopt(&self, buckets: &mut Buckets, now: Instant) -> bool {
        let mut any = false;
        for limit in self.iter() {
            any |= buckets.at_mut(limit.unit).adopt(&limit.quota, now);
        }
        any
    }

    /// Whole tokens in the bucket that holds fewest.
    pub fn tokens(&self, buckets: &Buckets, now: Instant) -> u32 {
        self.iter().map(|limit| buckets.at(limit.unit).tokens(&limit.quota, now)).min().unwrap_or(0)
    }
}

fn take<'a>(limit: &'a Limit, buckets: &mut Buckets, now: Instant, n: NonZeroU32) -> Outcome<'a> {
    match buckets.at_mut(limit.unit).try_take(&limit.quota, now, n) {
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
pub(crate) mod tests {
    use super::*;
    use crate::rate::Rate;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Limits such as `10/s burst 20, 100/m`, named by their unit.
    pub(crate) fn limits(text: &str) -> Limits {
        let limit = |text: &str| {
            let (rate, burst) = text.split_once(" burst ").map_or((text, None), |(rate, burst)| (rate, Some(burst)));
            let rate = Rate::parse(rate).unwrap();
            let burst = burst.map_or(rate.count(), |burst| burst.parse().unwrap());
            let quota = Quota::new(rate, burst).unwrap();
            Limit { name: rate.unit().noun().into(), unit: rate.unit(), quota }
        };
        let mut limits = text.split(", ").map(limit);
        Limits::new(limits.next().unwrap(), limits.collect())
    }

    /// Says `allow` or `deny`, the limit that is reported, its tokens, and the milliseconds until its reset.
    pub(crate) fn say(outcome: &Outcome<'_>) -> String {
        let word = if outcome.is_denied() { "deny" } else { "allow" };
        let Standing { limit, remaining, reset_in } = outcome.standing();
        format!("{word} {} {remaining} {}", limit.name, reset_in.as_millis())
    }

    fn check(limits: &Limits, rows: &[(u64, u32, &str)]) {
        let mut buckets = Buckets::default();
        for (millis, cost, expected) in rows {
            let now = Instant::from_unix_seconds(1_000) + Duration::from_millis(*millis);
            let outcome = limits.try_take(&mut buckets, now, NonZeroU32::new(*cost).unwrap());
            assert_eq!(say(&outcome), *expected, "at {millis}");
        }
    }

    #[test]
    fn every_limit_must_hold_enough() {
        check(
            &limits("2/s, 3/m"),
            &[
                (0, 1, "allow second 1 500"),
                (0, 1, "allow second 0 1000"),
                (0, 1, "deny second 0 500"),
                (1000, 1, "allow minute 0 59000"),
                (1000, 1, "deny minute 0 19000"),
            ],
        );
    }

    #[test]
    fn a_denied_request_costs_no_limit_anything() {
        let limits = limits("5/s, 2/m");
        let mut buckets = Buckets::default();
        let now = Instant::from_unix_seconds(1_000);
        for _ in 0..2 {
            assert!(!limits.try_take(&mut buckets, now, NonZeroU32::MIN).is_denied());
        }
        let before = buckets;
        for _ in 0..100 {
            assert!(limits.try_take(&mut buckets, now, NonZeroU32::MIN).is_denied());
        }
        assert_eq!(buckets, before);
        assert_eq!(limits.tokens(&buckets, now), 0);
        limits.give_back(&mut buckets, now, NonZeroU32::MIN, Duration::ZERO);
        assert_eq!(limits.tokens(&buckets, now), 1);
    }

    #[test]
    fn the_refusal_that_lasts_longest_is_reported() {
        check(
            &limits("1/s, 1/h, 1/m"),
            &[(0, 1, "allow hour 0 3600000"), (0, 1, "deny hour 0 3600000"), (1000, 1, "deny hour 0 3599000")],
        );
    }
}
