//! The way back into the proxy ([`crate::envoy::internal`]): listeners without a socket, beside the gateway's own.
//!
//! Istio starts every proxy with what such listeners need, since its own tunnels (HBONE) go through them, so an `EnvoyFilter` may add
//! some, and the clusters that lead there. It puts neither plugins nor other patches into a listener that was added; what filters
//! it has stands in it, by the names of configurations that come the way those of the gateway's own listeners do. What of these is
//! a plugin out there has a configuration of this way, too; all of them are in Istio's one space of shared data.
//!
//! Access logs and spans are Istio's matter, which knows nothing of these listeners: they have none.

use serde_json::Value as Json;

use crate::envoy::{Plan, internal};
use crate::istio::{Settings, chain};
use crate::translate::Filter;

/// The ways that a policy's filters come back by.
pub fn ways(plan: &Plan<'_>) -> Vec<&'static str> {
    let routes = &plan.policy.routes;
    let is_asked = routes.iter().any(|route| route.compose.is_some() || route.cache.is_some());
    internal::names(plan).into_iter().filter(|name| *name != internal::NAME || is_asked).collect()
}

/// The listeners, their clusters, and the configurations of those of their filters that have none among `there`; nothing where
/// nobody comes back.
pub fn object(
    plan: &Plan<'_>,
    ways: &[&str],
    filters: &[Filter],
    there: &[Filter],
    cluster: &dyn Fn(&str) -> Option<String>,
    settings: &Settings,
) -> Option<Json> {
    let is_way = |one: &Json| ways.iter().any(|way| one["name"] == **way);
    let listeners: Vec<_> = internal::listeners(plan).into_iter().filter(is_way).collect();
    let stands = |filter: &Filter| ways.iter().any(|way| !internal::leaves_out(way, filter.name));
    let inside: Vec<&Filter> = filters.iter().filter(|filter| stands(filter)).collect();
    let is_new = |filter: &&&Filter| there.iter().all(|other| other.name != filter.name);
    let configs = inside.iter().filter(is_new).map(|filter| chain::config(filter, settings));
    let clusters = internal::clusters(plan).into_iter().filter(is_way).map(|way| chain::add("CLUSTER", &way));
    let listeners = listeners.into_iter().map(|mut listener| {
        fit(&mut listener, &inside, cluster);
        chain::add("LISTENER", &listener)
    });
    let patches: Vec<_> = configs.chain(clusters).chain(listeners).collect();
    (!ways.is_empty()).then(|| chain::object("inside", &patches, settings))
}

/// Makes of a listener of Envoy's own what it is in a gateway.
fn fit(listener: &mut Json, inside: &[&Filter], cluster: &dyn Fn(&str) -> Option<String>) {
    let Some(manager) = listener.pointer_mut("/filter_chains/0/filters/0/typed_config") else { return };
    if let Some(members) = manager.as_object_mut() {
        for member in ["access_log", "tracing", "request_id_extension"] {
            members.remove(member);
        }
    }
    for filter in manager.get_mut("http_filters").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(found) = inside.iter().find(|inside| filter["name"] == *inside.name) {
            *filter = chain::discovered(found);
        }
    }
    let routes = manager.pointer_mut("/route_config/virtual_hosts/0/routes").and_then(Json::as_array_mut);
    for entry in routes.into_iter().flatten() {
        chain::fit(entry, &|name| inside.iter().any(|filter| filter.name == name), cluster);
    }
}
