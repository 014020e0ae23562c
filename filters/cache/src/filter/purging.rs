//! Purges in shared data: applied by whoever is told of them, and in force on every worker with its next look.
//!
//! The ledger is one key. A second one, the pulse, has sixteen bytes and is read with every request: a number that is
//! another one after each purge, and when the fleet's stream was last read. A worker reads the ledger again when that
//! number has changed.

use std::cell::{Ref, RefCell};

use policy::purge::{Pulse, asked, inbox};
use policy::{Headers, Instant, Rejection};
use sha2::{Digest as _, Sha256};
use shell::headers::Map;
use shell::shared::{self, Change, Failure};
use shell::{Action, HostError};

use super::{Plugin, store};
use crate::config::{Config, KeyDigest, Route};
use crate::purge::{self, Ledger, Mode, Order, Scope, Stamp, Standing, Subject};
use crate::request::{self, Inquiry};
use crate::{invalidation, key, status};

/// How often a change is tried again when other workers were faster.
const ATTEMPTS: u32 = 16;

/// The field that shows who may purge.
const PURGE_KEY: &str = "x-purge-key";

/// What one worker knows of purges.
pub(crate) struct Purges {
    /// The ledger and the pulse, where anybody purges.
    keys: Option<[String; 2]>,
    /// Where an operator's orders are, where any are heard.
    inbox: Option<String>,
    /// Whether some route has a key.
    has_key: bool,
    known: RefCell<Known>,
}

#[derive(Default)]
struct Known {
    /// The pulse's number when the ledger was read.
    number: u64,
    /// When the fleet's stream was last read.
    heard: Instant,
    ledger: Ledger,
}

impl Purges {
    /// Those of a configuration.
    pub(crate) fn new(config: &Config) -> Self {
        let keys = [config.arena.own("purges"), policy::purge::pulse(&config.name)];
        let is_purged = |route: &Route| route.purge_key.is_some() || route.is_scattered();
        let is_used = config.hears_orders || config.level.is_some() || config.routes.iter().any(is_purged);
        let inbox = config.hears_orders.then(|| inbox(&config.name));
        let has_key = config.routes.iter().any(|route| route.purge_key.is_some());
        Self { keys: is_used.then_some(keys), inbox, has_key, known: RefCell::default() }
    }

    /// Takes over what other workers have been told, and says the number of the last purge.
    pub(crate) fn look(&self) -> Result<Stamp, HostError> {
        let Some([ledger, pulse]) = &self.keys else { return Ok(Stamp::default()) };
        let Pulse { number, heard } = Pulse::from_bytes(&shared::read(pulse)?.0);
        let mut known = self.known.borrow_mut();
        known.heard = heard;
        if known.number != number {
            known.ledger = Ledger::from_bytes(&shared::read(ledger)?.0).unwrap_or_default();
            known.number = number;
        }
        Ok(known.ledger.last)
    }

    /// What is another number after each purge, as of the last look.
    pub(crate) fn number(&self) -> u64 {
        self.known.borrow().number
    }

    /// All purges, as of the last look.
    pub(crate) fn ledger(&self) -> Ref<'_, Ledger> {
        Ref::map(self.known.borrow(), |known| &known.ledger)
    }

    /// When the fleet's purges were last read, as of the last look.
    pub(crate) fn heard(&self) -> Instant {
        self.known.borrow().heard
    }

    /// Tells all workers that the fleet's purges have been read just now.
    pub(crate) fn hear(&self, now: Instant) -> Result<(), Failure> {
        let Some([_, pulse]) = &self.keys else { return Ok(()) };
        change_pulse(pulse, &|pulse| pulse.heard = now)
    }

    /// Changes the ledger for all workers.
    pub(crate) fn change(&self, change: &dyn Fn(&mut Ledger)) -> Result<(), Failure> {
        let Some([ledger, pulse]) = &self.keys else { return Ok(()) };
        let count = shared::update(ledger, ATTEMPTS, |stored| {
            let mut ledger = Ledger::from_bytes(stored).unwrap_or_default();
            change(&mut ledger);
            *stored = ledger.to_bytes();
            Change::Store(u64::from(ledger.last.local))
        })?;
        change_pulse(pulse, &|pulse| pulse.advance(count))
    }

    /// Tells all workers that what is in the inbox has been carried out, or that it waits still.
    fn answer(&self, is_answered: bool) -> Result<(), Failure> {
        let Some([_, pulse]) = &self.keys else { return Ok(()) };
        change_pulse(pulse, &|pulse| if is_answered { pulse.answer() } else { pulse.ring() })
    }
}

fn change_pulse(key: &str, change: &dyn Fn(&mut Pulse)) -> Result<(), Failure> {
    shared::update(key, ATTEMPTS, |stored| {
        let mut pulse = Pulse::from_bytes(stored);
        change(&mut pulse);
        *stored = pulse.to_bytes();
        Change::Store(())
    })
}

impl Plugin {
    /// Takes over what this proxy's workers and its operator have purged, and says the number of the last purge.
    pub(super) fn look(&self) -> Result<Stamp, HostError> {
        let stamp = self.purges.look()?;
        let is_rung = Pulse { number: self.purges.known.borrow().number, heard: Instant::EPOCH }.is_rung();
        match &self.purges.inbox {
            Some(inbox) if is_rung => self.obey(inbox),
            _ => return Ok(stamp),
        }
        self.purges.look()
    }

    /// Carries out what an operator has ordered. It stays in the inbox until that is done, whoever fails meanwhile.
    fn obey(&self, inbox: &str) {
        for _ in 0..ATTEMPTS {
            let Ok((orders, version)) = shared::read(inbox) else { return };
            for text in asked(&orders) {
                let Ok(order) = Order::parse(text) else {
                    log::warn!("an order that is none is not followed: {}", text.escape_ascii());
                    continue;
                };
                if let Err(failure) = self.purge(text, &order) {
                    return log::error!("not purged yet: {failure:?}");
                }
            }
            // First the pulse: who adds to the inbox after this step rings after it.
            super::report_failure("purges", self.purges.answer(true));
            if shared::store(inbox, b"", version).is_ok() {
                return;
            }
        }
        super::report_failure("purges", self.purges.answer(false));
    }

    /// Whether purges have left anything of an entry; one that has become stale is told so in its bytes.
    pub(super) fn spared(&self, inquiry: &Inquiry, route: &Route, found: &mut store::Object, now: Instant) -> bool {
        let tags = &found.envelope.tags;
        let (provider, data_type) = (route.upstream.as_str(), route.data_type.as_str());
        let subject = Subject { key: &inquiry.key, provider, data_type, tags };
        let standing = self.purges.ledger().standing(&subject, found.envelope.stamp);
        found.is_softened |= standing == Standing::Stale;
        if found.is_softened
            && let Some(lifetime) = found.facts().and_then(|facts| purge::withered(&facts, now))
        {
            store::shorten(&self.config.arena, &self.recent, found, lifetime);
        }
        standing != Standing::Gone
    }

    /// Keeps tags from the client, where they are not for it.
    pub(super) fn hide_tags(&self) {
        let tagging = &self.config.tagging;
        for name in tagging.fields.iter().filter(|_| tagging.hidden) {
            super::report(shell::headers::remove(Map::Response, name));
        }
    }

    /// Keeps a key from the upstream, where any route has one: a `PURGE` of what nobody keeps is the upstream's, the key is not.
    pub(super) fn hide_key(&self, headers: &Headers) {
        if self.purges.has_key && headers.first(PURGE_KEY).is_some() {
            super::report(shell::headers::remove(Map::Request, PURGE_KEY));
        }
    }

    /// Carries an order out in this proxy, at once, and in the fleet, soon; `text` is how it was written. A URL is named as
    /// clients do, and purged as routes keep it.
    pub(super) fn purge(&self, text: &[u8], order: &Order) -> Result<(), Failure> {
        if let Scope::Url(key) = &order.scope {
            return invalidation::kept(&self.config, key)
                .iter()
                .try_for_each(|kept| self.purge_key(&kept.key, order.mode));
        }
        self.carry_out(text, order)
    }

    /// As [`Plugin::purge`], of all that is kept under one key.
    fn purge_key(&self, key: &[u8], mode: Mode) -> Result<(), Failure> {
        // First what keeps the second level's answers out: between two steps, another worker may ask it.
        self.forget_remote(key)?;
        self.carry_out(&Order::of_key(key, mode), &Order { scope: Scope::Url(key.to_vec()), mode })
    }

    /// Ends what is kept under one key, as a client may, who takes no more from others than that and what shares its cell.
    pub(super) fn end_key(&self, key: &[u8]) -> Result<(), Failure> {
        self.forget_remote(key)?;
        let [scheme, authority, target] = key::parts(key).unwrap_or_default();
        let text = Order::of_url(scheme, authority, target, Mode::Hard);
        self.spread(&|backlog| backlog.push_ended(key, &text))?;
        self.apply(&Order { scope: Scope::Url(key.to_vec()), mode: Mode::Hard })
    }

    /// Ends what is of this key in the second level, and what shares its cell.
    pub(super) fn end_cell(&self, key: &[u8]) -> Result<(), Failure> {
        let cell = key::cell(key);
        self.spread(&|backlog| backlog.push_cell(cell))?;
        self.apply(&Order { scope: Scope::Cells(vec![cell]), mode: Mode::Hard })
    }

    fn carry_out(&self, text: &[u8], order: &Order) -> Result<(), Failure> {
        self.spread(&|backlog| backlog.push(text))?;
        self.apply(order)
    }

    fn apply(&self, order: &Order) -> Result<(), Failure> {
        self.purge_url(order)?;
        self.purges.change(&|ledger| ledger.apply(order, None))
    }

    /// Carries out what an order says of one URL.
    pub(super) fn purge_url(&self, order: &Order) -> Result<(), Failure> {
        let Scope::Url(key) = &order.scope else { return Ok(()) };
        let print = self.seed.fingerprint([key.as_slice()]);
        match order.mode {
            Mode::Hard => store::invalidate(&self.config.arena, print),
            Mode::Soft => store::soften(&self.config.arena, print),
        }
    }

    /// Answers a request to purge; `None` where it is none, or its route has no key for it.
    pub(super) fn purged(&self, headers: &Headers) -> Option<Action> {
        const METHOD: &[u8] = b"PURGE";
        if self.purges.keys.is_none() || headers.first(":method") != Some(METHOD) {
            return None;
        }
        let wanted = request::purge_key(&self.config, headers)?;
        let status = status::own(&self.config.name, "purge");
        let told = ("cache-status", status.as_str());
        Some(match self.order(headers, wanted) {
            Ok(()) => {
                let details = [policy::handover::DETAILS_PREFIX, "cache_purged"].concat();
                shell::reply::send(200, &details, &[("content-type", "application/json"), told], b"{\"purged\":true}")
            }
            Err(rejection) => shell::reject(&rejection, headers, &[told]),
        })
    }

    /// Carries out what a request orders that has the `wanted` key.
    fn order(&self, headers: &Headers, wanted: &KeyDigest) -> Result<(), Rejection> {
        if !headers.first(PURGE_KEY).is_some_and(|key| is_key(key, wanted)) {
            return Err(Rejection::Forbidden);
        }
        let word = |name| headers.first(name).unwrap_or_default();
        let url = |mode| Order::of_url(word(":scheme"), word(":authority"), word(":path"), mode);
        let text = match headers.first("x-purge") {
            None | Some(b"mode=hard") => url(Mode::Hard),
            Some(b"mode=soft") => url(Mode::Soft),
            Some(text) => text.to_vec(),
        };
        let order = Order::parse(&text).map_err(|mistake| Rejection::BadRequest { message: mistake.to_string() })?;
        self.purge(&text, &order).map_err(|failure| {
            log::error!("not purged: {failure:?}");
            self.unrouted.increment();
            Rejection::Internal
        })
    }
}

/// Compares without telling by its time where the difference is.
fn is_key(key: &[u8], wanted: &KeyDigest) -> bool {
    let digest = Sha256::digest(key);
    digest.iter().zip(wanted).fold(0, |all, (one, other)| all | (one ^ other)) == 0
}
