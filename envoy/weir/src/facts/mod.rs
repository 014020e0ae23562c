//! What a policy says of one request, whoever sends it and whenever: one line of text for each thing that a filter would go by.
//!
//! The lines are made of what the filters have read, with all that was left unsaid in its place. So two policies that treat
//! a request alike say the same of it, however they are written.

mod auth;
mod breaker;
mod cache;
mod compose;
mod guard;
pub mod limit;
pub mod provider;
pub mod route;

use std::time::Duration;

use policy::Period;
use policy::handover::header;
use policy::headers::Headers;
use policy::route::Target;
use serde_json::Value as Json;

use crate::diff::leaf::{self, Leaf, Veil};
use crate::gateway::Gateway;
use crate::policy::Route;
use crate::translate::{breaker as breakers, cache as caches, provider as providers, ratelimit as limits};

/// The order in which filters meet a request.
pub const ORDER: [&str; 12] = [
    "front",
    "guard",
    "auth",
    "ratelimit",
    "bodies",
    "compose",
    "cache",
    providers::INPUT,
    "quota",
    "breaker",
    "provider",
    "envoy",
];

/// One thing that is so of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fact {
    /// Which filter goes by it; `envoy` for the proxy itself.
    pub filter: &'static str,
    /// What it goes by.
    pub says: String,
    /// What of it no words say: names, schemas, templates, which are compared as they are written.
    pub means: Json,
    /// Which of that is not shown.
    pub veil: Veil,
}

impl Fact {
    /// Which parts differ of another fact that says the same.
    pub fn parts(&self, other: &Self) -> Vec<Leaf> {
        leaf::differences("", &self.means, &other.means, self.veil)
    }
}

/// Everything that a policy says of a request, for callers of each of these tiers; nothing where no route is for it. Without
/// tiers, for the caller that the headers name.
pub fn of(gateway: &Gateway<'_>, headers: &Headers, tiers: &[&str]) -> Vec<Fact> {
    let target = Target::of(headers);
    let Some((_, route)) = gateway.route(&target) else { return Vec::new() };
    let mut facts = Facts(Vec::new());
    if route.inside {
        facts.add("envoy", Some("404: the proxy's own requests alone take it".to_owned()));
        return facts.0;
    }
    of_callers(gateway, route, headers, tiers, &mut facts);
    if let (Some(own), Some(compositions)) = (&route.compose, &gateway.compose) {
        facts.mean("compose", compose::says(compositions, route, &target), compose::means(own), Veil::Open);
    }
    of_upstream(gateway, route, headers, &mut facts);
    let limit = gateway.policy.upstream(&route.upstream.value).and_then(|upstream| upstream.limit.as_ref());
    for tier in tiers.iter().filter(|_| limit.is_some_and(limit::waits)) {
        facts.add("quota", limit::priority(gateway.policy, tier).map(|line| format!("{tier}: {line}")));
    }
    facts.0
}

/// Everything that a policy says of a call of the proxy's own, as a composition makes it; nothing where no route is for it.
pub fn inside(gateway: &Gateway<'_>, headers: &Headers) -> Vec<Fact> {
    let mut facts = Facts(Vec::new());
    if let Some(route) = gateway.route_inside(&Target::of(headers)) {
        of_upstream(gateway, route, headers, &mut facts);
    }
    facts.0
}

/// What becomes of whatever is let through.
fn of_upstream(gateway: &Gateway<'_>, route: &Route, headers: &Headers, facts: &mut Facts) {
    let target = Target::of(headers);
    if let Some(own) = &route.cache {
        facts.mean("cache", cache::says(own, &gateway.cache, headers), cache::means(own), Veil::Secrets);
    } else if caches::concerns(gateway.policy, route) {
        facts.add("cache", cache::ends(headers));
    }
    if providers::concerns(gateway.policy, route) {
        facts.add(providers::INPUT, gateway.input.as_ref().and_then(|config| provider::demands(config, headers)));
    }
    if limits::has_quota(gateway.policy, route) {
        facts.add("quota", limit::says(&gateway.quota, headers));
        facts.add("quota", limit::cool_downs(gateway.policy, &gateway.quota, &target));
    }
    if breakers::concerns(gateway.policy, route) {
        facts.add("breaker", breaker::says(gateway.policy, &gateway.breaker, &target));
    }
    if providers::concerns(gateway.policy, route) {
        let says = gateway.provider.as_ref().and_then(|config| provider::says(gateway.policy, config, headers));
        facts.mean("provider", says, provider::means(gateway.policy, route), Veil::Secrets);
    }
    facts.add("envoy", route::says(gateway.policy, route, headers));
    if let Some((says, means)) = route::secrets(gateway.policy, route) {
        facts.mean("envoy", Some(says), means, Veil::Secrets);
    }
}

/// What depends on who calls.
fn of_callers(gateway: &Gateway<'_>, route: &Route, headers: &Headers, tiers: &[&str], facts: &mut Facts) {
    if let Some(front) = gateway.front.as_ref().filter(|_| limits::is_fronted(gateway.policy, route)) {
        facts.add("front", limit::says(front, headers));
    }
    let bodies = gateway.bodies.as_ref();
    facts.add("guard", gateway.guard.as_ref().map(|front| guard::says(front, bodies, headers)));
    let says = Some(auth::says(&gateway.auth, &Target::of(headers)));
    facts.mean("auth", says, auth::means(gateway.policy, route), Veil::Open);
    if limits::concerns(gateway.policy, route) {
        of_tiers(gateway, headers, tiers, facts);
    }
    if let Some(schema) = guard::schema(route) {
        facts.mean("bodies", Some("a body that fits its schema".to_owned()), schema, Veil::Open);
    }
}

fn of_tiers(gateway: &Gateway<'_>, headers: &Headers, tiers: &[&str], facts: &mut Facts) {
    if tiers.is_empty() {
        facts.add("ratelimit", limit::says(&gateway.callers, headers));
    }
    for tier in tiers {
        let headers = with(headers, &[(header::TIER, tier.as_bytes())]);
        for line in limit::says(&gateway.callers, &headers) {
            facts.add("ratelimit", Some(format!("{tier}: {line}")));
        }
        let waits = gateway.policy.tiers.iter().any(|(_, tier)| limit::waits(tier));
        let priority = limit::priority(gateway.policy, tier).filter(|_| waits);
        facts.add("ratelimit", priority.map(|line| format!("{tier}: {line}")));
    }
}

/// The same headers and some more.
pub fn with(headers: &Headers, more: &[(&str, &[u8])]) -> Headers {
    let mut pairs: Vec<(&[u8], &[u8])> = headers.iter().collect();
    pairs.extend(more.iter().map(|(name, value)| (name.as_bytes(), *value)));
    Headers::from_pairs(&pairs)
}

struct Facts(Vec<Fact>);

impl Facts {
    fn add(&mut self, filter: &'static str, says: impl IntoIterator<Item = String>) {
        let fact = |says| Fact { filter, says, means: Json::Null, veil: Veil::Open };
        self.0.extend(says.into_iter().map(fact));
    }

    fn mean(&mut self, filter: &'static str, says: Option<String>, means: Json, veil: Veil) {
        self.0.extend(says.map(|says| Fact { filter, says, means, veil }));
    }
}

/// A length of time as a policy writes it.
pub fn period(length: Duration) -> String {
    Period::of(length).to_string()
}

/// The same of whole seconds.
fn seconds(length: u32) -> String {
    period(Duration::from_secs(length.into()))
}
