//! `weir render istio`: a policy for an ingress gateway of Istio.
//!
//! Filters come as `WasmPlugin` as far as that can say what they need, in the order of their priorities. From the first on that it
//! cannot (it holds bodies, or a route leaves it out), they come in one `EnvoyFilter`, which Istio applies behind all plugins:
//! the order of filters is never another than the policy's. The routes come as a second `EnvoyFilter`, since a `VirtualService` can
//! neither match what only a filter says nor leave a filter out, and the way back into the proxy as a third. What is outside of
//! the mesh gets a `ServiceEntry`, and everything that is called a `DestinationRule` with the policy's pools, TLS and retry budgets.
//! `Telemetry` adds the caller's tier to metrics and traces. What comes as `EnvoyFilter` is pulled without a secret: Istio hands those of
//! plugins alone to its agent.
//!
//! Istio gives all plugins one space of shared data, whatever they are.

pub mod chain;
pub mod internal;
pub mod service;

use auth::config::ANONYMOUS;
use policy::handover::{header, state};
use serde_json::{Value as Json, json};

use crate::envoy::{Plan, set};
use crate::istio::service::Service;
use crate::kubernetes::{self, NAME, Place};
use crate::policy::Policy;
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
///
/// # Errors
/// Names that Kubernetes does not accept, or takes for one; services that Istio takes for one.
pub fn objects(plan: &Plan<'_>, settings: &Settings) -> Result<Vec<Json>, String> {
    let services = service::all(plan.policy);
    kubernetes::check_names(services.iter().map(|service| service.name.as_str()))?;
    let cluster = |name: &str| services.iter().find(|service| service.name == name).map(Service::cluster);
    let ways = crate::envoy::internal::ways(plan);
    let filters: Vec<Filter> = plan.filters.iter().map(|filter| kubernetes::adapted(filter, &ways, &cluster)).collect();
    let routes: Vec<_> = plan.policy.routes.iter().collect();
    let needs_more = |filter: &Filter| {
        kubernetes::holds_bodies(plan.policy, filter) || kubernetes::blind(plan.policy, &routes, filter).is_some()
    };
    let (plugins, rest) = filters.split_at(filters.iter().position(needs_more).unwrap_or(filters.len()));
    let mut objects = service::objects(&services, settings)?;
    objects.extend(plugins.iter().enumerate().map(|(index, filter)| plugin(filter, index, settings)));
    objects.push(chain::filters(plan.policy, rest, settings));
    objects.push(chain::routes(plan, rest, &cluster, settings));
    objects.extend(internal::object(plan, &ways, &filters, rest, &cluster, settings));
    objects.push(telemetry(plan.policy, settings));
    Ok(objects)
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
    if let Some(secret) = &settings.place.pull_secret {
        set(&mut spec, "imagePullSecret", json!(secret));
    }
    settings.place.object("extensions.istio.io/v1alpha1", "WasmPlugin", &kubernetes::named(filter.name), &spec)
}

/// The tier of whoever calls, as `auth` has found it, in Istio's own metrics and in spans.
///
/// Both are made when a request is over. By then nothing of its caller is in the headers for a third party, so what is told is what was
/// kept for the log. What a plugin refuses comes to an end before that was kept, but with all of its headers: of these, only the
/// policy's own tiers count, since before `auth` any other may be a client's.
fn telemetry(policy: &Policy, settings: &Settings) -> Json {
    let (kept, sent) = (format!("filter_state['{}']", state::TIER), format!("request.headers['{}']", header::TIER));
    let known: Vec<_> = policy.tiers.iter().map(|(name, _)| format!("'{}'", name.value)).collect();
    let is_known = format!("'{}' in request.headers && {sent} in [{}]", header::TIER, known.join(", "));
    // What was kept are bytes, which CEL in Envoy converts to no text, and which are written as they are.
    let tier = format!("'{}' in filter_state ? {kept} : {is_known} ? {sent} : '{ANONYMOUS}'", state::TIER);
    let spec = json!({
        "selector": {"matchLabels": selector(settings)},
        "metrics": [{
            "providers": [{"name": "prometheus"}],
            "overrides": [{
                "match": {"metric": "REQUEST_COUNT", "mode": "CLIENT_AND_SERVER"},
                "tagOverrides": {"weir_tier": {"value": tier}},
            }],
        }],
        "tracing": [{
            "customTags": {"weir.tier": {"formatter": {"value": format!("%FILTER_STATE({}:PLAIN)%", state::TIER)}}},
        }],
    });
    settings.place.object("telemetry.istio.io/v1", "Telemetry", NAME, &spec)
}

fn selector(settings: &Settings) -> Json {
    let (name, value) = &settings.selector;
    json!({name: value})
}
