//! The filter's configuration.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU32;

use policy::config::each;
use policy::fields::Fields;
use policy::json::Json;
use policy::route::{Target, lower_case};
use policy::state::{RawStore, Store, Variables};
use policy::{ConfigError, Fingerprint, Match};

use crate::bulkhead;
use crate::fallback::{self, Fallback};
use crate::fleet::Quorum;
use crate::grpc::Codes;
use crate::limits::Limits;
use crate::outcome::Criteria;
use crate::raw::{RawBreaker, RawScope};
use crate::scope::{Place, Scope};
use crate::set::WAYS;
use crate::status::Statuses;

/// What an operator decides; see [`Config::from_json`] for how it is written.
#[derive(Debug)]
pub struct Config {
    /// One breaker for each upstream that has one.
    pub breakers: Vec<Upstream>,
    /// What to do where shared data fails.
    pub when_undecided: WhenUndecided,
    /// Where proxies tell each other of their breakers, and an operator orders them all.
    pub store: Option<Bridge>,
    routes: Vec<Route>,
}

/// Which requests meet a breaker.
#[derive(Debug)]
struct Route {
    rule: Match,
    /// The index of the upstream.
    upstream: usize,
    /// Where the state of its breaker is in shared data, or the table of them.
    key: String,
}

/// Which breaker is a request's: kept from its beginning to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found {
    /// The index of the upstream.
    pub upstream: usize,
    /// The index of its route, where one has led there.
    pub route: Option<usize>,
}

/// An upstream and its breaker.
#[derive(Debug)]
pub struct Upstream {
    /// The upstream's name: in metrics, in logs, in the answer to a client.
    pub name: String,
    /// Where the breaker's state is in shared data, and what an operator has ordered.
    pub key: String,
    /// What has a breaker of its own.
    pub scope: Scope,
    /// When the breaker opens and closes.
    pub limits: Limits,
    /// Which answers are failures.
    pub criteria: Criteria,
    /// So many calls may be under way at the same time.
    pub bulkhead: Option<bulkhead::Limit>,
    /// What answers while it is not asked.
    pub fallback: Option<Fallback>,
    /// How many other proxies open it.
    pub quorum: Option<Quorum>,
}

/// What to do with a request where shared data fails, so that nobody knows whether the breaker is open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WhenUndecided {
    /// Send it on, as if there were no breaker.
    #[default]
    Pass,
    /// Answer it, as if the breaker were open.
    Refuse,
}

const NAME_LENGTH_MAX: usize = 64;
const SCOPES: u32 = 1024;
const SCOPES_MAX: u32 = 65_536;

impl Config {
    /// Reads a configuration:
    ///
    /// - `breakers`: by upstream,
    ///   - `consecutive_failures`: so many in a row open it. Default 5, or none where there is a rate.
    ///   - `failure_rate`: so many percent of the calls in the window open it, 1 to 100. Default: none.
    ///   - `slow_rate` and `slow_after`: so many percent of calls that take longer open it, `"2s"` say. Default: none.
    ///   - `window`: of how many of the latest calls, at most 1024, or of how many seconds, `"30s"`, at most an hour
    ///     (from 61 s on rounded up to a whole number of up to 60 parts). Default 100 calls.
    ///   - `minimum_calls`: no rate is too high with fewer. Default 20, or the window where that is smaller.
    ///   - `open_for`: until it lets probes through. Default `"60s"`.
    ///   - `open_for_max`: so long at most, where it grows by `open_growth` (1 to 10 times, default 2) each time that it
    ///     opens without having been closed. Default: it does not grow.
    ///   - `open_jitter`: by up to so many percent shorter or longer, at most 90. Default 0.
    ///   - `retry_after_max`: a `Retry-After` of the answer that opens it counts for so long at most. Default `"10m"`; `"0"`
    ///     does not listen.
    ///   - `half_open_requests`: so many probes at the same time, at most 100. Default 2.
    ///   - `close_after`: so many probes must succeed, at most 100. Default 2.
    ///   - `probe_timeout`: a probe without an answer for so long makes room for another. Default `"60s"`.
    ///   - `order`: `"automatic"` (default); `"metrics_only"`: counts, and never opens; `"disabled"`: passes all;
    ///     `"forced_open"`: passes none. What an operator orders at run time goes before.
    ///   - `failure_statuses`: which answers are failures, as `503` or `"500-599"`. Default `["500-599"]`.
    ///   - `ignored_statuses`: which answers are neither failures nor successes. Default none.
    ///   - `failure_codes`, `ignored_codes`: the same for gRPC, as numbers. Defaults `[2, 4, 13, 14, 15]` and none.
    ///   - `whole_answer`: a call ends with the last byte of its answer, not with the headers. Default false.
    ///   - `per`: what has a breaker of its own, `"upstream"` (default), `"route"`, `"host"` or `{"header": "x-tenant"}`.
    ///   - `scopes_max`: so many hosts or values are told apart, at most 65536. Default 1024.
    ///   - `bulkhead`: so many calls may be under way at the same time, over all workers. Default: any number.
    ///   - `fallback`: what answers while it is not asked, `{"static": {"status", "headers", "body"}}` or `{"upstream": name}`
    ///     (see [`Fallback`]). Default: 503.
    ///   - `fleet`: `{"quorum": 2}` or `{"quorum": "50%"}`: so many proxies whose breakers have opened open the others' (see
    ///     [`crate::fleet`]). Needs `state`, and one breaker for the whole upstream. Default: each by itself.
    /// - `routes`: which requests are for which upstream; the first that matches counts, and what matches none passes.
    ///   Each has a `match` (see [`policy::route::RawMatch`]) and an `upstream`, and may have a `name`, by which its state
    ///   is kept where routes have breakers of their own. Default: its place in the list.
    /// - `when_undecided`: what to do where shared data fails, `"pass"` (default) or `"refuse"`.
    /// - `state`: the store of a fleet (see [`RawStore`]). Without it, each proxy is by itself.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        Self::read(json, None)
    }

    /// The same, with the secret of `state` from the environment.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn with_environment(json: &[u8], variables: Variables<'_>) -> Result<Self, ConfigError> {
        Self::read(json, Some(variables))
    }

    fn read(json: &[u8], variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let mut fields = Fields::read(json)?;
        let mut breakers = Vec::new();
        for (name, json) in fields.object("breakers")?.rest() {
            let upstream = Upstream::new(name.clone(), json);
            breakers.push(upstream.map_err(|mistake| mistake.inside(&name).inside("breakers"))?);
        }
        fallback::find_breakers(&mut breakers)?;
        let place = Cell::new(0);
        let routes = each("routes", fields.list("routes")?.unwrap_or_default(), |route| {
            place.set(place.get() + 1);
            Route::new(route, place.get(), &breakers)
        })?;
        let when_undecided = match fields.text("when_undecided")?.as_deref() {
            None | Some("pass") => WhenUndecided::Pass,
            Some("refuse") => WhenUndecided::Refuse,
            Some(word) => {
                let reason = format!("unknown variant `{word}`, expected `pass` or `refuse`");
                return Err(ConfigError::at("when_undecided", reason));
            }
        };
        let store = match fields.any("state") {
            None => None,
            Some(json) => Some(Bridge::read(json, variables).map_err(|mistake| mistake.inside("state"))?),
        };
        fields.end_of(&["breakers", "routes", "when_undecided", "state"])?;
        if let (None, Some(lost)) = (&store, breakers.iter().find(|breaker| breaker.quorum.is_some())) {
            let mistake = ConfigError::at("fleet", "needs `state`, where its proxies meet");
            return Err(mistake.inside(&lost.name).inside("breakers"));
        }
        Ok(Self { breakers, when_undecided, store, routes })
    }

    /// Which of the breakers a request meets.
    pub fn find(&self, target: &Target<'_>) -> Option<Found> {
        let (index, route) = self.routes.iter().enumerate().find(|(_, route)| route.rule.matches(target))?;
        Some(Found { upstream: route.upstream, route: Some(index) })
    }

    /// The keys of shared data that hold an upstream's breakers: its own, or those of the routes that lead there.
    pub fn keys(&self, upstream: usize) -> impl Iterator<Item = &str> {
        let of_routes = self.breakers.get(upstream).is_some_and(|upstream| upstream.scope == Scope::Route);
        let own = self.breakers.get(upstream).map(|upstream| upstream.key.as_str());
        let routes = self.routes.iter().filter(move |route| of_routes && route.upstream == upstream);
        own.into_iter().chain(routes.map(|route| route.key.as_str()))
    }

    /// The upstream of a request's breaker, and where the breaker's state is; the print is that of the upstream's scope.
    pub fn place(&self, found: Found, print: Option<Fingerprint>) -> Option<(&Upstream, Place<'_>)> {
        let upstream = self.breakers.get(found.upstream)?;
        let route = found.route.and_then(|route| self.routes.get(route));
        let key = route.map_or(&upstream.key, |route| &route.key);
        Some((upstream, upstream.scope.place(key, print)))
    }
}

/// A state store. It holds a secret: what is shown of it is where it leads.
pub struct Bridge(pub Store);

impl Bridge {
    fn read(json: Json, variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        Fields::of(json).and_then(RawStore::read).and_then(|raw| Store::new(raw, variables)).map(Self)
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.cluster)
    }
}

impl Route {
    fn new(raw: Json, place: usize, breakers: &[Upstream]) -> Result<Self, ConfigError> {
        let mut raw = Fields::of(raw)?;
        let rule = Match::read(raw.object("match")?).map_err(|mistake| mistake.inside("match"))?;
        let Some(upstream) = raw.text("upstream")? else {
            return Err(ConfigError::at("", "missing field `upstream`"));
        };
        let name = raw.text("name")?;
        raw.end_of(&["match", "upstream", "name"])?;
        let unknown = || ConfigError::at("upstream", format!("no such breaker: {upstream:?}"));
        let upstream = breakers.iter().position(|breaker| breaker.name == upstream);
        let (index, breaker) = upstream.and_then(|index| Some((index, breakers.get(index)?))).ok_or_else(unknown)?;
        let name = match name {
            Some(name) => safe("name", name)?,
            None => place.to_string(),
        };
        let key = if breaker.scope == Scope::Route { [&breaker.key, "/", &name].concat() } else { breaker.key.clone() };
        Ok(Self { rule, upstream: index, key })
    }
}

/// Accepts a name that can be part of a key, of a metric's label and of a line in a log.
pub(crate) fn safe(place: &str, name: String) -> Result<String, ConfigError> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(safe) {
        return Ok(name);
    }
    Err(ConfigError::at(place, "a name must be 1 to 64 of A-Z a-z 0-9 - _ ."))
}

impl Upstream {
    fn new(name: String, raw: Json) -> Result<Self, ConfigError> {
        let name = safe("", name)?;
        let raw = RawBreaker::read(Fields::of(raw)?)?;
        let limits = Limits::new(&raw)?;
        let bulkhead = raw.bulkhead.map(|most| bulkhead::Limit::new(&name, most)).transpose()?;
        let fallback =
            raw.fallback.map(Fallback::from_json).transpose().map_err(|mistake| mistake.inside("fallback"))?;
        let codes = |name: &str, codes: &[u32]| Codes::new(codes).map_err(|mistake| mistake.inside(name));
        let criteria = Criteria {
            failures: raw.failure_statuses.map(Statuses::new).unwrap_or_default(),
            ignored: Statuses::new(raw.ignored_statuses),
            grpc_failures: match raw.failure_codes {
                Some(given) => codes("failure_codes", &given)?,
                None => Codes::FAILURES,
            },
            grpc_ignored: codes("ignored_codes", &raw.ignored_codes)?,
            is_whole: raw.whole_answer,
        };
        let scope = scope(raw.per, raw.scopes_max)?;
        let quorum = raw.fleet.map(quorum).transpose().map_err(|mistake| mistake.inside("fleet"))?;
        if quorum.is_some() && scope != Scope::Upstream {
            return Err(ConfigError::at("fleet", "means nothing where an upstream has several breakers, by `per`"));
        }
        let key = format!("weir.breaker.{name}");
        Ok(Self { name, key, scope, limits, criteria, bulkhead, fallback, quorum })
    }
}

fn quorum(json: Json) -> Result<Quorum, ConfigError> {
    let mut fields = Fields::of(json)?;
    let quorum = fields.any("quorum").ok_or_else(|| ConfigError::at("quorum", "is missing"))?;
    fields.end_of(&["quorum"])?;
    Quorum::from_json(&quorum)
}

fn scope(raw: RawScope, most: Option<u32>) -> Result<Scope, ConfigError> {
    let count = most.unwrap_or(SCOPES);
    if !(1..=SCOPES_MAX).contains(&count) {
        return Err(ConfigError::at("scopes_max", format!("must be 1 to {SCOPES_MAX}, got {count}")));
    }
    let slots = NonZeroU32::new(count.div_ceil(WAYS)).unwrap_or(NonZeroU32::MIN);
    let scope = match raw {
        RawScope::Host => Scope::Host(slots),
        RawScope::Header(name) => {
            lower_case(&name).map_err(|mistake| mistake.inside("per.header"))?;
            Scope::Header(name, slots)
        }
        RawScope::Upstream | RawScope::Route if most.is_some() => {
            return Err(ConfigError::at("scopes_max", "means nothing without a host or a header in per"));
        }
        RawScope::Upstream => Scope::Upstream,
        RawScope::Route => Scope::Route,
    };
    Ok(scope)
}

#[cfg(test)]
mod tests;
