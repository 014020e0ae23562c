//! What a request has paid, while it is on its way: a limit behind this filter may refuse it, and then it costs nothing.
//!
//! The host no longer shows a filter the request when the answer comes, so what is needed is kept: no copies of limits, only where
//! they are.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;

use policy::handover::{DETAILS_PREFIX, RATE_LIMITED, header, state};
use policy::{Headers, Instant};

use super::Stream;
use super::limiter::Limiter;
use super::seat::{Seat, Till};
use crate::charge::Charge;
use crate::fields::Fields;
use crate::limit::Outcome;
use crate::rule::{Asked, Rule};

/// Who was paid for a request, and gets back what it costs to nobody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Payee {
    /// A bucket of this proxy.
    Proxy,
    /// This proxy's share of the fleet's bucket, of so many proxies, while Redis is away.
    Share(NonZeroU32),
    /// The fleet, with tokens that are good until then.
    Fleet(Instant),
    /// The fleet, by whichever worker has called the request's ticket.
    Line,
    /// Nobody: Redis is away, and all pass.
    Nobody,
}

/// What was taken from one caller's bucket.
pub(super) struct Receipt {
    seat: Seat,
    cost: NonZeroU32,
    payee: Payee,
    /// Whether the request has waited for it, and it was paid when that ended.
    has_waited: bool,
}

/// When was paid what a request has waited for: the epoch while it has not, and where it ended unsent.
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

/// What a response gives back of what its request has paid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Back {
    Nothing,
    /// What it has paid for its upstream, which has not heard of it.
    Upstream,
    /// All: a limit behind this filter has refused it.
    All,
}

impl Back {
    /// Whether it is about what a rule takes.
    fn covers(self, rule: &Rule) -> bool {
        self == Self::All || self == Self::Upstream && rule.is_shared()
    }
}

impl Limiter {
    /// The receipt for one charge, which has the place of its rule in `asked`.
    pub(super) fn receipt(
        &self,
        asked: &[Asked<'_>],
        (place, payee, Charge { key, taker, .. }): (usize, Payee, Charge<'_>),
    ) -> Option<Receipt> {
        let (rule, _) = asked.get(place)?;
        let plan = rule.allowance.plans.iter().find(|plan| std::ptr::eq(&raw const plan.limits, taker.limits))?;
        let seat = Seat::new(self, rule, plan, (key, taker.print))?;
        Some(Receipt { seat, cost: taker.cost, payee, has_waited: false })
    }

    /// What a request has paid `at` that moment; each charge has the place of its rule in `asked` and `outcomes`. What a rule in
    /// the shadow denied, it did not take; what the request waits for, it takes when it is sent.
    pub(super) fn receipts(
        &self,
        asked: &[Asked<'_>],
        charges: Vec<(usize, Payee, Charge<'_>)>,
        outcomes: &[Outcome<'_>],
        (at, sent_at): (Instant, Option<SentAt>),
    ) -> Receipts {
        let receipt = |charge: (usize, Payee, Charge<'_>)| {
            let has_waited = outcomes.get(charge.0).is_none_or(Outcome::is_denied);
            if has_waited && sent_at.is_none() {
                return None;
            }
            Some(Receipt { has_waited, ..self.receipt(asked, charge)? })
        };
        let all: Vec<_> = charges.into_iter().filter_map(receipt).collect();
        let is_whole = all.len() == asked.len();
        Receipts { at, all, is_whole, sent_at }
    }

    /// Puts back what was paid `at` that moment.
    pub(super) fn pay_back(&self, receipts: &[Receipt], at: Instant) {
        for Receipt { seat, cost, payee, .. } in receipts {
            if let Some(mut till) = Till::new(self, seat) {
                till.put_back(*payee, *cost, at);
            }
        }
    }

    /// How the caller stands now, with what it has paid less what it gets `back`.
    fn restate(&self, Receipts { at, all, is_whole, sent_at }: &Receipts, back: Back) -> Option<Fields> {
        let mut shown = Vec::with_capacity(all.len());
        let mut is_whole = *is_whole;
        for receipt in all {
            let (Some(rule), Some(mut till)) =
                (self.config.rules.get(receipt.seat.rule), Till::new(self, &receipt.seat))
            else {
                continue;
            };
            if back.covers(rule) {
                let paid_at = sent_at.as_ref().filter(|_| receipt.has_waited).map_or(*at, |sent| sent.get());
                till.put_back(receipt.payee, receipt.cost, paid_at);
            }
            is_whole &= till.look(receipt.cost).is_ok();
            // What is not held here, Redis alone knows of.
            let said = till.said.filter(|said| receipt.payee == Payee::Proxy || !said.is_denied());
            is_whole &= said.is_some();
            let said = said.filter(|_| rule.is_shown());
            shown.extend(said.map(|said| (said.untaken(receipt.cost), till.policy())));
        }
        Fields::of(&mut shown.into_iter().filter(|_| is_whole), shell::now())
    }
}

impl Stream {
    /// Puts back what the request has paid where a limit behind this filter has refused it, or where its upstream has not heard of it.
    /// How the caller stands then, where that is to be said anew. `said` are the response's headers.
    pub(super) fn take_back(&mut self, said: &Headers) -> Option<Fields> {
        let (receipts, limiter) = (self.receipts.take()?, self.limiter.as_ref()?);
        let sent_at = receipts.sent_at.as_ref().map(|sent| sent.get());
        if sent_at == Some(Instant::EPOCH) {
            // It has got everything back when its wait ended.
            return None;
        }
        let rule = |receipt: &Receipt| limiter.config.rules.get(receipt.seat.rule);
        let of_upstream = receipts.all.iter().filter_map(rule).any(Rule::is_shared);
        let back = back(said, of_upstream);
        if back == Back::Nothing && sent_at.is_none() { None } else { limiter.restate(&receipts, back) }
    }
}

/// Whether another upstream was asked in the place of the request's own. A response may say so that has only been told to; the
/// filter state is written by the breaker alone.
pub(super) fn is_anothers(said: &Headers) -> bool {
    said.first(header::FALLBACK) == Some(b"upstream")
        && shell::stream::own_property(state::FALLBACK).is_ok_and(|name| name.is_some())
}

/// What the current response gives back. Whoever has made it is a call of the host's, which a success is not worth that does not
/// say itself that it stands in for another.
fn back(said: &Headers, of_upstream: bool) -> Back {
    let status = said.first(":status").unwrap_or_default();
    let is_success = || status.starts_with(b"2") && said.first(header::FALLBACK).is_none();
    if status != b"429" && (!of_upstream || is_success()) {
        return Back::Nothing;
    }
    let details = shell::stream::property(&["response", "code_details"]).ok().flatten().unwrap_or_default();
    if status == b"429" && details == RATE_LIMITED.as_bytes() {
        Back::All
    } else if of_upstream && (details.starts_with(DETAILS_PREFIX.as_bytes()) || is_anothers(said)) {
        Back::Upstream
    } else {
        Back::Nothing
    }
}
