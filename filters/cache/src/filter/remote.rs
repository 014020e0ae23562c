//! The second level beside the requests, from the root context: whether it is there, what it is to forget, and its ticks.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use policy::Instant;
use policy::state::{Fault, Reply};
use shell::lease::{Role, lead};
use shell::metric::Counter;
use shell::shared::{self, Change, Failure};
use shell::state::Errand;

use super::Plugin;
use super::filling::{self, Desk, Fill};
use crate::arena::Arena;
use crate::config::Level;
use crate::level::{self, Availability, Backlog, Clock};
use crate::remote::{self, END, FEED};

/// How often every worker looks for what is to be done.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// The first look comes as soon as the worker runs.
const FIRST_TICK: Duration = Duration::from_millis(1);
pub(super) const ATTEMPTS: u32 = 16;
/// Purges that were read longer ago say nothing about now.
const HEARD_MAX: Duration = Duration::from_secs(5);

/// One worker's part in the second level.
pub(super) struct Remote {
    pub(super) backlog: String,
    pub(super) forgotten: String,
    pub(super) clock: String,
    away: String,
    lease: String,
    asker: u64,
    looked: Cell<Instant>,
    due: Cell<Instant>,
    /// What is owed was not taken, so that it waits for its turn.
    is_refused: Cell<bool>,
    /// The stream of orders, when it was asked, and the number of the last order that was added to it.
    pub(super) feed: Errand,
    pub(super) fed: Cell<(Instant, u64)>,
    /// What ends URLs, and which.
    end: Errand,
    ended: RefCell<Vec<u8>>,
    pub(super) fills: RefCell<VecDeque<Fill>>,
    /// Until when they are held, since one was refused.
    pub(super) held: Cell<Option<Instant>>,
    pub(super) desks: [Desk; filling::DESKS],
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    failures: Counter,
    pub(super) passed_over: Counter,
    /// What was refused on its way through this proxy.
    pub(super) refused: Counter,
}

impl Remote {
    pub(super) fn new(arena: &Arena) -> Self {
        let asked = |outcome| Counter::new("api_gateway_cache_remote_total", &[("outcome", outcome)]);
        Self {
            backlog: arena.own("orders"),
            forgotten: arena.own("forgotten"),
            clock: arena.own("clock"),
            away: arena.own("away"),
            lease: arena.own("lease"),
            asker: u64::from_le_bytes(shell::random()),
            looked: Cell::default(),
            due: Cell::default(),
            is_refused: Cell::default(),
            feed: Errand::new(&FEED),
            fed: Cell::default(),
            end: Errand::new(&END),
            ended: RefCell::default(),
            fills: RefCell::default(),
            held: Cell::default(),
            desks: std::array::from_fn(|_| Desk::default()),
            hits: asked("hit"),
            misses: asked("miss"),
            failures: asked("failed"),
            passed_over: asked("not_stored"),
            refused: asked("refused"),
        }
    }

    /// Whether a request may ask for a URL, and whether this proxy has purges that the fleet does not know.
    pub(super) fn is_open(&self, print: [u8; 16], heard: Instant, now: Instant) -> Option<bool> {
        let value = |key: &str| shared::read(key).map(|(value, _)| value).ok();
        let is_current = heard != Instant::EPOCH && now.since(heard) <= HEARD_MAX;
        let is_open =
            is_current && self.is_there(now) && level::forgotten_at(&value(&self.forgotten)?, print).is_none();
        if is_open { Some(Backlog::has_orders(&value(&self.backlog)?)) } else { None }
    }

    /// Whether the level has answered of late, as far as anybody knows.
    pub(super) fn is_there(&self, now: Instant) -> bool {
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

    /// The store's clock, as this proxy last heard it.
    pub(super) fn clock(&self) -> Option<Clock> {
        Clock::from_bytes(&shared::read(&self.clock).ok()?.0)
    }

    /// Takes in the answer to what the fleet is told; one that is a fault has what is owed wait for its turn.
    fn hear(&self, reply: Result<Reply, Fault>) -> Option<Reply> {
        self.note(reply.as_ref().err(), shell::now());
        self.is_refused.set(reply.is_err());
        reply.ok()
    }

    /// What waits in shared data to be taken from the second level.
    pub(super) fn forgotten(&self) -> Vec<u8> {
        shared::read(&self.forgotten).map(|(stored, _)| stored).unwrap_or_default()
    }

    /// Takes out what needs not be taken from it any more.
    fn settle(&self, gone: &[u8]) -> Result<(), Failure> {
        shared::update(&self.forgotten, ATTEMPTS, |stored| {
            level::settle(stored, gone);
            Change::Store(())
        })
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
        if is_turn || !remote.is_refused.get() && remote.is_owing(now) {
            let length = (level.refresh * 3).max(Duration::from_secs(1));
            if lead(&remote.lease, remote.asker, length) == Ok(Role::Leader) {
                self.follow(remote, level, now);
                self.forget(remote, level, now);
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
        let store = &level.store;
        match remote.feed.hear(store, token, headers, body_bytes) {
            Some(Err(Fault::NoScript)) => return self.follow(remote, level, shell::now()),
            Some(reply) => return remote.hear(reply).map_or((), |reply| self.learn(remote, level, reply)),
            None => {}
        }
        match remote.end.hear(store, token, headers, body_bytes) {
            Some(Err(Fault::NoScript)) => self.forget(remote, level, shell::now()),
            Some(reply) => {
                let settled = remote.hear(reply).map_or(Ok(()), |_| remote.settle(&remote.ended.take()));
                super::report_failure("second level", settled);
            }
            None => self.filled(remote, level, token, headers, body_bytes),
        }
    }

    /// Ends the URLs that have been invalidated.
    fn forget(&self, remote: &Remote, level: &Level, now: Instant) {
        if remote.end.is_under_way(&level.store, now) {
            return;
        }
        let stored = remote.forgotten();
        let key = |(print, _)| remote::key(&level.store, &self.config.name, print);
        let keys: Vec<String> = level::forgotten(&stored).map(key).collect();
        if keys.is_empty() {
            return;
        }
        let moments = level::forgotten(&stored).map(|(_, moment)| remote::moment(moment));
        let words: Vec<String> =
            std::iter::once(keys.len().to_string()).chain(keys.iter().cloned()).chain(moments).collect();
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        remote.ended.replace(stored);
        if let Err(fault) = remote.end.send(&level.store, &words, now) {
            remote.note(Some(&fault), now);
        }
    }

    /// Has the second level forget what was asked for of a URL until now: at once as far as this proxy is concerned, and soon
    /// for the fleet.
    pub(super) fn forget_remote(&self, key: &[u8]) -> Result<(), Failure> {
        let now = shell::now();
        self.forget_before(key, &|clock| clock.latest(now))
    }

    /// The same of what was asked for before a moment of the store's clock.
    pub(super) fn forget_before(&self, key: &[u8], moment: &dyn Fn(Clock) -> u64) -> Result<(), Failure> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let moment = remote.clock().map_or(level::MOMENT_MAX, moment);
        let print = remote::print(key);
        let has_room = shared::update(&remote.forgotten, ATTEMPTS, |stored| {
            if level::forget(stored, print, moment) { Change::Store(true) } else { Change::Keep(false) }
        })?;
        if has_room { Ok(()) } else { self.end_cell(key) }
    }
}
