//! The fleet, as one worker takes part in it: requests that pay from leased blocks, questions to Redis, requests that wait.

use std::cell::{Cell, OnceCell, RefCell};
use std::time::Duration;

use policy::allowance;
use policy::state::Fault;
use policy::{Headers, Instant, Seed};
use shell::lease::{Role, lead};
use shell::metric::{Counter, Gauge};
use shell::shared;

use super::limiter::{Decided, Host, Limiter, Unsettled, downstream};
use super::receipt::Payee;
use crate::block::{Known, Take};
use crate::charge::{self, Charge, Undecided};
use crate::contact::Contact;
use crate::desk::{Bucket, Desk, Parked};
use crate::fleet::{self, Fleet, WhenUnavailable};
use crate::limit::{Limits, Outcome, Standing};
use crate::rule::{Asked, Plan, Scope};
use crate::script::hex;
use crate::set::Taker;

/// Whoever asks for the proxy when it has nothing to ask for holds this office for so long.
const LEASE: Duration = Duration::from_secs(1);

/// One worker's part.
pub(super) struct Member {
    pub(super) desk: RefCell<Desk>,
    pub(super) contact: RefCell<Contact>,
    /// The keys of shared data: the contact, and the lease of who asks when there is nothing to ask for.
    keys: [String; 2],
    /// This proxy's name in the fleet.
    proxy: String,
    asker: u64,
    /// When this worker last asked.
    asked: Cell<Instant>,
    good: Counter,
    failed: Counter,
    away: Gauge,
    proxies: Gauge,
}

/// A request's buckets, by who keeps them.
struct Sorted<'a> {
    /// By which plan each rule's is filled.
    plans: Vec<&'a Plan>,
    /// Of this proxy: the place of the rule, and what it pays.
    own: Vec<(usize, Charge<'a>)>,
    /// Of the fleet.
    leased: Vec<Leased<'a>>,
    /// Some callers are not known before the fleet's seed is.
    is_unknown: bool,
}

/// A bucket of the fleet, and what is paid there.
struct Leased<'a> {
    place: usize,
    bucket: Bucket<'a>,
    charge: Charge<'a>,
}

impl Member {
    pub(super) fn new(fleet: &Fleet) -> Self {
        let seed = shell::seed().ok();
        let print = |part: &[u8]| {
            let parts = fleet.store.identity().into_iter().chain([part]);
            hex(&seed.map_or_else(shell::random, |seed| seed.fingerprint(parts).to_bytes()))
        };
        let name = print(b"fleet");
        let asks = |outcome| Counter::new("api_gateway_rate_limit_fleet_asks_total", &[("outcome", outcome)]);
        let member = Self {
            desk: RefCell::default(),
            contact: RefCell::new(Contact::new(shell::random())),
            keys: ["", ".leader"].map(|part| ["weir.ratelimit fleet ", &name, part].concat()),
            proxy: print(b"proxy"),
            asker: u64::from_le_bytes(shell::random()),
            asked: Cell::new(Instant::EPOCH),
            good: asks("good"),
            failed: asks("failed"),
            away: Gauge::new("api_gateway_rate_limit_fleet_away", &[]),
            proxies: Gauge::new("api_gateway_rate_limit_fleet_proxies", &[]),
        };
        member.observe();
        member
    }

    /// Takes over what other workers know.
    fn observe(&self) {
        if let Ok((bytes, _)) = shared::read(&self.keys[0]) {
            self.contact.borrow_mut().take_over(&bytes);
        }
    }

    /// The seed under which the fleet knows callers, once it is known.
    pub(super) fn seed(&self) -> Option<Seed> {
        self.contact.borrow().seed()
    }

    /// How soon this worker is to be woken: at once where something is to be asked, and otherwise after an interval.
    pub(super) fn next(&self, fleet: &Fleet) -> Duration {
        let is_away = self.contact.borrow().is_away;
        if is_away { fleet.interval } else { self.desk.borrow().next(fleet) }
    }

    /// Asks what there is to ask, and where this worker leads, asks in time even without need.
    fn ask(&self, fleet: &Fleet, now: Instant) {
        let is_due = self.contact.borrow().is_due(self.asked.get(), now);
        let is_idle = is_due && lead(&self.keys[1], self.asker, LEASE) == Ok(Role::Leader);
        let is_away = self.contact.borrow().is_away;
        if is_away && !is_idle {
            return;
        }
        let mut desk = self.desk.borrow_mut();
        let Some(words) = desk.question(fleet, &self.contact.borrow(), &self.proxy, is_idle) else { return };
        let command: Vec<_> = words.iter().map(String::as_bytes).collect();
        self.asked.set(now);
        match shell::state::send(&fleet.store, &command) {
            Ok(token) => desk.sent(token, now),
            Err(fault) => self.fail(fleet, &fault),
        }
    }

    /// Notes for all workers that Redis does not answer.
    fn fail(&self, fleet: &Fleet, fault: &Fault) {
        self.failed.increment();
        let mut contact = self.contact.borrow_mut();
        if !std::mem::replace(&mut contact.is_away, true) {
            log::warn!("fleet: {} does not answer: {fault}", fleet.store.cluster);
        }
        self.share(&contact);
    }

    fn share(&self, contact: &Contact) {
        self.away.set(u64::from(contact.is_away));
        self.proxies.set(u64::from(contact.proxies().get()));
        if let Err(error) = shared::overwrite(&self.keys[0], &contact.to_bytes()) {
            log::debug!("fleet: {error}");
        }
    }

    /// Takes in an answer, where it is one; says who goes on.
    fn answered(&self, fleet: &Fleet, token: u32, headers: usize, body_bytes: usize) -> Option<Vec<Parked>> {
        if !self.desk.borrow().awaits(token) {
            return None;
        }
        let reply = shell::state::reply(&fleet.store, headers, body_bytes);
        let (answer, released) = self.desk.borrow_mut().receive(&mut Host::default(), reply);
        match answer {
            Ok(answer) => {
                self.good.increment();
                let mut contact = self.contact.borrow_mut();
                if contact.is_away {
                    log::info!("fleet: {} answers again", fleet.store.cluster);
                }
                contact.answered(&answer, shell::now());
                self.share(&contact);
            }
            Err(Fault::NoScript) => {}
            Err(fault) => self.fail(fleet, &fault),
        }
        Some(released)
    }

    /// Those who have waited for long enough. Redis is too slow for them, and so for all.
    fn late(&self, fleet: &Fleet, now: Instant) -> Vec<Parked> {
        let late = self.desk.borrow_mut().late(fleet.budget, now);
        if !late.is_empty() {
            self.fail(fleet, &Fault::Lost);
        }
        late
    }
}

impl Limiter {
    /// Looks after the fleet; says who goes on.
    pub(super) fn tend(&self) -> Vec<Parked> {
        let Some((fleet, member)) = self.fleet() else { return Vec::new() };
        let now = shell::now();
        member.observe();
        let late = member.late(fleet, now);
        member.ask(fleet, now);
        late
    }

    /// Takes in an answer to a callout, and says who goes on; `None` where it is not for the fleet.
    pub(super) fn hear(&self, token: u32, headers: usize, body_bytes: usize) -> Option<Vec<Parked>> {
        let (fleet, member) = self.fleet()?;
        member.answered(fleet, token, headers, body_bytes)
    }

    /// Puts away what nobody has taken of an answer, and asks what has come up meanwhile.
    pub(super) fn close(&self) {
        if let Some((fleet, member)) = self.fleet() {
            let now = shell::now();
            member.desk.borrow_mut().close(&mut Host::default(), now);
            member.ask(fleet, now);
            self.pulse.wake_in(member.next(fleet), now);
        }
    }

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
        let mut host = Host::default();
        let Sorted { plans, own, leased, is_unknown } = self.sort(member, asked, headers)?;
        let mut desk = member.desk.borrow_mut();
        let mut outcomes: Vec<Outcome<'a>> = plans.iter().map(|plan| full(&plan.limits)).collect();
        let mut takes = Vec::with_capacity(leased.len());
        if let ([Leased { place, bucket, .. }], 1) = (leased.as_slice(), asked.len()) {
            // The usual case, in which nothing has to be given back: one look is enough.
            let take = desk.take(&mut host, fleet, bucket)?;
            tell(&mut outcomes, &plans, *place, &take);
            if !is_missing(&take) {
                let payees = leased.into_iter().zip(paid(&take));
                let charges = payees.map(|(leased, payee)| (leased.place, payee, leased.charge)).collect();
                return Ok(Decided { outcomes, plans, charges, waits: None, now: host.now });
            }
            takes.push(take);
        } else {
            for Leased { bucket, .. } in &leased {
                takes.push(desk.look(&mut host, fleet, bucket)?);
            }
        }
        let is_late = since.is_some_and(|since| shell::now().since(since) >= fleet.budget);
        let is_away = is_late || member.contact.borrow().is_away || !desk.has_room();
        for (Leased { place, .. }, take) in leased.iter().zip(&mut takes) {
            if is_scarce && is_away && paid(take).is_some() {
                *take = Take::Missing(0);
            }
            tell(&mut outcomes, &plans, *place, take);
        }
        let lacks_any = is_unknown || takes.iter().any(is_missing);
        if (lacks_any && !is_away) || refuses(asked, &outcomes) {
            for (place, charge) in &own {
                for said in charge::look(&mut host, std::slice::from_ref(charge))? {
                    put(&mut outcomes, &plans, *place, said.untaken(charge.taker.cost));
                }
            }
            if refuses(asked, &outcomes) {
                return Ok(Decided { outcomes, plans, charges: Vec::new(), waits: None, now: host.now });
            }
            want_rest(&mut desk, fleet, leased.iter().map(|leased| &leased.bucket).zip(&takes));
            return Err(Unsettled::Waits);
        }
        // Redis is away: what it has not said anything about is a share's.
        let lacks = |place| !leased.iter().zip(&takes).any(|(held, take)| held.place == place && !is_missing(take));
        let (shares, proxies) = (self.shares(asked, headers, &lacks)?, member.contact.borrow().proxies());
        let mut charges: Vec<_> = own.iter().map(|(_, charge)| charge.clone()).collect();
        charges.extend(shares.iter().map(|(_, limits, charge)| {
            let key = allowance::share(&charge.key);
            Charge { key, taker: Taker { limits, ..charge.taker }, ..*charge }
        }));
        let settled = charge::settle(&mut host, &charges)?;
        let is_denied = charges.iter().zip(&settled).any(|(charge, said)| charge.refuses(said));
        let taken_at = host.now;
        let mut due: Vec<_> = own.into_iter().map(|(place, charge)| (place, Payee::Proxy, charge)).collect();
        due.extend(shares.iter().map(|(place, _, charge)| (*place, Payee::Share(proxies), charge.clone())));
        for ((place, ..), said) in due.iter().zip(settled) {
            put(&mut outcomes, &plans, *place, said);
        }
        if is_denied {
            return Ok(Decided { outcomes, plans, charges: Vec::new(), waits: None, now: host.now });
        }
        let mut held: Vec<(&Bucket<'_>, Instant)> = Vec::new();
        for (Leased { place, bucket, charge }, _) in leased.iter().zip(&takes).filter(|(_, take)| paid(take).is_some()) {
            let take = desk.take(&mut host, fleet, bucket).unwrap_or(Take::Missing(0));
            tell(&mut outcomes, &plans, *place, &take);
            if let Take::Taken(known, _) = &take {
                held.push((bucket, known.until));
                due.push((*place, Payee::Fleet(known.until), charge.clone()));
                continue;
            }
            // Another worker was faster, and the request does not pass after all.
            charges.iter().for_each(|charge| charge::give_back(&mut host, charge, taken_at));
            held.iter().for_each(|(bucket, until)| desk.give_back(&mut host, fleet, bucket, *until));
            if is_missing(&take) && !is_away {
                want_rest(&mut desk, fleet, std::iter::once((bucket, &take)));
                held.iter().for_each(|(bucket, _)| desk.hold(bucket));
                return Err(Unsettled::Waits);
            }
            if is_missing(&take) {
                return Err(Unsettled::Undecided);
            }
            due.clear();
            break;
        }
        due.sort_by_key(|(place, ..)| *place);
        Ok(Decided { outcomes, plans, charges: due, waits: None, now: host.now })
    }

    /// Says of each rule whom it has to be paid to.
    fn sort<'a>(&self, member: &Member, asked: &[Asked<'a>], headers: &Headers) -> Result<Sorted<'a>, Undecided> {
        let client = OnceCell::new();
        let fleet_seed = member.seed();
        let mut sorted =
            Sorted { plans: Vec::with_capacity(asked.len()), own: Vec::new(), leased: Vec::new(), is_unknown: false };
        for (place, (rule, account)) in asked.iter().enumerate() {
            let seed = self.seed.as_ref();
            if rule.scope() == Scope::Proxy {
                let charge = rule.charge(account, seed, headers, || client.get_or_init(downstream));
                let (plan, charge) = charge.ok_or(Undecided)?;
                sorted.plans.push(plan);
                sorted.own.push((place, charge));
                continue;
            }
            // Who has limits of its own is known under the proxy's seed, and to the fleet under the fleet's.
            let plan = rule.plan(account, seed, headers, || client.get_or_init(downstream)).ok_or(Undecided)?;
            sorted.plans.push(plan);
            match rule.place(account, fleet_seed.as_ref(), headers, || client.get_or_init(downstream)) {
                None => sorted.is_unknown = true,
                Some((key, print)) => {
                    let (slot, cost, is_shared) = (allowance::leased(&key), account.cost.get(), rule.is_shared());
                    let (limits, longest) = (&plan.limits, &rule.longest);
                    let taker = Taker { print, limits, longest, cost: account.cost };
                    let charge = Charge { key, taker, shadow: rule.is_shadow() };
                    let (rule, patience) = (rule.name(), Duration::ZERO);
                    let bucket = Bucket { slot, print, rule, is_shared, limits, cost, patience };
                    sorted.leased.push(Leased { place, bucket, charge });
                }
            }
        }
        Ok(sorted)
    }

    /// What a request pays while Redis is away, for each rule of the fleet that nothing is held of: its share of the limits.
    fn shares<'a>(
        &self,
        asked: &[Asked<'a>],
        headers: &Headers,
        lacks: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<(usize, Limits, Charge<'a>)>, Unsettled> {
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
            let charge = rule.charge(account, self.seed.as_ref(), headers, || client.get_or_init(downstream));
            let (plan, charge) = charge.ok_or(Undecided)?;
            let limits = fleet::share(&plan.limits, charge.taker.cost, proxies);
            shares.push((place, limits, charge));
        }
        Ok(shares)
    }
}

/// Whether a rule that is not in the shadow turns the request away.
pub(super) fn refuses(asked: &[Asked<'_>], outcomes: &[Outcome<'_>]) -> bool {
    asked.iter().zip(outcomes).any(|((rule, _), said)| said.is_denied() && !rule.is_shadow())
}

/// Has Redis asked for what a request lacks, and keeps what it has until it comes back.
fn want_rest<'b, 't>(desk: &mut Desk, fleet: &Fleet, said: impl Iterator<Item = (&'b Bucket<'b>, &'t Take)>) {
    for (bucket, take) in said {
        match take {
            Take::Missing(ahead) => desk.want(fleet, bucket, bucket.cost, *ahead),
            Take::Taken(..) | Take::Refused(_) => desk.hold(bucket),
        }
    }
}

fn is_missing(take: &Take) -> bool {
    matches!(take, Take::Missing(_))
}

/// Who was paid, where a request has taken what it needs.
fn paid(take: &Take) -> Option<Payee> {
    if let Take::Taken(known, _) = take { Some(Payee::Fleet(known.until)) } else { None }
}

/// What is said of limits of which nothing is known.
pub(super) fn full(limits: &Limits) -> Outcome<'_> {
    let limit = limits.first();
    Outcome::Allow(Standing { limit, remaining: limit.terms.most().get(), reset_in: Duration::ZERO })
}

/// Writes down what a block says.
fn tell<'a>(outcomes: &mut [Outcome<'a>], plans: &[&'a Plan], place: usize, take: &Take) {
    let (Some(slot), Some(plan)) = (outcomes.get_mut(place), plans.get(place)) else { return };
    let standing = |known: &Known| {
        let limit = plan.limits.iter().nth(known.tight).unwrap_or_else(|| plan.limits.first());
        Standing { limit, remaining: known.remaining.min(limit.terms.most().get()), reset_in: known.reset_in }
    };
    match take {
        Take::Taken(known, _) => *slot = Outcome::Allow(standing(known)),
        Take::Refused(known) => *slot = Outcome::Deny(standing(known)),
        Take::Missing(_) => {}
    }
}

/// Writes down what buckets of this proxy say, in the words of the rule's own limits.
fn put<'a>(outcomes: &mut [Outcome<'a>], plans: &[&'a Plan], place: usize, said: Outcome<'_>) {
    let (Some(slot), Some(plan)) = (outcomes.get_mut(place), plans.get(place)) else { return };
    let Standing { limit, remaining, reset_in } = *said.standing();
    let limit = plan.limits.iter().find(|own| own.name == limit.name).unwrap_or_else(|| plan.limits.first());
    let standing = Standing { limit, remaining, reset_in };
    *slot = if said.is_denied() { Outcome::Deny(standing) } else { Outcome::Allow(standing) };
}
