//! The contexts and callbacks: fetch, ask, act.

mod collecting;
mod sending;

use std::rc::Rc;

use policy::rejection::Format;
use policy::{ConfigError, Headers, RequestId};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use shell::HostError;
use shell::headers::{self, Map};
use shell::stream::{self, Buffer};

use crate::answer::Expectation;
use crate::config::Config;
use crate::passage::Passage;
use crate::profile::Search;
use collecting::Collection;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// One worker's plugin.
#[derive(Default)]
struct Root {
    config: Option<Rc<Config>>,
}

/// One request.
#[derive(Default)]
struct Filter {
    config: Option<Rc<Config>>,
    phase: Phase,
}

/// How far a request has come.
#[derive(Default)]
enum Phase {
    /// This filter has nothing to do with it, or nothing more.
    #[default]
    Idle,
    /// Its body is awaited.
    Held(Box<Held>),
    /// It was sent.
    Sent(Box<Sent>),
    /// Its answer is being collected.
    Collected(Box<Collection>),
    /// Its answer is passed on as it comes: whose, and how far.
    Passed(Box<(usize, Passage)>),
    /// The headers of its answer were replaced, and these bytes replace the body.
    Replaced(Vec<u8>),
}

/// A search whose words are still to come.
struct Held {
    headers: Headers,
    provider: usize,
    search: &'static Search,
    is_raw: bool,
}

/// What the answer to a request is read by.
struct Sent {
    expected: Expectation,
    request_id: Option<RequestId>,
    format: Format,
}

impl Context for Root {}

fn configure(json: &[u8]) -> Result<Config, ConfigError> {
    Config::with_environment(json, &shell::environment)
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        self.config = shell::configure(size, configure).map(Rc::new);
        self.config.is_some()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { config: self.config.clone(), phase: Phase::Idle }))
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        match self.config.clone() {
            Some(config) => self.begin(&config, end_of_stream),
            None => Action::Continue,
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match (self.config.clone(), std::mem::take(&mut self.phase)) {
            (Some(config), Phase::Held(held)) => self.hold(&config, held, size, end_of_stream),
            (_, phase) => {
                self.phase = phase;
                Action::Continue
            }
        }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        match std::mem::take(&mut self.phase) {
            Phase::Held(held) => sending::refuse_trailers(&held),
            phase => {
                self.phase = phase;
                Action::Continue
            }
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        match (self.config.clone(), std::mem::take(&mut self.phase)) {
            (Some(config), Phase::Sent(sent)) => self.receive(&config, sent, end_of_stream),
            _ => Action::Continue,
        }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match (self.config.clone(), std::mem::take(&mut self.phase)) {
            (Some(config), Phase::Collected(collection)) => self.collect(&config, collection, size, end_of_stream),
            (Some(config), Phase::Passed(passed)) => self.pass(&config, *passed, size, end_of_stream),
            (_, Phase::Replaced(bytes)) => self.put(&bytes),
            _ => Action::Continue,
        }
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if !matches!(self.phase, Phase::Idle) {
            // They are the provider's, as its headers are.
            report(headers::replace_all(Map::ResponseTrailers, &Headers::default()));
        }
        match (self.config.clone(), std::mem::take(&mut self.phase)) {
            (Some(config), Phase::Collected(collection)) => self.finish(&config, &collection),
            // The end of the body has passed, and what is left of it cannot follow.
            (_, Phase::Passed(passed)) if passed.1.is_behind() => {
                report(stream::break_off());
                Action::Pause
            }
            _ => Action::Continue,
        }
    }
}

impl Filter {
    /// Puts these bytes in the place of what has come of a body; what still comes of it is taken away.
    fn put(&mut self, bytes: &[u8]) -> Action {
        report(stream::replace(Buffer::ResponseBody, bytes));
        self.phase = Phase::Replaced(Vec::new());
        Action::Continue
    }
}

/// A request goes on whatever a host call said.
fn report(done: Result<(), HostError>) {
    if let Err(error) = done {
        log::warn!("{error}");
    }
}
