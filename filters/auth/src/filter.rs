//! The filter: fetches a request, asks the judge, acts on the answer.

mod counted;
mod gate;
mod revocations;

use std::rc::Rc;

use policy::{Headers, Rejection};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use shell::HostError;
use shell::headers::Map;

use crate::config::Config;
use crate::request::Request;
use gate::Gate;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { gate: None }));
}}

struct Root {
    gate: Option<Rc<Gate>>,
}

struct Stream {
    gate: Option<Rc<Gate>>,
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        if let Some(gate) = &self.gate {
            gate.revocations.received(token, headers, body_bytes);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let config = shell::configure(size, |json| Config::with_environment(json, &shell::environment));
        self.gate = config.and_then(Gate::new).map(Rc::new);
        if self.gate.as_ref().is_some_and(|gate| gate.config.following.is_some()) {
            shell::tick(revocations::TICK);
        }
        self.gate.is_some()
    }

    fn on_tick(&mut self) {
        if let Some(gate) = &self.gate {
            gate.revocations.tick();
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { gate: self.gate.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let headers = match shell::headers::read(Map::Request) {
            Ok(headers) => headers,
            Err(error) => return undecided(&Headers::default(), error),
        };
        // A host that makes streams without a configuration gets no stream through.
        let Some(gate) = &self.gate else { return shell::reject(&Rejection::Internal, &headers, &[]) };
        let request = Request::read(&headers);
        let decision = gate.judge(&request);
        gate.count(&decision);
        if let Some(rejection) = decision.rejection(&gate.config.realm) {
            if let Rejection::AuthFailed { reason, .. } = &rejection {
                log::info!("credential refused: {reason}");
            }
            return shell::reject(&rejection, &headers, &[]);
        }
        match gate.hand_on(&request, &decision) {
            Ok(()) => Action::Continue,
            Err(error) => undecided(&headers, error),
        }
    }
}

/// What cannot be read or written is not let through.
fn undecided(headers: &Headers, error: HostError) -> Action {
    log::error!("request refused: {error}");
    shell::reject(&Rejection::Internal, headers, &[])
}
