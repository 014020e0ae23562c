//! The contexts and callbacks: fetch, ask, act.

mod answering;
mod bulkhead;
mod fleet;
mod keeper;
mod meters;

use std::rc::Rc;
use std::time::Duration;

use policy::handover::state as key;
use policy::route::Target;
use policy::{Headers, Seed};
use shell::headers::{self, Map};
use shell::{Action, HostError, HttpContext, RootContext, stream};

use crate::config::{Config, Found, WhenUndecided};
use crate::fleet::REFRESH;
use crate::state::Mode;
use answering::Refusal;
use bulkhead::{Calls, NoSeat, Seat};
use fleet::Watch;
use keeper::{Admission, Flight};
use meters::Meters;

#[cfg(not(feature = "linked"))]
shell::entry!(root);

/// This filter as one worker's plugin.
pub fn root(_id: u32) -> Box<dyn RootContext> {
    Box::new(Root::default())
}

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
    /// What this worker is called where workers are counted.
    worker: u64,
    /// One for each of the configuration's breakers.
    calls: Vec<Calls>,
    /// What this proxy is called in its fleet.
    name: String,
    watch: Watch,
}

/// One request.
#[derive(Default)]
struct Filter {
    plugin: Option<Rc<Plugin>>,
    /// What its breaker let it through with; taken when it is known how it ended.
    flight: Option<Flight>,
    /// Where the upstream has a bulkhead.
    seat: Option<Seat>,
    /// Whether another upstream than its own is asked.
    is_diverted: bool,
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let read = |json: &[u8]| Config::with_environment(json, &shell::environment);
        let Some(config) = shell::configure(size, read) else { return false };
        let meters = config.breakers.iter().map(Meters::new).collect();
        let calls = config.breakers.iter().map(|_| Calls::default()).collect();
        if !config.breakers.is_empty() {
            shell::tick(REFRESH);
        }
        let is_hashed = config.breakers.iter().any(|upstream| upstream.scope.is_hashed());
        let seed = if is_hashed || config.store.is_some() { seed() } else { None };
        let worker = u64::from_le_bytes(shell::random());
        let name = seed.map_or(worker, fleet::name);
        let watch = Watch::new(&config, worker);
        self.plugin =
            Some(Rc::new(Plugin { config, meters, seed, worker, calls, name: format!("{name:016x}"), watch }));
        true
    }

    fn on_tick(&mut self) {
        shell::level::follow("breaker");
        if let Some(plugin) = &self.plugin {
            plugin.watch();
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { plugin: self.plugin.clone(), ..Filter::default() }))
    }

    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        if let Some(plugin) = &self.plugin {
            plugin.answered(token, headers, body_bytes);
        }
    }
}

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
        match self.board(&plugin, found, &headers) {
            Ok(()) => Action::Continue,
            Err(refusal) => self.stand_in(&plugin, found.upstream, refusal, &headers),
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if let (Some(plugin), Some(flight)) = (&self.plugin, self.flight.take()) {
            self.flight = plugin.hear_headers(flight, end_of_stream);
        }
        self.mark();
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

impl Filter {
    /// Has a breaker and then a bulkhead let the request through.
    fn board(&mut self, plugin: &Rc<Plugin>, found: Found, headers: &Headers) -> Result<(), Refusal> {
        let (mode, admission) = match plugin.admit(found, headers) {
            Ok(asked) => asked,
            Err(error) => return plugin.undecided(error),
        };
        // Whatever the breaker of another upstream says, this is what the request's own has said.
        if !self.is_diverted {
            offer(mode);
        }
        match admission {
            Admission::Pass(flight) => self.flight = Some(flight),
            Admission::Refuse { retry_after } => return Err(Refusal::Open { retry_after }),
        }
        let boarded = match plugin.seat(found.upstream) {
            Ok(seat) => {
                self.seat = seat;
                Ok(())
            }
            Err(NoSeat::Full) => Err(Refusal::Full),
            Err(NoSeat::Unknown(error)) => plugin.undecided(error),
        };
        match boarded {
            Ok(()) if mode == Mode::HalfOpen => send_once(),
            Ok(()) => {}
            Err(_) => self.disembark(plugin),
        }
        boarded
    }

    /// Gives back what the request was let through with.
    fn disembark(&mut self, plugin: &Plugin) {
        self.seat = None;
        if let Some(flight) = self.flight.take() {
            plugin.abandon(&flight);
        }
    }
}

impl Plugin {
    /// Does what the operator wants where nobody knows whether the breaker is open, or the bulkhead full.
    fn undecided(&self, error: HostError) -> Result<(), Refusal> {
        log::error!("breaker state: {error}");
        match self.config.when_undecided {
            WhenUndecided::Pass => Ok(()),
            WhenUndecided::Refuse => Err(Refusal::Open { retry_after: Duration::ZERO }),
        }
    }
}

/// Offers the access log what the breaker is.
fn offer(mode: Mode) {
    if let Err(error) = stream::set_state(key::BREAKER, mode.as_str()) {
        log::error!("filter state: {error}");
    }
}

/// Keeps Envoy from trying a probe again: one probe is one request to the upstream.
fn send_once() {
    if let Err(error) = headers::set(Map::Request, "x-envoy-max-retries", "0") {
        log::error!("a probe may be retried: {error}");
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
