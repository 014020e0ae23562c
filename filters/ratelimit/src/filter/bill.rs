//! What a request pays where some of its limits are a fleet's: all of it, or nothing.

use std::cell::OnceCell;
use std::time::Duration;

use policy::allowance;
use policy::{Headers, Instant};

use super::fleet::Member;
use super::limiter::{Decided, Host, Limiter, Unsettled, downstream};
use super::receipt::Payee;
use crate::block::Take;
use crate::charge::{self, Charge, Undecided};
use crate::desk::Bucket;
use crate::fleet::{self, WhenUnavailable};
use crate::limit::{Limits, Outcome, Standing};
use crate::rule::{Asked, Scope};
use crate::set::Taker;

/// A request's buckets, by who keeps them.
struct Sorted<'a> {
    /// What its rules say, of which nothing is known yet, and what it pays to this proxy.
    decided: Decided<'a>,
    /// Of the fleet.
    leased: Vec<Leased<'a>>,
    /// Some callers are not known before the fleet's seed is.
    is_unknown: bool,
}

/// A bucket of the fleet.
struct Leased<'a> {
    /// The place of the rule.
    place: usize,
    bucket: Bucket<'a>,
    /// What is paid.
    charge: Charge<'a>,
    /// What is held here of it.
    take: Take,
}

impl Leased<'_> {
    /// Whether only Redis knows.
    fn is_missing(&self) -> bool {
        matches!(self.take, Take::Missing(_))
    }

    /// Who was paid, where enough is held here.
    fn payee(&self) -> Option<Payee> {
        if let Take::Taken(known, _) = self.take { Some(Payee::Fleet(known.until)) } else { None }
    }
}

impl Limiter {
    /// Asks every rule for this request's tokens, of which some are the fleet's. It came at `since`.
    pub(super) fn decide_together<'a>(
        &self,
        asked: &[Asked<'a>],
        headers: &Headers,
        since: Option<Instant>,
    ) -> Result<Decided<'a>, Unsettled> {
        match self.try_together(asked, headers, since, false) {
            // Other workers were faster. Where Redis is away, what they have left is not relied on again.
            Err(Unsettled::Undecided) => self.try_together(asked, headers, since, true),
            decided => decided,
        }
    }

    /// The same; where Redis is away and `is_scarce`, nothing is paid with what was leased before.
    fn try_together<'a>(
        &self,
        asked: &[Asked<'a>],
        headers: &Headers,
        since: Option<Instant>,
        is_scarce: bool,
    ) -> Result<Decided<'a>, Unsettled> {
        let (fleet, member) = self.fleet().ok_or(Undecided)?;
        let Sorted { mut decided, mut leased, is_unknown } = self.sort(member, asked, headers)?;
        let mut host = Host::default();
        let mut desk = member.desk.borrow_mut();
        if let ([alone], 1) = (leased.as_mut_slice(), asked.len()) {
            // The usual case, in which nothing has to be given back: one look is enough.
            alone.take = desk.take(&mut host, fleet, &alone.bucket)?;
        } else {
            for leased in &mut leased {
                leased.take = desk.look(&mut host, fleet, &leased.bucket)?;
            }
        }
        decided.now = host.now;
        let is_late = since.is_some_and(|since| shell::now().since(since) >= fleet.budget);
        let is_away = is_late || member.contact.borrow().is_away || !desk.has_room();
        for leased in &mut leased {
            if is_scarce && is_away && leased.payee().is_some() {
                leased.take = Take::Missing(0);
            }
            decided.hear(leased);
        }
        let is_missing = is_unknown || leased.iter().any(Leased::is_missing);
        if asked.len() == 1 && !is_missing {
            let paid = leased.into_iter().filter_map(|leased| Some((leased.place, leased.payee()?, leased.charge)));
            decided.charges.extend(paid);
            return Ok(decided);
        }
        if (!is_missing || is_away) && !refuses(asked, &decided.outcomes) {
            drop(desk);
            return self.pay_together((asked, headers), decided, leased, is_away);
        }
        for (place, _, charge) in std::mem::take(&mut decided.charges) {
            for said in charge::look(&mut host, std::slice::from_ref(&charge))? {
                decided.put(place, said.untaken(charge.taker.cost));
            }
        }
        if refuses(asked, &decided.outcomes) {
            return Ok(decided);
        }
        for Leased { bucket, take, .. } in &leased {
            match take {
                Take::Missing(ahead) => desk.want(fleet, bucket, bucket.cost, *ahead),
                // It stays until the request comes back.
                Take::Taken(..) | Take::Refused(_) => desk.hold(&mut host, bucket),
            }
        }
        Err(Unsettled::Waits)
    }

    /// Takes all tokens of a request, or none. Where Redis `is_away`, what is not held here is a share's.
    fn pay_together<'a>(
        &self,
        (asked, headers): (&[Asked<'a>], &Headers),
        mut decided: Decided<'a>,
        mut leased: Vec<Leased<'a>>,
        is_away: bool,
    ) -> Result<Decided<'a>, Unsettled> {
        let (fleet, member) = self.fleet().ok_or(Undecided)?;
        let lacks = |place| !leased.iter().any(|leased| leased.place == place && !leased.is_missing());
        let shares = self.add_shares(&mut decided.charges, (asked, headers), &lacks)?;
        let mut charges: Vec<Charge<'_>> = decided.charges.iter().map(|(.., charge)| charge.clone()).collect();
        for (charge, limits) in charges.iter_mut().rev().zip(&shares) {
            charge.key = allowance::share(&charge.key);
            charge.taker.limits = limits;
        }
        let mut host = Host::default();
        let settled = charge::settle(&mut host, &charges)?;
        decided.now = host.now;
        let places: Vec<_> = decided.charges.iter().map(|(place, ..)| *place).collect();
        let mut is_denied = false;
        for ((charge, place), said) in charges.iter().zip(&places).zip(settled) {
            is_denied |= charge.refuses(&said);
            decided.put(*place, said);
        }
        let mut desk = member.desk.borrow_mut();
        let mut held: Vec<(&Bucket<'_>, Instant)> = Vec::new();
        for leased in leased.iter_mut().filter(|leased| !is_denied && leased.payee().is_some()) {
            leased.take = desk.take(&mut host, fleet, &leased.bucket).unwrap_or(Take::Missing(0));
            decided.hear(leased);
            if let Take::Taken(known, _) = leased.take {
                held.push((&leased.bucket, known.until));
                decided.charge(leased.place, (Payee::Fleet(known.until), leased.charge.clone()));
                continue;
            }
            // Another worker was faster, and the request does not pass after all. What a rule in the shadow denied, it did not take.
            let is_taken = |place: usize| decided.outcomes.get(place).is_some_and(|said| !said.is_denied());
            let taken = charges.iter().zip(&places).filter(|(_, place)| is_taken(**place));
            taken.for_each(|(charge, _)| charge::give_back(&mut host, charge, decided.now));
            for (bucket, until) in &held {
                desk.give_back(&mut host, fleet, bucket, *until);
            }
            is_denied = !leased.is_missing();
            if is_denied {
                break;
            }
            if is_away {
                return Err(Unsettled::Undecided);
            }
            desk.want(fleet, &leased.bucket, leased.bucket.cost, 0);
            for (bucket, _) in &held {
                desk.hold(&mut host, bucket);
            }
            return Err(Unsettled::Waits);
        }
        if is_denied {
            decided.charges.clear();
        }
        Ok(decided)
    }

    /// Says of each rule whom it has to be paid to.
    fn sort<'a>(&self, member: &Member, asked: &[Asked<'a>], headers: &Headers) -> Result<Sorted<'a>, Undecided> {
        let client = OnceCell::new();
        let fleet_seed = member.seed();
        let plans = Vec::with_capacity(asked.len());
        let decided = Decided { outcomes: Vec::new(), plans, charges: Vec::new(), waits: None, now: Instant::EPOCH };
        let mut sorted = Sorted { decided, leased: Vec::new(), is_unknown: false };
        for (place, (rule, account)) in asked.iter().enumerate() {
            let seed = self.seed.as_ref();
            if rule.scope() == Scope::Proxy {
                let charge = rule.charge(account, seed, headers, &|| client.get_or_init(downstream));
                let (plan, charge) = charge.ok_or(Undecided)?;
                sorted.decided.plans.push(plan);
                sorted.decided.charges.push((place, Payee::Proxy, charge));
                continue;
            }
            // Who has limits of its own is known under the proxy's seed, and to the fleet under the fleet's.
            let plan = rule.plan(account, seed, headers, &|| client.get_or_init(downstream)).ok_or(Undecided)?;
            sorted.decided.plans.push(plan);
            match rule.place(account, fleet_seed.as_ref(), headers, &|| client.get_or_init(downstream)) {
                None => sorted.is_unknown = true,
                Some((key, print)) => {
                    let (slot, cost, is_shared) = (allowance::leased(&key), account.cost.get(), rule.is_shared());
                    let (limits, longest) = (&plan.limits, &rule.longest);
                    let taker = Taker { print, limits, longest, cost: account.cost };
                    let charge = Charge { key, taker, shadow: rule.is_shadow() };
                    let (rule, patience) = (rule.name(), Duration::ZERO);
                    let bucket = Bucket { slot, print, rule, is_shared, limits, cost, patience };
                    sorted.leased.push(Leased { place, bucket, charge, take: Take::Missing(0) });
                }
            }
        }
        sorted.decided.outcomes.extend(sorted.decided.plans.iter().map(|plan| full(&plan.limits)));
        Ok(sorted)
    }

    /// Adds what a request pays while Redis is away, for each rule of the fleet that nothing is held of. The proxy's share of each of
    /// their limits, the last one first.
    fn add_shares<'a>(
        &self,
        charges: &mut Vec<(usize, Payee, Charge<'a>)>,
        (asked, headers): (&[Asked<'a>], &Headers),
        lacks: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<Limits>, Unsettled> {
        let (fleet, member) = self.fleet().ok_or(Undecided)?;
        let (client, proxies) = (OnceCell::new(), member.contact.borrow().proxies());
        let mut shares = Vec::new();
        for (place, (rule, account)) in asked.iter().enumerate() {
            if rule.scope() == Scope::Proxy || !lacks(place) {
                continue;
            }
            match fleet.when_unavailable {
                WhenUnavailable::Open => continue,
                // Who refuses nothing does not do so then, either.
                WhenUnavailable::Closed if rule.is_shadow() => continue,
                WhenUnavailable::Closed => return Err(Unsettled::Closed),
                WhenUnavailable::Share => {}
            }
            let charge = rule.charge(account, self.seed.as_ref(), headers, &|| client.get_or_init(downstream));
            let (plan, charge) = charge.ok_or(Undecided)?;
            let limits = fleet::share(&plan.limits, charge.taker.cost, proxies);
            shares.insert(0, limits);
            charges.push((place, Payee::Share(proxies), charge));
        }
        Ok(shares)
    }
}

/// Whether a rule that is not in the shadow turns the request away.
pub(super) fn refuses(asked: &[Asked<'_>], outcomes: &[Outcome<'_>]) -> bool {
    asked.iter().zip(outcomes).any(|((rule, _), said)| said.is_denied() && !rule.is_shadow())
}

/// What is said of limits of which nothing is known.
pub(super) fn full(limits: &Limits) -> Outcome<'_> {
    let limit = limits.first();
    Outcome::Allow(Standing { limit, remaining: limit.terms.most().get(), reset_in: Duration::ZERO })
}

impl Decided<'_> {
    /// Writes down what is held of a bucket of the fleet.
    fn hear(&mut self, Leased { place, take, .. }: &Leased<'_>) {
        let Some(plan) = self.plans.get(*place) else { return };
        let (Take::Taken(known, _) | Take::Refused(known)) = take else { return };
        let limit = plan.limits.iter().nth(known.tight).unwrap_or_else(|| plan.limits.first());
        let remaining = known.remaining.min(limit.terms.most().get());
        let standing = Standing { limit, remaining, reset_in: known.reset_in };
        let is_refused = matches!(take, Take::Refused(_));
        self.say(*place, if is_refused { Outcome::Deny(standing) } else { Outcome::Allow(standing) });
    }

    /// Writes down what buckets of this proxy say, in the words of the rule's own limits.
    fn put(&mut self, place: usize, said: Outcome<'_>) {
        let Some(plan) = self.plans.get(place) else { return };
        self.say(place, plan.limits.own(said));
    }
}
