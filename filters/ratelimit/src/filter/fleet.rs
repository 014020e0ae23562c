//! The fleet, as one worker takes part in it: requests that pay from leased blocks, questions to Redis, requests that wait.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use policy::state::Fault;
use policy::{Instant, Seed};
use shell::lease::{Role, lead};
use shell::metric::{Counter, Gauge};
use shell::shared;

use super::Passed;
use super::limiter::{Host, Limiter};
use crate::contact::Contact;
use crate::desk::{Desk, Parked};
use crate::fleet::Fleet;
use crate::script::{SCRIPT, hex};

/// Whoever asks for the proxy when it has nothing to ask for holds this office for so long.
const LEASE: Duration = Duration::from_secs(1);

/// One worker's part.
pub(super) struct Member {
    pub(super) desk: RefCell<Desk<Passed>>,
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
        let words: Vec<_> = words.iter().map(String::as_bytes).collect();
        self.asked.set(now);
        match shell::state::run(&fleet.store, &SCRIPT, desk.form, &words) {
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
    fn answered(&self, fleet: &Fleet, token: u32, headers: usize, body_bytes: usize) -> Option<Vec<Parked<Passed>>> {
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
            // Redis is there, and is asked once more at once even where it was away.
            Err(Fault::NoScript) => self.asked.set(Instant::EPOCH),
            Err(fault) => self.fail(fleet, &fault),
        }
        Some(released)
    }

    /// Those who have waited for long enough. Redis is too slow for them, and so for all; nobody is asked for then who has not been.
    fn late(&self, fleet: &Fleet, now: Instant) -> Vec<Parked<Passed>> {
        let mut late = self.desk.borrow_mut().late(fleet.budget, now);
        if !late.is_empty() {
            self.fail(fleet, &Fault::Lost);
        }
        if self.contact.borrow().is_away {
            late.extend(self.desk.borrow_mut().strand());
        }
        late
    }
}

impl Limiter {
    /// Looks after the fleet; says who goes on.
    pub(super) fn tend(&self) -> Vec<Parked<Passed>> {
        let Some((fleet, member)) = self.fleet() else { return Vec::new() };
        let now = shell::now();
        member.observe();
        let late = member.late(fleet, now);
        member.ask(fleet, now);
        late
    }

    /// Takes in an answer to a callout, and says who goes on; `None` where it is not for the fleet.
    pub(super) fn hear(&self, token: u32, headers: usize, body_bytes: usize) -> Option<Vec<Parked<Passed>>> {
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
}
