//! What Envoy itself does of a policy's `guard`: headers of every answer, no banners, and CORS.
//!
//! **Headers.** A filter of Envoy's own, in front of all others, sees the upstream's answers, those of filters, and those that
//! Envoy makes before any filter has seen a request. What a filter answers in the response phase passes no other filter, but
//! the mapping of local replies, which so says the same. Nothing that leaves goes past both.
//!
//! **Banners.** Routes take off what upstreams say of their software, before anything is stored or shown, and Envoy says nothing
//! of its own.
//!
//! **CORS.** Envoy's filter answers a preflight on routes that lead to a cluster, and no other: so preflights have a route of
//! their own, before all others, to a cluster without hosts, which is where composed routes lead, too.

use serde_json::{Value as Json, json};

use crate::envoy::{Plan, duration, filter, literal, set, typed};
use crate::policy::guard::{Cors, Said};
use crate::policy::{Guard, Policy};

/// What upstreams say of themselves.
const BANNERS: [&str; 5] = ["server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator"];

/// The filter's name.
const CORS: &str = "cors";

/// The cluster that nothing is in.
pub const NOWHERE: &str = "weir_nowhere";

fn guard(policy: &Policy) -> Option<&Guard> {
    policy.guard.as_ref()
}

fn cors(policy: &Policy) -> Option<&Cors> {
    guard(policy)?.cors.as_ref()
}

/// What is said on every answer, as Envoy's options of headers; nothing without a guard.
pub fn headers(policy: &Policy) -> Vec<Json> {
    guard(policy).into_iter().flat_map(|guard| &guard.headers).map(option).collect()
}

fn option(said: &Said) -> Json {
    let action = if said.replaces { "OVERWRITE_IF_EXISTS_OR_ADD" } else { "ADD_IF_ABSENT" };
    json!({"header": {"key": said.name, "value": literal(&said.value)}, "append_action": action})
}

/// The filter that says it.
pub fn secured(policy: &Policy) -> Option<Json> {
    // Who may read an answer depends on who asks, so nobody in between may give it to another. What goes past this filter goes
    // past that for CORS, too.
    let vary = cors(policy)
        .map(|_| json!({"header": {"key": "vary", "value": "origin"}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}));
    let appended: Vec<_> = headers(policy).into_iter().chain(vary).map(|header| json!({"append": header})).collect();
    if appended.is_empty() {
        return None;
    }
    let kind = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
    let config = typed(kind, json!({"mutations": {"response_mutations": appended}}));
    Some(json!({"name": "secured", "typed_config": config}))
}

/// What routes take off answers.
pub fn removed(policy: &Policy) -> Vec<&'static str> {
    let banners = guard(policy).map_or(&[][..], |_| &BANNERS);
    ["x-envoy-upstream-service-time"].into_iter().chain(banners.iter().copied()).collect()
}

/// How Envoy calls itself.
pub fn banner(policy: &Policy) -> &'static str {
    if policy.guard.is_some() { "PASS_THROUGH" } else { "OVERWRITE" }
}

/// The filter that answers preflights.
pub fn shared(policy: &Policy) -> Option<Json> {
    let kind = "envoy.extensions.filters.http.cors.v3.Cors";
    cors(policy).map(|_| json!({"name": CORS, "typed_config": typed(kind, json!({}))}))
}

/// What holds on all routes.
pub fn everywhere(policy: &Policy) -> Json {
    let Some(cors) = cors(policy) else { return json!({}) };
    let mut config = json!({
        "allow_origin_string_match": cors.origins.iter().map(|origin| matcher(&origin.value)).collect::<Vec<_>>(),
        "allow_methods": cors.methods.join(", "),
        "allow_headers": cors.headers.join(", "),
        "expose_headers": cors.expose.join(", "),
        "max_age": cors.max_age.length().as_secs().to_string(),
        "allow_credentials": cors.credentials,
        // Whoever is not among them learns that much, and nothing behind is asked.
        "forward_not_matching_preflights": false,
    });
    config = typed("envoy.extensions.filters.http.cors.v3.CorsPolicy", config);
    json!({CORS: config})
}

/// An origin, or all below a domain.
fn matcher(origin: &str) -> Json {
    match origin.split_once("://*.") {
        Some((scheme, domain)) => {
            let domain = domain.replace('.', "[.]");
            json!({"safe_regex": {"regex": format!("{scheme}://([a-z0-9-]+[.])+{domain}")}})
        }
        None => json!({"exact": origin}),
    }
}

/// The route of preflights, which no route of the policy need name.
pub fn preflight(plan: &Plan<'_>) -> Option<Json> {
    cors(plan.policy)?;
    let idle: Vec<_> = plan.filters.iter().map(|filter| filter.name).filter(|name| *name != "correlation").collect();
    let is_there = |name: &str| json!({"name": name, "present_match": true});
    let mut route = json!({
        "match": {"prefix": "/", "headers": [
            {"name": ":method", "string_match": {"exact": "OPTIONS"}},
            is_there("origin"),
            is_there("access-control-request-method"),
        ]},
        "route": {"cluster": NOWHERE},
    });
    set(&mut route, "typed_per_filter_config", filter::switched_off(&idle));
    Some(route)
}

/// What a route that leads nowhere does: Envoy's filter for CORS only knows those with a cluster.
pub fn nowhere(policy: &Policy) -> Option<Json> {
    cors(policy).map(|_| json!({"cluster": NOWHERE}))
}

/// The cluster that nothing is in.
pub fn cluster(policy: &Policy) -> Option<Json> {
    let connect_timeout = duration(policy::Period::of_seconds(1));
    cors(policy).map(|_| json!({"name": NOWHERE, "type": "STATIC", "connect_timeout": connect_timeout}))
}
