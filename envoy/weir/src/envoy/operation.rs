//! What is answered beside the policy's routes: `/health` and `/admin` by the admin filter, and `/metrics` by Envoy itself, whose
//! administration interface renders all metrics as Prometheus reads them. Nothing else of that interface can be reached.

use serde_json::{Value as Json, json};

use crate::envoy::{Plan, filter, set, socket_address};
use crate::policy::Policy;

/// The cluster that leads to Envoy's administration interface, for what operators ask.
pub const NAME: &str = "weir_admin";
/// The one that leads there for whoever reads the metrics: however many do, operators are not kept waiting.
pub const METRICS: &str = "weir_metrics";

/// The filters that have nothing to do with what is answered here. An operator's role is what `auth` finds.
const IDLE: [&str; 10] =
    ["front", "ratelimit", "bodies", "compose", "cache", "input", "quota", "breaker", "provider", "caller"];

/// The routes, none where the policy has nobody answer.
pub fn routes(policy: &Policy) -> Vec<Json> {
    let Some(operation) = &policy.operation else { return Vec::new() };
    let answered = |path: &str, has_auth: bool| {
        let mut idle = IDLE.to_vec();
        if !has_auth {
            idle.push("auth");
        }
        // The filter answers. Where it does not, there is nothing.
        let mut route = json!({"match": {"path_separated_prefix": path}, "direct_response": {"status": 404}});
        set(&mut route, "typed_per_filter_config", filter::switched_off(&idle));
        route
    };
    let mut metrics = json!({
        "match": {"path": "/metrics", "headers": [{"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}]},
        "route": {"cluster": METRICS, "prefix_rewrite": "/stats/prometheus", "timeout": "10s"},
        // Nothing of a client's is Envoy's own business.
        "request_headers_to_remove": ["authorization", "cookie"],
    });
    let idle: Vec<_> = IDLE.into_iter().chain(["auth", "admin"]).collect();
    set(&mut metrics, "typed_per_filter_config", filter::switched_off(&idle));
    vec![answered("/health", false), answered("/admin", operation.role().is_some()), metrics]
}

/// The clusters. They belong beside the address that Envoy is started with, and to nothing that changes while it runs: another
/// policy may say another address, which Envoy does not have before it is started anew.
pub fn clusters(plan: &Plan<'_>) -> Vec<Json> {
    let endpoint = json!({"endpoint": {"address": socket_address(plan.policy.admin.value)}});
    let cluster = |name: &str, at_once: u32| {
        json!({
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
            // Each answer is rendered on Envoy's main thread: some at a time, and the rest is told to come again.
            "circuit_breakers": {
                "thresholds": [{"max_connections": at_once, "max_pending_requests": 4, "max_requests": at_once}],
            },
        })
    };
    vec![cluster(NAME, 2), cluster(METRICS, 1)]
}
