//! The second level is filled beside the requests, from the root context.
//!
//! What is to be stored there is named, not kept: when its turn has come, it is read from its slot, and is passed over where
//! it has lost that in the meantime.

use std::cell::RefCell;
use std::time::Duration;

use policy::state::{Fault, Reply};
use policy::{Fingerprint, Instant};
use shell::shared;
use shell::state::Errand;

use super::remote::Remote;
use super::{Plugin, store};
use crate::config::{Level, Packing};
use crate::entry::{self, Entry};
use crate::envelope::Envelope;
use crate::level::{self, Clock};
use crate::packing;
use crate::remote::{self, FILL, LATE};

/// How many objects wait to be stored; of more, the first are passed over.
const FILLS_MAX: usize = 1024;
/// How many of them are under way.
pub(super) const DESKS: usize = 4;
/// After one that was refused on its way through this proxy, nothing is sent for so long, and then one at a time until one arrives.
const PAUSE: Duration = Duration::from_secs(1);

/// An object that is to be stored.
pub(super) struct Fill {
    print: Fingerprint,
    fleet: [u8; 16],
    slot: u8,
    ticket: u64,
    /// When its request was sent.
    asked: Instant,
    /// The same by the store's clock, once it has been told: what is told again is no other.
    moment: Option<u64>,
    /// Until when its URL has been ended by this proxy, by the store's clock: it has a place here since, so it was asked for later.
    ended: u64,
}

/// Where one is under way.
pub(super) struct Desk {
    errand: Errand,
    fill: RefCell<Option<Fill>>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { errand: Errand::new(&FILL), fill: RefCell::default() }
    }
}

impl Remote {
    /// How many may be under way now.
    fn desks(&self, now: Instant) -> usize {
        match self.held.get() {
            None => DESKS,
            // A clock that stepped back holds nothing up until its return.
            Some(until) if now < until && until.since(now) <= PAUSE => 0,
            Some(_) => 1,
        }
    }

    /// Takes one back that is to be sent once more.
    fn put_back(&self, fill: Option<Fill>) {
        fill.into_iter().for_each(|fill| self.fills.borrow_mut().push_front(fill));
    }

    /// Takes an object in that has just been stored.
    fn push(&self, fill: Fill) {
        let mut fills = self.fills.borrow_mut();
        if fills.len() >= FILLS_MAX {
            fills.pop_front();
            self.passed_over.increment();
        }
        fills.push_back(fill);
    }
}

impl Plugin {
    /// Has an object of a route stored there, whose request was sent at `asked`, if that is what the route wants.
    pub(super) fn share(
        &self,
        route: usize,
        print: Fingerprint,
        (slot, ticket): (u8, u64),
        object: &[u8],
        asked: Instant,
    ) {
        if let (Some(remote), Some(entry)) = (&self.remote, Entry::parse(object))
            && self.config.routes.get(route).is_some_and(|route| route.is_remote)
        {
            let fleet = remote::print(entry.parts.key);
            let ended = level::forgotten_at(&remote.forgotten(), fleet).unwrap_or_default();
            remote.push(Fill { print, fleet, slot, ticket, asked, moment: None, ended });
        }
    }

    /// Stores what waits for it, as many at a time as may be under way.
    pub(super) fn fill(&self, remote: &Remote, level: &Level) {
        let now = shell::now();
        // What waits while the level is away goes there when it is back, where it still has its slot and is not too old.
        if remote.fills.borrow().is_empty() || !remote.is_there(now) {
            return;
        }
        let (Some(clock), forgotten) = (remote.clock(), remote.forgotten()) else { return };
        let waiting = remote.fills.borrow().len();
        for _ in 0..waiting {
            let mut desks = remote.desks.iter().take(remote.desks(now));
            let Some(desk) = desks.find(|desk| !desk.errand.is_under_way(level.way(), now)) else {
                return;
            };
            let Some(fill) = remote.fills.borrow_mut().pop_front() else { return };
            // What is to be ended first would be ended after.
            if level::forgotten_at(&forgotten, fill.fleet).is_some() {
                remote.fills.borrow_mut().push_back(fill);
                continue;
            }
            // Who stands there still was never answered about.
            let is_given_up = desk.fill.take().is_some();
            let sent = self.store_remote(level, desk, fill, clock, now);
            if is_given_up || !matches!(sent, Some(Ok(()))) {
                remote.passed_over.increment();
            }
            if let Some(Err(fault)) = sent {
                remote.note(Some(&fault), now);
            }
        }
    }

    /// Takes in the answer to one that was under way, if it is that.
    pub(super) fn filled(&self, remote: &Remote, level: &Level, token: u32, headers: usize, body_bytes: usize) {
        let hear = |desk: &Desk| {
            desk.errand.hear(level.way(), token, headers, body_bytes).map(|reply| (reply, desk.fill.take()))
        };
        let Some((reply, fill)) = remote.desks.iter().find_map(hear) else { return };
        match &reply {
            // Whoever has refused it would refuse it now, too.
            Err(fault) if level.is_held_up(fault) => {
                remote.refused.increment();
                remote.held.set(Some(shell::now() + PAUSE));
                remote.put_back(fill);
            }
            Err(Fault::NoScript) => remote.put_back(fill),
            Ok(Reply::Bytes(said)) if said == b"ok" => {
                remote.held.set(None);
                remote.note(None, shell::now());
            }
            _ => {
                remote.passed_over.increment();
                remote.note(reply.as_ref().err(), shell::now());
            }
        }
        self.fill(remote, level);
    }

    /// Stores one; `None` where it is not to be.
    fn store_remote(
        &self,
        level: &Level,
        desk: &Desk,
        mut fill: Fill,
        clock: Clock,
        now: Instant,
    ) -> Option<Result<(), Fault>> {
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
        if seconds == 0 || object.len() > level.object_bytes_max || now.since(fill.asked) > LATE {
            return None;
        }
        let key = remote::key(&level.store, &self.config.name, fill.fleet);
        let moment = *fill.moment.get_or_insert_with(|| clock.earliest(fill.asked));
        let order = remote::order(envelope.moments[0], moment.max(fill.ended));
        let (seconds, payload) = (seconds.to_string(), level.store.pack(&object));
        let nonce = remote::variant(b"", &shell::random::<16>());
        let variant = remote::variant(entry.parts.vary, entry.parts.values);
        let mut words = vec![b"1", key.as_bytes(), seconds.as_bytes(), payload.as_ref(), order.as_bytes()];
        if !entry.parts.vary.is_empty() {
            words.extend([entry.parts.vary, nonce.as_bytes(), variant.as_bytes()]);
        }
        let sent = desk.errand.send(level.way(), &words, now);
        if sent.is_ok() {
            desk.fill.replace(Some(fill));
        }
        Some(sent)
    }
}
