//! Limits that a fleet of proxies keeps together: tokens are leased from Redis in blocks, and spent from shared data.
//!
//! A rule of the scope `fleet` has its buckets in Redis. A proxy takes tokens out of them in advance, and its workers spend
//! from what it holds ([`crate::block`]) as they spend from a local bucket: one read and one compare-and-swap. Who finds too
//! little left asks for more ([`crate::script`]), and who finds nothing waits for the answer, never longer than `budget`.
//!
//! **Two kinds of limits.** A token bucket is *fast* where a token comes back within an `interval` and the whole burst takes four
//! or more: it is leased ahead of need, as much as two intervals of recent demand. All others, and windows, are *slow*: their
//! requests ask Redis each, those of a worker together (one question at a time, up to [`crate::desk::BATCH`] buckets in it), and
//! what nobody waits for any more goes back at once. A refusal is remembered until it ends: floods cost no questions.
//!
//! **Who asks.** Each worker asks for what its own requests need, one question at a time for all of them. Workers cannot wake each other:
//! asked through another one, a question would wait for that one's next tick and its answer for the own one, and both be lost where it
//! dies. What any of them has leased ahead, all of a proxy's workers spend, and one of them asks for more of it, not each; so it is with
//! a line. The proxy's leader, who holds a lease of a second in shared data, asks where nobody needs anything, so that proxies are
//! counted, and alone while Redis is away.
//!
//! **Never exceeded.** A token leaves Redis before it is spent, by a script that Redis runs as one step; so from any beginning
//! on, `burst + rate × time` bounds what all proxies let pass together, whatever is lost on the way: lost tokens are not spent.
//! What is leased ahead may be spent up to a *term* later than it was leased (a tenth of the window, from one to four
//! intervals). To hold for *every* stretch of time, Redis keeps a reserve of `rate × term` back from the burst: of what is
//! spent in a stretch `t`, all was leased in `term + t`, so it is at most `burst − rate × term + rate × (term + t)`.
//! **Over-admission: 0.** Slow limits have no reserve: their tokens are spent when the answer comes, a `budget` later at most, so
//! one stretch of time may hold `rate × budget` more than the limit, which the next has less; from the beginning on, never. The same is
//! true of a fast limit for the part of a `budget` that is longer than its term: what a request waits for is spent when it comes.
//!
//! Windows ([`crate::window`]) are counted in Redis as they are here. What Redis has counted is spent when its answer comes, which
//! may take a `budget`, so a sliding window counts for as much longer, up to a sixteenth of its length. What a fixed one has counted is
//! spent before it ends or not at all: Redis says how long that is, and it is counted from when Redis was asked. Whose answer is late
//! is asked for once more, in the next window.
//!
//! **Under-use**, the price: of the burst, the reserve (a tenth; up to a quarter where the window is shorter than ten
//! intervals); slow limits have none. Of the rate, what lapses: at most one block for each time that a proxy's demand ends,
//! that is two intervals of that demand. A demand that goes on lets nothing lapse.
//!
//! **What comes back.** Who is refused by another limit, here or behind this filter, gets back what was paid: what was leased ahead goes
//! into what the proxy holds, and lapses no later than it would have, so that the bound stays; what was not goes to Redis, less what
//! has come in since it was asked for (of a window, from the oldest count that it may be). A share's goes back into the share. It is
//! lost where it has lapsed, where Redis is away by then, and where more comes back at once than half a question has room for.
//!
//! **Lines.** Where requests wait ([`crate::queue`]), a slow limit's token is *promised*: it leaves Redis when it is asked for, and is good
//! from the moment at which it would be there for two intervals, so that of what is spent in a stretch `t`, all was due in `t` and two
//! intervals before. A promise is never taken back, since others may stand behind it: each time that a proxy's line ends because its
//! clients left, one token may lapse unused, and one when a proxy dies. A promise is no further ahead than `max_wait`.
//!
//! **Redis is away** when an answer takes longer than `budget` or is no answer; so it is for a request that finds no room in its worker's
//! next question. Then, at once and for all workers,
//! `when_unavailable` counts, for each of a request's limits that nothing is held of: each proxy's share (the limit ÷ the proxies last seen, in a bucket of its own), or all pass, or
//! none does. What was leased before is still spent, what was refused stays refused. The proxy's leader asks four times a second; its
//! first answer ends it. Shares add up to one burst more for an outage, and where the burst is smaller than the number of
//! proxies, one request each. A Redis that has lost its data begins with full buckets: a burst more, too.
//!
//! **How much Redis holds.** A caller's key ends when its debt does, so there are as many as callers were seen in the time that a full
//! bucket takes to come back. Redis must not evict them (`maxmemory-policy noeviction`, which is its default): one that did would let
//! who is over its limit begin anew. A full Redis then refuses the script, which is an answer like none: Redis is away.
//!
//! **Clocks.** Redis counts on its own clock; answers name lengths of time, which each proxy counts on its own.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use policy::state::Store;

use crate::limit::{self, Limit, Limits};
use crate::window;

/// How a proxy takes part in a fleet. It holds a secret, so its `Debug` says little.
pub struct Fleet {
    /// Where Redis is; its timeout is at most `budget`.
    pub store: Store,
    /// What "soon" means: how far ahead of need tokens are leased.
    pub interval: Duration,
    /// The longest that a request waits for Redis.
    pub budget: Duration,
    /// What becomes of requests while Redis is away.
    pub when_unavailable: WhenUnavailable,
}

/// What becomes of requests while Redis is away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhenUnavailable {
    /// The proxy goes on with its share of each limit.
    Share,
    /// They pass.
    Open,
    /// They are answered with 503.
    Closed,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fleet")
    }
}

impl PartialEq for Fleet {
    fn eq(&self, other: &Self) -> bool {
        (self.interval, self.budget, self.when_unavailable) == (other.interval, other.budget, other.when_unavailable)
            && self.store.identity() == other.store.identity()
    }
}

impl Eq for Fleet {}

/// What Redis has to know of some limits, and how long tokens under them may be held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Terms {
    /// How long leased tokens are good for; none where nothing is leased ahead.
    pub term: Duration,
    /// What Redis keeps back of each burst, as a time.
    pub reserve: Duration,
    /// How far ahead a token may be promised; none where nobody waits in line.
    pub patience: Duration,
    /// By how much more than it was held what comes back is said to have been: a window has counted it when the question came, and is
    /// to find it whichever way took longer.
    pub grace: Duration,
    /// The limits.
    pub limits: Vec<Kept>,
}

/// A limit as Redis keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How long a token takes to come back; of a window, how long a request counts.
    pub length: Duration,
    /// The burst, or how many a window takes.
    pub most: u32,
}

/// What a limit is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A token bucket.
    Bucket = 0,
    /// A sliding window.
    Sliding = 1,
    /// A fixed window.
    Fixed = 2,
}

impl Terms {
    /// How these limits are leased, by requests that cost `cost` and may wait in line for as long as `patience` says.
    pub fn of(limits: &Limits, cost: u32, fleet: &Fleet, patience: Duration) -> Self {
        let (ahead, grace) = (term(limits, cost, fleet.interval), grace(fleet, patience));
        let late = fleet.budget.max(grace);
        let listed = |limit: &Limit| {
            let (kind, length) = match &limit.terms {
                limit::Terms::Bucket(quota) => (Kind::Bucket, quota.refill()),
                limit::Terms::Window(window) => match window.kind() {
                    window::Kind::Sliding => (Kind::Sliding, window.length() + late.min(window.length() / 16)),
                    window::Kind::Fixed => (Kind::Fixed, window.length()),
                },
            };
            Kept { name: limit.name.clone(), kind, length, most: limit.terms.most().get() }
        };
        let is_windowed = limits.iter().any(|limit| limit.terms.bucket().is_none());
        Self {
            grace: if is_windowed { 2 * fleet.budget } else { Duration::ZERO },
            term: ahead.unwrap_or(grace),
            reserve: ahead.unwrap_or_default(),
            patience,
            limits: limits.iter().map(listed).collect(),
        }
    }
}

/// How long a token is good for that was promised.
fn grace(fleet: &Fleet, patience: Duration) -> Duration {
    if patience.is_zero() { Duration::ZERO } else { 2 * fleet.interval }
}

/// How long tokens are good for, as [`Terms::of`] says; none where they go back to Redis.
pub fn lifetime(limits: &Limits, cost: u32, fleet: &Fleet, patience: Duration) -> Duration {
    term(limits, cost, fleet.interval).unwrap_or_else(|| grace(fleet, patience))
}

/// How long tokens under these limits may be held; `None` where they are not leased ahead.
pub fn term(limits: &Limits, cost: u32, interval: Duration) -> Option<Duration> {
    let shortest = limits.iter().map(|limit| limit.terms.window()).min()?;
    let term = (shortest / 10).clamp(interval, 4 * interval);
    let is_fast = limits.iter().all(|limit| {
        let refill = limit.terms.pace();
        limit.terms.bucket().is_some()
            && refill <= interval
            && limit.terms.window() >= (4 * interval).max(term + refill * cost)
    });
    is_fast.then_some(term)
}

/// One proxy's share of some limits: a bucket with as much of the burst, but enough for a request, that fills as slowly; a window
/// that takes as many.
pub fn share(limits: &Limits, cost: NonZeroU32, proxies: NonZeroU32) -> Limits {
    let share = |limit: &Limit| {
        let most = NonZeroU32::new(limit.terms.most().get() / proxies).unwrap_or(cost).max(cost);
        let terms = match &limit.terms {
            limit::Terms::Bucket(quota) => limit::Terms::Bucket(quota.slower(proxies, most).unwrap_or(*quota)),
            limit::Terms::Window(window) => limit::Terms::Window(window.of(most)),
        };
        Limit { terms, ..limit.clone() }
    };
    let mut shares = limits.iter().map(share);
    match shares.next() {
        Some(first) => Limits::new(first, shares.collect()),
        None => limits.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::tests::limits;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const INTERVAL: Duration = Duration::from_millis(50);

    #[test]
    fn only_what_comes_back_soon_is_leased_ahead() {
        for (text, cost, millis) in [
            ("1000/s", 1, Some(100)),
            ("200/s burst 400", 1, Some(200)),
            ("100/s burst 20", 1, Some(50)),
            ("100/s burst 20", 16, None),
            ("100/s burst 10", 1, None),
            ("10/s burst 20", 1, None),
            ("1000/h", 1, None),
            ("1000/s, 1000/m", 1, None),
            ("1000/s sliding", 1, None),
        ] {
            assert_eq!(term(&limits(text), cost, INTERVAL), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn shares_add_up_to_the_limit() {
        let [one, three] = [1, 3].map(|number| NonZeroU32::new(number).unwrap());
        let shares = share(&limits("10/s burst 20, 100/m"), one, three);
        let said: Vec<_> = shares.iter().map(|limit| (limit.terms.most().get(), limit.terms.pace())).collect();
        assert_eq!(said, [(6, Duration::from_millis(300)), (33, Duration::from_millis(1800))]);
        assert_eq!(share(&limits("1/s"), one, three).first().terms.most().get(), 1);
        let shares = share(&limits("100/m sliding"), one, three);
        let window = shares.first().terms;
        assert_eq!((window.most().get(), window.window()), (33, Duration::from_mins(1)));
    }
}
