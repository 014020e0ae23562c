//! The contexts and callbacks: fetch, ask, act.

mod asking;
mod delivery;
mod engine;
mod keeping;

use std::rc::Rc;

use shell::{Action, HostError, HttpContext, RootContext};

use crate::config::Config;
use asking::Held;
use delivery::Client;
use engine::Plugin;

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

/// One request.
struct Filter {
    id: u32,
    plugin: Option<Rc<Plugin>>,
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
    /// Its answer is being composed; what it holds tells the worker that the client has left, when it is dropped.
    Waits(Rc<Client>),
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let plugin = shell::configure(size, Config::from_json).and_then(Plugin::new);
        self.plugin = plugin.map(Rc::new);
        self.plugin.is_some()
    }

    fn on_tick(&mut self) {
        shell::level::follow("compose");
        if let Some(plugin) = &self.plugin {
            plugin.tick(self.id);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { id, plugin: self.plugin.clone(), phase: Phase::Idle }))
    }

    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        if let Some(plugin) = &self.plugin {
            plugin.answered(self.id, token, headers, body_bytes);
        }
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        match self.plugin.clone() {
            Some(plugin) => self.begin(&plugin, end_of_stream),
            None => Action::Continue,
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match (self.plugin.clone(), std::mem::take(&mut self.phase)) {
            (Some(plugin), Phase::Held(held)) => self.hold(&plugin, held, size, end_of_stream),
            (_, Phase::Idle) => Action::Continue,
            (_, phase) => {
                self.phase = phase;
                Action::Pause
            }
        }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        match std::mem::take(&mut self.phase) {
            Phase::Held(held) => held.refuse("trailers: there must be none"),
            Phase::Idle => Action::Continue,
            waits @ Phase::Waits(_) => {
                self.phase = waits;
                Action::Pause
            }
        }
    }
}

/// Says what the host would not do, where nothing depends on it.
fn report(done: Result<(), HostError>) {
    if let Err(error) = done {
        log::error!("{error}");
    }
}
