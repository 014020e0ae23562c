//! `weir render istio`: a policy for an ingress gateway of Istio.
//!
//! Filters come as `WasmPlugin` as far as that can say what they need, in the order of their priorities. From the first on that it
//! cannot (it holds bodies, or a route leaves it out), they come in one `EnvoyFilter`, which Istio applies behind all plugins:
//! the order of filters is never another than the policy's. The routes come as a second `EnvoyFilter`, since a `VirtualService` can
//! neither match what only a filter says nor leave a filter out, and the way back into the proxy as a third. What is outside of
//! the mesh gets a `ServiceEntry`, and everything that is called a `DestinationRule` with the policy's pools, TLS and retry budgets.
//! `Telemetry` adds the caller's tier to metrics and traces.
//!
//! Istio gives all plugins one space of shared data, whatever they are.

pub mod chain;
pub mod internal;
pub mod service;

use serde_json::{Value as Json, json};

use crate::envoy::{Plan, set};
use crate::istio::service::Service;
use crate::kubernetes::{self, NAME, Place};
use crate::translate::Filter;

/// Where in Istio a policy is to be applied.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace, which is that of the gateway, and the images.
    pub place: Place,
    /// The label of the gateway's pods, by name and value.
    pub selector: (String, String),
}

/// All objects.
pub fn objects(plan: &Plan<'_>, settings: &Settings) -> Vec<Json> {
    let services = service::all(plan.policy);
    let cluster = |name: &str| services.iter().find(|service| service.name == name).map(Service::cluster);
    let ways = crate::envoy::internal::ways(plan);
    let filters: Vec<Filter> = plan.filters.iter().map(|filter| kubernetes::adapted(filter, &ways, &cluster)).collect();
    let routes: Vec<_> = plan.policy.routes.iter().collect();
    let needs_more = |filter: &Filter| {
        kubernetes::holds_bodies(plan.policy, filter) || kubernetes::blind(plan.policy, &routes, filter).is_some()
    };
    let (plugins, rest) = filters.split_at(filters.iter().position(needs_more).unwrap_or(filters.len()));
    let mut objects = service::objects(&services, settings);
    objects.extend(plugins.iter().enumerate().map(|(index, filter)| plugin(filter, index, settings)));
    objects.push(chain::filters(plan.policy, rest, settings));
    objects.push(chain::routes(plan, rest, &cluster, settings));
    objects.extend(internal::object(plan, &ways, &filters, rest, &cluster, settings));
    objects.push(telemetry(settings));
    objects
}

fn plugin(filter: &Filter, index: usize, settings: &Settings) -> Json {
    let mut spec = json!({
        "selector": {"matchLabels": selector(settings)},
        "url": format!("oci://{}", settings.place.image(filter)),
        "type": "HTTP",
        "phase": "AUTHN",
        // The highest comes first.
        "priority": 100 - index,
        "pluginName": filter.root,
        "pluginConfig": filter.config,
        "failStrategy": "FAIL_RELOAD",
    });
    if !filter.variables.is_empty() {
        let env: Vec<_> = filter.variables.iter().map(|name| json!({"name": name, "valueFrom": "HOST"})).collect();
        set(&mut spec, "vmConfig", json!({"env": env}));
    }
    settings.place.object("extensions.istio.io/v1alpha1", "WasmPlugin", &kubernetes::named(filter.name), &spec)
}

/// The tier of whoever calls, as `auth` has found it, in Istio's own metrics and in traces.
fn telemetry(settings: &Settings) -> Json {
    let header = policy::handover::header::TIER;
    let tier = format!("has(request.headers['{header}']) ? request.headers['{header}'] : 'anonymous'");
    let spec = json!({
        "selector": {"matchLabels": selector(settings)},
        "metrics": [{
            "providers": [{"name": "prometheus"}],
            "overrides": [{
                "match": {"metric": "REQUEST_COUNT", "mode": "CLIENT_AND_SERVER"},
                "tagOverrides": {"weir_tier": {"value": tier}},
            }],
        }],
        "tracing": [{"customTags": {"weir.tier": {"header": {"name": header, "defaultValue": "anonymous"}}}}],
    });
    settings.place.object("telemetry.istio.io/v1", "Telemetry", NAME, &spec)
}

fn selector(settings: &Settings) -> Json {
    let (name, value) = &settings.selector;
    json!({name: value})
}
