//! The second level beside the requests: filled, cleared of what is forgotten, and told of purges, from the root context.
//!
//! What is to be stored there is named, not kept: when its turn has come, it is read from its slot, and is passed over where
//! it has lost that in the meantime.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use policy::state::{Fault, Form, Reply, Script};
use policy::{Fingerprint, Instant};
use shell::lease::{Role, lead};
use shell::metric::Counter;
use shell::shared::{self, Change, Failure};

use super::{Plugin, store};
use crate::arena::Arena;
use crate::config::{Level, Packing};
use crate::entry::{self, Entry};
use crate::envelope::Envelope;
use crate::level::{self, Availability, Backlog};
use crate::packing;
use crate::purge::{Mode, Order, Scope};
use crate::remote::{self, FEED, FILL, Feed, PAGE};

/// How often every worker looks for what is to be done.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// The first look comes as soon as the worker runs.
const FIRST_TICK: Duration = Duration::from_millis(1);
/// How many objects wait to be stored; of more, the first are passed over.
const FILLS_MAX: usize = 1024;
/// How many of them are under way.
const FLIGHTS_MAX: usize = 4;
const ATTEMPTS: u32 = 16;
/// Purges that were read longer ago say nothing about now.
const HEARD_MAX: Duration = Duration::from_secs(5);

/// One worker's part in the second level.
pub(super) struct Remote {
    backlog: String,
    forgotten: String,
    away: String,
    lease: String,
    asker: u64,
    looked: Cell<Instant>,
    due: Cell<Instant>,
    fills: RefCell<VecDeque<Fill>>,
    flights: RefCell<Vec<(u32, Flight)>>,
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    failures: Counter,
    passed_over: Counter,
}

/// An object that is to be stored.
pub(super) struct Fill {
    pub(super) print: Fingerprint,
    pub(super) fleet: [u8; 16],
    pub(super) slot: u8,
    pub(super) ticket: u64,
    /// How the script is named that stores it.
    form: Form,
}

/// What an answer is waited for.
enum Flight {
    Fill(Fill),
    /// The stream of orders, and the number of the last that was added to it.
    Feed(u64, Form),
    /// Fingerprints of the URLs that are deleted.
    Forget(Vec<u8>),
}

impl Remote {
    pub(super) fn new(arena: &Arena) -> Self {
        let asked = |outcome| Counter::new("api_gateway_cache_remote_total", &[("outcome", outcome)]);
        Self {
            backlog: arena.own("orders"),
            forgotten: arena.own("forgotten"),
            away: arena.own("away"),
            lease: arena.own("lease"),
            asker: u64::from_le_bytes(shell::random()),
            looked: Cell::default(),
            due: Cell::default(),
            fills: RefCell::default(),
            flights: RefCell::default(),
            hits: asked("hit"),
            misses: asked("miss"),
            failures: asked("failed"),
            passed_over: asked("not_stored"),
        }
    }

    /// Takes an object in that has just been stored.
    pub(super) fn push(&self, fill: Fill) {
        let mut fills = self.fills.borrow_mut();
        if fills.len() >= FILLS_MAX {
            fills.pop_front();
            self.passed_over.increment();
        }
        fills.push_back(fill);
    }

    /// Whether a request may ask for a URL, and whether this proxy has purges that the fleet does not know.
    pub(super) fn is_open(&self, print: [u8; 16], heard: Instant, now: Instant) -> Option<bool> {
        let value = |key: &str| shared::read(key).map(|(value, _)| value).ok();
        let is_current = heard != Instant::EPOCH && now.since(heard) <= HEARD_MAX;
        let is_open = is_current && self.is_there(now) && !level::is_forgotten(&value(&self.forgotten)?, print);
        if is_open { Some(Backlog::has_orders(&value(&self.backlog)?)) } else { None }
    }

    /// Whether the level has answered of late, as far as anybody knows.
    fn is_there(&self, now: Instant) -> bool {
        shared::read(&self.away).is_ok_and(|(away, _)| Availability::from_bytes(&away).is_open(now))
    }

    /// Whether there is something to tell the fleet, and somebody to tell it to.
    fn is_owing(&self, now: Instant) -> bool {
        let is = |key: &str, owed: fn(&[u8]) -> bool| shared::read(key).is_ok_and(|(value, _)| owed(&value));
        (is(&self.backlog, Backlog::has_orders) || is(&self.forgotten, |prints| !prints.is_empty()))
            && self.is_there(now)
    }

    /// Takes in whether the level has answered; an outage is one line in the log, and so is its end.
    pub(super) fn note(&self, fault: Option<&Fault>, now: Instant) {
        let shared = shared::update(&self.away, ATTEMPTS, |stored| {
            let before = Availability::from_bytes(stored);
            let mut level = before;
            let is_news = if fault.is_none() { level.succeed() } else { level.fail(now) };
            if level == before {
                return Change::Keep(false);
            }
            *stored = level.to_bytes();
            Change::Store(is_news)
        });
        match (fault, shared) {
            (Some(fault), Ok(true)) => log::warn!("second level does not answer: {fault}"),
            (None, Ok(true)) => log::info!("second level answers again"),
            _ => {}
        }
        if fault.is_some() {
            self.failures.increment();
        }
    }
}

impl Plugin {
    /// Has ticks come.
    pub(super) fn wake(&self) {
        self.board.pulse.wake_in(FIRST_TICK, shell::now());
    }

    /// Does what is to be done beside the requests; `root` is the context that this is called in.
    pub(super) fn tick(&self, root: u32) {
        let now = shell::now();
        self.send_refreshes();
        let mut due = self.tend(root, now).into_iter().chain(self.let_pass(root, now)).min();
        if let (Some(remote), Some(level)) = (&self.remote, &self.config.level) {
            let looked = remote.looked.get();
            // The second level has a pace of its own, whatever else the worker is woken for.
            if now.since(looked) >= TICK || looked >= now {
                remote.looked.set(now);
                self.tend_level(remote, level, now);
            }
            due = due.into_iter().chain([TICK.saturating_sub(now.since(remote.looked.get()))]).min();
        }
        self.board.pulse.ticked(due, shell::now());
    }

    fn tend_level(&self, remote: &Remote, level: &Level, now: Instant) {
        let due = remote.due.get();
        // A clock that stepped back makes nobody wait for its return.
        let is_turn = now >= due || due.since(now) > level.refresh;
        remote.due.set(if is_turn { now + level.refresh } else { due });
        // What the fleet is to be told waits for no turn, whichever worker knows of it first.
        if is_turn || remote.is_owing(now) {
            let length = (level.refresh * 3).max(Duration::from_secs(1));
            if lead(&remote.lease, remote.asker, length) == Ok(Role::Leader) {
                self.follow(remote, level, Form::Digest);
                self.forget(remote, level);
            }
        }
        self.fill(remote, level);
    }

    /// Takes in the answer to a callout of the root context.
    pub(super) fn answered(&self, token: u32, headers: usize, body_bytes: usize) {
        if self.refreshed(token, headers) {
            return;
        }
        let (Some(remote), Some(level)) = (&self.remote, &self.config.level) else { return };
        let flight = {
            let mut flights = remote.flights.borrow_mut();
            let at = flights.iter().position(|(flight, _)| *flight == token);
            at.map(|at| flights.swap_remove(at).1)
        };
        let Some(mut flight) = flight else { return };
        let mut reply = shell::state::reply(&level.store, headers, body_bytes);
        if let Flight::Fill(Fill { form, .. }) | Flight::Feed(_, form) = &mut flight {
            reply = form.hear(reply);
        }
        let is_strange = matches!(reply, Err(Fault::NoScript));
        if !is_strange {
            remote.note(reply.as_ref().err(), shell::now());
        }
        match flight {
            Flight::Fill(fill) => {
                if is_strange {
                    remote.fills.borrow_mut().push_front(fill);
                }
                self.fill(remote, level);
            }
            Flight::Feed(_, form) if is_strange => self.follow(remote, level, form),
            Flight::Feed(end, _) => self.learn(remote, level, reply, end),
            Flight::Forget(prints) => {
                if reply.is_ok() {
                    let settled = shared::update(&remote.forgotten, ATTEMPTS, |stored| {
                        level::settle(stored, &prints);
                        Change::Store(())
                    });
                    super::report_failure("second level", settled);
                }
            }
        }
    }

    /// Has an object of a route stored there, if that is what the route wants.
    pub(super) fn share(&self, route: usize, print: Fingerprint, (slot, ticket): (u8, u64), object: &[u8]) {
        if let (Some(remote), Some(entry)) = (&self.remote, Entry::parse(object))
            && self.config.routes.get(route).is_some_and(|route| route.is_remote)
        {
            let fleet = remote::print(entry.parts.key);
            remote.push(Fill { print, fleet, slot, ticket, form: Form::Digest });
        }
    }

    /// Sends a command, or has a script run.
    fn send(remote: &Remote, level: &Level, script: Option<(&Script, Form)>, words: &[&[u8]], flight: Flight) {
        let sent = match script {
            Some((script, form)) => shell::state::run(&level.store, script, form, words),
            None => shell::state::send(&level.store, words),
        };
        match sent {
            Ok(token) => remote.flights.borrow_mut().push((token, flight)),
            Err(fault) => remote.note(Some(&fault), shell::now()),
        }
    }

    /// Tells the fleet of this proxy's purges, and asks for the fleet's.
    fn follow(&self, remote: &Remote, level: &Level, form: Form) {
        if remote.flights.borrow().iter().any(|(_, flight)| matches!(flight, Flight::Feed(..))) {
            return;
        }
        let stored = shared::read(&remote.backlog).map(|(stored, _)| stored).unwrap_or_default();
        // Another worker may have read on since this one did.
        let Ok(stamp) = self.look() else { return };
        let (backlog, cursor) = (Backlog::from_bytes(&stored), remote::id(stamp.remote));
        let (stream, page) = (remote::stream(&level.store, &self.config.name), PAGE.to_string());
        let mut words = vec![b"1", stream.as_bytes(), cursor.as_bytes(), page.as_bytes()];
        words.extend(backlog.orders.iter().map(Vec::as_slice));
        Self::send(remote, level, Some((&FEED, form)), &words, Flight::Feed(backlog.end(), form));
    }

    /// Carries out what the fleet has been told.
    fn learn(&self, remote: &Remote, level: &Level, reply: Result<Reply, Fault>, end: u64) {
        let feed = match reply.and_then(Feed::read) {
            Ok(feed) => feed,
            Err(fault) => return log::debug!("purges: {fault}"),
        };
        let cursor = self.purges.look().map(|stamp| stamp.remote).unwrap_or_default();
        let has_more = feed.has_more();
        if let Err(failure) = self.take(&feed, cursor) {
            return log::error!("purges of the fleet not applied: {failure:?}");
        }
        if has_more {
            return self.follow(remote, level, Form::Digest);
        }
        let more_came = shared::update(&remote.backlog, ATTEMPTS, |stored| {
            let mut backlog = Backlog::from_bytes(stored);
            backlog.settle(end);
            *stored = backlog.to_bytes();
            Change::Store(!backlog.orders.is_empty())
        });
        super::report_failure("purges", self.purges.hear(shell::now()));
        let told = more_came.map(|more_came| more_came.then(|| self.follow(remote, level, Form::Digest)));
        super::report_failure("purges", told.map(|_| ()));
    }

    fn take(&self, feed: &Feed, cursor: u64) -> Result<(), Failure> {
        let everything = Order { scope: Scope::Everything, mode: Mode::Hard };
        // What cannot be read may mean anything.
        let read = |text: &[u8]| Order::parse(text).unwrap_or_else(|_| everything.clone());
        let is_lost = feed.newest < cursor;
        let orders = feed.orders.iter().filter(|(place, _)| is_lost || *place > cursor);
        let orders: Vec<_> = orders.map(|(place, text)| (*place, read(text))).collect();
        orders.iter().try_for_each(|(_, order)| self.purge_url(order))?;
        let has_gap = cursor != 0 && cursor < feed.horizon;
        if is_lost || has_gap {
            log::warn!("purges: the fleet's have been lost, so that nothing that is stored can be relied on");
        } else if orders.is_empty() && feed.horizon == self.purges.ledger().horizon {
            return Ok(());
        }
        self.purges.change(|ledger| {
            if is_lost || has_gap {
                ledger.restart();
            }
            ledger.horizon = feed.horizon;
            for (place, order) in &orders {
                ledger.apply(order, Some(*place));
            }
        })
    }

    /// Deletes the URLs that have been invalidated.
    fn forget(&self, remote: &Remote, level: &Level) {
        if remote.flights.borrow().iter().any(|(_, flight)| matches!(flight, Flight::Forget(_))) {
            return;
        }
        let prints = shared::read(&remote.forgotten).map(|(stored, _)| stored).unwrap_or_default();
        let key = |print| remote::key(&level.store, &self.config.name, print);
        let keys: Vec<String> = remote::prints(&prints).map(key).collect();
        if !keys.is_empty() {
            let mut command: Vec<&[u8]> = vec![b"DEL"];
            command.extend(keys.iter().map(String::as_bytes));
            Self::send(remote, level, None, &command, Flight::Forget(prints));
        }
    }

    /// Has the second level forget a URL: at once as far as this proxy is concerned, and soon for the fleet.
    pub(super) fn forget_remote(&self, print: [u8; 16]) -> Result<(), Failure> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let has_room =
            shared::update(&remote.forgotten, ATTEMPTS, |stored| Change::Store(level::forget(stored, print)))?;
        if has_room { Ok(()) } else { self.purge(b"everything", &Order { scope: Scope::Everything, mode: Mode::Hard }) }
    }

    /// Tells the fleet of an order: with the leader's next tick, or as soon as it can be reached.
    pub(super) fn spread(&self, text: &[u8]) -> Result<(), Failure> {
        let Some(remote) = &self.remote else { return Ok(()) };
        shared::update(&remote.backlog, ATTEMPTS, |stored| {
            let mut backlog = Backlog::from_bytes(stored);
            backlog.push(text);
            *stored = backlog.to_bytes();
            Change::Store(())
        })
    }

    /// Stores what waits for it, as many at a time as may be under way.
    fn fill(&self, remote: &Remote, level: &Level) {
        let now = shell::now();
        // What waits while the level is away goes there when it is back, where it still has its slot.
        if remote.fills.borrow().is_empty() || !remote.is_there(now) {
            return;
        }
        let forgotten = shared::read(&remote.forgotten).map(|(stored, _)| stored).unwrap_or_default();
        let waiting = remote.fills.borrow().len();
        for _ in 0..waiting {
            let under_way =
                remote.flights.borrow().iter().filter(|(_, flight)| matches!(flight, Flight::Fill(_))).count();
            if under_way >= FLIGHTS_MAX {
                return;
            }
            let Some(fill) = remote.fills.borrow_mut().pop_front() else { return };
            // What is to be deleted first would be deleted after.
            if level::is_forgotten(&forgotten, fill.fleet) {
                remote.fills.borrow_mut().push_back(fill);
            } else if self.store_remote(remote, level, fill, now).is_none() {
                remote.passed_over.increment();
            }
        }
    }

    fn store_remote(&self, remote: &Remote, level: &Level, fill: Fill, now: Instant) -> Option<()> {
        let arena = &self.config.arena;
        let (mut object, _) = shared::read(&arena.object(arena.set_of(fill.print), fill.slot)).ok()?;
        let mut envelope = Envelope::split(&mut object).filter(|_| entry::ticket(&object) == Some(fill.ticket))?;
        if self.config.packing != Packing::Never
            && envelope.plain == 0
            && let Some((entry, plain)) = packing::pack(&object)
        {
            (object, envelope.plain) = (entry, plain);
        }
        envelope.append(&mut object);
        let entry = Entry::parse(&object)?;
        let seconds = entry.facts.expires().saturating_add(level.stale_seconds).saturating_sub(store::seconds(now));
        if seconds == 0 || object.len() > level.object_bytes_max {
            return None;
        }
        let key = remote::key(&level.store, &self.config.name, fill.fleet);
        let (seconds, payload) = (seconds.to_string(), level.store.pack(&object));
        let nonce = remote::variant(b"", &shell::random::<16>());
        let variant = remote::variant(entry.parts.vary, entry.parts.values);
        let mut words = vec![b"1", key.as_bytes(), seconds.as_bytes(), payload.as_ref()];
        if !entry.parts.vary.is_empty() {
            words.extend([entry.parts.vary, nonce.as_bytes(), variant.as_bytes()]);
        }
        Self::send(remote, level, Some((&FILL, fill.form)), &words, Flight::Fill(fill));
        Some(())
    }
}
