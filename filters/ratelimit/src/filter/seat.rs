//! What those in a line wait for, and how a worker pays for them: from a bucket of this proxy, or from one of the fleet.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::{Fingerprint, Instant, allowance};

use super::limiter::{Host, Limiter};
use super::receipt::Payee;
use crate::block::{Known, Take, half};
use crate::charge::{self, Charge, Undecided};
use crate::desk::Bucket;
use crate::fleet::{self, WhenUnavailable};
use crate::limit::{Limits, Outcome, Standing};
use crate::rule::{Plan, Rule, Scope};
use crate::set::Taker;

/// How soon an answer may be there that was just asked for.
const GLANCE: Duration = Duration::from_millis(10);

/// Whose bucket it is. Only places in the configuration are kept, and no copies of limits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seat {
    pub(super) print: Fingerprint,
    /// The places of the rule in the configuration, and of the plan in the rule.
    pub(super) rule: usize,
    plan: usize,
    /// The key of shared data of the caller's slot.
    key: String,
}

impl Seat {
    /// That of a caller under a plan of a rule.
    pub(super) fn new(
        limiter: &Limiter,
        rule: &Rule,
        plan: &Plan,
        (key, print): (String, Fingerprint),
    ) -> Option<Self> {
        let place = limiter.config.rules.iter().position(|other| std::ptr::eq(other, rule))?;
        let plan = rule.allowance.plans.iter().position(|other| std::ptr::eq(other, plan))?;
        Some(Self { print, rule: place, plan, key })
    }

    /// Where its line is.
    pub(super) fn line(&self) -> String {
        policy::queue::key(&self.key)
    }

    /// Whose line it is among those there.
    pub(super) fn caller(&self) -> u64 {
        half(self.print)
    }
}

/// Pays for tickets.
pub(super) struct Till<'a, 's> {
    pub(super) host: Host,
    limiter: &'a Limiter,
    rule: &'a Rule,
    plan: &'a Plan,
    seat: &'s Seat,
    /// What all in line need.
    pub(super) wanted: u32,
    spent: u32,
    /// Paid for tickets that others have called meanwhile.
    spare: u32,
    /// Who was paid.
    payee: Payee,
    /// What was said last.
    pub(super) said: Option<Outcome<'a>>,
    /// In what time tokens come.
    pub(super) pace: Duration,
    /// Redis is away, and nothing passes without it.
    pub(super) is_closed: bool,
}

impl<'a, 's> Till<'a, 's> {
    /// Of a seat that this configuration has.
    pub(super) fn new(limiter: &'a Limiter, seat: &'s Seat) -> Option<Self> {
        let rule = limiter.config.rules.get(seat.rule)?;
        let plan = rule.allowance.plans.get(seat.plan)?;
        let pace = plan.limits.first().terms.pace();
        let payee = Payee::Proxy;
        let host = Host::default();
        let till = Self {
            host,
            limiter,
            rule,
            plan,
            seat,
            wanted: 0,
            spent: 0,
            spare: 0,
            payee,
            said: None,
            pace,
            is_closed: false,
        };
        Some(till)
    }

    /// What clients are told of the limits.
    pub(super) fn policy(&self) -> &'a str {
        &self.plan.policy
    }

    /// Whether `cost` is paid.
    pub(super) fn pay(&mut self, cost: NonZeroU32) -> bool {
        if let Some(spare) = self.spare.checked_sub(cost.get()) {
            self.spare = spare;
        } else if !self.draw(cost) {
            return false;
        }
        self.spent = self.spent.saturating_add(cost.get());
        true
    }

    /// Asks how long it would take, and takes nothing.
    pub(super) fn look(&mut self, cost: NonZeroU32) -> Result<(), Undecided> {
        let Some((fleet, member)) = self.limiter.fleet().filter(|_| self.rule.scope() == Scope::Fleet) else {
            let charge = self.charge(&self.plan.limits, cost, false);
            let said = charge::look(&mut self.host, std::slice::from_ref(&charge))?;
            for said in said {
                self.note(said);
            }
            return Ok(());
        };
        let bucket = self.bucket(cost);
        let said = member.desk.borrow_mut().look(&mut self.host, fleet, &bucket)?;
        self.hear(&said);
        Ok(())
    }

    /// What a request has just paid.
    pub(super) fn paid(&self, cost: NonZeroU32) -> (Payee, Charge<'a>) {
        (self.payee, self.charge(&self.plan.limits, cost, false))
    }

    /// What a request will have paid when it is called, to whom whoever calls it knows.
    pub(super) fn owed(&self, cost: NonZeroU32) -> (Payee, Charge<'a>) {
        let payee = if self.rule.scope() == Scope::Fleet { Payee::Line } else { Payee::Proxy };
        (payee, self.charge(&self.plan.limits, cost, false))
    }

    /// What was spent bought nothing.
    pub(super) fn take_back(&mut self) {
        self.spare = self.spare.saturating_add(std::mem::take(&mut self.spent));
    }

    /// Whether something was bought.
    pub(super) const fn has_spent(&self) -> bool {
        self.spent > 0
    }

    /// Puts back into the bucket what is left. When there will be more, where that is known.
    pub(super) fn close(mut self) -> Option<Duration> {
        if let Some(cost) = NonZeroU32::new(self.spare) {
            self.put_back(self.payee, cost, shell::now());
        }
        self.said.filter(Outcome::is_denied).map(|said| said.standing().reset_in)
    }

    /// Puts back what was paid `at` that moment.
    pub(super) fn put_back(&mut self, payee: Payee, cost: NonZeroU32, at: Instant) {
        let Some((fleet, member)) = self.limiter.fleet().filter(|_| payee != Payee::Proxy) else {
            return self.give_back(&self.plan.limits, cost, (at, false));
        };
        let bucket = self.bucket(cost);
        match payee {
            Payee::Share(proxies) => {
                return self.give_back(&fleet::share(&self.plan.limits, cost, proxies), cost, (at, true));
            }
            Payee::Fleet(until) => member.desk.borrow_mut().give_back(&mut self.host, fleet, &bucket, until),
            // Of an outage nobody knows any more whether it was leased or a share's: it comes back with time.
            Payee::Line if !member.contact.borrow().is_away => {
                member.desk.borrow_mut().take_back(&mut self.host, &bucket, at);
            }
            Payee::Proxy | Payee::Line | Payee::Nobody => {}
        }
        self.limiter.pulse.wake_in(member.next(fleet), shell::now());
    }

    fn give_back(&mut self, limits: &Limits, cost: NonZeroU32, (at, is_share): (Instant, bool)) {
        let charge = self.charge(limits, cost, is_share);
        charge::give_back(&mut self.host, &charge, at);
    }

    /// Takes tokens from where they are.
    fn draw(&mut self, cost: NonZeroU32) -> bool {
        let Some((fleet, member)) = self.limiter.fleet().filter(|_| self.rule.scope() == Scope::Fleet) else {
            return self.settle(&self.plan.limits, cost, false);
        };
        let (is_away, bucket) = (member.contact.borrow().is_away, self.bucket(cost));
        let mut desk = member.desk.borrow_mut();
        let said = if is_away {
            desk.take(&mut self.host, fleet, &bucket)
        } else {
            desk.claim(&mut self.host, fleet, &bucket, self.wanted)
        };
        drop(desk);
        let Ok(said) = said else { return false };
        if !is_away || !matches!(said, Take::Missing(_)) {
            self.hear(&said);
            let Take::Taken(known, _) = said else { return false };
            self.note_payee(Payee::Fleet(known.until));
            return true;
        }
        match fleet.when_unavailable {
            WhenUnavailable::Open => {
                self.note_payee(Payee::Nobody);
                true
            }
            WhenUnavailable::Closed => {
                self.is_closed = true;
                false
            }
            WhenUnavailable::Share => {
                let proxies = member.contact.borrow().proxies();
                let passes = self.settle(&fleet::share(&self.plan.limits, cost, proxies), cost, true);
                if passes {
                    self.note_payee(Payee::Share(proxies));
                }
                passes
            }
        }
    }

    /// Notes who was paid. What was paid to several at once, others having called the ticket that it was for, is lost.
    fn note_payee(&mut self, payee: Payee) {
        self.payee = match (self.payee, payee) {
            _ if self.spent == 0 && self.spare == 0 => payee,
            (Payee::Fleet(one), Payee::Fleet(other)) => Payee::Fleet(one.min(other)),
            (one, other) if one == other => one,
            _ => Payee::Nobody,
        };
    }

    fn settle(&mut self, limits: &Limits, cost: NonZeroU32, is_share: bool) -> bool {
        let charge = self.charge(limits, cost, is_share);
        let Ok(said) = charge::settle(&mut self.host, std::slice::from_ref(&charge)) else { return false };
        let mut passes = false;
        for said in said {
            passes = !said.is_denied();
            self.note(said);
        }
        passes
    }

    /// Notes what a bucket has said, in the words of the rule's own limits.
    fn note(&mut self, said: Outcome<'_>) {
        self.pace = said.standing().limit.terms.pace();
        self.said = Some(self.plan.limits.own(said));
    }

    /// Notes what is known of the fleet's.
    fn hear(&mut self, said: &Take) {
        let limits = &self.plan.limits;
        let (Take::Taken(known, _) | Take::Refused(known)) = said else {
            let standing = Standing { limit: limits.first(), remaining: 0, reset_in: GLANCE };
            self.said = Some(Outcome::Deny(standing));
            return;
        };
        let Known { remaining, tight, reset_in, notice, .. } = *known;
        let limit = limits.iter().nth(tight).unwrap_or_else(|| limits.first());
        let standing = Standing { limit, remaining: remaining.min(limit.terms.most().get()), reset_in };
        let is_taken = matches!(said, Take::Taken(..));
        // With other proxies that take turns, a token comes here as seldom as the last one did.
        self.note(if is_taken { Outcome::Allow(standing) } else { Outcome::Deny(standing) });
        self.pace = self.pace.max(notice);
    }

    fn charge<'l>(&self, limits: &'l Limits, cost: NonZeroU32, is_share: bool) -> Charge<'l>
    where
        'a: 'l,
    {
        let key = if is_share { allowance::share(&self.seat.key) } else { self.seat.key.clone() };
        let taker = Taker { print: self.seat.print, limits, longest: &self.rule.longest, cost };
        Charge { key, taker, shadow: false }
    }

    fn bucket(&self, cost: NonZeroU32) -> Bucket<'a> {
        let patience = self.plan.queue.map_or(Duration::ZERO, |terms| terms.max_wait);
        Bucket {
            slot: allowance::leased(&self.seat.key),
            print: self.seat.print,
            rule: self.rule.name(),
            is_shared: self.rule.is_shared(),
            limits: &self.plan.limits,
            cost: cost.get(),
            patience,
        }
    }
}
