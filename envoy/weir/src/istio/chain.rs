//! What only an `EnvoyFilter` can say: filters that hold bodies, what Envoy itself does of a guard, and the policy's routes.

use serde_json::{Value as Json, json};

use crate::envoy::listener::Side;
use crate::envoy::{Plan, filter, guard, operation, route, set};
use crate::istio::{Settings, selector};
use crate::kubernetes::NAME;
use crate::policy::Policy;
use crate::translate::Filter;

/// What the agent beside Envoy reads as: no digest is given.
const NO_DIGEST: &str = "nil";
const MANAGER: &str = "envoy.filters.network.http_connection_manager";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// The filters behind the plugins, in their order, before Envoy's router; and before all plugins, Envoy's own of the guard: a preflight
/// shows no credential.
pub fn filters(policy: &Policy, filters: &[Filter], settings: &Settings) -> Json {
    let mut patches: Vec<_> = filters.iter().map(|filter| config(filter, settings)).collect();
    // Each is put before those that are there.
    let front = [guard::shared(policy), guard::secured(policy)];
    patches.extend(front.into_iter().flatten().map(|filter| at_front(&owned(filter))));
    // Who calls is kept for the log as soon as `auth` has said it, which mostly is a plugin and so before all of these.
    if filters.iter().all(|filter| filter.name != "auth") {
        patches.push(before_router(&filter::caller()));
    }
    for filter in filters {
        patches.push(before_router(&discovered(filter)));
        if filter.name == "auth" {
            patches.push(before_router(&filter::caller()));
        }
    }
    object("filters", &patches, settings)
}

/// A filter's code and what it reads, for whatever listener asks for them by its name.
pub(super) fn config(filter: &Filter, settings: &Settings) -> Json {
    // The agent fetches the image and puts a file in its place, before Envoy sees it; the cluster is never asked.
    let uri = json!({"uri": format!("oci://{}", settings.place.image(filter)), "timeout": "30s", "cluster": "_"});
    let code = json!({"remote": {"http_uri": uri, "sha256": NO_DIGEST}});
    // As Istio leaves it for its own plugins, so that all share one space.
    add("EXTENSION_CONFIG", &json!({"name": name(filter.name), "typed_config": filter::plugin(filter, "", &code)}))
}

/// A filter in a chain, whose code and configuration are asked for.
pub(super) fn discovered(filter: &Filter) -> Json {
    let source = json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
    json!({"name": name(filter.name), "config_discovery": {"config_source": source, "type_urls": [WASM]}})
}

/// One more of something.
pub(super) fn add(kind: &str, value: &Json) -> Json {
    json!({"applyTo": kind, "match": {"context": "GATEWAY"}, "patch": {"operation": "ADD", "value": value}})
}

fn before_router(value: &Json) -> Json {
    let router = json!({"name": "envoy.filters.http.router"});
    insert("INSERT_BEFORE", &json!({"name": MANAGER, "subFilter": router}), value)
}

fn at_front(value: &Json) -> Json {
    insert("INSERT_FIRST", &json!({"name": MANAGER}), value)
}

fn insert(operation: &str, manager: &Json, value: &Json) -> Json {
    json!({
        "applyTo": "HTTP_FILTER",
        "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": manager}}},
        "patch": {"operation": operation, "value": value},
    })
}

/// One of Envoy's filters, which the gateway may have, too, under a name of ours.
fn owned(mut filter: Json) -> Json {
    let own = filter.get("name").and_then(Json::as_str).map(name);
    set(&mut filter, "name", json!(own));
    filter
}

/// The policy's routes, before all others of the gateway. Only filters that came with [`filters`] can be left out of one.
pub fn routes(
    plan: &Plan<'_>,
    filters: &[Filter],
    cluster: &dyn Fn(&str) -> Option<String>,
    settings: &Settings,
) -> Json {
    let mut routes = route::table(plan, Side::Outer);
    // Istio shows Envoy's metrics itself; nothing else leads to its administration there.
    routes.retain(|entry| entry.pointer("/route/cluster").is_none_or(|cluster| cluster != operation::METRICS));
    for entry in &mut routes {
        fit(entry, &|name| filters.iter().any(|filter| filter.name == name), cluster);
        let everywhere = guard::everywhere(plan.policy);
        let own = everywhere.as_object().into_iter().flatten().map(|(key, value)| (name(key), value.clone()));
        if let Some(members) = entry.as_object_mut() {
            let switched = members.entry("typed_per_filter_config").or_insert_with(|| json!({}));
            switched.as_object_mut().into_iter().for_each(|switched| switched.extend(own.clone()));
        }
    }
    // Each is put before those that are there.
    let patch = |entry: Json| {
        json!({
            "applyTo": "HTTP_ROUTE",
            "match": {"context": "GATEWAY"},
            "patch": {"operation": "INSERT_FIRST", "value": entry},
        })
    };
    let nowhere = guard::cluster(plan.policy).map(|cluster| add("CLUSTER", &cluster));
    let patches: Vec<_> = nowhere.into_iter().chain(routes.into_iter().rev().map(patch)).collect();
    object("routes", &patches, settings)
}

/// Gives a route the names that clusters and filters have there. It says nothing of filters that cannot be left out.
pub(super) fn fit(entry: &mut Json, can_be_left_out: &dyn Fn(&str) -> bool, cluster: &dyn Fn(&str) -> Option<String>) {
    if let Some(found) = entry.pointer_mut("/route/cluster")
        && let Some(renamed) = found.as_str().and_then(cluster)
    {
        *found = renamed.into();
    }
    if let Some(Json::Object(switched)) = entry.get_mut("typed_per_filter_config") {
        *switched = std::mem::take(switched)
            .into_iter()
            .filter(|(key, _)| can_be_left_out(key))
            .map(|(key, value)| (name(&key), value))
            .collect();
    }
}

pub(super) fn object(kind: &str, patches: &[Json], settings: &Settings) -> Json {
    let spec = json!({"workloadSelector": {"labels": selector(settings)}, "configPatches": patches});
    settings.place.object("networking.istio.io/v1alpha3", "EnvoyFilter", &format!("{NAME}-{kind}"), &spec)
}

/// What a filter is called among all of a gateway.
fn name(filter: &str) -> String {
    format!("{NAME}.{filter}")
}
