//! The filter: fetches a request, asks the judge, acts on the answer.

mod counted;
mod denial;
mod gate;
mod handing;
mod keys;
mod revocations;

use std::rc::Rc;

use policy::{Headers, Rejection};
use shell::headers::Map;
use shell::{Action, HostError, HttpContext, RootContext};

use crate::config::Config;
use gate::Gate;

#[cfg(not(feature = "linked"))]
shell::entry!(root);

/// This filter as one worker's plugin.
pub fn root(id: u32) -> Box<dyn RootContext> {
    Box::new(Root { id, gate: None })
}

struct Root {
    id: u32,
    gate: Option<Rc<Gate>>,
}

struct Stream {
    id: u32,
    gate: Option<Rc<Gate>>,
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let config = shell::configure(size, |json| Config::with_environment(json, &shell::environment));
        self.gate = config.and_then(Gate::new).map(Rc::new);
        shell::tick(keys::FIRST_TICK);
        self.gate.is_some()
    }

    fn on_tick(&mut self) {
        shell::level::follow("auth");
        if let Some(gate) = &self.gate {
            if let Some(period) = gate.keys.wake() {
                shell::tick(period);
            }
            gate.tick(self.id);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { id, gate: self.gate.clone() }))
    }

    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        if let Some(gate) = &self.gate {
            gate.answered(self.id, token, headers, body_bytes);
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let headers = match shell::headers::read(Map::Request) {
            Ok(headers) => headers,
            Err(error) => return undecided(&Headers::default(), error),
        };
        // A host that makes streams without a configuration gets no stream through.
        match &self.gate {
            Some(gate) => gate.pass(self.id, None, &headers),
            None => shell::reject(&Rejection::Internal, &headers, &[]),
        }
    }

    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        self.hold()
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.hold()
    }
}

impl Stream {
    /// What follows headers that wait must wait too: letting it pass would let the headers pass before it.
    fn hold(&self) -> Action {
        let is_held = self.gate.as_ref().is_some_and(|gate| gate.holds(self.id));
        if is_held { Action::Pause } else { Action::Continue }
    }
}

/// What cannot be read or written is not let through.
fn undecided(headers: &Headers, error: HostError) -> Action {
    complain("request refused", error);
    shell::reject(&Rejection::Internal, headers, &[])
}

/// Says in the log what the host has failed to do.
fn complain(what: &str, error: HostError) {
    log::error!("{what}: {error}");
}
