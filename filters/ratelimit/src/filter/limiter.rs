//! What all requests of a worker share, and how one of them is decided.

use std::cell::OnceCell;
use std::time::Duration;

use policy::{Headers, Instant, Rejection, Seed};
use proxy_wasm::types::Action;
use shell::headers::Map;
use shell::shared::{self, Failure, Version};
use shell::{HostError, stream};

use super::fleet::Member;
use super::meters::{Meters, Status};
use crate::charge::{self, Charge, Store, Swap, Undecided};
use crate::config::{Config, WhenUndecided};
use crate::fleet::Fleet;
use crate::key::Client;
use crate::limit::Outcome;
use crate::rule::{Asked, Plan, Scope};

/// What a client is told when nobody knows how long the state will be away.
const UNDECIDED_RETRY_AFTER: Duration = Duration::from_secs(1);

/// What all requests of a worker share.
pub(super) struct Limiter {
    pub(super) config: Config,
    pub(super) meters: Meters,
    /// `None` where shared data failed: then nobody knows which slot is whose.
    pub(super) seed: Option<Seed>,
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
    pub(super) now: Instant,
}

impl Limiter {
    pub(super) fn new(config: Config) -> Self {
        let seed = match shell::seed() {
            Ok(seed) => Some(seed),
            Err(failure) => {
                log::error!("no seed, so no limit can be kept: {failure:?}");
                None
            }
        };
        let member = config.fleet.as_ref().map(Member::new);
        Self { meters: Meters::new(&config.rules), config, seed, member }
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

    /// Asks every rule for this request's tokens.
    pub(super) fn decide<'a>(
        &self,
        asked: &[Asked<'a>],
        headers: &Headers,
        since: Option<Instant>,
    ) -> Result<Decided<'a>, Unsettled> {
        if asked.iter().any(|(rule, _)| rule.scope() == Scope::Fleet) {
            return self.decide_together(asked, headers, since);
        }
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

    /// Says how many tokens the shared buckets hold now.
    pub(super) fn measure(&self) {
        for rule in &self.config.rules {
            if rule.scope() == Scope::Proxy
                && let Some((key, taker)) = rule.shared_bucket()
                && let Ok((bytes, _)) = shared::read(&key)
            {
                self.meters.tokens(rule, crate::set::Set::read(&bytes, shell::now()).tokens(&taker));
            }
        }
    }
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
