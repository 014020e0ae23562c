//! Keys that issuers publish: fetched by one worker of the proxy, shared with all, waited for by requests.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::time::Duration;

use policy::{Headers, Instant, credential};
use shell::callout;
use shell::lease::Role;
use shell::metric::Counter;
use shell::shared::{self, Change, Failure};

use crate::config::Config;
use crate::fetch::Fetch;
use crate::issuer::Issuer;
use crate::keyring::{Keyring, News};
use crate::keyset::Published;
use crate::queue::Queue;
use crate::upkeep::{self, Upkeep};

/// How often every worker looks at what all share. A look costs it a microsecond for each issuer.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// The first look comes as soon as the worker runs.
pub(super) const FIRST_TICK: Duration = Duration::from_millis(1);
/// Whoever is outrun so often leaves it to the next look.
const ATTEMPTS: u32 = 8;

/// What a worker has of keys that are fetched.
pub(super) struct Keys {
    pub(super) ring: RefCell<Keyring>,
    pub(super) queue: RefCell<Queue>,
    /// This worker's number in leases.
    asker: u64,
    /// What this worker has in flight: the callout's token, and the issuer.
    flights: RefCell<Vec<(u32, usize)>>,
    is_awake: Cell<bool>,
    fetched: Counter,
    failed: Counter,
}

/// The key of shared data under which an issuer's keys are kept up, and with a `suffix` what belongs to them: named after
/// where they come from, so that they survive a new configuration, and two issuers may share them.
fn key(fetch: &Fetch, suffix: &str) -> String {
    credential::keys(&fetch.cluster, fetch.url.text(), suffix)
}

impl Keys {
    /// A worker's, with what other workers have fetched before.
    pub(super) fn new(config: &Config) -> Self {
        let fetches = |outcome| Counter::new("api_gateway_auth_key_fetches_total", &[("outcome", outcome)]);
        let keys = Self {
            ring: RefCell::new(Keyring::new(&config.issuers)),
            queue: RefCell::default(),
            asker: u64::from_le_bytes(shell::random()),
            flights: RefCell::default(),
            is_awake: Cell::new(false),
            fetched: fetches("fetched"),
            failed: fetches("failed"),
        };
        let now = shell::now();
        for (place, issuer, fetch) in fetched(config) {
            keys.look(place, issuer, fetch, now);
        }
        keys
    }

    /// The period of ticks, where it changes: this worker has just begun to look.
    pub(super) fn wake(&self) -> Option<Duration> {
        (!self.is_awake.replace(true)).then_some(TICK)
    }

    /// Looks at what all workers share, asks for what requests wait for, and fetches what is due, where this worker leads.
    /// Whether keys have changed that were there before.
    pub(super) fn tick(&self, config: &Config) -> bool {
        let now = shell::now();
        let mut changed = false;
        for (place, issuer, fetch) in fetched(config) {
            if self.ring.borrow_mut().take_missed(place) || self.queue.borrow().lacks_key(place) {
                let asked = update(fetch, &mut |upkeep| upkeep.ask(fetch, now));
                report(issuer, asked);
            }
            let upkeep = self.look(place, issuer, fetch, now);
            changed |= upkeep.1;
            if upkeep.0.is_due(fetch, now) {
                self.lead(place, issuer, fetch, now);
            }
        }
        changed
    }

    /// Takes in what all workers share of one issuer's keys; and whether keys that were there before have changed.
    fn look(&self, place: usize, issuer: &Issuer, fetch: &Fetch, now: Instant) -> (Upkeep, bool) {
        let upkeep = match shared::read(&key(fetch, "")) {
            Ok((stored, _)) => Upkeep::read(&stored),
            Err(error) => {
                complain(issuer, &error);
                return (Upkeep::default(), false);
            }
        };
        let mut ring = self.ring.borrow_mut();
        match ring.observe(place, fetch, upkeep, now) {
            News::None => (upkeep, false),
            News::Expired => {
                complain(issuer, &"too old to be used");
                (upkeep, true)
            }
            News::Changed => {
                let document = shared::read(&key(fetch, " document")).map(|(document, _)| document).unwrap_or_default();
                let keys = Published::read(&document, issuer.algorithms).map(|published| published.keys);
                if let Err(mistake) = &keys {
                    complain(issuer, mistake);
                }
                ring.install(place, upkeep.version, keys.ok());
                (upkeep, true)
            }
        }
    }

    /// Begins a fetch where this worker leads and no other has begun one meanwhile.
    fn lead(&self, place: usize, issuer: &Issuer, fetch: &Fetch, now: Instant) {
        match shell::lease::lead(&key(fetch, " lease"), self.asker, Upkeep::lease(fetch)) {
            Ok(Role::Leader) => {}
            Ok(Role::Follower) => return,
            Err(error) => return complain(issuer, &error),
        }
        let begun = update(fetch, &mut |upkeep| {
            let is_due = upkeep.is_due(fetch, now);
            if is_due {
                upkeep.begin(now);
            }
            is_due
        });
        if !matches!(begun, Ok(true)) {
            return report(issuer, begun);
        }
        let headers = [
            (":method", "GET"),
            (":path", fetch.url.path()),
            (":authority", fetch.url.authority()),
            ("accept", "application/jwk-set+json, application/json"),
        ];
        match callout::send(&fetch.cluster, &headers, &[], fetch.timeout) {
            Ok(token) => self.flights.borrow_mut().push((token, place)),
            Err(error) => self.fail(issuer, fetch, &error.to_string()),
        }
    }

    /// Takes in the answer to a callout, where it is one of these; whether keys that were there before have changed.
    pub(super) fn answered(&self, config: &Config, token: u32, headers: usize, body_bytes: usize) -> bool {
        let flight = {
            let mut flights = self.flights.borrow_mut();
            let at = flights.iter().position(|(flight, _)| *flight == token);
            at.map(|at| flights.swap_remove(at).1)
        };
        let found = flight.and_then(|place| fetched(config).find(|(other, ..)| *other == place));
        let Some((place, issuer, fetch)) = found else { return false };
        let published = match callout::answer(headers, body_bytes, fetch.bytes_max) {
            None => Err("the answer broke off, or is too long".to_owned()),
            Some(answer) if answer.status != 200 => Err(format!("status {}", answer.status)),
            Some(answer) => match Published::read(&answer.body, issuer.algorithms) {
                Err(mistake) => Err(mistake.to_string()),
                Ok(published) => Ok((published, answer)),
            },
        };
        match published {
            Ok((published, answer)) => self.publish(issuer, fetch, &published, &answer),
            Err(reason) => self.fail(issuer, fetch, &reason),
        }
        self.look(place, issuer, fetch, shell::now()).1
    }

    fn fail(&self, issuer: &Issuer, fetch: &Fetch, reason: &str) {
        log::warn!("keys of {} not fetched: {reason}", issuer.name);
        self.failed.increment();
        let (now, [spread]) = (shell::now(), shell::random());
        let shared = update(fetch, &mut |upkeep| {
            upkeep.fail(now, spread);
            true
        });
        report(issuer, shared);
    }

    /// Shares a good document: first itself, then that it has changed.
    fn publish(&self, issuer: &Issuer, fetch: &Fetch, published: &Published, answer: &callout::Answer) {
        self.fetched.increment();
        let stored = shared::update(&key(fetch, " document"), ATTEMPTS, |document| {
            if *document == answer.body {
                return Change::Keep(false);
            }
            document.clone_from(&answer.body);
            Change::Store(true)
        });
        let Ok(changed) = stored else { return report(issuer, stored) };
        if changed {
            log::info!("keys of {}: {} fetched, {} skipped", issuer.name, published.keys.len(), published.skipped);
            if let Some(complaint) = &published.complaint {
                complain(issuer, complaint);
            }
        }
        let (now, [spread], age) = (shell::now(), shell::random(), max_age(&answer.headers));
        let version = upkeep::version(&answer.body);
        let shared = update(fetch, &mut |upkeep| {
            upkeep.succeed(fetch, now, version, age, spread);
            true
        });
        report(issuer, shared);
    }
}

/// The issuers whose keys are fetched, with their places.
pub(super) fn fetched(config: &Config) -> impl Iterator<Item = (usize, &Issuer, &Fetch)> {
    let issuers = config.issuers.iter().enumerate();
    issuers.filter_map(|(place, issuer)| issuer.fetch().map(|fetch| (place, issuer, fetch)))
}

/// Changes what all workers share; `change` says whether it has.
fn update(fetch: &Fetch, change: &mut dyn FnMut(&mut Upkeep) -> bool) -> Result<bool, Failure> {
    shared::update(&key(fetch, ""), ATTEMPTS, |stored| {
        let mut upkeep = Upkeep::read(stored);
        if !change(&mut upkeep) {
            return Change::Keep(false);
        }
        upkeep.write(stored);
        Change::Store(true)
    })
}

/// What could not be shared is tried again at the next look.
fn report(issuer: &Issuer, outcome: Result<bool, Failure>) {
    if let Err(failure) = outcome {
        complain(issuer, &format_args!("not shared: {failure:?}"));
    }
}

/// What is wrong with an issuer's keys.
fn complain(issuer: &Issuer, wrong: &dyn Display) {
    log::error!("keys of {}: {wrong}", issuer.name);
}

fn max_age(headers: &Headers) -> Option<Duration> {
    upkeep::max_age(headers.first("cache-control")?)
}
