//! The filters as an `EnvoyExtensionPolicy`, and what has to be patched for them.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::envoy::{Plan, cluster, guard, route, set, typed};
use crate::envoygateway::route::Action;
use crate::envoygateway::{Settings, backend, internal, proxy};
use crate::kubernetes::{self, NAME};
use crate::translate::{BUNDLE, Filter};

const GATEWAY: &str = "gateway.networking.k8s.io";
/// The kind of a listener.
pub(super) const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// The kind of a cluster.
pub(super) const CLUSTERS: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

/// The filters, and the patches where any are needed.
///
/// # Errors
/// Code that is not where it is said to be.
pub fn objects(plan: &Plan<'_>, actions: &[Action], settings: &Settings) -> Result<Vec<Json>, String> {
    let target = json!({"group": GATEWAY, "kind": "Gateway", "name": settings.gateway});
    // What filters call beside upstreams keeps its name, since it is patched in under it.
    let ways = internal::ways(plan, settings);
    let filters: Vec<_> = plan.filters.iter().map(|filter| kubernetes::adapted(filter, &ways, &|_| None)).collect();
    let wasm: Vec<_> = filters.iter().map(|filter| entry(filter, settings)).collect();
    let spec = json!({"targetRefs": [target], "wasm": wasm});
    let mut objects = vec![settings.place.object(backend::VERSION, "EnvoyExtensionPolicy", NAME, &spec)];
    let mut patches = patches(plan, &filters, !ways.is_empty(), settings);
    patches.extend(internal::patches(plan, &filters, settings)?);
    patches.extend(of_routes(plan, actions, &ways, settings));
    if !patches.is_empty() {
        let spec = json!({"targetRef": target, "type": "JSONPatch", "jsonPatches": patches});
        objects.push(settings.place.object(backend::VERSION, "EnvoyPatchPolicy", NAME, &spec));
    }
    objects.extend(proxy::object(plan, settings));
    Ok(objects)
}

fn entry(filter: &Filter, settings: &Settings) -> Json {
    let mut image = json!({"url": settings.place.image(filter)});
    if let Some(secret) = &settings.place.pull_secret {
        set(&mut image, "pullSecretRef", json!({"kind": "Secret", "name": secret}));
    }
    let mut entry = json!({
        "name": filter.name,
        "rootID": filter.root,
        "code": {"type": "Image", "image": image},
        "config": filter.config,
        // A filter that crashed lets nobody in.
        "failOpen": false,
    });
    if !filter.variables.is_empty() {
        set(&mut entry, "env", json!({"hostKeys": filter.variables}));
    }
    entry
}

/// What machines of one id are told apart by. Envoy does so by their code, too, but not by code that it has yet to fetch: filters of
/// several modules would be started in the machine of the first.
pub(super) fn machine(filter: &Filter) -> Json {
    typed("google.protobuf.StringValue", json!({"value": filter.module}))
}

/// What Envoy Gateway calls the cluster of the first rule of an upstream's first route, which is there for it alone.
pub(super) fn of_upstream(name: &str, settings: &Settings) -> String {
    format!("httproute/{}/{}-1/rule/0", settings.place.namespace, kubernetes::named(name))
}

/// A resource that is added.
pub(super) fn whole(kind: &str, resource: &Json) -> Json {
    let operation = json!({"op": "add", "path": "", "value": resource});
    json!({"type": kind, "name": resource.get("name"), "operation": operation})
}

/// `is_one_space` is whether filters inside share what those of the gateway know.
fn patches(plan: &Plan<'_>, filters: &[Filter], is_one_space: bool, settings: &Settings) -> Vec<Json> {
    let name = format!("{}/{}/{}", settings.place.namespace, settings.gateway, settings.listener);
    let mut patches = Vec::new();
    if let Some(mut secured) = guard::secured(plan.policy) {
        set(&mut secured, "name", json!(kubernetes::named("secured")));
        let operation = json!({"op": "add", "jsonPath": "..http_filters", "path": "0", "value": secured});
        patches.push(json!({"type": LISTENER, "name": name, "operation": operation}));
    }
    for (index, filter) in filters.iter().enumerate() {
        let own =
            format!("envoy.filters.http.wasm/envoyextensionpolicy/{}/{NAME}/wasm/{index}", settings.place.namespace);
        let config = format!("..http_filters[?(@.name=='{own}')].typed_config.config");
        let mut add = |at: String, path: &str, value: Json| {
            let operation = json!({"op": "add", "jsonPath": at, "path": path, "value": value});
            patches.push(json!({"type": LISTENER, "name": name, "operation": operation}));
        };
        if kubernetes::holds_bodies(plan.policy, filter) {
            add(config.clone(), "allow_on_headers_stop_iteration", true.into());
        }
        // An id of their own keeps filters from sharing anything, even where they are of one module.
        if filter.module == BUNDLE || is_one_space {
            add(format!("{config}.vm_config"), "vm_id", NAME.into());
            add(format!("{config}.vm_config"), "configuration", machine(filter));
        }
    }
    // No route leads to what only filters call, so nothing else makes clusters of these.
    patches.extend(cluster::of_filters(plan).iter().map(|cluster| whole(CLUSTERS, cluster)));
    patches
}

/// What is patched into the table of routes, and the clusters that nothing else leads to: what Envoy does beyond objects, and before
/// all others the routes that nobody but a filter can choose.
fn of_routes(plan: &Plan<'_>, actions: &[Action], ways: &[&str], settings: &Settings) -> Vec<Json> {
    let policy = plan.policy;
    let name = format!("{}/{}/{}", settings.place.namespace, settings.gateway, settings.listener);
    let patch = |at: &str, path: &str, value: &Json| {
        let operation = json!({"op": "add", "jsonPath": at, "path": path, "value": value});
        json!({"type": ROUTES, "name": name, "operation": operation})
    };
    let said = actions.iter().map(|Action { routes, member, value }| {
        patch(&format!("..routes[?(@.name =~ '{routes}')].route"), member, value)
    });
    let mut patches: Vec<_> = said.collect();
    let outward = policy.routes.iter().filter(|route| !route.inside && route.compose.is_none());
    let reached = internal::reached(policy);
    let mut made = BTreeSet::new();
    // Each comes before those that are there, in each virtual host.
    let diverted = outward.rev().filter_map(|route| route::diversion(plan, route));
    let departing = route::departures(policy).into_iter().filter(|(upstream, _)| reached.contains(upstream));
    for (upstream, mut entry) in diverted.chain(departing) {
        if let Some(members) = entry.as_object_mut() {
            // By the time that it is chosen, the request is among all filters.
            members.remove("typed_per_filter_config");
        }
        match entry.pointer_mut("/route/cluster") {
            Some(found) if reached.contains(upstream) => *found = of_upstream(upstream, settings).into(),
            // Where something comes back into the proxy, it has a cluster already.
            _ if ways.is_empty() && made.insert(upstream) => {
                let cluster = policy.upstream(upstream).map(cluster::of_upstream);
                patches.extend(cluster.iter().map(|cluster| whole(CLUSTERS, cluster)));
            }
            _ => {}
        }
        patches.push(patch("$.virtual_hosts[*]", "routes/0", &entry));
    }
    patches
}
