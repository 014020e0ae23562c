//! The filter: fetches a request, asks the rules, acts on the answer.

mod fleet;
mod limiter;
mod meters;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use policy::Headers;
use policy::Instant;
use policy::Rejection;
use policy::route::Target;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use shell::headers::Map;

use self::limiter::{Decided, Limiter, Unsettled};
use self::meters::Status;
use crate::config::Config;
use crate::desk::Parked;
use crate::fields::{self, Fields};
use crate::limit::{Outcome, tighter};
use crate::rule::{Asked, Rule};

/// How often the tokens of shared buckets are measured, which come back without a request.
const MEASURED_EVERY: Duration = Duration::from_secs(1);

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(Root { id, limiter: None, measured: Cell::default() }));
}}

struct Root {
    id: u32,
    limiter: Option<Rc<Limiter>>,
    /// When tokens were last measured.
    measured: Cell<Instant>,
}

struct Stream {
    id: u32,
    limiter: Option<Rc<Limiter>>,
    /// What the response will say.
    fields: Option<Fields>,
    /// The same, of a request that has waited.
    told: Option<Told>,
}

/// What the response of a request that waits will say, once it goes on.
type Told = Rc<RefCell<Option<Fields>>>;

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        if let Some(limiter) = &self.limiter {
            self.release(limiter, limiter.hear(token, headers, body_bytes));
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let config = shell::configure(size, |json| Config::with_environment(json, &shell::environment));
        self.limiter = config.map(|config| Rc::new(Limiter::new(config)));
        if let Some(limiter) = self.limiter.as_ref().filter(|limiter| limiter.meters.any_gauge()) {
            self.set_tick_period(MEASURED_EVERY);
            limiter.measure();
        }
        if let Some((fleet, member)) = self.limiter.as_ref().and_then(|limiter| limiter.fleet()) {
            member.wake(fleet);
        }
        self.limiter.is_some()
    }

    fn on_tick(&mut self) {
        let Some(limiter) = &self.limiter else { return };
        let now = shell::now();
        if limiter.fleet().is_none() || now.since(self.measured.get()) >= MEASURED_EVERY {
            self.measured.set(now);
            limiter.measure();
        }
        let late = limiter.tend();
        if !late.is_empty() {
            self.release(limiter, late);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { id, limiter: self.limiter.clone(), fields: None, told: None }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Root {
    /// Goes on with requests that have waited for Redis.
    fn release(&self, limiter: &Rc<Limiter>, released: Vec<Parked>) {
        for Parked { context, since, told, .. } in released {
            // A stream that cannot be selected has ended: its client did not wait.
            if shell::stream::select(context).is_err() {
                continue;
            }
            let mut stream =
                Stream { id: context, limiter: Some(Rc::clone(limiter)), fields: None, told: Some(Rc::clone(&told)) };
            let action = stream.pass(limiter, Some(since));
            told.replace(stream.fields.take());
            if action == Action::Continue
                && let Err(error) = shell::stream::resume_request()
            {
                log::error!("request not resumed: {error}");
            }
        }
        if let Err(error) = shell::stream::select(self.id) {
            log::error!("no way back to the root context: {error}");
        }
        limiter.close();
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(limiter) = self.limiter.clone() else { return Action::Continue };
        self.pass(&limiter, None)
    }

    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        self.hold()
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.hold()
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let told = self.told.take().and_then(|told| told.take());
        if let Some(fields) = told.or_else(|| self.fields.take()) {
            tell(fields);
        }
        Action::Continue
    }
}

/// Says in the response how the client stands, and nothing else under these names.
fn tell(fields: Fields) {
    // To replace a header, Envoy first makes an index of all; to read them once and to add costs less than five times that.
    let untold = shell::headers::read(Map::Response)
        .is_ok_and(|said| said.iter().all(|(name, _)| !fields::NAMES.iter().any(|ours| ours.as_bytes() == name)));
    for (name, value) in fields.into_pairs() {
        let told = if untold {
            shell::headers::add(Map::Response, name, value)
        } else {
            shell::headers::set(Map::Response, name, value)
        };
        if let Err(error) = told {
            log::debug!("no {name} in the response: {error}");
        }
    }
}

impl Stream {
    /// Asks the rules about the current request, which came at `since` where it has waited, and acts on what they say.
    fn pass(&mut self, limiter: &Limiter, since: Option<Instant>) -> Action {
        let headers = match limiter.headers() {
            Ok(headers) => headers,
            Err(error) => {
                log::error!("request headers not readable: {error}");
                return limiter.give_up(&[], &Headers::default());
            }
        };
        let target = Target::of(&headers);
        let asked = |rule| Rule::account(rule, &target).map(|account| (rule, account));
        let asked: Vec<Asked<'_>> = limiter.config.rules.iter().filter_map(asked).collect();
        if asked.is_empty() {
            return Action::Continue;
        }
        match limiter.decide(&asked, &headers, since) {
            Ok(decided) => self.act(limiter, &asked, &decided, &headers),
            Err(Unsettled::Undecided) => limiter.give_up(&asked, &headers),
            Err(Unsettled::Closed) => limiter.refuse(&asked, &headers),
            Err(Unsettled::Waits) => self.wait(limiter, since),
        }
    }

    /// Lets the request wait for what Redis says.
    fn wait(&mut self, limiter: &Limiter, since: Option<Instant>) -> Action {
        if let Some((fleet, member)) = limiter.fleet() {
            let told = self.told.get_or_insert_default();
            let since = since.unwrap_or_else(shell::now);
            member.desk.borrow_mut().park(self.id, since, Rc::clone(told));
            member.wake(fleet);
        }
        Action::Pause
    }

    /// What follows headers that wait must wait too: letting it pass would let the headers pass before it.
    fn hold(&self) -> Action {
        let member = self.limiter.as_ref().filter(|_| self.told.is_some()).and_then(|limiter| limiter.fleet());
        let is_held = member.is_some_and(|(_, member)| member.desk.borrow().holds(self.id));
        if is_held { Action::Pause } else { Action::Continue }
    }

    /// Lets the request pass or turns it away, and keeps in mind what its response is to say.
    fn act(&mut self, limiter: &Limiter, asked: &[Asked<'_>], decided: &Decided<'_>, headers: &Headers) -> Action {
        let Decided { outcomes, plans, now } = decided;
        for ((rule, _), outcome) in asked.iter().zip(outcomes) {
            limiter.meters.tokens(rule, outcome.standing().remaining);
        }
        let shown = asked.iter().zip(outcomes).zip(plans).filter(|(((rule, _), _), _)| rule.is_shown());
        let fields = Fields::of(shown.map(|((_, outcome), plan)| (*outcome, plan.policy.as_str())), *now);
        let Some(Outcome::Deny(worst)) = outcomes.iter().copied().reduce(tighter) else {
            limiter.meters.count(asked, Status::Allowed);
            self.fields = fields;
            return Action::Continue;
        };
        limiter.meters.count(asked, Status::Limited);
        let pairs = fields.map(Fields::into_pairs);
        let extra: Vec<_> = pairs.iter().flatten().map(|(name, value)| (*name, value.as_str())).collect();
        limiter.reject(&Rejection::RateLimited { retry_after: worst.reset_in }, headers, &extra)
    }
}
