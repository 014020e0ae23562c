//! The contexts and callbacks: fetch, ask, act.

mod answering;
mod bulkhead;

use std::rc::Rc;
use std::time::Duration;

use policy::Instant;
use policy::handover::state as key;
use policy::route::Target;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use shell::headers::{self, Map};
use shell::metric::{Counter, Gauge};
use shell::shared::{self, Change, Failure};
use shell::{HostError, stream};

use crate::bulkhead::BEAT;
use crate::config::{Config, Upstream, WhenUndecided};
use crate::outcome;
use crate::state::{Decision, Mode, Outcome, Permit, Recorded, State};
use answering::Refusal;
use bulkhead::{Calls, NoSeat, Seat};

/// How often a change is tried again when other workers were faster. Workers are few and changes are quick: who loses so
/// often in a row is one of very many, and what it had to say is said by the others.
const ATTEMPTS: u32 = 16;

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
    /// What this worker is called where workers are counted.
    worker: u64,
    /// One for each of the configuration's breakers.
    calls: Vec<Calls>,
}

/// What is counted of one breaker.
struct Meters {
    state: Gauge,
    failures: Counter,
    opens: Counter,
    refusals: Counter,
    /// Refused by the bulkhead.
    crowded: Counter,
    fallbacks: Counter,
    calls: Gauge,
}

/// One request.
#[derive(Default)]
struct Filter {
    plugin: Option<Rc<Plugin>>,
    /// Which breaker let it through, and with what; taken when it is known how it ended.
    flight: Option<(usize, Permit)>,
    /// Where the upstream has a bulkhead.
    seat: Option<Seat>,
    /// Whether another upstream than its own is asked.
    is_diverted: bool,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let Some(config) = shell::configure(size, Config::from_json) else { return false };
        let meters = config.breakers.iter().map(Meters::new).collect();
        let calls = config.breakers.iter().map(|_| Calls::default()).collect();
        if config.breakers.iter().any(|upstream| upstream.bulkhead.is_some()) {
            shell::tick(BEAT);
        }
        let worker = u64::from_le_bytes(shell::random());
        self.plugin = Some(Rc::new(Plugin { config, meters, worker, calls }));
        true
    }

    fn on_tick(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.beat();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { plugin: self.plugin.clone(), ..Filter::default() }))
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
        let Some(index) = plugin.config.find(&Target::of(&headers)) else { return Action::Continue };
        match self.board(&plugin, index) {
            Ok(()) => Action::Continue,
            Err(refusal) => self.stand_in(&plugin, index, refusal, &headers),
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let (Some(plugin), Some((index, permit))) = (&self.plugin, self.flight.take()) {
            let status = headers::first(Map::Response, ":status").ok().flatten();
            if let Some(upstream) = plugin.config.breakers.get(index) {
                let outcome = outcome::of_status(&upstream.failure_statuses, status.as_deref());
                plugin.record(index, permit, outcome);
            }
        }
        self.mark();
        Action::Continue
    }

    fn on_log(&mut self) {
        // Still on its way: the stream ended before any answer.
        if let (Some(plugin), Some((index, permit))) = (&self.plugin, self.flight.take()) {
            let flags = stream::property(&["response", "flags"]).ok().flatten();
            let flags = flags.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
            plugin.record(index, permit, outcome::of_flags(flags));
        }
    }
}

impl Filter {
    /// Has a breaker and then a bulkhead let the request through.
    fn board(&mut self, plugin: &Rc<Plugin>, index: usize) -> Result<(), Refusal> {
        let (mode, decision) = match plugin.admit(index) {
            Ok(asked) => asked,
            Err(error) => return plugin.undecided(error),
        };
        // Whatever the breaker of another upstream says, this is what the request's own has said.
        if !self.is_diverted {
            offer(mode);
        }
        let permit = match decision {
            Decision::Pass(permit) => permit,
            Decision::Refuse { retry_after } => return Err(Refusal::Open { retry_after }),
        };
        self.flight = Some((index, permit));
        let boarded = match plugin.seat(index) {
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
        if let Some((index, permit)) = self.flight.take() {
            plugin.record(index, permit, Outcome::Abandoned);
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
            crowded: Counter::new("api_gateway_bulkhead_refusals_total", &provider),
            fallbacks: Counter::new("api_gateway_fallbacks_total", &provider),
            calls: Gauge::new("api_gateway_bulkhead_calls", &provider),
        };
        let stored = shared::read(&upstream.key).map(|(bytes, _)| bytes).unwrap_or_default();
        meters.state.set(State::read(&stored).mode() as u64);
        meters
    }
}

impl Plugin {
    /// Asks a breaker whether a call may pass. A closed one is read and not written.
    fn admit(&self, index: usize) -> Result<(Mode, Decision), HostError> {
        const REFUSED: (Mode, Decision) = (Mode::HalfOpen, Decision::Refuse { retry_after: Duration::ZERO });
        let Some(upstream) = self.config.breakers.get(index) else { return Ok(REFUSED) };
        let asked = shared::update(&upstream.key, ATTEMPTS, |bytes| {
            let before = State::read(bytes);
            let mut state = before.clone();
            let now = if state.mode() == Mode::Closed { Instant::EPOCH } else { shell::now() };
            let decision = state.admit(&upstream.limits, now);
            let answer = (before.mode(), state.mode(), decision);
            keep_or_store(&before, &state, bytes, answer)
        });
        match asked {
            Ok((before, mode, decision)) => {
                if before != mode {
                    log::info!("{}: half-open after {:?}", upstream.name, upstream.limits.open_for);
                    self.show(index, mode);
                }
                Ok((mode, decision))
            }
            // Only a breaker that is not closed is written here, so there are probes enough.
            Err(Failure::Contended) => Ok(REFUSED),
            Err(Failure::Host(error)) => Err(error),
        }
    }

    /// Tells a breaker how a call ended. Who answered is asked only where it makes a difference.
    fn record(&self, index: usize, permit: Permit, outcome: Outcome) {
        let Some(upstream) = self.config.breakers.get(index) else { return };
        let mut outcome = outcome;
        let mut known = outcome == Outcome::Abandoned;
        let told = shared::update(&upstream.key, ATTEMPTS, |bytes| {
            let before = State::read(bytes);
            let mut state = before.clone();
            let mut recorded = state.record(&upstream.limits, shell::now(), permit, outcome);
            if !known && state != before {
                known = true;
                if !outcome::is_of_upstream(stream::property(&["response", "code_details"]).ok().flatten().as_deref()) {
                    outcome = Outcome::Abandoned;
                    state = before.clone();
                    recorded = state.record(&upstream.limits, shell::now(), permit, outcome);
                }
            }
            keep_or_store(&before, &state, bytes, recorded)
        });
        match told {
            Ok(recorded) => self.report(index, upstream, outcome, recorded),
            Err(failure) => log::warn!("{}: one call's end is not recorded: {failure:?}", upstream.name),
        }
    }

    fn report(&self, index: usize, upstream: &Upstream, outcome: Outcome, recorded: Recorded) {
        let Some(meters) = self.meters.get(index) else { return };
        if outcome == Outcome::Failure && recorded != Recorded::Ignored {
            meters.failures.increment();
        }
        match recorded {
            Recorded::Ignored | Recorded::Counted => {}
            Recorded::Opened(cause) => {
                log::warn!("{}: open for {:?} after {cause}", upstream.name, upstream.limits.open_for);
                meters.opens.increment();
                self.show(index, Mode::Open);
            }
            Recorded::Closed => {
                log::info!("{}: closed after {} probes succeeded", upstream.name, upstream.limits.close_after);
                self.show(index, Mode::Closed);
            }
        }
    }

    /// Does what the operator wants where nobody knows whether the breaker is open, or the bulkhead full.
    fn undecided(&self, error: HostError) -> Result<(), Refusal> {
        log::error!("breaker state: {error}");
        match self.config.when_undecided {
            WhenUndecided::Pass => Ok(()),
            WhenUndecided::Refuse => Err(Refusal::Open { retry_after: Duration::ZERO }),
        }
    }

    fn show(&self, index: usize, mode: Mode) {
        if let Some(meters) = self.meters.get(index) {
            meters.state.set(mode as u64);
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

/// Writes a state down where it has changed.
fn keep_or_store<T>(before: &State, after: &State, bytes: &mut Vec<u8>, answer: T) -> Change<T> {
    if before == after {
        return Change::Keep(answer);
    }
    after.write(bytes);
    Change::Store(answer)
}
