//! What is counted of each upstream.

use shell::metric::{Counter, Gauge};
use shell::shared;

use crate::config::Upstream;
use crate::scope::Scope;
use crate::state::State;

/// What is counted of one upstream.
pub(super) struct Meters {
    pub(super) state: Gauge,
    pub(super) failures: Counter,
    pub(super) opens: Counter,
    pub(super) refusals: Counter,
    /// Refused by the bulkhead.
    pub(super) crowded: Counter,
    pub(super) fallbacks: Counter,
    pub(super) calls: Gauge,
}

impl Meters {
    /// The metrics of one upstream, of which the state is shown at once: it outlives a configuration.
    pub(super) fn new(upstream: &Upstream) -> Self {
        let provider = [("provider", upstream.name.as_str())];
        let meters = Self {
            state: Gauge::new("api_gateway_circuit_breaker_state", &provider),
            failures: Counter::new("api_gateway_circuit_breaker_failures_total", &provider),
            opens: Counter::new("api_gateway_circuit_breaker_opens_total", &provider),
            refusals: Counter::new("api_gateway_circuit_breaker_refusals_total", &provider),
            crowded: Counter::new("api_gateway_bulkhead_refusals_total", &provider),
            fallbacks: Counter::new("api_gateway_fallbacks_total", &provider),
            calls: Gauge::new("api_gateway_bulkhead_calls", &provider),
        };
        if upstream.scope == Scope::Upstream {
            let stored = shared::read(&upstream.key).map(|(bytes, _)| bytes).unwrap_or_default();
            meters.state.set(State::read(&stored).mode(&upstream.limits) as u64);
        }
        meters
    }
}
