//! From a policy to the configuration of each filter, checked by the filter's own code.
//!
//! What is written here is what a filter reads, in the order in which filters meet a request. Routes keep the policy's
//! order, and each filter tries them in that order. Where a route has nothing to do with a filter, Envoy leaves the
//! filter out of that route, so a filter never sees a request that an earlier route has taken from it.

pub mod admin;
pub mod auth;
pub mod breaker;
pub mod cache;
pub mod compose;
pub mod guard;
pub mod provider;
pub mod ratelimit;
pub mod through;

use serde_json::Value as Json;

use crate::complaint;
use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::policy::{Policy, Surroundings};

/// One filter with its configuration.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Its name in the chain: the plugin.
    pub name: &'static str,
    /// Which filter of its module it is: the root id. A module with one filter takes any.
    pub root: &'static str,
    /// The name of its `.wasm` file.
    pub module: &'static str,
    /// What it reads.
    pub config: Json,
    /// The variables of Envoy's environment that it needs.
    pub variables: Vec<String>,
}

/// The module that has all filters in it.
pub const BUNDLE: &str = "weir";

/// The same filters, out of the one module.
pub fn bundled(filters: &[Filter]) -> Vec<Filter> {
    filters.iter().map(|filter| Filter { root: filter.module, module: BUNDLE, ..filter.clone() }).collect()
}

/// The modules of the filters.
pub const MODULES: [&str; 9] =
    ["correlation", "guard", "auth", "ratelimit", "compose", "admin", "cache", "breaker", "provider"];

/// The filters in the order in which they meet a request, those of which a policy may have none included.
pub const ORDER: [&str; 13] = [
    "correlation",
    "front",
    "guard",
    "auth",
    "ratelimit",
    "admin",
    "bodies",
    "compose",
    "cache",
    provider::INPUT,
    "quota",
    "breaker",
    "provider",
];

/// Translates a policy and reads each result with the filter's own code; what a filter does not accept is noted at the
/// place in the policy that it came from. The filters come in the order in which they meet a request.
pub fn filters(policy: &Policy, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Vec<Filter> {
    let correlation = options(policy, "correlation", &[], mistakes);
    let auth = auth::draft(policy, mistakes);
    let front = ratelimit::front(policy);
    let ratelimit = ratelimit::draft(policy, mistakes);
    let cache = cache::draft(policy, mistakes);
    let quota = ratelimit::quota(policy, mistakes);
    let breaker = breaker::draft(policy, mistakes);
    let admin = admin::draft(policy, mistakes);
    let filter = |name, module, draft: &Draft| {
        let (config, variables) = (draft.to_json(), Vec::new());
        Filter { name, root: name, module, config, variables }
    };
    let mut variables = policy.identity.as_ref().map(|identity| identity.variables.clone()).unwrap_or_default();
    let of_store: Vec<_> = policy.state.iter().filter_map(|state| state.variable.clone()).collect();
    if policy.identity.is_some() {
        variables.extend(of_store.iter().cloned());
    }
    // What the cache and breakers share with a fleet is behind the same secret.
    let of_cache = if cache.has("l2") { of_store.clone() } else { Vec::new() };
    let of_admin = of_store.clone();
    let of_breaker = if breaker.has("state") { of_store.clone() } else { Vec::new() };
    // All plugins of one module have the same ones: with others, they could not share a virtual machine.
    let is_shared =
        [Some(&ratelimit), Some(&quota), front.as_ref()].into_iter().flatten().any(|draft| draft.has("state"));
    let of_store = if is_shared { of_store } else { Vec::new() };
    // Envoy refuses a name that stands twice.
    variables.sort();
    variables.dedup();
    let mut filters = vec![
        filter("correlation", "correlation", &correlation),
        Filter { variables, ..filter("auth", "auth", &auth) },
        Filter { variables: of_store.clone(), ..filter("ratelimit", "ratelimit", &ratelimit) },
        Filter { variables: of_cache, ..filter("cache", "cache", &cache) },
        Filter { variables: of_store.clone(), ..filter("quota", "ratelimit", &quota) },
        Filter { variables: of_breaker, ..filter("breaker", "breaker", &breaker) },
    ];
    let environment = surroundings.variable;
    let compose = compose::draft(policy, mistakes);
    if compose::is_used(policy) {
        // Whoever comes so far may; what it asks for on its own behalf begins anew, behind this.
        filters.insert(3, filter(compose::NAME, compose::NAME, &compose));
    }
    complaint::read(compose, ::compose::Config::from_json, mistakes);
    if let Some(admin) = admin {
        filters.insert(3, Filter { variables: of_admin, ..filter("admin", "admin", &admin) });
        complaint::read(admin, |json| ::admin::Config::with_environment(json, &environment), mistakes);
    }
    guard::insert(policy, &mut filters, mistakes);
    if let Some(front) = front {
        filters.insert(1, Filter { variables: of_store, ..filter(ratelimit::FRONT, "ratelimit", &front) });
        complaint::read(front, ::ratelimit::Config::from_json, mistakes);
    }
    provider::insert(policy, surroundings, &mut filters, mistakes);
    complaint::read(correlation, ::correlation::Config::from_json, mistakes);
    if policy.identity.as_ref().is_none_or(|identity| identity.whole) {
        let environment = surroundings.variable;
        complaint::read(auth, |json| ::auth::Config::with_environment(json, &environment), mistakes);
    }
    let environment = surroundings.variable;
    complaint::read(ratelimit, |json| ::ratelimit::Config::with_environment(json, &environment), mistakes);
    complaint::read(cache, ::cache::Config::from_json, mistakes);
    complaint::read(quota, |json| ::ratelimit::Config::with_environment(json, &environment), mistakes);
    for idle in [ratelimit::idle(policy), ratelimit::idle_callers(policy)] {
        complaint::read(idle, ::ratelimit::Config::from_json, mistakes);
    }
    complaint::read(breaker, |json| ::breaker::Config::with_environment(json, &environment), mistakes);
    admin::watch(&mut filters);
    filters
}

/// What the operator says to a filter itself. What is said elsewhere in a policy cannot be said here too.
fn options(policy: &Policy, name: &str, elsewhere: &[(&str, &str)], mistakes: &mut Mistakes) -> Draft {
    let found = policy.options.iter().find(|(option, _)| *option == name);
    let mut draft = found.map_or_else(|| Draft::object(&policy.span), |(_, draft)| draft.clone());
    for (key, place) in elsewhere {
        if draft.has(key) {
            let span: Span = draft.locate_key(key);
            mistakes.add(&span, format!("`{key}` is not said here"), *place);
            draft.remove(key);
        }
    }
    draft
}
