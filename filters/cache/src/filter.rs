//! The contexts and callbacks: fetch, ask, act.

mod correction;
mod fetching;
mod meters;
mod purging;
mod remote;
mod reusing;
mod store;

use std::rc::Rc;

use policy::handover::DETAILS_PREFIX;
use policy::{Fingerprint, Instant, Rejection, Seed};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use shell::headers::{self, Map};
use shell::shared::Failure;
use shell::stream::{self, Buffer};
use shell::{HostError, reply};

use crate::admission::{self, Admitted, Refusal};
use crate::config::Config;
use crate::entry::Entry;
use crate::key;
use crate::recording::{Ledger, Recording};
use crate::request::{self, Inquiry, Plan, Voided};
use crate::selection::{self, Hit};
use crate::status::{self, Fate, Forward};
use correction::Correction;
use fetching::{Fetch, Step};
use meters::Meters;
use purging::Purges;
use remote::Remote;
use store::{Known, Seen};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// One worker's plugin.
#[derive(Default)]
struct Root {
    plugin: Option<Rc<Plugin>>,
}

/// What all requests of one worker share.
struct Plugin {
    config: Config,
    seed: Seed,
    ledger: Ledger,
    purges: Purges,
    remote: Option<Remote>,
    /// One for each of the configuration's routes.
    meters: Vec<Meters>,
    /// For what is of no route.
    unrouted: Meters,
}

/// One request.
#[derive(Default)]
struct Filter {
    plugin: Option<Rc<Plugin>>,
    phase: Phase,
}

/// How far a request has come.
#[derive(Default)]
enum Phase {
    /// This filter has nothing to do with it, or nothing more.
    #[default]
    Idle,
    /// It was forwarded, and its response is not stored.
    Passed { why: Forward, detail: Option<&'static str>, invalidates: Option<Voided> },
    /// It was forwarded, and its response may be stored.
    Asked(Box<Question>),
    /// It waits for the second level.
    Fetched(Box<Fetch>),
    /// Its response is being copied.
    Copied(Box<Copy>),
    /// It was answered here; the host may have to be corrected.
    Answered(Correction),
}

/// What a forwarded request's response is judged by.
struct Question {
    inquiry: Inquiry,
    why: Forward,
    asked: Instant,
    seen: Seen,
}

/// A response on its way.
struct Copy {
    route: usize,
    print: Fingerprint,
    variant: u64,
    seen: Seen,
    recording: Recording,
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        if let Some(plugin) = &self.plugin {
            plugin.answered(token, headers, body_bytes);
        }
    }
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
        let meters = config.routes.iter().map(|route| Meters::new(&route.upstream, &route.data_type)).collect();
        let unrouted = Meters::new("default", "default");
        let (ledger, purges) = (Ledger::default(), Purges::new(&config));
        let remote = config.level.as_ref().map(|_| Remote::new(&config.arena));
        let plugin = Plugin { config, seed, ledger, purges, remote, meters, unrouted };
        plugin.wake();
        self.plugin = Some(Rc::new(plugin));
        true
    }

    fn on_tick(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.tick();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { plugin: self.plugin.clone(), phase: Phase::Idle }))
    }
}

impl Context for Filter {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        let Some(plugin) = self.plugin.clone() else { return };
        let Phase::Fetched(mut fetch) = std::mem::take(&mut self.phase) else { return };
        let known = match plugin.fetched(&mut fetch, token, headers, body_bytes) {
            Step::Wait => return self.phase = Phase::Fetched(fetch),
            Step::Nothing => None,
            Step::Found(known) => Some(known),
        };
        if self.settle(&plugin, fetch.question, known.as_ref()) == Action::Continue {
            report(stream::resume_request());
        }
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(plugin) = self.plugin.clone() else { return Action::Continue };
        let plan = match headers::read(Map::Request) {
            Ok(headers) => match plugin.purged(&headers) {
                Some(action) => return action,
                None => request::plan(&plugin.config, &plugin.seed, headers, !end_of_stream),
            },
            Err(error) => {
                log::error!("request headers: {error}");
                Plan::Pass { why: Forward::Bypass, detail: None, invalidates: None }
            }
        };
        match plan {
            Plan::Pass { why, detail, invalidates } => self.pass(why, detail, invalidates),
            Plan::Ask(inquiry) => self.ask(&plugin, inquiry),
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(plugin) = self.plugin.clone() else { return Action::Continue };
        match std::mem::take(&mut self.phase) {
            Phase::Idle | Phase::Copied(_) | Phase::Fetched(_) => {}
            Phase::Answered(correction) => report(correction.apply()),
            Phase::Passed { why, detail, invalidates } => {
                plugin.tell(why, Fate::Passed(detail));
                if let Some(voided) = invalidates {
                    plugin.invalidate(&voided);
                }
            }
            Phase::Asked(question) => match plugin.judge(&question) {
                Some(copy) if end_of_stream => plugin.keep(copy),
                Some(copy) => self.phase = Phase::Copied(Box::new(copy)),
                None => {}
            },
        }
        plugin.hide_tags();
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if let (Some(plugin), Phase::Copied(copy)) = (self.plugin.clone(), std::mem::take(&mut self.phase)) {
            match copy.append(size) {
                Some(copy) if end_of_stream => plugin.keep(copy),
                Some(copy) => self.phase = Phase::Copied(Box::new(copy)),
                None => {}
            }
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        // What stands in trailers would be lost: such a response is not stored.
        self.phase = Phase::Idle;
        Action::Continue
    }
}

impl Filter {
    fn pass(&mut self, why: Forward, detail: Option<&'static str>, invalidates: Option<Voided>) -> Action {
        self.phase = Phase::Passed { why, detail, invalidates };
        Action::Continue
    }

    /// Answers a request from the store, or forwards it.
    fn ask(&mut self, plugin: &Plugin, inquiry: Inquiry) -> Action {
        let now = shell::now();
        let (Some(route), Some(meters)) = (plugin.config.routes.get(inquiry.route), plugin.meters.get(inquiry.route))
        else {
            return self.pass(Forward::Bypass, None, None);
        };
        let lookup = plugin.look_up(&inquiry);
        let (why, seen) = match lookup {
            Err(error) => {
                log::warn!("store not readable: {error}");
                meters.read_errors.increment();
                // Whatever was seen, nothing is stored that might have been invalidated.
                (Forward::UriMiss, Seen::default())
            }
            Ok((known, seen)) => match plugin.reuse(&known, &inquiry, route, now) {
                Ok((entry, hit)) => return self.answer(plugin, &inquiry, &entry, hit, meters),
                Err(why) => (why, seen),
            },
        };
        match plugin.fetch(Box::new(Question { inquiry, why, asked: now, seen }), now) {
            Ok(fetch) => {
                self.phase = Phase::Fetched(Box::new(fetch));
                Action::Pause
            }
            Err(question) => self.settle(plugin, question, None),
        }
    }

    /// Answers a request with what the second level had, or forwards it.
    fn settle(&mut self, plugin: &Plugin, mut question: Box<Question>, known: Option<&Known>) -> Action {
        let (inquiry, now) = (&question.inquiry, shell::now());
        let (Some(route), Some(meters)) = (plugin.config.routes.get(inquiry.route), plugin.meters.get(inquiry.route))
        else {
            return self.pass(Forward::Bypass, None, None);
        };
        match known.map(|known| plugin.reuse(known, inquiry, route, now)) {
            Some(Ok((entry, hit))) => return self.answer(plugin, inquiry, &entry, hit, meters),
            Some(Err(why)) => question.why = why,
            None => {}
        }
        meters.misses.increment();
        if question.inquiry.said.only_if_cached {
            let status = status::refused(&plugin.config.name);
            return shell::reject(
                &Rejection::NotStored,
                &question.inquiry.headers,
                &[("cache-status", status.as_str())],
            );
        }
        question.asked = now;
        self.phase = Phase::Asked(question);
        Action::Continue
    }

    fn answer(&mut self, plugin: &Plugin, inquiry: &Inquiry, entry: &Entry<'_>, hit: Hit, meters: &Meters) -> Action {
        let Some(answer) = selection::answer(entry, inquiry, hit, &plugin.config.name) else {
            return self.pass(Forward::Bypass, Some("unreadable"), None);
        };
        meters.hits.increment();
        // Of a 304 nothing but headers is sent; of a HEAD's answer the host sends the length of the body alone.
        let body = if answer.status == 304 { b"" } else { entry.body };
        self.phase = Phase::Answered(Correction::of(&answer.headers, body));
        reply::send_whole(answer.status, &format!("{DETAILS_PREFIX}cache_hit"), &answer.headers, body)
    }
}

impl Plugin {
    /// Judges a response; what is to be stored of it is copied from here on.
    fn judge(&self, question: &Question) -> Option<Copy> {
        let route = self.config.routes.get(question.inquiry.route)?;
        let begun = match headers::read(Map::Response) {
            Ok(response) => {
                let now = shell::now();
                let admitted = admission::admit(route, &question.inquiry, &response, question.asked, now);
                admitted.and_then(|admitted| self.begin(question, admitted))
            }
            Err(error) => {
                log::error!("response headers: {error}");
                Err(Refusal::Length)
            }
        };
        match begun {
            Ok(copy) => {
                self.tell(question.why, Fate::Stored);
                Some(copy)
            }
            Err(refusal) => {
                self.tell(question.why, Fate::Passed(Some(refusal.token())));
                None
            }
        }
    }

    fn begin(&self, question: &Question, mut admitted: Admitted) -> Result<Copy, Refusal> {
        let inquiry = &question.inquiry;
        let labels = (self.config.tagging.take(&mut admitted.headers), question.seen.stamp);
        let values = admitted.vary.values(&inquiry.headers);
        let bytes_max = self.config.object_bytes_max;
        let recording = Recording::begin(&admitted, &inquiry.key, &values, labels, bytes_max, &self.ledger)?;
        let variant = key::variant(&self.seed, admitted.vary.as_bytes(), &values);
        Ok(Copy { route: inquiry.route, print: inquiry.print, variant, seen: question.seen, recording })
    }

    /// Puts a response that has passed whole into its place.
    fn keep(&self, copy: Copy) {
        let Copy { route, print, variant, seen, recording } = copy;
        if !recording.is_whole() {
            return;
        }
        let (mut object, vary) = recording.finish();
        match self.place(print, variant, &vary, seen, &mut object) {
            Ok(Some(place)) => self.share(route, print, place, &object),
            Ok(None) => {}
            Err(failure) => {
                log::warn!("store not writable: {failure:?}");
                self.meters.get(route).unwrap_or(&self.unrouted).write_errors.increment();
            }
        }
    }

    /// Makes what is stored for a URL unusable, where the request that asks for it has succeeded (RFC 9111 §4.4).
    fn invalidate(&self, voided: &Voided) {
        let status = headers::first(Map::Response, ":status").ok().flatten();
        if status.is_some_and(|status| matches!(status.first(), Some(b'2' | b'3')))
            && let Err(failure) =
                self.forget_remote(voided.fleet).and_then(|()| store::invalidate(&self.config.arena, voided.print))
        {
            log::error!("not invalidated: {failure:?}");
            self.unrouted.write_errors.increment();
        }
    }

    /// Says in the response what happened.
    fn tell(&self, why: Forward, fate: Fate) {
        report(headers::add(Map::Response, "cache-status", status::forwarded(&self.config.name, why, fate)));
    }
}

impl Copy {
    /// Copies `size` bytes of the body that are passing.
    fn append(self, size: usize) -> Option<Self> {
        if size == 0 {
            return Some(self);
        }
        let piece = stream::bytes(Buffer::ResponseBody, 0, size).ok().filter(|piece| piece.len() == size)?;
        Some(Self { recording: self.recording.append(&piece)?, ..self })
    }
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
