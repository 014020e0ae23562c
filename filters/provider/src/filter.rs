//! The contexts and callbacks: fetch, ask, act.

mod collecting;
mod sending;
mod tokens;
mod waiting;

use std::cell::RefCell;
use std::rc::Rc;

use policy::rejection::Format;
use policy::{ConfigError, Headers, RequestId};
use shell::headers::{self, Map};
use shell::stream::{self, Buffer};
use shell::{Action, HostError, HttpContext, RootContext};

use crate::answer::Expectation;
use crate::config::Config;
use crate::profile::Search;
use collecting::{Collection, Passing, end};
use waiting::{Showing, Worker};

#[cfg(not(feature = "linked"))]
shell::entry!(root);

/// This filter as one worker's plugin.
pub fn root(id: u32) -> Box<dyn RootContext> {
    Box::new(Root { id, worker: None })
}

/// One worker's plugin.
struct Root {
    id: u32,
    worker: Option<Rc<Worker>>,
}

/// One request.
struct Filter {
    id: u32,
    worker: Option<Rc<Worker>>,
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
    /// Its answer is passed on as it comes.
    Passed(Box<Passing>),
    /// Its token was refused; what is still to come of that answer is of no use.
    Refused(Box<Sent>),
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
    /// With which token it was sent, where it needed one and has left.
    showing: Rc<RefCell<Option<Showing>>>,
    /// Whether it has been sent before, with a token that was refused.
    is_again: bool,
    /// Whether the answer that refuses its token ended with its headers.
    is_bodyless: bool,
}

fn configure(json: &[u8]) -> Result<Config, ConfigError> {
    Config::with_environment(json, &shell::environment)
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        self.worker = shell::configure(size, configure).map(Worker::new).map(Rc::new);
        if let Some(worker) = &self.worker {
            worker.tokens.start();
        }
        self.worker.is_some()
    }

    fn on_tick(&mut self) {
        shell::level::follow("provider");
        if let Some(worker) = &self.worker {
            worker.tick(self.id);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { id, worker: self.worker.clone(), phase: Phase::Idle }))
    }

    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        if let Some(worker) = &self.worker {
            worker.answered(self.id, token, headers, body_bytes);
        }
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        match self.worker.clone() {
            Some(worker) => self.begin(&worker, end_of_stream),
            None => Action::Continue,
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match (self.worker.clone(), std::mem::take(&mut self.phase)) {
            (Some(worker), Phase::Held(held)) => self.hold(&worker, held, size, end_of_stream),
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
        match (self.worker.clone(), std::mem::take(&mut self.phase)) {
            (Some(worker), Phase::Sent(sent)) => self.receive(&worker, sent, end_of_stream),
            _ => Action::Continue,
        }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match (self.worker.clone(), std::mem::take(&mut self.phase)) {
            (Some(worker), Phase::Collected(collection)) => {
                self.collect(&worker.config, collection, size, end_of_stream)
            }
            (Some(worker), Phase::Passed(passed)) => self.pass(&worker.config, passed, size, end_of_stream),
            (Some(worker), Phase::Refused(sent)) => self.wait(&worker, sent, end_of_stream),
            (_, Phase::Replaced(bytes)) => self.put(&bytes),
            _ => Action::Continue,
        }
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if !matches!(self.phase, Phase::Idle) {
            // They are the provider's, as its headers are.
            report(headers::replace_all(Map::ResponseTrailers, &Headers::default()));
        }
        match (self.worker.clone(), std::mem::take(&mut self.phase)) {
            (Some(worker), Phase::Collected(collection)) => self.finish(&worker.config, &collection),
            (Some(worker), Phase::Refused(sent)) => self.wait(&worker, sent, true),
            (Some(worker), Phase::Passed(passing)) => end(&worker.config, &passing),
            _ => Action::Continue,
        }
    }
}

impl Filter {
    /// Takes away what comes of an answer that refuses a token, and has its stream wait at the end of it.
    fn wait(&mut self, worker: &Worker, sent: Box<Sent>, is_last: bool) -> Action {
        if !is_last {
            report(stream::replace(Buffer::ResponseBody, b""));
            self.phase = Phase::Refused(sent);
            return Action::Pause;
        }
        if let Some(body) = worker.repeat(self.id, sent) {
            return self.put(&body);
        }
        report(stream::replace(Buffer::ResponseBody, b""));
        Action::Pause
    }

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
