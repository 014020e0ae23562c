//! The way back into the proxy ([`crate::envoy::internal`]): listeners without a socket, beside the gateway's own.
//!
//! Istio starts every proxy with what such listeners need, since its own tunnels (HBONE) go through them, so an `EnvoyFilter` may add
//! some, and the clusters that lead there. It puts neither plugins nor other patches into a listener that was added; what filters
//! it has stands in it, by the names of configurations that come the way those of the gateway's own listeners do. What of these is
//! a plugin out there has a configuration of this way, too; all of them are in Istio's one space of shared data.

use serde_json::Value as Json;

use crate::envoy::Plan;
use crate::istio::{Settings, chain};
use crate::kubernetes;
use crate::translate::Filter;

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
    let inside = kubernetes::inside(filters, ways);
    let named = |name: &str| inside.iter().find(|filter| filter.name == name);
    let (listeners, clusters) =
        kubernetes::inward(plan, ways, &|name| named(name).map(|filter| chain::discovered(filter)), &|entry| {
            chain::fit(entry, &|name| named(name).is_some(), cluster);
        });
    let is_new = |filter: &&&Filter| there.iter().all(|other| other.name != filter.name);
    let configs = inside.iter().filter(is_new).map(|filter| chain::config(filter, settings));
    let clusters = clusters.iter().map(|cluster| chain::add("CLUSTER", cluster));
    let listeners = listeners.iter().map(|listener| chain::add("LISTENER", listener));
    let patches: Vec<_> = configs.chain(clusters).chain(listeners).collect();
    (!ways.is_empty()).then(|| chain::object("inside", &patches, settings))
}
