//! The filter's configuration: a public interface, valid by construction.
//!
//! ```json
//! {
//!   "tiers": {
//!     "anonymous": {"per_second": 5, "per_minute": 100, "burst": 10},
//!     "pro": {"per_second": 50, "per_minute": 1000, "burst": 100}
//!   },
//!   "rules": [
//!     {"name": "clients", "key": ["user"], "tiers": true,
//!      "routes": [{"match": {"prefix": "/api/spotify/"}, "upstream": "spotify", "count_allowed": false},
//!                 {"match": {"prefix": "/api/v1/products"}, "upstream": "inventory"}]},
//!     {"name": "spotify", "match": [{"prefix": "/api/spotify/"}, {"path": "/spotify"}],
//!      "key": ["upstream"], "upstream": "spotify", "limit": {"rate": "10/s", "burst": 20}},
//!     {"name": "devices", "key": ["address", "header:x-device"], "limit": {"rate": "1000/d"}}
//!   ],
//!   "slots": 2048,
//!   "undecided": "refuse"
//! }
//! ```
//!
//! | member | meaning | default |
//! |---|---|---|
//! | `tiers` | what the callers of each tier may; `anonymous` stands for those without a tier or with an unknown one | none |
//! | `tiers.*.per_second`, `per_minute`, `per_hour`, `per_day` | a limit each, at least one; all of them hold at once | none |
//! | `tiers.*.burst` | how many at once under `per_second` | as many as `per_second` |
//! | `slots` | keys of shared data for each rule, with up to 8 callers in each ([`crate::set`]) | 2048 |
//! | `undecided` | what becomes of a request when shared data fails: `refuse` (503) or `allow` | `refuse` |
//! | `rules[].name` | told to clients in `RateLimit-Policy`; renaming a rule starts its buckets anew, as does another `slots` | required |
//! | `rules[].match` | which requests it is about: one match, or a list of which one must hold | every request |
//! | `rules[].routes` | in place of `match` and `upstream`: which requests it is about, by where they go. The first that matches counts | none |
//! | `rules[].routes[].match` | which requests | every request |
//! | `rules[].routes[].upstream` | where they go: the label `provider` of metrics | required |
//! | `rules[].routes[].count_allowed` | whether those that pass are counted; see below | `true` |
//! | `rules[].key` | what a bucket belongs to: `user`, `address`, `upstream`, `header:name`, or several of them together | required |
//! | `rules[].tiers` | `true` takes the limits from the caller's tier | `false` |
//! | `rules[].limit.rate` | of every caller: `10/s`, `100/m`, `5/h`, `1000/d` | or `tiers` |
//! | `rules[].limit.burst` | how many at once | as many as the rate says |
//! | `rules[].limit.when_empty` | what becomes of a request then: `refuse` (429) | `refuse` |
//! | `rules[].upstream` | where its requests go: the part `upstream` of a key, and the label `provider` of metrics | the rule's name, in metrics |
//! | `rules[].headers` | whether clients are told of its limits | unless `key` is `upstream` alone |
//! | `rules[].cost` | how many tokens a request takes | 1 |
//! | `rules[].scope` | who keeps the limits together: the workers of this `proxy`, or the proxies of a `fleet` ([`crate::fleet`]) | as `scope` says |
//! | `scope` | the scope of rules that do not say theirs | `proxy` |
//! | `state` | the state store of a fleet, as [`policy::state::RawStore`] has it | none |
//! | `fleet` | how far ahead of need tokens are leased, `interval`; the longest that a request waits for the store, `budget`; and what becomes of requests meanwhile, `when_unavailable`: `share`, `open` or `closed` (503) | `50ms`, `100ms`, `share` |
//!
//! **What is counted.** A request is counted once under each provider that its rules name, in
//! `api_gateway_rate_limit_requests_total{provider,status}`: as `allowed`, `limited` (429) or `undecided`. Where this
//! filter stands in a chain twice, in front of a cache with the callers' limits and behind it with an upstream's own, a
//! request that passes both would be `allowed` twice under that upstream. `"count_allowed": false` in the first leaves
//! that to the second, which alone knows what went on to the upstream: an answer from the cache is then no request
//! to the provider, and not counted. Without a second limit the first counts whatever it lets pass, and what the cache
//! answers is `allowed`, too. `limited` and `undecided` are always counted where they happen.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use policy::Match;
use policy::config::{self, ConfigError};
use policy::route::{self, RawMatch};
use policy::state::Variables;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bucket::Quota;
use crate::fleet::Fleet;
use crate::key::{Key, Part};
use crate::limit::{Limit, Limits};
use crate::rate::{Rate, Unit};
use crate::rule::{ANONYMOUS, Account, Allowance, Plan, Route, Rule, Scope, longest};

mod fleet;

/// What the filter does, valid by construction.
#[derive(Debug, Eq, PartialEq)]
pub struct Config {
    /// The rules, all of which a request must pass that they are about.
    pub rules: Vec<Rule>,
    /// What becomes of a request that cannot be decided on.
    pub undecided: WhenUndecided,
    /// Where rules of the scope `fleet` meet those of other proxies.
    pub fleet: Option<Fleet>,
}

/// What becomes of a request whose limits cannot be looked up, because shared data fails or is contended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhenUndecided {
    /// It passes: rather over the limit than down.
    Allow,
    /// It is answered with 503: no limit is ever exceeded.
    Refuse,
}

// Words and numbers only, here and below: each further type would be read by code of its own, and Envoy keeps that
// code once for each worker.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    tiers: BTreeMap<String, RawTier>,
    #[serde(default)]
    rules: Vec<RawRule>,
    slots: Option<u32>,
    undecided: Option<String>,
    /// A [`policy::state::RawStore`].
    state: Option<fleet::Words>,
    #[serde(default)]
    fleet: fleet::Words,
    scope: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTier {
    per_second: Option<u32>,
    per_minute: Option<u32>,
    per_hour: Option<u32>,
    per_day: Option<u32>,
    burst: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: String,
    /// An object or a list of them.
    r#match: Option<Box<RawValue>>,
    /// A list of [`RawRoute`].
    routes: Option<Box<RawValue>>,
    key: Vec<String>,
    #[serde(default)]
    tiers: bool,
    limit: Option<RawLimit>,
    upstream: Option<String>,
    headers: Option<bool>,
    cost: Option<u32>,
    scope: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoute {
    r#match: Option<Box<RawValue>>,
    upstream: String,
    count_allowed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimit {
    rate: String,
    burst: Option<u32>,
    when_empty: Option<String>,
}

const SLOTS: u32 = 2048;
/// More slots would hold half a million callers in debt at once, in each rule.
const SLOTS_MAX: u32 = 65_536;
/// A request asks each rule whether it applies.
const RULES_MAX: usize = 64;
const NAME_LENGTH_MAX: usize = 64;

impl Config {
    /// Reads the filter's configuration without an environment, and so without secrets.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        Self::read(json, None)
    }

    /// Reads the filter's configuration.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn with_environment(json: &[u8], variables: Variables<'_>) -> Result<Self, ConfigError> {
        Self::read(json, Some(variables))
    }

    fn read(json: &[u8], variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let mut raw: Raw = config::read(json)?;
        let fleet = fleet::read(raw.state.take(), std::mem::take(&mut raw.fleet), variables)?;
        let scope = fleet::scope(raw.scope.as_deref(), Scope::Proxy, fleet.is_some())?;
        let slots = NonZeroU32::new(raw.slots.unwrap_or(SLOTS)).filter(|slots| slots.get() <= SLOTS_MAX);
        let slots = slots.ok_or_else(|| ConfigError::at("slots", format!("must be from 1 to {SLOTS_MAX}")))?;
        let undecided = match raw.undecided.as_deref() {
            Some("allow") => WhenUndecided::Allow,
            Some("refuse") | None => WhenUndecided::Refuse,
            Some(other) => return Err(wrong("undecided", "must be \"allow\" or \"refuse\"", other)),
        };
        for (name, tier) in &raw.tiers {
            // Read once for their own mistakes, which are no rule's.
            let limits = named("", name).and_then(|name| tier_limits(&name, tier, NonZeroU32::MIN));
            limits.map_err(|mistake| mistake.inside(format_args!("tiers.{name}")))?;
        }
        if !raw.tiers.is_empty() && !raw.tiers.contains_key(ANONYMOUS) {
            return Err(ConfigError::at("tiers", "must have \"anonymous\", which stands for callers without a tier"));
        }
        if raw.rules.len() > RULES_MAX {
            return Err(ConfigError::at("rules", format!("must be at most {RULES_MAX}")));
        }
        let rules = config::each("rules", raw.rules, |rule| {
            let scope = fleet::scope(rule.scope.as_deref(), scope, fleet.is_some())?;
            Ok(Rule { scope, ..valid_rule(rule, &raw.tiers, slots)? })
        })?;
        for (index, rule) in rules.iter().enumerate() {
            if let Some(first) = rules.iter().take(index).position(|other| other.name == rule.name) {
                let reason = format!("is the name of rules[{first}] too, got {:?}", rule.name);
                return Err(ConfigError::at(format!("rules[{index}].name"), reason));
            }
        }
        Ok(Self { rules, undecided, fleet })
    }

    /// Whether any rule looks at a request's headers, its method and path among them.
    pub fn reads_headers(&self) -> bool {
        self.rules.iter().any(Rule::reads_headers)
    }
}

fn valid_rule(raw: RawRule, tiers: &BTreeMap<String, RawTier>, slots: NonZeroU32) -> Result<Rule, ConfigError> {
    let name = named("name", &raw.name)?;
    let upstream = raw.upstream.map(|upstream| named("upstream", &upstream)).transpose()?;
    let key = valid_key(&raw.key, upstream.is_some())?;
    let routes = if let Some(routes) = raw.routes {
        upstreams(routes.get().as_bytes(), raw.r#match.is_some(), upstream.is_some())?
    } else {
        let account = Account { provider: upstream.unwrap_or_else(|| name.clone()), allowed: true };
        matches(raw.r#match.as_deref(), &account)?
    };
    let cost = positive("cost", raw.cost.unwrap_or(1))?;
    let allowance = match (raw.tiers, raw.limit) {
        (true, Some(_)) => return Err(ConfigError::at("limit", "must be left out where the tiers say it")),
        (false, None) => return Err(ConfigError::at("", "needs a limit, or tiers: true")),
        (true, None) if key.is_shared() => {
            return Err(ConfigError::at("tiers", "must be left out where all callers share one bucket"));
        }
        (true, None) => tiered(&name, tiers, cost)?,
        (false, Some(limit)) => {
            let limit = valid_limit(&name, &limit, cost).map_err(|mistake| mistake.inside("limit"))?;
            Allowance::Same(Plan::new(Limits::new(limit, Vec::new())))
        }
    };
    let longest = longest(allowance.plans());
    let headers = raw.headers.unwrap_or(!key.is_shared());
    Ok(Rule { name, routes, key, allowance, cost, headers, scope: Scope::Proxy, longest, slots })
}

/// Reads `routes`, which each say where their requests go.
fn upstreams(json: &[u8], has_match: bool, has_upstream: bool) -> Result<Vec<Route>, ConfigError> {
    for (present, member) in [(has_match, "match"), (has_upstream, "upstream")] {
        if present {
            return Err(ConfigError::at(member, "must be left out where the rule has routes, which say it each"));
        }
    }
    routes("routes", json, &|json| {
        let raw: RawRoute = config::read(json)?;
        let provider = named("upstream", &raw.upstream)?;
        let account = Account { provider, allowed: raw.count_allowed.unwrap_or(true) };
        one_match(raw.r#match.as_deref(), &account).map_err(|mistake| mistake.inside("match"))
    })
}

/// Reads `match`, one or a list, of requests that are all counted alike.
fn matches(json: Option<&RawValue>, account: &Account) -> Result<Vec<Route>, ConfigError> {
    match json.map(|json| json.get().as_bytes()) {
        Some(list) if list.starts_with(b"[") => routes("match", list, &|json| route(json, account)),
        _ => one_match(json, account).map(|one| vec![one]).map_err(|mistake| mistake.inside("match")),
    }
}

/// Reads a list that must have something in it.
fn routes(
    name: &str,
    json: &[u8],
    valid: &dyn Fn(&[u8]) -> Result<Route, ConfigError>,
) -> Result<Vec<Route>, ConfigError> {
    let list: Vec<Box<RawValue>> = config::read(json).map_err(|mistake| mistake.inside(name))?;
    if list.is_empty() {
        return Err(ConfigError::at(name, "must not be empty; leave it out for every request"));
    }
    config::each(name, list, |text| valid(text.get().as_bytes()))
}

/// Reads one match; nothing at all stands for every request.
fn one_match(json: Option<&RawValue>, account: &Account) -> Result<Route, ConfigError> {
    route(json.map_or("", RawValue::get).as_bytes(), account)
}

fn route(json: &[u8], account: &Account) -> Result<Route, ConfigError> {
    let matcher = Match::try_from(config::read::<RawMatch>(json)?)?;
    Ok(Route { matcher, account: account.clone() })
}

fn valid_key(words: &[String], has_upstream: bool) -> Result<Key, ConfigError> {
    if words.is_empty() {
        return Err(ConfigError::at("key", "must name user, address, upstream or header:name"));
    }
    let mut parts: Vec<Part> = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        let place = || format!("key[{index}]");
        let part = match (word.as_str(), word.strip_prefix("header:")) {
            ("user", _) => Part::User,
            ("address", _) => Part::Address,
            ("upstream", _) if has_upstream => Part::Upstream,
            ("upstream", _) => return Err(ConfigError::at(place(), "needs the rule's `upstream`")),
            (_, Some(name)) => {
                route::lower_case(name).map_err(|mistake| mistake.inside(place()))?;
                Part::Header(name.to_owned())
            }
            (other, None) => return Err(wrong(&place(), "must be user, address, upstream or header:name", other)),
        };
        if parts.contains(&part) {
            return Err(ConfigError::at(place(), "is there twice"));
        }
        parts.push(part);
    }
    Ok(Key::new(parts))
}

fn tiered(rule: &str, tiers: &BTreeMap<String, RawTier>, cost: NonZeroU32) -> Result<Allowance, ConfigError> {
    let mut anonymous = None;
    let mut others = Vec::with_capacity(tiers.len());
    for (name, tier) in tiers {
        let limits = tier_limits(rule, tier, cost);
        // The tiers are right by themselves, so this rule's cost is not.
        let limits = limits.map_err(|mistake| ConfigError::at("cost", format!("tiers.{name}.{mistake}")))?;
        if name == ANONYMOUS {
            anonymous = Some(Plan::new(limits));
        } else {
            others.push((name.clone(), Plan::new(limits)));
        }
    }
    let anonymous = anonymous.ok_or_else(|| ConfigError::at("tiers", "needs the document's `tiers`"))?;
    Ok(Allowance::Tiered { anonymous, others })
}

fn tier_limits(rule: &str, tier: &RawTier, cost: NonZeroU32) -> Result<Limits, ConfigError> {
    if tier.burst.is_some() && tier.per_second.is_none() {
        return Err(ConfigError::at("burst", "needs per_second"));
    }
    let counts = [
        ("per_second", tier.per_second, Unit::Second),
        ("per_minute", tier.per_minute, Unit::Minute),
        ("per_hour", tier.per_hour, Unit::Hour),
        ("per_day", tier.per_day, Unit::Day),
    ];
    let mut limits = Vec::with_capacity(counts.len());
    for (field, count, unit) in counts {
        let Some(count) = count else { continue };
        let rate = Rate::new(positive(field, count)?, unit)
            .ok_or_else(|| ConfigError::at(field, "must be at most a million a second"))?;
        let (field, burst) = tier.burst.filter(|_| unit == Unit::Second).map_or((field, count), |n| ("burst", n));
        limits.push(limit_of(rule, field, rate, positive(field, burst)?, cost)?);
    }
    let mut limits = limits.into_iter();
    let first = limits.next();
    let first =
        first.ok_or_else(|| ConfigError::at("", "needs one of per_second, per_minute, per_hour and per_day"))?;
    Ok(Limits::new(first, limits.collect()))
}

fn valid_limit(rule: &str, raw: &RawLimit, cost: NonZeroU32) -> Result<Limit, ConfigError> {
    const RATE: &str = "must be a rate like \"10/s\", \"100/m\", \"5/h\" or \"1000/d\", at most a million a second";
    if let Some(other) = raw.when_empty.as_deref().filter(|word| *word != "refuse") {
        return Err(wrong("when_empty", "must be \"refuse\"", other));
    }
    let rate = Rate::parse(&raw.rate).ok_or_else(|| wrong("rate", RATE, &raw.rate))?;
    let (field, burst) = raw.burst.map_or(("rate", rate.count().get()), |burst| ("burst", burst));
    limit_of(rule, field, rate, positive(field, burst)?, cost)
}

/// A limit whose burst is said by `field`.
fn limit_of(rule: &str, field: &str, rate: Rate, burst: NonZeroU32, cost: NonZeroU32) -> Result<Limit, ConfigError> {
    let quota = Quota::new(rate, burst).ok_or_else(|| {
        ConfigError::at(field, format!("must come back within a year at {rate}, which {burst} does not"))
    })?;
    if burst < cost {
        return Err(ConfigError::at(field, format!("must be at least what a request costs, {cost}, got {burst}")));
    }
    Ok(Limit { name: format!("{rule}-{}", rate.unit().noun()), unit: rate.unit(), quota })
}

fn positive(field: &str, number: u32) -> Result<NonZeroU32, ConfigError> {
    NonZeroU32::new(number).ok_or_else(|| ConfigError::at(field, "must be at least 1"))
}

/// A name that is safe in keys of shared data, in metrics and in structured fields.
fn named(field: &str, name: &str) -> Result<String, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_LENGTH_MAX || !name.bytes().all(plain) {
        return Err(wrong(field, "must be 1 to 64 letters, digits, `-`, `_` or `.`", name));
    }
    Ok(name.to_owned())
}

fn wrong(place: &str, right: &str, got: &str) -> ConfigError {
    ConfigError::at(place, format!("{right}, got {got:?}"))
}

#[cfg(test)]
mod tests;
