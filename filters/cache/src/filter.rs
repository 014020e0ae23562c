//! The contexts and callbacks: fetch, ask, act.

mod answering;
mod asking;
mod boarding;
mod correction;
mod fetching;
mod filling;
mod following;
mod gathering;
mod keeping;
mod meters;
mod purging;
mod refresh;
mod remote;
mod repeating;
mod reusing;
mod store;
mod validating;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use policy::{Instant, Seed};
use shell::headers::{self, Map};
use shell::metric::Counter;
use shell::shared::Failure;
use shell::{Action, HostError, HttpContext, RootContext, stream};

use crate::config::Config;
use crate::invalidation::Invalidation;
use crate::recent::Recent;
use crate::recording::{Hold, Ledger};
use crate::repetition::Repetitions;
use crate::request::{self, Inquiry, Plan};
use crate::status::{self, Fate, Forward};
use answering::Substitute;
use boarding::{Berth, Board, Claim};
use correction::Correction;
use fetching::Fetch;
use gathering::{Gathered, Gatherings};
use keeping::Copy;
use meters::Meters;
use purging::Purges;
use refresh::Refreshes;
use remote::Remote;
use repeating::{Moment, Repeatable};
use store::Seen;
use validating::Held;

#[cfg(not(feature = "linked"))]
shell::entry!(root);

/// This filter as one worker's plugin.
pub fn root(id: u32) -> Box<dyn RootContext> {
    Box::new(Root { id, plugin: None })
}

/// One worker's plugin.
struct Root {
    id: u32,
    plugin: Option<Rc<Plugin>>,
}

/// What all requests of one worker share.
struct Plugin {
    config: Config,
    seed: Seed,
    ledger: Ledger,
    recent: RefCell<Recent>,
    repetitions: RefCell<Repetitions<Moment, Repeatable>>,
    gatherings: Gatherings,
    board: Rc<Board>,
    refreshes: Refreshes,
    purges: Purges,
    remote: Option<Remote>,
    /// One for each of the configuration's routes.
    meters: Vec<Meters>,
    /// Failures of the store when it was to be changed for what is of no route.
    unrouted: Counter,
}

/// One request.
struct Filter {
    id: u32,
    plugin: Option<Rc<Plugin>>,
    phase: Phase,
    /// What is held for a search counts among what the worker holds.
    hold: Option<Hold>,
}

/// How far a request has come.
#[derive(Default)]
enum Phase {
    /// This filter has nothing to do with it, or nothing more.
    #[default]
    Idle,
    /// It was forwarded, and its response is not stored.
    Passed { why: Forward, detail: Option<&'static str>, invalidates: Option<Box<Invalidation>> },
    /// It was forwarded, and its response may be stored, or may leave what is stored to answer.
    Asked(Box<Question>),
    /// It waits for its own body.
    Gathered(Box<Gathered>),
    /// It waits for another's answer; whoever ends its wait leaves its phase there.
    Waits(Rc<Berth>),
    /// It waits for the second level.
    Fetched(Box<Fetch>),
    /// Its response is being copied.
    Copied(Box<Copy>),
    /// It was answered here; the host may have to be corrected, and these bytes may replace the body.
    Answered(Correction, Option<Substitute>),
    /// The headers of its response were replaced, and these bytes replace the body.
    Replaced(Substitute),
}

/// What a forwarded request's response is judged by.
struct Question {
    inquiry: Inquiry,
    why: Forward,
    asked: Instant,
    seen: Seen,
    held: Option<Held>,
    claim: Option<Claim>,
    /// The ticket of what its response leaves no use for, stored or not.
    refuted: Option<u64>,
}

fn configure(json: &[u8]) -> Result<Config, policy::ConfigError> {
    Config::with_environment(json, Some(&shell::environment))
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let Some(config) = shell::configure(size, configure) else { return false };
        let seed = match shell::seed() {
            Ok(seed) => seed,
            Err(failure) => {
                log::error!("no seed: {failure:?}");
                return false;
            }
        };
        if let Err(failure) = store::shrink(&config.arena) {
            log::warn!("an earlier configuration's entries keep their memory: {failure:?}");
        }
        let plugin = Plugin::new(config, seed);
        plugin.wake();
        self.plugin = Some(Rc::new(plugin));
        true
    }

    fn on_tick(&mut self) {
        shell::level::follow("cache");
        if let Some(plugin) = &self.plugin {
            plugin.tick(self.id);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { id, plugin: self.plugin.clone(), phase: Phase::Idle, hold: None }))
    }

    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        if let Some(plugin) = &self.plugin {
            plugin.answered(token, headers, body_bytes);
        }
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(plugin) = self.plugin.clone() else { return Action::Continue };
        let headers = match headers::read(Map::Request) {
            Ok(headers) => headers,
            Err(error) => {
                log::error!("request headers: {error}");
                return self.pass(Forward::Bypass, None, None);
            }
        };
        if let Some(action) = self.repeat(&plugin, &headers, end_of_stream).or_else(|| plugin.purged(&headers)) {
            return action;
        }
        plugin.hide_key(&headers);
        let proof = Plugin::take_proof(&headers);
        let whole = plugin.take_whole(&headers);
        match request::plan(&plugin.config, &plugin.seed, headers, !end_of_stream).part_of(whole) {
            Plan::Leave => Action::Continue,
            Plan::Pass { why, detail, invalidates } => self.pass(why, detail, invalidates),
            Plan::Ask(inquiry) => self.ask(&plugin, inquiry, proof.as_deref()),
            Plan::Gather(gathering) => self.gather(&plugin, gathering),
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match (self.plugin.clone(), std::mem::take(&mut self.phase)) {
            (Some(plugin), Phase::Gathered(gathered)) => self.complete(&plugin, *gathered, size, end_of_stream),
            (_, phase) => {
                self.phase = phase;
                Action::Continue
            }
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(plugin) = self.plugin.clone() else { return Action::Continue };
        let mut action = Action::Continue;
        match self.phase.take() {
            Phase::Idle | Phase::Copied(_) | Phase::Replaced(_) => {}
            // The host waits no longer, and has answered itself.
            Phase::Fetched(_) | Phase::Waits(_) => say(status::own(&plugin.config.name, "wait")),
            Phase::Answered(correction, later) => self.phase = answering::mend(correction, later),
            Phase::Passed { why, detail, invalidates } => {
                plugin.tell(why, Fate::Passed(detail));
                if let Some(invalidation) = invalidates {
                    plugin.invalidate(&invalidation);
                }
            }
            // The rest of its body was not waited for, or trailers came after it.
            Phase::Gathered(_) => plugin.tell(Forward::Bypass, Fate::Passed(Some("wait"))),
            Phase::Asked(question) => action = self.hear(&plugin, *question, end_of_stream),
        }
        // Otherwise the host has replied, and there is nothing left to be taken away.
        if action == Action::Continue {
            plugin.hide_tags();
        }
        action
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match (self.plugin.clone(), std::mem::take(&mut self.phase)) {
            (Some(plugin), Phase::Copied(copy)) => match copy.append(size) {
                Some(copy) if end_of_stream => plugin.keep(copy),
                Some(copy) => self.phase = Phase::Copied(Box::new(copy)),
                None => {}
            },
            (_, Phase::Replaced(substitute)) => self.phase = Phase::Replaced(substitute.put()),
            _ => {}
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        // What stands in trailers would be lost: such a response is not stored.
        if let Phase::Copied(copy) = std::mem::take(&mut self.phase) {
            copy.give_up();
        }
        Action::Continue
    }

    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        let Some(plugin) = self.plugin.clone() else { return };
        let Phase::Fetched(fetch) = &mut self.phase else { return };
        if !plugin.fetched(fetch, token, headers, body_bytes) {
            return;
        }
        let Phase::Fetched(fetch) = std::mem::take(&mut self.phase) else { return };
        if self.settle(&plugin, *fetch) == Action::Continue {
            report(stream::resume_request());
        }
    }
}

impl Plugin {
    fn new(config: Config, seed: Seed) -> Self {
        let unrouted = meters::errors("default", "write");
        let remote = config.level.as_ref().map(|_| Remote::new(&config.arena));
        Self {
            ledger: Ledger::default(),
            recent: RefCell::new(Recent::new(config.recent_bytes_max)),
            repetitions: RefCell::new(Repetitions::new(&config)),
            gatherings: Gatherings::default(),
            board: Board::new(&config.arena, remote.as_ref().map_or(Duration::ZERO, |_| remote::TICK)),
            refreshes: Refreshes::new(),
            purges: Purges::new(&config),
            remote,
            meters: config.routes.iter().map(|route| Meters::new(&route.upstream, &route.data_type)).collect(),
            unrouted,
            config,
            seed,
        }
    }

    /// Says in the response what happened to a request that was forwarded.
    fn tell(&self, why: Forward, fate: Fate) {
        say(status::forwarded(&self.config.name, why, fate));
    }
}

/// Adds a member to the response's `Cache-Status`.
fn say(member: String) {
    report(headers::add(Map::Response, "cache-status", member));
}

/// A request goes on whatever a host call said.
fn report(done: Result<(), HostError>) {
    if let Err(error) = done {
        log::warn!("{error}");
    }
}

fn report_failure(what: &str, done: Result<(), Failure>) {
    if let Err(failure) = done {
        log::warn!("{what}: {failure:?}");
    }
}
