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
//! | `tiers.*.algorithm` | how its limits are counted, but for one with a burst: see `rules[].limit.algorithm` | `token_bucket` |
//! | `tiers.*.when_empty` | whether requests of the tier wait: see `rules[].limit.when_empty` | `refuse` |
//! | `tiers.*.priority` | of those who wait for a bucket, higher ones are sent first: 0 to 9. An unknown tier's is that of `anonymous` | 0 |
//! | `slots` | keys of shared data for each rule, with up to 8 callers in each ([`crate::set`]) | 2048 |
//! | `undecided` | what becomes of a request when shared data fails: `refuse` (503) or `allow` | `refuse` |
//! | `rules[].name` | told to clients in `RateLimit-Policy`; renaming a rule starts its buckets anew, as does another `slots` | required |
//! | `rules[].match` | which requests it is about: one match, or a list of which one must hold | every request |
//! | `rules[].routes` | in place of `match` and `upstream`: which requests it is about, by where they go. The first that matches counts | none |
//! | `rules[].routes[].match` | which requests | every request |
//! | `rules[].routes[].upstream` | where they go: the label `provider` of metrics | required |
//! | `rules[].routes[].count_allowed` | whether those that pass are counted; see below | `true` |
//! | `rules[].routes[].cost` | how many tokens a request of this route takes | the rule's `cost` |
//! | `rules[].key` | what a bucket belongs to, one or several together: `user`, `api_key`, `tier`, `address`, `header:name`, `path`, `method`, `upstream` ([`crate::key`]) | required |
//! | `rules[].tiers` | `true` takes the limits from the caller's tier | `false` |
//! | `rules[].limit` | the limit of every caller; `limits` is a list of up to 8 that hold all at once | or `tiers` |
//! | `rules[].limit.rate` | `10/s`, `100/m`, `5/h`, `1000/d` | or `count` and `window` |
//! | `rules[].limit.count`, `window` | so many in a time of whole seconds: `90` and `30s` | or `rate` |
//! | `rules[].limit.algorithm` | `token_bucket`: a steady rate with a burst ([`crate::bucket`]); `sliding_window`: at most so many in any stretch of that time; `fixed_window`: in each such stretch of the clock ([`crate::window`]) | `token_bucket` |
//! | `rules[].limit.burst` | how many at once, of a token bucket | as many as the rate says |
//! | `rules[].limit.when_empty` | what becomes of a request then: `refuse` (429), or `{"queue": {…}}`: it waits ([`crate::queue`]) in its caller's line; of several limits the first says it | `refuse` |
//! | `rules[].limit.when_empty.queue.max_wait` | how long at most (4m at most): one that would wait for longer is answered 429 at once | required |
//! | `rules[].limit.when_empty.queue.max_requests` | how many of one caller may wait, in all workers of this proxy together (1000 at most) | 100 |
//! | `rules[].overrides` | callers with limits of their own: `{"key": ["alice"], "tier": "pro"}`, or with `limit` or `limits`; `key` has a word for each part of the rule's, and at most 1024 callers are named | none |
//! | `rules[].shadow` | `true`: it is decided on and counted, and lets everything pass | `false` |
//! | `rules[].upstream` | where its requests go: the part `upstream` of a key, and the label `provider` of metrics | the rule's name, in metrics |
//! | `rules[].headers` | whether clients are told of its limits | unless `key` is `upstream` alone, or it is in the shadow |
//! | `rules[].cost` | how many tokens a request takes | 1 |
//! | `upstreams` | those that are left alone when they say that they are asked too often (`config/cooldown.rs`) | none |
//! | `rules[].scope` | who keeps the limits together: the workers of this `proxy`, or the proxies of a `fleet` ([`crate::fleet`]) | as `scope` says |
//! | `scope` | the scope of rules that do not say theirs | `proxy` |
//! | `state` | the store where a fleet's proxies meet, and tell each other of cool-downs, as [`policy::state::RawStore`] has it | none |
//! | `fleet` | how far ahead of need tokens are leased, `interval`; the longest that a request waits for the store, `budget`; and what becomes of requests meanwhile, `when_unavailable`: `share`, `open` or `closed` (503) | `50ms`, `100ms`, `share` |
//!
//! `address` tells IPv4 clients apart by all 32 bits and IPv6 clients by the first 64; `address/56` says another prefix for
//! IPv6, and `address/24/56` one for each. `path` is the template, path or prefix of the match, never a client's own path.
//!
//! **What is counted.** A request is counted once under each provider that its rules name, in
//! `api_gateway_rate_limit_requests_total{provider,status}`: as `allowed`, `shadow` (it passed, though a rule in the
//! shadow would have refused it), `limited` (429) or `undecided`. Where this
//! filter stands in a chain twice, in front of a cache with the callers' limits and behind it with an upstream's own, a
//! request that passes both would be `allowed` twice under that upstream. `"count_allowed": false` in the first leaves
//! that to the second, which alone knows what went on to the upstream: an answer from the cache is then no request
//! to the provider, and not counted. Without a second limit the first counts whatever it lets pass, and what the cache
//! answers is `allowed`, too. All others are always counted
//! where they happen.

use std::num::NonZeroU32;

use policy::Match;
use policy::config::{self, ConfigError};
use policy::route::RawMatch;
use policy::state::Variables;
use serde_json::value::RawValue;

mod allowance;
mod cooldown;
mod fleet;
mod key;
mod members;
mod queue;
mod state;
mod terms;

use self::members::Members;
use self::queue::Priorities;
pub use self::state::Bridge;
use crate::cooldown::Upstream;
use crate::fleet::Fleet;
use crate::rule::{ANONYMOUS, Account, Route, Rule, Scope, longest};

/// What the filter does, valid by construction.
#[derive(Debug, Eq, PartialEq)]
pub struct Config {
    /// The rules, all of which a request must pass that they are about.
    pub rules: Vec<Rule>,
    /// What becomes of a request that cannot be decided on.
    pub undecided: WhenUndecided,
    /// Which of those who wait are sent first.
    pub priorities: Priorities,
    /// Upstreams that are listened to.
    pub upstreams: Vec<Upstream>,
    /// The store that a fleet shares.
    pub store: Option<Bridge>,
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

/// The document's members.
const DOCUMENT: [&str; 8] = ["tiers", "rules", "slots", "undecided", "upstreams", "state", "fleet", "scope"];
/// A rule's members.
const RULE: [&str; 13] = [
    "name",
    "match",
    "routes",
    "key",
    "tiers",
    "limit",
    "limits",
    "overrides",
    "shadow",
    "scope",
    "upstream",
    "headers",
    "cost",
];
/// Those of one of its routes.
const ROUTE: [&str; 4] = ["match", "upstream", "count_allowed", "cost"];

const SLOTS: u32 = 2048;
/// More slots would hold half a million callers in debt at once, in each rule.
const SLOTS_MAX: u32 = 65_536;
/// A request asks each rule whether it applies.
const RULES_MAX: usize = 64;
const NAME_LENGTH_MAX: usize = 64;

impl Config {
    /// Reads the filter's configuration without an environment, and so without the secret of its state store.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        Self::read(json, None)
    }

    /// Reads the filter's configuration; `environment` gives the variables of the virtual machine's environment.
    ///
    /// # Errors
    /// The first mistake, with its place; a variable that is not set is one.
    pub fn with_environment(json: &[u8], environment: Variables<'_>) -> Result<Self, ConfigError> {
        Self::read(json, Some(environment))
    }

    fn read(json: &[u8], environment: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let raw = Members::read(json, &DOCUMENT)?;
        let general = fleet::scope(raw.text("scope")?.as_deref(), raw.raw("state").is_some())?;
        let slots = NonZeroU32::new(raw.number("slots")?.unwrap_or(SLOTS)).filter(|slots| slots.get() <= SLOTS_MAX);
        let slots = slots.ok_or_else(|| ConfigError::at("slots", format!("must be from 1 to {SLOTS_MAX}")))?;
        let undecided = match raw.text("undecided")?.as_deref() {
            Some("allow") => WhenUndecided::Allow,
            Some("refuse") | None => WhenUndecided::Refuse,
            Some(other) => return Err(wrong("undecided", "must be \"allow\" or \"refuse\"", other)),
        };
        let tiers = Members::any(raw.raw("tiers").unwrap_or_default()).map_err(|mistake| mistake.inside("tiers"))?;
        let priorities = Priorities::read(&tiers)?;
        for (name, tier) in tiers.iter() {
            // Read once for their own mistakes, which are no rule's.
            let limits = named("", name).and_then(|name| terms::of_tier(&name, tier, NonZeroU32::MIN));
            limits
                .and_then(|_| queue::of_limit(tier, false))
                .map_err(|mistake| mistake.inside(format_args!("tiers.{name}")))?;
        }
        if tiers.iter().next().is_some() && tiers.raw(ANONYMOUS).is_none() {
            return Err(ConfigError::at("tiers", "must have \"anonymous\", which stands for callers without a tier"));
        }
        let mut rules = Vec::new();
        each("rules", raw.raw("rules").unwrap_or(b"[]"), &mut |rule| {
            if rules.len() == RULES_MAX {
                return Err(ConfigError::at("", format!("is one more than {RULES_MAX}")));
            }
            let raw_rule = Members::read(rule, &RULE)?;
            let scope = fleet::scope_of(&raw_rule, general, raw.raw("state").is_some())?;
            rules.push(Rule { scope, ..valid_rule(&raw_rule, &tiers, slots)? });
            Ok(())
        })?;
        for (index, rule) in rules.iter().enumerate() {
            if let Some(first) = rules.iter().take(index).position(|other| other.name == rule.name) {
                let reason = format!("is the name of rules[{first}] too, got {:?}", rule.name);
                return Err(ConfigError::at(format!("rules[{index}].name"), reason));
            }
        }
        let upstreams = cooldown::valid(raw.raw("upstreams").unwrap_or(b"[]"))?;
        let store = raw.raw("state").map(|state| Bridge::read(state, environment)).transpose()?;
        let fleet = fleet::read(&raw, environment)?.filter(|_| rules.iter().any(|rule| rule.scope() == Scope::Fleet));
        Ok(Self { rules, undecided, priorities, upstreams, store, fleet })
    }

    /// Whether any rule looks at a request's headers, its method and path among them.
    pub fn reads_headers(&self) -> bool {
        let by_rule = |rule: &Rule| rule.reads_headers() || (rule.queues() && self.priorities.any());
        self.rules.iter().any(by_rule) || self.upstreams.iter().any(Upstream::reads_headers)
    }
}

fn valid_rule(raw: &Members, tiers: &Members, slots: NonZeroU32) -> Result<Rule, ConfigError> {
    let name = named("name", &raw.required("name")?)?;
    let upstream = raw.text("upstream")?.map(|upstream| named("upstream", &upstream)).transpose()?;
    let key = key::valid(&raw.words("key")?, upstream.is_some(), raw.raw("routes").is_some())?;
    let cost = raw.number("cost")?.map_or(Ok(NonZeroU32::MIN), |cost| positive("cost", cost))?;
    let routes = if let Some(routes) = raw.raw("routes") {
        upstreams(routes, raw, cost)?
    } else {
        let provider = upstream.unwrap_or_else(|| name.clone());
        matches(raw.raw("match"), &Account { provider, allowed: true, cost, pattern: String::new() })?
    };
    let shadow = raw.truth("shadow")?.unwrap_or(false);
    key::check(&key, &routes)?;
    let dearest = routes.iter().map(|route| route.account.cost).max().unwrap_or(cost);
    let allowance = allowance::valid(&name, (raw, shadow), tiers, &key, dearest)?;
    let longest = longest(&allowance.plans);
    let queues = allowance.plans.iter().any(|plan| plan.queue.is_some());
    let headers = raw.truth("headers")?.unwrap_or(!key.is_shared() && !shadow);
    Ok(Rule { name, routes, key, allowance, headers, shadow, scope: Scope::Proxy, longest, slots, queues })
}

/// Reads `routes`, which each say where their requests go.
fn upstreams(json: &[u8], rule: &Members, cost: NonZeroU32) -> Result<Vec<Route>, ConfigError> {
    for member in ["match", "upstream"] {
        if rule.raw(member).is_some() {
            return Err(ConfigError::at(member, "must be left out where the rule has routes, which say it each"));
        }
    }
    routes("routes", json, &|json| {
        let raw = Members::read(json, &ROUTE)?;
        let provider = named("upstream", &raw.required("upstream")?)?;
        let cost = raw.number("cost")?.map_or(Ok(cost), |cost| positive("cost", cost))?;
        let allowed = raw.truth("count_allowed")?.unwrap_or(true);
        let account = Account { provider, allowed, cost, pattern: String::new() };
        one_match(raw.raw("match"), &account).map_err(|mistake| mistake.inside("match"))
    })
}

/// Reads `match`, one or a list, of requests that are all counted alike.
fn matches(json: Option<&[u8]>, account: &Account) -> Result<Vec<Route>, ConfigError> {
    match json {
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
    let mut routes = Vec::new();
    each(name, json, &mut |json| {
        routes.push(valid(json)?);
        Ok(())
    })?;
    if routes.is_empty() {
        return Err(ConfigError::at(name, "must not be empty; leave it out for every request"));
    }
    Ok(routes)
}

/// Reads a list, one element after the other; each mistake is placed.
fn each(name: &str, json: &[u8], read: &mut dyn FnMut(&[u8]) -> Result<(), ConfigError>) -> Result<(), ConfigError> {
    let list: Vec<Box<RawValue>> = config::read(json).map_err(|mistake| mistake.inside(name))?;
    for (index, element) in list.iter().enumerate() {
        read(element.get().as_bytes()).map_err(|mistake| mistake.inside(format_args!("{name}[{index}]")))?;
    }
    Ok(())
}

/// Reads one match; nothing at all stands for every request.
fn one_match(json: Option<&[u8]>, account: &Account) -> Result<Route, ConfigError> {
    route(json.unwrap_or_default(), account)
}

fn route(json: &[u8], account: &Account) -> Result<Route, ConfigError> {
    let raw = config::read::<RawMatch>(json)?;
    let pattern = raw.template.as_ref().or(raw.path.as_ref()).or(raw.prefix.as_ref()).cloned().unwrap_or_default();
    Ok(Route { matcher: Match::try_from(raw)?, account: Account { pattern, ..account.clone() } })
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
