//! What a worker has at hand for every request: the configuration, its memory, its verifier, its counters.

use std::cell::RefCell;
use std::rc::Rc;

use policy::{Headers, Instant, Rejection, Seed};
use shell::Action;
use shell::headers::Map;
use shell::metric::Counter;

use super::counted::Counted;
use super::denial::Denials;
use super::keys::Keys;
use super::revocations::Revocations;
use crate::config::Config;
use crate::issuer::Issuer;
use crate::judge::{Decision, Judge};
use crate::keyring::Lack;
use crate::memory::Memory;
use crate::queue::Waiting;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::route::Route;
use crate::source::Place;

/// What all requests of a worker share.
pub(super) struct Gate {
    pub(super) config: Rc<Config>,
    pub(super) keys: Keys,
    pub(super) reads_queries: bool,
    pub(super) revocations: Revocations,
    memory: RefCell<Memory>,
    verifier: Counted,
    allowed: Counter,
    anonymous: Counter,
    forbidden: Counter,
    refused: Counter,
    unavailable: Counter,
    denials: Denials,
}

impl Gate {
    /// `None`, with a line in the log, where the host has no seed to share.
    pub(super) fn new(mut config: Config) -> Option<Self> {
        let Ok(seed) = shell::seed() else {
            log::error!("no seed for fingerprints");
            return None;
        };
        config.seal(seed);
        let config = Rc::new(config);
        // Each worker has its own memory, so its fingerprints need not be those of other workers.
        let memory = Memory::new(Seed::from_random(shell::random()), config.slots, config.lifetime)
            .with_refused(config.refused_slots, config.refused_for);
        let request = |outcome| Counter::new("api_gateway_auth_requests_total", &[("outcome", outcome)]);
        Some(Self {
            keys: Keys::new(&config),
            revocations: Revocations::new(&config),
            reads_queries: config.sources.iter().any(|source| source.place == Place::Query),
            config,
            memory: RefCell::new(memory),
            verifier: Counted::new(),
            allowed: request("allowed"),
            anonymous: request("anonymous"),
            forbidden: request("forbidden"),
            refused: request("refused"),
            unavailable: request("unavailable"),
            denials: Denials::new(),
        })
    }

    /// Judges the current request, that of context `context`, and acts on it; `since` is when it came, where it has waited.
    /// Where it is to pause, it has been answered or waits for keys.
    pub(super) fn pass(&self, context: u32, since: Option<Instant>, headers: &Headers) -> Action {
        let (request, now) = (Request::read(headers, &self.config), shell::now());
        let route = self.config.route(&request.target);
        let since = since.unwrap_or(now);
        let mut decision = self.judge(route, &request, Some(since), now);
        if let Decision::Wait(lack) | Decision::Refused(Refusal::Lacking(lack)) = decision {
            self.keys.ring.borrow_mut().miss(lack);
        }
        if let Decision::Wait(lack) = decision {
            if self.hold(context, lack, since) {
                return Action::Pause;
            }
            decision = self.judge(route, &request, None, now);
        }
        self.count(&decision);
        if !route.allow.is_empty() {
            self.denials.record(&self.config, route, &decision, now);
        }
        if let Err(error) = self.conceal(&request, &decision) {
            return super::undecided(headers, error);
        }
        if let Some(rejection) = decision.rejection(&self.config) {
            if let Rejection::AuthFailed { reason, .. } = &rejection {
                log::info!("credential refused: {reason}");
            }
            return shell::reject(&rejection, headers, &[]);
        }
        match self.hand_on(&request, &decision) {
            Ok(()) => Action::Continue,
            Err(error) => super::undecided(headers, error),
        }
    }

    fn judge(&self, route: &Route, request: &Request<'_>, since: Option<Instant>, now: Instant) -> Decision {
        let mut judge = Judge {
            config: &self.config,
            memory: &mut self.memory.borrow_mut(),
            keyring: &self.keys.ring.borrow(),
            verifier: &self.verifier,
            revoked: &self.revocations.known(),
            since,
            now,
        };
        judge.judge(route, &request.shown)
    }

    /// Lets a request wait, where there is room.
    fn hold(&self, context: u32, lack: Lack, since: Instant) -> bool {
        let (ended, _) = self.keys.ring.borrow().progress(lack.issuer());
        let fetch = self.config.issuers.get(lack.issuer()).and_then(Issuer::fetch);
        let waiting = Waiting { context, lack, since, ended };
        fetch.is_some_and(|fetch| self.keys.queue.borrow_mut().admit(waiting, fetch.waiting_max))
    }

    /// Whether the request of this context waits for keys: its body waits with it.
    pub(super) fn holds(&self, context: u32) -> bool {
        self.keys.queue.borrow().has(context)
    }

    /// Looks after the keys, then judges the requests that have waited for them. The root context's number is `root`.
    pub(super) fn tick(&self, root: u32) {
        let changed = self.keys.tick(&self.config);
        self.release(root, changed);
        self.revocations.tick();
    }

    /// Takes in the answer to a callout of `root`.
    pub(super) fn answered(&self, root: u32, token: u32, headers: usize, body_bytes: usize) {
        self.revocations.received(token, headers, body_bytes);
        let changed = self.keys.answered(&self.config, token, headers, body_bytes);
        self.release(root, changed);
    }

    /// Goes on with the requests that can be judged now. What was remembered of tokens is worth nothing where keys have
    /// changed: one of them may be gone.
    fn release(&self, root: u32, changed: bool) {
        if changed {
            self.memory.borrow_mut().clear();
        }
        if self.keys.queue.borrow().is_empty() {
            return;
        }
        let ready = self.keys.queue.borrow_mut().ready(&self.config, &self.keys.ring.borrow(), shell::now());
        for waiting in ready {
            // A stream that cannot be selected has ended: its client did not wait.
            if shell::stream::select(waiting.context).is_ok() {
                self.resume(&waiting);
            }
        }
        // Those that still wait keep their places only as long as their clients do.
        self.keys.queue.borrow_mut().retain(|context| shell::stream::select(context).is_ok());
        if let Err(error) = shell::stream::select(root) {
            super::complain("no way back to the root context", error);
        }
    }

    /// Judges the current request again, which has waited.
    fn resume(&self, waiting: &Waiting) {
        let action = match shell::headers::read(Map::Request) {
            Ok(headers) => self.pass(waiting.context, Some(waiting.since), &headers),
            Err(error) => super::undecided(&Headers::default(), error),
        };
        if action == Action::Continue
            && let Err(error) = shell::stream::resume_request()
        {
            super::complain("request not resumed", error);
        }
    }

    fn count(&self, decision: &Decision) {
        match decision {
            Decision::Unjudged | Decision::Wait(_) => {}
            Decision::Anonymous => self.anonymous.increment(),
            Decision::Allowed(_) => self.allowed.increment(),
            Decision::Forbidden(_) => self.forbidden.increment(),
            Decision::Missing | Decision::Refused(_) => self.refused.increment(),
            Decision::Unavailable(_) => self.unavailable.increment(),
        }
    }
}
