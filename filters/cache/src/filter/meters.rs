//! What is counted for one route.

use shell::metric::Counter;

/// The counters of one route. A hit is what RFC 9211 §2.1 calls so: the request was not forwarded. One that the upstream was
/// asked about is a miss, though what is stored answered it after all, confirmed or for want of better.
pub(crate) struct Meters {
    /// Requests that were answered from the store.
    pub(crate) hits: Counter,
    /// Requests that could have been, and were not.
    pub(crate) misses: Counter,
    /// Failures of the store when it was asked.
    pub(crate) read_errors: Counter,
    /// Failures of the store when it was to be changed.
    pub(crate) write_errors: Counter,
}

impl Meters {
    /// The counters with these labels.
    pub(crate) fn new(upstream: &str, data_type: &str) -> Self {
        let labels = [("provider", upstream), ("data_type", data_type)];
        Self {
            hits: Counter::new("api_gateway_cache_hits_total", &labels),
            misses: Counter::new("api_gateway_cache_misses_total", &labels),
            read_errors: errors(upstream, "read"),
            write_errors: errors(upstream, "write"),
        }
    }
}

/// The counter of failures of the store in this operation.
pub(crate) fn errors(upstream: &str, operation: &str) -> Counter {
    Counter::new("api_gateway_cache_errors_total", &[("provider", upstream), ("operation", operation)])
}
