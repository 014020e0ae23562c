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

use crate::gateway::Gateway;
use crate::policy::Route;
use crate::translate::{breaker as breakers, provider as providers, ratelimit as limits};

/// The order in which filters meet a request.
pub const ORDER: [&str; 11] = [
    "front",
    "guard",
    "auth",
    "ratelimit",
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
}

/// Everything that a policy says of a request, for callers of each of these tiers; nothing where no route is for it. Without
/// tiers, for the caller that the headers name.
pub fn of(gateway: &Gateway<'_>, headers: &Headers, tiers: &[&str]) -> Vec<Fact> {
    let target = Target::of(headers);
    let Some((_, route)) = gateway.route(&target) else { return Vec::new() };
    let mut facts = Facts(Vec::new());
    of_callers(gateway, route, headers, tiers, &mut facts);
    if let (Some(_), Some(compositions)) = (&route.compose, &gateway.compose) {
        facts.add("compose", compose::says(compositions, route, &target));
    }
    if let Some(own) = &route.cache {
        facts.add("cache", cache::says(own, &gateway.cache, headers));
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
        facts.add("provider", gateway.provider.as_ref().and_then(|config| provider::says(config, headers)));
    }
    facts.add("envoy", route::says(gateway.policy, route, headers));
    facts.0
}

/// What depends on who calls.
fn of_callers(gateway: &Gateway<'_>, route: &Route, headers: &Headers, tiers: &[&str], facts: &mut Facts) {
    if let Some(front) = gateway.front.as_ref().filter(|_| limits::is_fronted(gateway.policy, route)) {
        facts.add("front", limit::says(front, headers));
    }
    let bodies = gateway.bodies.as_ref();
    facts.add("guard", gateway.guard.as_ref().map(|front| guard::says(front, bodies, headers)));
    facts.add("auth", Some(auth::says(&gateway.auth, &Target::of(headers))));
    if !limits::concerns(gateway.policy, route) {
        return;
    }
    if tiers.is_empty() {
        facts.add("ratelimit", limit::says(&gateway.callers, headers));
    }
    for tier in tiers {
        for line in limit::says(&gateway.callers, &with(headers, &[(header::TIER, tier.as_bytes())])) {
            facts.add("ratelimit", Some(format!("{tier}: {line}")));
        }
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
        self.0.extend(says.into_iter().map(|says| Fact { filter, says }));
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
