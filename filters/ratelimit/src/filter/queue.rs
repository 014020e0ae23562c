//! Lines, as a worker takes part in them: requests are parked, sent when they are called, answered when they have waited long enough.

use std::cell::OnceCell;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use policy::{Headers, Instant, Rejection};
use shell::shared::{self, Change, Failure};
use shell::{Action, stream};

use super::bill::{full, refuses};
use super::limiter::{Decided, Host, Limiter, Meanwhile, Unsettled, downstream};
use super::lobby::Waiting;
use super::meters::Status;
use super::receipt::SentAt;
use super::seat::{Seat, Till};
use crate::charge::{Store, Undecided};
use crate::limit::{Outcome, Standing};
use crate::queue::{Holder, Joined, Line, PARKED_MAX, Terms, Ticket, wait};
use crate::rule::{Asked, Plan, Scope};

/// How often a worker looks at the lines that its requests wait in, if nothing is due sooner: others may have called them.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whoever is outrun by others so often looks again after [`SOON`].
const ATTEMPTS: u32 = 16;
const SOON: Duration = Duration::from_millis(2);

/// A request that meets a rule with a line.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'r> {
    /// Its stream's number.
    pub(super) context: u32,
    pub(super) headers: &'r Headers,
    pub(super) meanwhile: Meanwhile,
}

/// The same, where its bucket and its line are known.
struct Arrived<'s> {
    seat: &'s Seat,
    terms: Terms,
    cost: NonZeroU32,
    priority: u8,
    context: u32,
    /// How many tokens those take who are before it.
    ahead: Option<u64>,
}

impl Arrived<'_> {
    fn ticket(&self, worker: u64) -> Ticket {
        let holder = Holder { worker, context: self.context };
        Ticket { holder, caller: self.seat.caller(), priority: self.priority, cost: self.cost }
    }
}

/// How a request's wait ends.
#[derive(Clone, Copy)]
enum End {
    /// It is sent, which was paid for at that moment.
    Called(Instant),
    /// It has waited for long enough, or has to go, and would have been sent after this long.
    Late(Duration),
    /// Nobody knows when it would be.
    Undecided,
    /// Nothing is sent without Redis.
    Closed,
}

/// Changes a line as one step; `change` says whether it did, and is asked again where another worker was faster. One piece of
/// code for all who do.
fn revise(seat: &Seat, change: &mut dyn FnMut(&mut Line) -> bool) -> Result<(), Failure> {
    shared::update(&seat.line(), ATTEMPTS, |bytes| {
        let mut line = Line::read(bytes, shell::now());
        if !change(&mut line) {
            return Change::Keep(());
        }
        line.write(bytes);
        Change::Store(())
    })
}

impl Limiter {
    /// Gives back what the other rules have taken of a request that does not pass after all.
    fn refund(&self, asked: &[Asked<'_>], decided: &mut Decided<'_>) {
        for (place, payee, charge) in std::mem::take(&mut decided.charges) {
            if let Some(said) = decided.outcomes.get_mut(place).filter(|said| !said.is_denied()) {
                *said = said.untaken(charge.taker.cost);
                self.pay_back(self.receipt(asked, (place, payee, charge)).as_slice(), decided.now);
            }
        }
    }

    /// Asks all rules, of which the one at `place` lets requests wait; parks the request where it has to.
    pub(super) fn admit<'a>(
        &'a self,
        Arrival { context, headers, meanwhile }: Arrival<'_>,
        asked: &[Asked<'a>],
        place: usize,
        (plan, terms): (&'a Plan, Terms),
    ) -> Result<Decided<'a>, Unsettled> {
        let Some((rule, account)) = asked.get(place).copied() else { return Err(Unsettled::Undecided) };
        let Some(seat) = self.seat((rule, account), plan, headers)? else {
            return self.decide_at_once(asked, headers, meanwhile.since);
        };
        let mut host = Host::default();
        let (line, _) = host.read(&seat.line())?;
        let priority = self.config.priorities.of(headers);
        let ahead = Line::read(&line, host.now()).ahead(seat.caller(), priority);
        let cooling = meanwhile.cooling.filter(|_| rule.is_shared());
        let mut may_pass = ahead.is_none() && cooling.is_none();
        if may_pass && asked.iter().all(|(rule, _)| rule.scope() == Scope::Proxy) {
            // The usual case: nobody waits, and all are asked at once.
            let said = self.decide_at_once(asked, headers, None)?;
            may_pass = !said.outcomes.get(place).is_none_or(Outcome::is_denied);
            if may_pass {
                if !refuses(asked, &said.outcomes) {
                    self.meters.waited(account, Duration::ZERO);
                }
                return Ok(said);
            }
        }
        let mut till = Till::new(self, &seat).ok_or(Undecided)?;
        let mut others = asked.to_vec();
        others.remove(place);
        let mut decided = self.decide_at_once(&others, headers, meanwhile.since)?;
        let full = full(&plan.limits);
        let is_refused = refuses(&others, &decided.outcomes);
        decided.plans.insert(place, plan);
        decided.outcomes.insert(place, full);
        decided.charges.iter_mut().filter(|(other, ..)| *other >= place).for_each(|(other, ..)| *other += 1);
        if is_refused {
            return Ok(decided);
        }
        let arrived = Arrived { seat: &seat, terms, cost: account.cost, priority, context, ahead };
        if may_pass && till.pay(account.cost) {
            self.meters.waited(account, Duration::ZERO);
            decided.say(place, till.said.unwrap_or(full));
            decided.charge(place, till.paid(account.cost));
            return Ok(decided);
        }
        if !may_pass {
            // Where that fails, nothing was said, and the others get back what they have paid.
            let _ = till.look(account.cost);
        }
        match self.line_up(&till, &arrived, cooling) {
            Ok((waits, standing)) => {
                if waits {
                    self.park(&arrived, standing.reset_in, asked, &mut decided);
                    decided.charge(place, till.owed(account.cost));
                } else {
                    self.refund(asked, &mut decided);
                }
                decided.say(place, Outcome::Deny(standing));
                Ok(decided)
            }
            Err(unsettled) => {
                self.refund(asked, &mut decided);
                Err(unsettled)
            }
        }
    }

    /// Takes a place in the line, where there is one, this worker has room, and the wait is not too long. Whether it did, and how
    /// long that is.
    fn line_up<'a>(
        &self,
        till: &Till<'a, '_>,
        arrived: &Arrived<'_>,
        cooling: Option<Duration>,
    ) -> Result<(bool, Standing<'a>), Unsettled> {
        if till.is_closed {
            return Err(Unsettled::Closed);
        }
        let said = till.said.ok_or(Unsettled::Undecided)?;
        let reset_in = wait(&said, arrived.ahead.unwrap_or(0), till.pace).max(cooling.unwrap_or_default());
        let standing = Standing { reset_in, ..*said.standing() };
        if reset_in > arrived.terms.max_wait || self.lobby.waiting.borrow().len() >= PARKED_MAX {
            return Ok((false, standing));
        }
        let mut has_place = false;
        let joined = revise(arrived.seat, &mut |line| {
            has_place = line.join(arrived.ticket(self.lobby.worker), arrived.terms.max_requests) == Joined::Waits;
            has_place
        });
        joined.map(|()| (has_place, standing)).map_err(|_| Unsettled::Undecided)
    }

    /// Keeps a request that has a place, which may come to its turn after `due`.
    fn park(&self, arrived: &Arrived<'_>, due: Duration, asked: &[Asked<'_>], decided: &mut Decided<'_>) {
        let now = shell::now();
        let due = due.min(LOOK_EVERY);
        let sent_at = SentAt::default();
        let is_taken = |place: usize| decided.outcomes.get(place).is_some_and(|said| !said.is_denied());
        let taken = decided.charges.iter().filter(|(place, ..)| is_taken(*place));
        let paid = taken.filter_map(|charge| self.receipt(asked, charge.clone())).collect();
        decided.waits = Some(Rc::clone(&sent_at));
        let mut all = self.lobby.waiting.borrow_mut();
        if all.is_empty() {
            self.lobby.seen.set(now);
        }
        all.push(Waiting {
            seat: arrived.seat.clone(),
            terms: arrived.terms,
            ticket: arrived.ticket(self.lobby.worker),
            since: now,
            look_at: now + due,
            paid,
            paid_at: decided.now,
            sent_at,
        });
        let asks = self.fleet().map(|(fleet, member)| member.next(fleet));
        self.pulse.wake_in(asks.into_iter().fold(due, Duration::min), now);
    }

    /// Whose bucket a request takes from; `None` while the fleet does not know its callers.
    fn seat(&self, (rule, account): Asked<'_>, plan: &Plan, headers: &Headers) -> Result<Option<Seat>, Undecided> {
        let client = OnceCell::new();
        let fleets = self.fleet().filter(|_| rule.scope() == Scope::Fleet).map(|(_, member)| member.seed());
        let seed = fleets.as_ref().unwrap_or(&self.seed).as_ref();
        match rule.place(account, seed, headers, &|| client.get_or_init(downstream)) {
            Some(place) => Seat::new(self, rule, plan, place).map(Some).ok_or(Undecided),
            None if fleets.is_some() => Ok(None),
            None => Err(Undecided),
        }
    }

    /// Looks at lines for which an answer has come; the root context's number is `root`.
    pub(super) fn look(&self, root: u32) {
        if let Some(due) = self.call(root) {
            let asks = self.fleet().map(|(fleet, member)| member.next(fleet));
            self.pulse.wake_in(asks.into_iter().fold(due, Duration::min), shell::now());
        }
    }

    /// Looks at every line in which a request of this worker waits, and where that is due. How soon to look again; `None` where
    /// none waits.
    pub(super) fn call(&self, root: u32) -> Option<Duration> {
        let heard = self.fleet().map(|(_, member)| member.desk.borrow_mut().heard());
        if self.lobby.waiting.borrow().is_empty() {
            return None;
        }
        let now = shell::now();
        self.lobby.follow_clock(now);
        self.lobby.hurry(&heard.unwrap_or_default(), now);
        while let Some((seat, terms)) = self.lobby.due(now) {
            let soon = self.call_line(&seat, terms).unwrap_or(SOON).clamp(SOON, LOOK_EVERY);
            self.lobby.look_again(&seat, now + soon);
        }
        if let Err(error) = stream::select(root) {
            log::error!("no way back to the root context: {error}");
        }
        self.lobby.next(now)
    }

    /// Calls who is first in one line, and goes on with those of this worker that were called. When the next is due.
    fn call_line(&self, seat: &Seat, terms: Terms) -> Option<Duration> {
        let mut till = Till::new(self, seat)?;
        let rule = self.config.rules.get(seat.rule)?;
        let cooling = if rule.is_shared() { self.cooling(rule) } else { None };
        let mut ended = Vec::new();
        let revised = revise(seat, &mut |line| {
            till.take_back();
            let changed = self.show(line, seat);
            till.wanted = line.ahead(seat.caller(), 0).and_then(|all| u32::try_from(all).ok()).unwrap_or(0);
            line.call(seat.caller(), &mut |cost| cooling.is_none() && till.pay(cost));
            ended = self.collect(line, seat, terms, &till);
            changed || till.has_spent() || !ended.is_empty()
        });
        if let Err(failure) = revised {
            till.take_back();
            // Whoever was outrun looks again soon; where the line is away, nobody has a place in it.
            ended = if failure == Failure::Contended { Vec::new() } else { self.everybody(seat, End::Undecided) };
        }
        if till.is_closed {
            ended.extend(self.everybody(seat, End::Closed));
        }
        let due = till.close();
        for (context, end) in ended {
            self.end(context, end);
        }
        cooling.or(due).filter(|_| revised.is_ok())
    }

    /// Shows that this worker's tickets are alive, and joins again with those that are gone. Says whether that changed the line.
    fn show(&self, line: &mut Line, seat: &Seat) -> bool {
        let mut changed = line.show(self.lobby.worker);
        for waiting in self.lobby.waiting.borrow().iter().filter(|waiting| waiting.seat == *seat) {
            changed |= line.rejoin(waiting.ticket);
        }
        changed
    }

    /// Takes out of a line who was called, and who has waited for too long or was dismissed.
    fn collect(&self, line: &mut Line, seat: &Seat, terms: Terms, till: &Till<'_, '_>) -> Vec<(u32, End)> {
        let (worker, caller) = (self.lobby.worker, seat.caller());
        let mut ended: Vec<_> =
            line.collect(caller, worker).into_iter().map(|(context, at)| (context, End::Called(at))).collect();
        let (now, count) = (self.lobby.seen.get(), ended.len());
        let waiting = self.lobby.waiting.borrow();
        for Waiting { ticket: Ticket { holder, .. }, since, .. } in waiting.iter().filter(|other| other.seat == *seat) {
            let is_called = ended.iter().any(|(context, _)| *context == holder.context);
            if (now.since(*since) >= terms.max_wait || line.is_dismissed(*holder)) && !is_called {
                let refusal = till.said.filter(Outcome::is_denied);
                let left = refusal.map_or(SOON, |said| wait(&said, line.before(caller, *holder), till.pace));
                ended.push((holder.context, End::Late(left)));
            }
        }
        for (context, _) in ended.iter().skip(count) {
            line.leave(Holder { worker, context: *context });
        }
        ended
    }

    /// All who wait for a line, with the same end.
    fn everybody(&self, seat: &Seat, end: End) -> Vec<(u32, End)> {
        let waiting = self.lobby.waiting.borrow();
        let here = waiting.iter().filter(|waiting| waiting.seat == *seat);
        here.map(|waiting| (waiting.ticket.holder.context, end)).collect()
    }

    /// Ends a request's wait. A stream that cannot be selected has ended.
    fn end(&self, context: u32, end: End) {
        let Some(waiting) = self.lobby.take(context) else { return };
        if !matches!(end, End::Called(_)) {
            self.pay_back(&waiting.paid, waiting.paid_at);
        }
        if stream::select(context).is_err() {
            return;
        }
        let headers = self.headers().unwrap_or_default();
        let asked = self.asked(&headers);
        let action = match end {
            End::Called(at) => {
                let now = self.lobby.seen.get();
                waiting.sent_at.set(at);
                let wait = now.since(waiting.since);
                let rule = self.config.rules.get(waiting.seat.rule);
                let its = |(other, _): &&Asked<'_>| rule.is_some_and(|rule| std::ptr::eq(rule, *other));
                if let Some((_, account)) = asked.iter().find(its) {
                    self.meters.waited(account, wait);
                }
                self.meters.count(&asked, Status::Allowed);
                Action::Continue
            }
            End::Late(retry_after) => {
                self.meters.count(&asked, Status::Limited);
                self.reject(&Rejection::RateLimited { retry_after }, &headers, &[])
            }
            End::Undecided => self.give_up(&asked, &headers),
            End::Closed => self.refuse(&asked, &headers),
        };
        if action == Action::Continue
            && let Err(error) = stream::resume_request()
        {
            log::error!("request not resumed: {error}");
        }
    }

    /// A stream has ended: if its request waited, it gives up its place and what it has paid.
    pub(super) fn leave(&self, context: u32) {
        let Some(waiting) = self.lobby.take(context) else { return };
        self.pay_back(&waiting.paid, waiting.paid_at);
        let mut paid = None;
        let left = revise(&waiting.seat, &mut |line| {
            paid = line.leave(waiting.ticket.holder);
            true
        });
        if let (Ok(()), Some((cost, at)), Some(mut till)) = (left, paid, Till::new(self, &waiting.seat)) {
            let (payee, _) = till.owed(cost);
            till.put_back(payee, cost, at);
        }
    }
}
