//! What comes back: tokens that an answer brought and nobody took, and those of requests that do not pass after all.

use std::time::Duration;

use policy::Instant;

use super::{Bucket, Desk, update, wanted};
use crate::block::Known;
use crate::charge::Store;
use crate::fleet::{Fleet, lifetime};
use crate::script::Want;

/// Tokens of an answer that belong to the requests which have waited for them.
pub(super) struct Purse {
    pub(super) want: Want,
    pub(super) tokens: u32,
    pub(super) known: Known,
    /// When a window ends that they are counted in: in the next they are not spent.
    pub(super) ends_at: Instant,
    /// A request waits again, for others, and will come back for these.
    pub(super) is_held: bool,
}

impl<T> Desk<T> {
    /// Puts back what a request has taken that does not pass after all, and that was good `until` then: into what the proxy holds, or
    /// into Redis. What has lapsed meanwhile, or cannot be put back, is lost.
    pub fn give_back<S: Store>(&mut self, store: &mut S, fleet: &Fleet, bucket: &Bucket<'_>, until: Instant) {
        if let Some(purse) = self.purse(store, bucket).filter(|purse| purse.known.until <= until) {
            purse.tokens = purse.tokens.saturating_add(bucket.cost);
            return;
        }
        let (term, now) = (lifetime(bucket.limits, bucket.cost, fleet, bucket.patience), store.now());
        if until.since(now) > term {
            // The clock has stepped back.
            return;
        }
        if term.is_zero() {
            self.send_back(wanted(fleet, bucket), bucket.cost, now.since(until));
            return;
        }
        let _ = update(store, &bucket.slot, &mut |blocks| blocks.give_back(bucket.print, bucket.cost, until));
    }

    /// The same of a request that has waited in line, which was sent, or left, after its tokens were taken `at` that moment.
    pub fn take_back<S: Store>(&mut self, store: &mut S, bucket: &Bucket<'_>, at: Instant) {
        let _ = update(store, &bucket.slot, &mut |blocks| {
            let until = blocks.good_until(bucket.print, at);
            until.is_some_and(|until| blocks.give_back(bucket.print, bucket.cost, until))
        });
    }

    fn send_back(&mut self, want: Want, back: u32, held: Duration) {
        let held = held.saturating_add(want.terms.grace);
        self.add(Want { back, held, ..want });
    }

    /// What may still be spent of an answer.
    pub(super) fn purse<S: Store>(&mut self, store: &mut S, bucket: &Bucket<'_>) -> Option<&mut Purse> {
        let is_it = |purse: &&mut Purse| purse.want.print == bucket.print && purse.want.slot == bucket.slot;
        self.purses.iter_mut().find(|purse| is_it(purse) && purse.ends_at > store.now())
    }

    /// Keeps what an answer brought of a bucket for a request that waits again, for the tokens of others that it lacks. Without
    /// that, two buckets would be asked by turns, and what one gives handed back while the other is asked.
    pub fn hold<S: Store>(&mut self, store: &mut S, bucket: &Bucket<'_>) {
        if let Some(purse) = self.purse(store, bucket) {
            purse.is_held = true;
        }
    }

    /// Puts away what those who were released have not taken: it goes to the proxy's block, or back to Redis. What is held
    /// stays until the next time.
    pub fn close<S: Store>(&mut self, store: &mut S, now: Instant) {
        for purse in std::mem::take(&mut self.purses) {
            if purse.is_held {
                self.purses.push(Purse { is_held: false, ..purse });
                continue;
            }
            let Purse { want, tokens, known: Known { until, .. }, .. } = purse;
            if tokens > 0 && want.terms.term.is_zero() {
                self.send_back(want, tokens, now.since(until));
            } else if tokens > 0 {
                let _ = update(store, &want.slot, &mut |blocks| blocks.give_back(want.print, tokens, until));
            }
        }
    }
}
