//! What all requests of a worker share, and how one of them is decided.

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use policy::route::Target;
use policy::{Headers, Instant, Rejection, Seed};
use shell::headers::Map;
use shell::pulse::Pulse;
use shell::shared::{self, Failure, Version};
use shell::{Action, HostError, stream};

use super::bill::refuses;
use super::cooldown::Cooldowns;
use super::fleet::Member;
use super::lobby::Lobby;
use super::meters::{Meters, Status};
use super::queue::Arrival;
use super::receipt::{Payee, SentAt};
use crate::charge::{self, Charge, Store, Swap, Undecided};
use crate::config::{Config, WhenUndecided};
use crate::cooldown::REFRESH;
use crate::fleet::Fleet;
use crate::key::Client;
use crate::limit::Outcome;
use crate::rule::{Asked, Plan, Rule, Scope};

/// What a client is told when nobody knows how long the state will be away.
const UNDECIDED_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often the tokens of shared buckets are measured, which come back without a request.
const MEASURED_EVERY: Duration = Duration::from_secs(1);

/// What all requests of a worker share.
pub(super) struct Limiter {
    pub(super) config: Config,
    pub(super) meters: Meters,
    pub(super) lobby: Lobby,
    pub(super) pulse: Pulse,
    pub(super) cooldowns: Cooldowns,
    /// `None` where shared data failed: then nobody knows which slot is whose.
    pub(super) seed: Option<Seed>,
    /// When the tokens were last measured.
    measured: Cell<Instant>,
    /// When the fleet was last told of cool-downs.
    told: Cell<Instant>,
    member: Option<Member>,
}

/// Why there is no decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unsettled {
    /// The proxy's own state is away.
    Undecided,
    /// Redis is asked.
    Waits,
    /// Redis is away, and nothing passes without it.
    Closed,
}

impl From<Undecided> for Unsettled {
    fn from(_: Undecided) -> Self {
        Self::Undecided
    }
}

/// The rules' answers to one request, and when they were given.
pub(super) struct Decided<'a> {
    pub(super) outcomes: Vec<Outcome<'a>>,
    pub(super) plans: Vec<&'a Plan>,
    /// What was paid where it passes, each with the place of its rule and to whom, in the order of the rules.
    pub(super) charges: Vec<(usize, Payee, Charge<'a>)>,
    /// Where it waits for what was denied: when it is sent.
    pub(super) waits: Option<SentAt>,
    pub(super) now: Instant,
}

impl<'a> Decided<'a> {
    /// Writes down what one rule says.
    pub(super) fn say(&mut self, place: usize, said: Outcome<'a>) {
        if let Some(slot) = self.outcomes.get_mut(place) {
            *slot = said;
        }
    }

    /// Writes down what one rule takes.
    pub(super) fn charge(&mut self, place: usize, (payee, charge): (Payee, Charge<'a>)) {
        let behind = self.charges.partition_point(|(other, ..)| *other < place);
        self.charges.insert(behind, (place, payee, charge));
    }
}

/// What a request has met before its rules are asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meanwhile {
    /// How long its upstream wants to be left alone.
    pub(super) cooling: Option<Duration>,
    /// When it came, where it has waited for Redis since.
    pub(super) since: Option<Instant>,
}

impl Limiter {
    pub(super) fn new(mut config: Config) -> Self {
        let seed = match shell::seed() {
            Ok(seed) => Some(seed),
            Err(failure) => {
                log::error!("no seed, so no limit can be kept: {failure:?}");
                None
            }
        };
        if let Some(seed) = &seed {
            config.rules.iter_mut().for_each(|rule| rule.bind(seed));
        }
        let meters = Meters::new(&config.rules);
        let cooldowns = Cooldowns::new(&config);
        let member = config.fleet.as_ref().map(Member::new);
        let idle = if let Some(fleet) = &config.fleet {
            fleet.interval.min(REFRESH)
        } else if cooldowns.is_shared() {
            REFRESH
        } else if config.rules.is_empty() {
            Duration::ZERO
        } else {
            MEASURED_EVERY
        };
        let pulse = Pulse::new(idle);
        Self {
            meters,
            cooldowns,
            lobby: Lobby::new(),
            pulse,
            config,
            seed,
            measured: Cell::default(),
            told: Cell::default(),
            member,
        }
    }

    /// The fleet, where there is one, and this worker's part in it.
    pub(super) fn fleet(&self) -> Option<(&Fleet, &Member)> {
        self.config.fleet.as_ref().zip(self.member.as_ref())
    }

    /// The request's headers, where a rule looks at any: reading them is the dearest of the calls that can be saved.
    pub(super) fn headers(&self) -> Result<Headers, HostError> {
        if self.config.reads_headers() { shell::headers::read(Map::Request) } else { Ok(Headers::default()) }
    }

    /// Answers a request in the form that its headers ask for.
    pub(super) fn reject(&self, rejection: &Rejection, headers: &Headers, extra: &[(&str, &str)]) -> Action {
        if self.config.reads_headers() {
            return shell::reject(rejection, headers, extra);
        }
        let headers = shell::headers::read(Map::Request).unwrap_or_default();
        shell::reject(rejection, &headers, extra)
    }

    /// The rules that are about this request.
    pub(super) fn asked<'a>(&'a self, headers: &Headers) -> Vec<Asked<'a>> {
        let target = Target::of(headers);
        let asked = |rule| Rule::account(rule, &target).map(|account| (rule, account));
        self.config.rules.iter().filter_map(asked).collect()
    }

    /// Asks every rule for this request's tokens; `context` is its stream's.
    pub(super) fn decide<'a>(
        &'a self,
        context: u32,
        asked: &[Asked<'a>],
        headers: &Headers,
        meanwhile: Meanwhile,
    ) -> Result<Decided<'a>, Unsettled> {
        let mut decided = None;
        for (place, (rule, account)) in asked.iter().enumerate().filter(|(_, (rule, _))| rule.queues()) {
            let client = OnceCell::new();
            let plan = rule.plan(account, self.seed.as_ref(), headers, &|| client.get_or_init(downstream));
            let plan = plan.ok_or(Undecided)?;
            let Some(terms) = plan.queue else { continue };
            let arrival = Arrival { context, headers, meanwhile };
            let said = self.admit(arrival, asked, place, (plan, terms))?;
            // It may be another rule that refuses, and lets it wait.
            if said.waits.is_some() || !refuses(asked, &said.outcomes) {
                return Ok(said);
            }
            decided = Some(said);
        }
        decided.map_or_else(|| self.decide_at_once(asked, headers, meanwhile.since), Ok)
    }

    /// The same of rules none of which lets it wait.
    pub(super) fn decide_at_once<'a>(
        &self,
        asked: &[Asked<'a>],
        headers: &Headers,
        since: Option<Instant>,
    ) -> Result<Decided<'a>, Unsettled> {
        if asked.iter().any(|(rule, _)| rule.scope() == Scope::Fleet) {
            return self.decide_together(asked, headers, since);
        }
        let client = OnceCell::new();
        let each = asked.iter().map(|(rule, account)| {
            rule.charge(account, self.seed.as_ref(), headers, &|| client.get_or_init(downstream))
        });
        let paid: Option<(Vec<&'a Plan>, Vec<Charge<'a>>)> = each.collect();
        let (plans, charges) = paid.ok_or(Undecided)?;
        let mut host = Host::default();
        let outcomes = charge::settle(&mut host, &charges)?;
        let charges = charges.into_iter().enumerate().map(|(place, charge)| (place, Payee::Proxy, charge)).collect();
        Ok(Decided { outcomes, plans, charges, waits: None, now: host.now })
    }

    /// What becomes of a request that cannot be decided on.
    pub(super) fn give_up(&self, asked: &[Asked<'_>], headers: &Headers) -> Action {
        self.meters.count(asked, Status::Undecided);
        match self.config.undecided {
            WhenUndecided::Allow => Action::Continue,
            WhenUndecided::Refuse => self.turn_away(headers),
        }
    }

    /// What becomes of a request that is not let pass without Redis.
    pub(super) fn refuse(&self, asked: &[Asked<'_>], headers: &Headers) -> Action {
        self.meters.count(asked, Status::Undecided);
        self.turn_away(headers)
    }

    fn turn_away(&self, headers: &Headers) -> Action {
        let refusal = Rejection::Unavailable { retry_after: Some(UNDECIDED_RETRY_AFTER) };
        self.reject(&refusal, headers, &[])
    }

    /// Begins to look after what is due beside requests.
    pub(super) fn start(&self) {
        self.pulse.start(shell::now());
        self.measure();
    }

    /// Looks after it; the root context's number is `root`.
    pub(super) fn tick(&self, root: u32) {
        let due = self.call(root);
        let now = shell::now();
        // Something that is due soon has the worker woken more often than these need.
        if is_due(&self.told, REFRESH, now) {
            self.cooldowns.tick(&self.config);
        }
        if is_due(&self.measured, MEASURED_EVERY, now) {
            self.measure();
        }
        let asks = self.fleet().map(|(fleet, member)| member.next(fleet));
        self.pulse.ticked(due.into_iter().chain(asks).min(), now);
    }

    /// Says how many tokens the shared buckets hold now.
    fn measure(&self) {
        self.report(shell::now());
    }
}

/// Whether about `every` has passed since the last time, or the clock has stepped back; then this is the last time. (A tick may
/// come a little early by another clock.)
fn is_due(last: &Cell<Instant>, every: Duration, now: Instant) -> bool {
    let is_due = now.since(last.get()) + every / 8 >= every || now < last.get();
    if is_due {
        last.set(now);
    }
    is_due
}

/// The client as Envoy sees it, behind the proxies that it trusts.
pub(super) fn downstream() -> Client {
    Client::parse(stream::property(&["source", "address"]).ok().flatten().as_deref())
}

/// Shared data and the host's clock.
#[derive(Default)]
pub(super) struct Host {
    /// What the clock said last.
    pub(super) now: Instant,
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
