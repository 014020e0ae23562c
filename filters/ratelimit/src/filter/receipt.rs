//! What a request has paid, while it is on its way: a limit behind this filter may refuse it, and then it costs nothing.
//!
//! The host no longer shows a filter the request when the answer comes, so what is needed is kept: no copies of limits, only where
//! they are.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;

use policy::handover::RATE_LIMITED;
use policy::{Fingerprint, Instant};
use shell::headers::Map;

use super::Stream;
use super::limiter::{Host, Limiter};
use crate::charge::{self, Charge};
use crate::fields::Fields;
use crate::limit::Outcome;
use crate::rule::Asked;
use crate::set::Taker;

/// What was taken from one caller's bucket.
pub(super) struct Receipt {
    key: String,
    print: Fingerprint,
    /// The places of the rule in the configuration, and of the plan in the rule.
    rule: usize,
    plan: usize,
    cost: NonZeroU32,
    /// Whether the request has waited for it, and it was paid when that ended.
    has_waited: bool,
}

/// When the wait of a request has ended: the epoch while it has not, and where it ended unsent.
pub(super) type SentAt = Rc<Cell<Instant>>;

/// Everything that a request has paid, and when.
pub(super) struct Receipts {
    at: Instant,
    all: Vec<Receipt>,
    /// Whether that is all its response speaks of.
    is_whole: bool,
    /// Of one that has waited.
    sent_at: Option<SentAt>,
}

impl Limiter {
    /// Whether what stands behind this filter may refuse what it has let pass: an upstream's own limit is the last.
    fn pays_back(&self) -> bool {
        self.config.rules.iter().any(|rule| !rule.is_shared())
    }

    /// What a request has paid `at` that moment; each charge has the place of its rule in `asked` and `outcomes`. What a rule in
    /// the shadow denied, it did not take; what the request waits for, it takes when it is sent.
    pub(super) fn receipts(
        &self,
        asked: &[Asked<'_>],
        charges: Vec<(usize, Charge<'_>)>,
        outcomes: &[Outcome<'_>],
        (at, sent_at): (Instant, Option<SentAt>),
    ) -> Option<Receipts> {
        if !self.pays_back() {
            return None;
        }
        let receipt = |(place, Charge { key, taker, .. }): (usize, Charge<'_>)| {
            let is_denied = outcomes.get(place).is_none_or(Outcome::is_denied);
            let (asked, _) = asked.get(place).filter(|_| !is_denied || sent_at.is_some())?;
            let rule = self.config.rules.iter().position(|rule| std::ptr::eq(rule, *asked))?;
            let plan =
                asked.allowance.plans.iter().position(|plan| std::ptr::eq(&raw const plan.limits, taker.limits))?;
            Some(Receipt { key, print: taker.print, rule, plan, cost: taker.cost, has_waited: is_denied })
        };
        let all: Vec<_> = charges.into_iter().filter_map(receipt).collect();
        let is_whole = all.len() == asked.len();
        Some(Receipts { at, all, is_whole, sent_at })
    }

    /// How the caller stands now, with what it has paid (or had paid, where that is to be put `back`).
    fn restate(&self, Receipts { at, all, is_whole, sent_at }: &Receipts, back: bool) -> Option<Fields> {
        let mut host = Host::default();
        let mut shown = Vec::with_capacity(all.len());
        for Receipt { key, print, rule, plan, cost, has_waited } in all {
            let Some(rule) = self.config.rules.get(*rule) else { continue };
            let Some(plan) = rule.allowance.plans.get(*plan) else { continue };
            let taker = Taker { print: *print, limits: &plan.limits, longest: &rule.longest, cost: *cost };
            let charge = Charge { key: key.clone(), taker, shadow: false };
            if back {
                let paid_at = sent_at.as_ref().filter(|_| *has_waited).map_or(*at, |sent| sent.get());
                charge::give_back(&mut host, &charge, paid_at);
            }
            if rule.is_shown() && *is_whole {
                let said = charge::look(&mut host, std::slice::from_ref(&charge)).unwrap_or_default();
                shown.extend(said.into_iter().map(|said| (said.untaken(*cost), plan.policy.as_str())));
            }
        }
        Fields::of(shown, host.now)
    }
}

impl Stream {
    /// Puts back what the request has paid where a limit behind this filter has refused it, and says then how the caller stands.
    /// `status` is the response's, where it is known.
    pub(super) fn take_back(&mut self, status: Option<Vec<u8>>) {
        let (Some(receipts), Some(limiter)) = (self.receipts.take(), &self.limiter) else { return };
        let sent_at = receipts.sent_at.as_ref().map(|sent| sent.get());
        if sent_at == Some(Instant::EPOCH) {
            // It has got everything back when its wait ended.
            return;
        }
        let status = status.or_else(|| shell::headers::first(Map::Response, ":status").ok().flatten());
        let is_refused = status.as_deref() == Some(b"429") && is_limits();
        if (is_refused || sent_at.is_some())
            && let Some(fields) = limiter.restate(&receipts, is_refused)
        {
            super::tell(fields);
        }
    }
}

/// Whether a limit of ours has made the current response.
fn is_limits() -> bool {
    let details = shell::stream::property(&["response", "code_details"]).ok().flatten();
    details.as_deref() == Some(RATE_LIMITED.as_bytes())
}
