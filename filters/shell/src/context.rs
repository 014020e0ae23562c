//! What a filter is to its host: one context for each of its plugins, and one for each stream that meets them.
//!
//! Every callback has an answer of its own that changes nothing. Which of them the host calls is in the filter's manifest
//! (`package.metadata.host`), since each costs something even where it does nothing.

/// Whether what a callback was called with goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Action {
    /// It goes on to the next filter.
    Continue = 0,
    /// It stays, until [`crate::stream`] lets it go on or it has been answered.
    Pause = 1,
}

/// A plugin: one filter with one configuration, in one of the proxy's workers.
pub trait RootContext {
    /// The plugin's configuration has come, `size` bytes of it; `false` refuses it, and the host does not load the plugin.
    fn on_configure(&mut self, size: usize) -> bool {
        let _ = size;
        true
    }

    /// The period that was asked for has passed ([`crate::pulse`]).
    fn on_tick(&mut self) {}

    /// A callout of this context has an answer, or none will come ([`crate::callout::answer`]).
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, trailers: usize) {
        let _ = (token, headers, body_bytes, trailers);
    }

    /// A stream has begun, which the host calls `id`. Without a context it passes untouched.
    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let _ = id;
        None
    }
}

/// A stream: one request and its answer. It is dropped when the host has forgotten it.
pub trait HttpContext {
    /// The request's headers have come, so many of them.
    fn on_http_request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        let _ = (count, end_of_stream);
        Action::Continue
    }

    /// More of the request's body has come; `size` bytes are there, held ones included.
    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let _ = (size, end_of_stream);
        Action::Continue
    }

    /// The request's trailers have come, so many of them.
    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        let _ = count;
        Action::Continue
    }

    /// The response's headers have come, so many of them.
    fn on_http_response_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        let _ = (count, end_of_stream);
        Action::Continue
    }

    /// More of the response's body has come; `size` bytes are there, held ones included.
    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let _ = (size, end_of_stream);
        Action::Continue
    }

    /// The response's trailers have come, so many of them.
    fn on_http_response_trailers(&mut self, count: usize) -> Action {
        let _ = count;
        Action::Continue
    }

    /// A callout of this context has an answer, or none will come ([`crate::callout::answer`]).
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, trailers: usize) {
        let _ = (token, headers, body_bytes, trailers);
    }

    /// The stream has ended, and is about to be logged: the last callback, with the headers of both sides.
    fn on_log(&mut self) {}
}
