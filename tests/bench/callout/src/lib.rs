//! A filter that asks Redis about each request and does nothing else: what a fleet's limit costs where nobody leases.
//!
//! It counts the request with the cheapest command there is, and lets it pass whatever Redis says; a limiter would do more.
#![cfg(target_os = "wasi")]
#![allow(missing_docs, reason = "the entry point is the macro's")]

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

/// What is asked of webdis.
const QUESTION: [(&str, &str); 3] = [(":method", "GET"), (":path", "/INCR/bench"), (":authority", "state")];
/// How long the answer may take.
const TIMEOUT: Duration = Duration::from_secs(1);

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }
}

struct Stream;

impl Context for Stream {
    fn on_http_call_response(&mut self, _token: u32, _headers: usize, _body_bytes: usize, _trailers: usize) {
        self.resume_http_request();
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _headers: usize, _ends: bool) -> Action {
        match self.dispatch_http_call("state", QUESTION.to_vec(), None, vec![], TIMEOUT) {
            Ok(_) => Action::Pause,
            Err(_) => Action::Continue,
        }
    }
}
