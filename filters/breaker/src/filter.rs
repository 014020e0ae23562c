//! The contexts and callbacks: fetch, ask, act.

use std::rc::Rc;
use std::time::Duration;

use policy::handover::state as key;
use policy::route::Target;
use policy::{Headers, Rejection, Seed};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use shell::headers::{self, Map};
use shell::metric::{Counter, Gauge};
use shell::{HostError, shared, stream};

use crate::config::{Config, Upstream, WhenUndecided};
use crate::scope::Scope;
use crate::state::{Mode, State};
use keeper::{Admission, Flight};

mod keeper;

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
    /// One for each of the configuration's breakers.
    meters: Vec<Meters>,
    /// By which hosts and values are told apart, where some breaker does; without it they share one.
    seed: Option<Seed>,
}

/// What is counted of one breaker.
struct Meters {
    state: Gauge,
    failures: Counter,
    opens: Counter,
    refusals: Counter,
}

/// One request.
struct Filter {
    plugin: Option<Rc<Plugin>>,
    /// What it was let through with; taken when it is known how it ended.
    flight: Option<Flight>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let Some(config) = shell::configure(size, Config::from_json) else { return false };
        let meters = config.breakers.iter().map(Meters::new).collect();
        let is_hashed = config.breakers.iter().any(|upstream| upstream.scope.is_hashed());
        let seed = if is_hashed { seed() } else { None };
        self.plugin = Some(Rc::new(Plugin { config, meters, seed }));
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { plugin: self.plugin.clone(), flight: None }))
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(plugin) = self.plugin.clone() else { return Action::Continue };
        let headers = match headers::read(Map::Request) {
            Ok(headers) => headers,
            Err(error) => {
                log::error!("request headers: {error}");
                return Action::Continue;
            }
        };
        let Some(found) = plugin.config.find(&Target::of(&headers)) else { return Action::Continue };
        let (mode, admission) = match plugin.admit(found, &headers) {
            Ok(asked) => asked,
            Err(error) => return plugin.undecided(found.upstream, error, &headers),
        };
        offer(mode);
        match admission {
            Admission::Pass(flight) => {
                self.flight = Some(flight);
                Action::Continue
            }
            Admission::Refuse { retry_after } => plugin.refuse(found.upstream, retry_after, &headers),
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if let (Some(plugin), Some(flight)) = (&self.plugin, self.flight.take()) {
            self.flight = plugin.hear_headers(flight, end_of_stream);
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if let (Some(plugin), Some(flight)) = (&self.plugin, self.flight.take()) {
            self.flight = plugin.hear_trailers(flight);
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        if let (Some(plugin), Some(flight)) = (&self.plugin, self.flight.take()) {
            plugin.hear_end(&flight);
        }
    }
}

impl Meters {
    /// The metrics of one breaker, of which the state is shown at once: it outlives a configuration.
    fn new(upstream: &Upstream) -> Self {
        let provider = [("provider", upstream.name.as_str())];
        let meters = Self {
            state: Gauge::new("api_gateway_circuit_breaker_state", &provider),
            failures: Counter::new("api_gateway_circuit_breaker_failures_total", &provider),
            opens: Counter::new("api_gateway_circuit_breaker_opens_total", &provider),
            refusals: Counter::new("api_gateway_circuit_breaker_refusals_total", &provider),
        };
        if upstream.scope == Scope::Upstream {
            let stored = shared::read(&upstream.key).map(|(bytes, _)| bytes).unwrap_or_default();
            meters.state.set(State::read(&stored).mode(&upstream.limits) as u64);
        }
        meters
    }
}

impl Plugin {
    /// Answers in the upstream's place.
    fn refuse(&self, index: usize, retry_after: Duration, headers: &Headers) -> Action {
        if let Some(meters) = self.meters.get(index) {
            meters.refusals.increment();
        }
        let upstream = self.config.breakers.get(index).map(|upstream| upstream.name.clone()).unwrap_or_default();
        shell::reject(&Rejection::BreakerOpen { upstream, retry_after }, headers, &[])
    }

    /// Does what the operator wants where nobody knows whether the breaker is open.
    fn undecided(&self, index: usize, error: HostError, headers: &Headers) -> Action {
        log::error!("breaker state: {error}");
        match self.config.when_undecided {
            WhenUndecided::Pass => Action::Continue,
            WhenUndecided::Refuse => self.refuse(index, Duration::ZERO, headers),
        }
    }
}

/// Offers the access log what the breaker is.
fn offer(mode: Mode) {
    if let Err(error) = stream::set_state(key::BREAKER, mode.as_str()) {
        log::error!("filter state: {error}");
    }
}

/// The proxy's seed.
fn seed() -> Option<Seed> {
    let seed = shell::seed();
    if let Err(failure) = &seed {
        log::error!("no seed, so that hosts and values share one breaker: {failure:?}");
    }
    seed.ok()
}
