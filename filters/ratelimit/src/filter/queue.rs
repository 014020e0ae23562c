//! The requests of this worker that wait in lines: parked, sent when they are called, answered when they have waited long enough.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::time::Duration;

use policy::{Instant, Rejection};
use proxy_wasm::types::Action;
use shell::shared::{self, Change, Failure};
use shell::stream;

use super::limiter::{Host, Limiter};
use super::meters::Status;
use crate::charge::{self, Charge, Paid, Store, Undecided};
use crate::limit::{Outcome, Standing};
use crate::queue::{Holder, Joined, Line, SILENT_FOR, Terms, Ticket, wait};
use crate::rule::{Asked, Rule};

/// How often a worker looks at the lines that its requests wait in, if nothing is due sooner: others may have called them.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whoever is outrun by others so often looks again after [`SOON`].
const ATTEMPTS: u32 = 16;
const SOON: Duration = Duration::from_millis(2);

/// What of this worker waits.
pub(super) struct Lobby {
    worker: u64,
    waiting: RefCell<Vec<Waiting>>,
    /// When they were last looked at.
    seen: Cell<Instant>,
}

/// A request that waits.
struct Waiting {
    /// The place of its rule in the configuration.
    rule: usize,
    ticket: Ticket,
    /// When it came.
    since: Instant,
    /// What its other rules have taken.
    paid: Vec<Paid>,
}

/// A request that meets a rule with a line.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    /// Its stream's number.
    pub(super) context: u32,
    pub(super) priority: u8,
    /// How long its upstream wants to be left alone.
    pub(super) cooling: Option<Duration>,
}

/// What comes of a request that meets a rule with a line.
pub(super) struct Admission<'a> {
    pub(super) outcomes: Vec<Outcome<'a>>,
    pub(super) waits: bool,
}

/// How a request's wait ends.
#[derive(Clone, Copy)]
enum End {
    /// It is sent.
    Called,
    /// It has waited for long enough, and would have been sent after this long.
    Late(Duration),
    /// Nobody knows when it would be.
    Undecided,
}

/// Changes a line as one step; `change` says whether it did, and is asked again where another worker was faster. One piece of
/// code for all who do.
fn revise(rule: &Rule, change: &mut dyn FnMut(&mut Line) -> bool) -> Result<(), Failure> {
    shared::update(&rule.line_key(), ATTEMPTS, |bytes| {
        let mut line = Line::read(bytes, shell::now());
        if !change(&mut line) {
            return Change::Keep(());
        }
        line.write(bytes);
        Change::Store(())
    })
}

/// Pays for tickets from a rule's bucket.
struct Till<'a> {
    host: Host,
    charge: Charge<'a>,
    spent: u32,
    /// Paid for tickets that others have called meanwhile.
    spare: u32,
    /// What the bucket said last.
    refused: Option<Standing<'a>>,
}

impl Till<'_> {
    /// Whether `cost` is paid.
    fn pay(&mut self, cost: NonZeroU32) -> bool {
        if let Some(spare) = self.spare.checked_sub(cost.get()) {
            self.spare = spare;
        } else {
            self.charge.taker.cost = cost;
            match charge::settle(&mut self.host, std::slice::from_ref(&self.charge)).as_deref() {
                Ok([Outcome::Allow(_)]) => {}
                Ok([Outcome::Deny(standing)]) => {
                    self.refused = Some(*standing);
                    return false;
                }
                _ => return false,
            }
        }
        self.spent = self.spent.saturating_add(cost.get());
        true
    }

    /// What was spent bought nothing.
    fn take_back(&mut self) {
        self.spare = self.spare.saturating_add(std::mem::take(&mut self.spent));
    }

    /// Puts back into the bucket what is left.
    fn close(mut self) -> Option<Duration> {
        if let Some(cost) = NonZeroU32::new(self.spare) {
            self.charge.taker.cost = cost;
            let now = self.host.now();
            charge::give_back(&mut self.host, &self.charge, now);
        }
        self.refused.map(|standing| standing.reset_in)
    }
}

impl Lobby {
    pub(super) fn new() -> Self {
        let worker = u64::from_le_bytes(shell::random());
        Self { worker, waiting: RefCell::default(), seen: Cell::new(Instant::EPOCH) }
    }

    /// Whether this stream's request waits: its body waits with it.
    pub(super) fn has(&self, context: u32) -> bool {
        self.waiting.borrow().iter().any(|waiting| waiting.ticket.holder.context == context)
    }

    fn take(&self, context: u32) -> Option<Waiting> {
        let mut waiting = self.waiting.borrow_mut();
        let index = waiting.iter().position(|waiting| waiting.ticket.holder.context == context)?;
        Some(waiting.remove(index))
    }

    /// Moves the moments with a clock that steps back, or leaps ahead.
    fn follow_clock(&self, now: Instant) {
        let seen = self.seen.replace(now);
        let (ahead, back) = (now.since(seen), seen.since(now));
        if ahead > SILENT_FOR || !back.is_zero() {
            for waiting in self.waiting.borrow_mut().iter_mut() {
                waiting.since = if back.is_zero() { waiting.since + ahead } else { waiting.since.before(back) };
            }
        }
    }
}

impl Limiter {
    /// Asks all rules, of which the one at `place` lets requests wait; parks the request where it has to.
    pub(super) fn admit<'a>(
        &self,
        host: &mut Host,
        Arrival { context, priority, cooling }: Arrival,
        (asked, place): (&[Asked<'a>], usize),
        charges: &[Charge<'a>],
    ) -> Result<Admission<'a>, Undecided> {
        let Some(((rule, _), charge)) = asked.get(place).zip(charges.get(place)) else { return Err(Undecided) };
        let Some(terms) = rule.queue else { return Err(Undecided) };
        let (line, _) = host.read(&rule.line_key())?;
        let ahead = Line::read(&line, host.now()).ahead(priority);
        let must_wait = ahead.is_some() || cooling.is_some();
        let mut outcomes = if must_wait { charge::look(host, charges)? } else { charge::settle(host, charges)? };
        let mut said = charges.iter().zip(&outcomes).enumerate();
        let others_refuse = said.any(|(other, (charge, said))| other != place && charge.refuses(said));
        let Some(own) = outcomes.get_mut(place) else { return Err(Undecided) };
        if !must_wait && !own.is_denied() && !others_refuse {
            self.meters.waited(rule, Duration::ZERO);
            return Ok(Admission { outcomes, waits: false });
        }
        let reset_in = wait(own, ahead.unwrap_or(0)).max(cooling.unwrap_or_default());
        *own = Outcome::Deny(Standing { reset_in, ..*own.standing() });
        let holder = Holder { worker: self.lobby.worker, context };
        let ticket = Ticket { holder, priority, cost: charge.taker.cost };
        let may_wait = !others_refuse && reset_in <= terms.max_wait;
        let waits = may_wait && self.park(host, (rule, terms), ticket, (charges, place), &mut outcomes)?;
        Ok(Admission { outcomes: if waits { outcomes } else { charge::as_they_stand(outcomes, charges) }, waits })
    }

    /// Pays what the other rules ask, and takes a place in the line. Where there is none, all is as before.
    fn park<'a>(
        &self,
        host: &mut Host,
        (rule, terms): (&Rule, Terms),
        ticket: Ticket,
        (charges, place): (&[Charge<'a>], usize),
        outcomes: &mut Vec<Outcome<'a>>,
    ) -> Result<bool, Undecided> {
        let mut others = charges.to_vec();
        others.remove(place);
        let mut said = charge::settle(host, &others)?;
        let refused = others.iter().zip(&said).any(|(charge, said)| charge.refuses(said));
        said.insert(place, *outcomes.get(place).ok_or(Undecided)?);
        *outcomes = said;
        if refused {
            return Ok(false);
        }
        let since = host.now;
        let paid: Vec<_> = others.iter().map(|charge| Paid::new(charge, since)).collect();
        let mut has_place = false;
        let joined = revise(rule, &mut |line| {
            has_place = line.join(ticket, terms.max_requests) == Joined::Waits;
            has_place
        });
        if joined.is_err() || !has_place {
            for paid in &paid {
                paid.give_back(host);
            }
            return joined.map(|()| false).map_err(|_| Undecided);
        }
        let rule = self.config.rules.iter().position(|other| std::ptr::eq(other, rule)).ok_or(Undecided)?;
        let mut waiting = self.lobby.waiting.borrow_mut();
        if waiting.is_empty() {
            self.lobby.seen.set(since);
        }
        waiting.push(Waiting { rule, ticket, since, paid });
        let due = outcomes.get(place).map_or(SOON, |own| own.standing().reset_in);
        self.pulse.wake_in(due.min(LOOK_EVERY), since);
        Ok(true)
    }

    /// Looks at every line in which a request of this worker waits. How soon to look again; `None` where none waits.
    pub(super) fn call(&self, root: u32) -> Option<Duration> {
        if self.lobby.waiting.borrow().is_empty() {
            return None;
        }
        self.lobby.follow_clock(shell::now());
        let mut due = None;
        for (place, rule) in self.config.rules.iter().enumerate() {
            let waits = self.lobby.waiting.borrow().iter().any(|waiting| waiting.rule == place);
            if let Some(terms) = rule.queue.filter(|_| waits) {
                let soon = self.call_line(place, rule, terms).unwrap_or(SOON).min(LOOK_EVERY);
                due = Some(due.map_or(soon, |due: Duration| due.min(soon)));
            }
        }
        if let Err(error) = stream::select(root) {
            log::error!("no way back to the root context: {error}");
        }
        due.filter(|_| !self.lobby.waiting.borrow().is_empty())
    }

    /// Calls who is first in one line, and goes on with those of this worker that were called. When the next is due.
    fn call_line(&self, place: usize, rule: &Rule, terms: Terms) -> Option<Duration> {
        let (key, taker) = rule.shared_bucket()?;
        let cooling = self.cooling(rule);
        let host = Host { now: Instant::EPOCH };
        let mut till = Till { host, charge: Charge { key, taker, shadow: false }, spent: 0, spare: 0, refused: None };
        let mut ended = Vec::new();
        let revised = revise(rule, &mut |line| {
            till.take_back();
            let changed = self.show(line, place);
            line.call(&mut |cost| cooling.is_none() && till.pay(cost));
            ended = self.collect(line, place, terms, till.refused.as_ref());
            changed || till.spent > 0 || !ended.is_empty()
        });
        if let Err(failure) = revised {
            till.take_back();
            // Whoever was outrun looks again soon; where the line is away, nobody has a place in it.
            ended = if failure == Failure::Contended { Vec::new() } else { self.everybody(place) };
        }
        let due = till.close();
        for (context, end) in ended {
            self.end(context, end);
        }
        cooling.or(due).filter(|_| revised.is_ok())
    }

    /// Shows that this worker's tickets are alive, and joins again with those that are gone. Says whether that changed the line.
    fn show(&self, line: &mut Line, place: usize) -> bool {
        let mut changed = line.show(self.lobby.worker);
        for waiting in self.lobby.waiting.borrow().iter().filter(|waiting| waiting.rule == place) {
            changed |= line.rejoin(waiting.ticket);
        }
        changed
    }

    /// Takes out of a line who was called, and who has waited for too long.
    fn collect(&self, line: &mut Line, place: usize, terms: Terms, refused: Option<&Standing<'_>>) -> Vec<(u32, End)> {
        let worker = self.lobby.worker;
        let mut ended: Vec<_> = line.collect(worker).into_iter().map(|context| (context, End::Called)).collect();
        let (now, called) = (self.lobby.seen.get(), ended.len());
        for Waiting { ticket: Ticket { holder, .. }, since, rule, .. } in &*self.lobby.waiting.borrow() {
            let is_called = ended.iter().any(|(context, _)| *context == holder.context);
            if *rule == place && now.since(*since) >= terms.max_wait && !is_called {
                let left = refused.map_or(SOON, |standing| wait(&Outcome::Deny(*standing), line.before(*holder)));
                ended.push((holder.context, End::Late(left)));
            }
        }
        for (context, _) in ended.iter().skip(called) {
            line.leave(Holder { worker, context: *context });
        }
        ended
    }

    /// All who wait for a line that cannot be looked at.
    fn everybody(&self, place: usize) -> Vec<(u32, End)> {
        let waiting = self.lobby.waiting.borrow();
        let here = waiting.iter().filter(|waiting| waiting.rule == place);
        here.map(|waiting| (waiting.ticket.holder.context, End::Undecided)).collect()
    }

    /// Ends a request's wait. A stream that cannot be selected has ended.
    fn end(&self, context: u32, end: End) {
        let Some(waiting) = self.lobby.take(context) else { return };
        if !matches!(end, End::Called) {
            waiting.paid.iter().for_each(|paid| paid.give_back(&mut Host { now: Instant::EPOCH }));
        }
        if stream::select(context).is_err() {
            return;
        }
        let headers = self.headers().unwrap_or_default();
        let asked = self.asked(&headers);
        let action = match end {
            End::Called => {
                if let Some(rule) = self.config.rules.get(waiting.rule) {
                    self.meters.waited(rule, self.lobby.seen.get().since(waiting.since));
                }
                self.meters.count(&asked, Status::Allowed);
                Action::Continue
            }
            End::Late(retry_after) => {
                self.meters.count(&asked, Status::Limited);
                self.reject(&Rejection::RateLimited { retry_after }, &headers, &[])
            }
            End::Undecided => self.give_up(&asked, &headers),
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
        let mut host = Host { now: Instant::EPOCH };
        waiting.paid.iter().for_each(|paid| paid.give_back(&mut host));
        let Some(rule) = self.config.rules.get(waiting.rule) else { return };
        let mut paid = None;
        let left = revise(rule, &mut |line| {
            paid = line.leave(waiting.ticket.holder);
            true
        });
        if let (Ok(()), Some((cost, at)), Some((key, mut taker))) = (left, paid, rule.shared_bucket()) {
            taker.cost = cost;
            charge::give_back(&mut host, &Charge { key, taker, shadow: false }, at);
        }
    }
}
