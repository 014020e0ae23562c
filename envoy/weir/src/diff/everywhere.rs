//! What is said of all requests at once: every option that stands beside routes, upstreams and tiers.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::diff::leaf::{self, Leaf, Veil};
use crate::gateway::Gateway;
use crate::policy::{Address, Guard, Tracing};

/// What is said of single requests, or made of what is said elsewhere.
const ELSEWHERE: [&str; 18] = [
    // Of a route, an upstream or a tier, which the facts of a request say.
    "auth.routes",
    "auth.default",
    "auth.permissions",
    "guard.routes",
    "bodies.routes",
    "bodies.paths",
    "compose.compositions",
    "cache.routes",
    "input.providers",
    "input.routes",
    "breaker.breakers",
    "breaker.routes",
    "provider.providers",
    "provider.routes",
    // Digests of all the others, the issuers' sets, and the labels of cached routes.
    "admin.plugins",
    "admin.key_sets",
    "admin.cache",
    // The proxy's own way back in.
    "cache.refresh.cluster",
];

/// The members of every limiter that are about single requests.
const OF_LIMITS: [&str; 3] = ["rules", "upstreams", "tiers"];

/// What differs.
pub(super) fn differences(old: &Gateway<'_>, new: &Gateway<'_>) -> Vec<Leaf> {
    let (before, after) = (options(old), options(new));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let nothing = Json::Null;
    let of = |options: &BTreeMap<String, Json>, name: &String| options.get(name).unwrap_or(&nothing).clone();
    let told = names
        .into_iter()
        .flat_map(|name| leaf::differences(name, &of(&before, name), &of(&after, name), Veil::Secrets));
    told.filter(|leaf| !ELSEWHERE.contains(&leaf.name.as_str())).collect()
}

/// What every request meets, by name.
fn options(gateway: &Gateway<'_>) -> BTreeMap<String, Json> {
    let mut options = BTreeMap::new();
    for filter in gateway.filters {
        let is_limiter = filter.module == "ratelimit";
        for (key, value) in filter.config.as_object().into_iter().flatten() {
            let name = format!("{}.{key}", filter.name);
            let is_elsewhere = ELSEWHERE.contains(&name.as_str()) || is_limiter && OF_LIMITS.contains(&key.as_str());
            if !is_elsewhere {
                options.insert(name, value.clone());
            }
        }
    }
    let policy = gateway.policy;
    // Overrides and the shadow stand in the rule of the callers.
    let own = policy.options.iter().find(|(name, _)| *name == "ratelimit").map(|(_, draft)| draft.to_json());
    for key in ["overrides", "shadow"] {
        if let Some(value) = own.as_ref().and_then(|own| own.get(key)) {
            options.insert(format!("ratelimit.{key}"), value.clone());
        }
    }
    let clients = &policy.clients;
    for (key, value) in [
        ("connections", json!(clients.connections)),
        ("trusted_hops", json!(clients.trusted_hops)),
        ("headers", json!(clients.headers)),
        ("header_bytes", json!(clients.header_bytes)),
        ("idle_timeout", json!(clients.idle_timeout.to_string())),
        ("request_timeout", json!(clients.request_timeout.to_string())),
    ] {
        options.insert(format!("clients.{key}"), value);
    }
    options.insert("listen".to_owned(), json!(policy.listen.value.to_string()));
    options.extend(policy.state.iter().map(|state| ("state.url".to_owned(), json!(url(&state.upstream.address)))));
    options.extend(policy.tracing.iter().map(|tracing| ("tracing".to_owned(), traced(tracing))));
    options.extend(policy.guard.iter().flat_map(guarded));
    options
}

fn traced(tracing: &Tracing) -> Json {
    json!({"otlp": url(&tracing.collector), "sampled": format!("{}%", tracing.sampled), "service": tracing.service})
}

/// What Envoy does of a guard itself; the filter reads the rest.
fn guarded(guard: &Guard) -> Vec<(String, Json)> {
    let said = guard.headers.iter().map(|said| {
        let word = if said.replaces { "replaced" } else { "added" };
        (said.name.clone(), json!({word: said.value}))
    });
    let headers = ("guard.headers".to_owned(), Json::Object(said.collect::<Map<_, _>>()));
    let cors = guard.cors.as_ref().map(|cors| {
        let origins: Vec<_> = cors.origins.iter().map(|origin| origin.value.as_str()).collect();
        let cors = json!({
            "origins": origins, "methods": cors.methods, "headers": cors.headers, "expose": cors.expose,
            "credentials": cors.credentials, "max_age": cors.max_age.to_string(),
        });
        ("guard.cors".to_owned(), cors)
    });
    [headers].into_iter().chain(cors).collect()
}

fn url(address: &Address) -> String {
    format!("{}://{}{}", if address.tls { "https" } else { "http" }, address.authority(), address.base)
}
