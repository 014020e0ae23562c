//! What a request has paid, while it is on its way: a limit behind this filter may refuse it, and then it costs nothing.
//!
//! The host no longer shows a filter the request when the answer comes, so what is needed is kept: no copies of limits, only where
//! they are.

use std::num::NonZeroU32;

use policy::handover::RATE_LIMITED;
use policy::{Fingerprint, Instant};
use shell::headers::Map;

use super::Stream;
use super::limiter::{Host, Limiter};
use crate::charge::{self, Charge};
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
}

/// Everything that a request has paid, and when.
pub(super) struct Receipts {
    at: Instant,
    all: Vec<Receipt>,
}

impl Limiter {
    /// Whether what stands behind this filter may refuse what it has let pass: an upstream's own limit is the last.
    fn pays_back(&self) -> bool {
        self.config.rules.iter().any(|rule| !rule.is_shared())
    }

    /// What a request has paid `at` that moment; each charge has the place of its rule in `asked` and `outcomes`. What a rule in
    /// the shadow denied, it did not take.
    pub(super) fn receipts(
        &self,
        asked: &[Asked<'_>],
        charges: Vec<(usize, Charge<'_>)>,
        outcomes: &[Outcome<'_>],
        at: Instant,
    ) -> Option<Receipts> {
        if !self.pays_back() {
            return None;
        }
        let receipt = |(place, Charge { key, taker, .. }): (usize, Charge<'_>)| {
            let (asked, _) = asked.get(place).filter(|_| outcomes.get(place).is_some_and(|said| !said.is_denied()))?;
            let rule = self.config.rules.iter().position(|rule| std::ptr::eq(rule, *asked))?;
            let plan =
                asked.allowance.plans.iter().position(|plan| std::ptr::eq(&raw const plan.limits, taker.limits))?;
            Some(Receipt { key, print: taker.print, rule, plan, cost: taker.cost })
        };
        Some(Receipts { at, all: charges.into_iter().filter_map(receipt).collect() })
    }

    fn pay_back(&self, Receipts { at, all }: Receipts) {
        for Receipt { key, print, rule, plan, cost } in all {
            let Some(rule) = self.config.rules.get(rule) else { continue };
            let Some(plan) = rule.allowance.plans.get(plan) else { continue };
            let taker = Taker { print, limits: &plan.limits, longest: &rule.longest, cost };
            charge::give_back(&mut Host::default(), &Charge { key, taker, shadow: false }, at);
        }
    }
}

impl Stream {
    /// Puts back what the request has paid where a limit behind this filter has refused it. `status` is the response's, where
    /// it is known.
    pub(super) fn take_back(&mut self, status: Option<Vec<u8>>) {
        let (Some(receipts), Some(limiter)) = (self.receipts.take(), &self.limiter) else { return };
        let status = status.or_else(|| shell::headers::first(Map::Response, ":status").ok().flatten());
        if status.as_deref() == Some(b"429") && is_limits() {
            limiter.pay_back(receipts);
        }
    }
}

/// Whether a limit of ours has made the current response.
fn is_limits() -> bool {
    let details = shell::stream::property(&["response", "code_details"]).ok().flatten();
    details.as_deref() == Some(RATE_LIMITED.as_bytes())
}
