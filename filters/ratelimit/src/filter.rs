//! The filter: fetches a request, asks the rules, acts on the answer.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use policy::route::Target;
use policy::{Headers, Instant, Rejection, Seed};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use shell::HostError;
use shell::headers::Map;
use shell::metric::{Counter, Gauge};
use shell::shared::{self, Failure, Version};
use shell::stream;

use crate::charge::{self, Charge, Store, Swap, Undecided};
use crate::config::{Config, WhenUndecided};
use crate::fields::{self, Fields};
use crate::key::Client;
use crate::limit::{Outcome, tighter};
use crate::rule::{Asked, Plan, Rule};

/// How often the tokens of shared buckets are measured, which come back without a request.
const MEASURED_EVERY: Duration = Duration::from_secs(1);

/// What a client is told when nobody knows how long the state will be away.
const UNDECIDED_RETRY_AFTER: Duration = Duration::from_secs(1);

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { limiter: None }));
}}

struct Root {
    limiter: Option<Rc<Limiter>>,
}

/// What all requests of a worker share.
struct Limiter {
    config: Config,
    meters: Meters,
    /// `None` where shared data failed: then nobody knows which slot is whose.
    seed: Option<Seed>,
}

struct Stream {
    limiter: Option<Rc<Limiter>>,
    /// What the response will say.
    fields: Option<Fields>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        self.limiter = shell::configure(size, Config::from_json).map(|config| Rc::new(Limiter::new(config)));
        if let Some(limiter) = self.limiter.as_ref().filter(|limiter| limiter.meters.any_gauge()) {
            self.set_tick_period(MEASURED_EVERY);
            limiter.measure();
        }
        self.limiter.is_some()
    }

    fn on_tick(&mut self) {
        if let Some(limiter) = &self.limiter {
            limiter.measure();
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { limiter: self.limiter.clone(), fields: None }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(limiter) = self.limiter.clone() else { return Action::Continue };
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
        match limiter.decide(&asked, &headers) {
            Ok(decided) => self.act(&limiter, &asked, &decided, &headers),
            Err(Undecided) => limiter.give_up(&asked, &headers),
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let Some(fields) = self.fields.take() {
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

/// The rules' answers to one request, and when they were given.
struct Decided<'a> {
    outcomes: Vec<Outcome<'a>>,
    plans: Vec<&'a Plan>,
    now: Instant,
}

impl Limiter {
    fn new(config: Config) -> Self {
        let seed = match shell::seed() {
            Ok(seed) => Some(seed),
            Err(failure) => {
                log::error!("no seed, so no limit can be kept: {failure:?}");
                None
            }
        };
        Self { meters: Meters::new(&config.rules), config, seed }
    }

    /// The request's headers, where a rule looks at any: reading them is the dearest of the calls that can be saved.
    fn headers(&self) -> Result<Headers, HostError> {
        if self.config.reads_headers() { shell::headers::read(Map::Request) } else { Ok(Headers::default()) }
    }

    /// Answers a request in the form that its headers ask for.
    fn reject(&self, rejection: &Rejection, headers: &Headers, extra: &[(&str, &str)]) -> Action {
        if self.config.reads_headers() {
            return shell::reject(rejection, headers, extra);
        }
        let headers = shell::headers::read(Map::Request).unwrap_or_default();
        shell::reject(rejection, &headers, extra)
    }

    /// Asks every rule for this request's tokens.
    fn decide<'a>(&self, asked: &[Asked<'a>], headers: &Headers) -> Result<Decided<'a>, Undecided> {
        let client = OnceCell::new();
        let plans: Vec<_> = asked.iter().map(|(rule, _)| rule.plan(headers)).collect();
        let charges: Option<Vec<Charge<'a>>> = asked
            .iter()
            .zip(&plans)
            .map(|((rule, _), plan)| rule.charge(plan, self.seed.as_ref(), headers, || client.get_or_init(downstream)))
            .collect();
        let mut host = Host { now: Instant::EPOCH };
        let outcomes = charge::settle(&mut host, &charges.ok_or(Undecided)?)?;
        Ok(Decided { outcomes, plans, now: host.now })
    }

    /// What becomes of a request that cannot be decided on.
    fn give_up(&self, asked: &[Asked<'_>], headers: &Headers) -> Action {
        self.meters.count(asked, Status::Undecided);
        match self.config.undecided {
            WhenUndecided::Allow => Action::Continue,
            WhenUndecided::Refuse => {
                let refusal = Rejection::Unavailable { retry_after: Some(UNDECIDED_RETRY_AFTER) };
                self.reject(&refusal, headers, &[])
            }
        }
    }

    /// Says how many tokens the shared buckets hold now.
    fn measure(&self) {
        for rule in &self.config.rules {
            if let Some((key, taker)) = rule.shared_bucket()
                && let Ok((bytes, _)) = shared::read(&key)
            {
                self.meters.tokens(rule, crate::set::Set::read(&bytes, shell::now()).tokens(&taker));
            }
        }
    }
}

impl Stream {
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

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Status {
    /// It passed.
    Allowed,
    /// A limit was spent.
    Limited,
    /// The limits could not be looked up.
    Undecided,
}

/// The metrics of every provider that the rules name.
struct Meters(Vec<Meter>);

struct Meter {
    provider: String,
    allowed: Counter,
    limited: Counter,
    undecided: Counter,
    /// The name of the rule with the provider's shared bucket, where there is one.
    shared: Option<(String, Gauge)>,
}

impl Meters {
    fn new(rules: &[Rule]) -> Self {
        let mut meters: Vec<Meter> = Vec::new();
        for provider in rules.iter().flat_map(Rule::accounts).map(|account| account.provider.as_str()) {
            if !meters.iter().any(|meter| meter.provider == provider) {
                let is_its = |rule: &&Rule| rule.accounts().any(|account| account.provider == provider);
                let shared = rules.iter().find(|rule| is_its(rule) && rule.shared_bucket().is_some());
                meters.push(Meter::new(provider, shared));
            }
        }
        Self(meters)
    }

    /// Whether there are tokens to be measured.
    fn any_gauge(&self) -> bool {
        self.0.iter().any(|meter| meter.shared.is_some())
    }

    /// Counts a request once for each provider that its rules are about.
    fn count(&self, asked: &[Asked<'_>], status: Status) {
        for meter in &self.0 {
            let here = |(_, account): &Asked<'_>| {
                (account.allowed || status != Status::Allowed) && account.provider == meter.provider
            };
            if asked.iter().any(here) {
                match status {
                    Status::Allowed => meter.allowed.increment(),
                    Status::Limited => meter.limited.increment(),
                    Status::Undecided => meter.undecided.increment(),
                }
            }
        }
    }

    /// Says how many tokens are left in a rule's bucket, if all callers share it.
    fn tokens(&self, rule: &Rule, tokens: u32) {
        let named = |(name, _): &&(String, Gauge)| name == rule.name();
        if let Some((_, gauge)) = self.0.iter().filter_map(|meter| meter.shared.as_ref()).find(named) {
            gauge.set(u64::from(tokens));
        }
    }
}

impl Meter {
    fn new(provider: &str, shared: Option<&Rule>) -> Self {
        let counter = |status| {
            Counter::new("api_gateway_rate_limit_requests_total", &[("provider", provider), ("status", status)])
        };
        let gauge = |rule: &Rule| {
            let gauge = Gauge::new("api_gateway_rate_limit_tokens", &[("provider", provider)]);
            (rule.name().to_owned(), gauge)
        };
        Self {
            provider: provider.to_owned(),
            allowed: counter("allowed"),
            limited: counter("limited"),
            undecided: counter("undecided"),
            shared: shared.map(gauge),
        }
    }
}

/// The client as Envoy sees it, behind the proxies that it trusts.
fn downstream() -> Client {
    Client::parse(stream::property(&["source", "address"]).ok().flatten().as_deref())
}

/// Shared data and the host's clock.
struct Host {
    /// What the clock said last.
    now: Instant,
}

impl Store for Host {
    type Version = Version;

    fn read(&mut self, key: &str) -> Result<(Vec<u8>, Version), Undecided> {
        shared::read(key).map_err(|error| {
            log::debug!("{key} not readable: {error}");
            Undecided
        })
    }

    fn swap(&mut self, key: &str, value: &[u8], version: Version) -> Result<Swap, Undecided> {
        match shared::store(key, value, version) {
            Ok(()) => Ok(Swap::Done),
            Err(Failure::Contended) => Ok(Swap::Lost),
            Err(Failure::Host(error)) => {
                log::debug!("{key} not writable: {error}");
                Err(Undecided)
            }
        }
    }

    fn now(&mut self) -> Instant {
        self.now = shell::now();
        self.now
    }
}
