//! The whole of Envoy's configuration: in one piece, or as files that a running Envoy follows.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::envoy::{NAME, Plan, cluster, internal, listener, operation, set, socket_address, typed};

/// How large a regular expression may be, in instructions of RE2: a policy's templates and hosts are of any length.
const EXPRESSION_SIZE: u32 = 10_000;

/// One self-contained file.
pub fn standalone(plan: &Plan<'_>) -> Json {
    let mut clusters = cluster::all(plan);
    if plan.policy.operation.is_some() {
        clusters.extend(operation::clusters(plan));
    }
    let mut bootstrap = frame(plan);
    set(&mut bootstrap, "static_resources", json!({"listeners": listener::all(plan), "clusters": clusters}));
    bootstrap
}

/// The file that Envoy is started with where listeners and clusters come from files in `folder` and may change.
pub fn followed(plan: &Plan<'_>, folder: &Path) -> Json {
    let source = |file: &str| {
        let watched = json!({"path": folder.to_string_lossy()});
        let path = folder.join(file);
        json!({
            "resource_api_version": "V3",
            "path_config_source": {"path": path.to_string_lossy(), "watched_directory": watched},
        })
    };
    let mut bootstrap = frame(plan);
    set(&mut bootstrap, "node", json!({"id": NAME, "cluster": NAME}));
    // A rollout judges by latencies, which Envoy brings up to date only then; its default is five seconds.
    set(&mut bootstrap, "stats_flush_interval", json!("1s"));
    // A policy that comes later may have use for them.
    set(&mut bootstrap, "static_resources", json!({"clusters": operation::clusters(plan)}));
    set(&mut bootstrap, "dynamic_resources", json!({"lds_config": source(LISTENERS), "cds_config": source(CLUSTERS)}));
    bootstrap
}

/// The name of the file of listeners.
pub const LISTENERS: &str = "listeners.json";
/// The name of the file of clusters.
pub const CLUSTERS: &str = "clusters.json";

/// What both forms have in common, and what only a restart can change.
fn frame(plan: &Plan<'_>) -> Json {
    let connections = plan.policy.clients.connections;
    json!({
        "admin": {"address": socket_address(plan.policy.admin.value)},
        "bootstrap_extensions": [internal::extension()],
        "layered_runtime": {"layers": [
            // Before 1.39, Envoy refuses longer expressions than most, of which the way that clients name a media type is one.
            {"name": "weir", "static_layer": {"re2.max_program_size.error_level": EXPRESSION_SIZE}},
            {"name": "admin", "admin_layer": {}},
        ]},
        "stats_config": {"stats_tags": tags(), "histogram_bucket_settings": buckets()},
        "overload_manager": {
            "resource_monitors": [{
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": typed(
                    "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    json!({"max_active_downstream_connections": connections}),
                ),
            }],
        },
    })
}

/// Bounds of what Envoy measures of requests, in milliseconds: among them those that latencies are promised and alerted by, so that
/// no quantile near them is a guess.
fn buckets() -> Json {
    let bounds = [1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 150.0, 300.0, 600.0, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5];
    json!([{"match": {"suffix": "_rq_time"}, "buckets": bounds}])
}

/// Labels stand in the names of Weir's metrics as `_provider_=spotify;`: see [`policy::metric`].
fn tags() -> Vec<Json> {
    let tag = |label: &str| json!({"tag_name": label, "regex": format!("(_{label}_=([^;]*);)")});
    policy::metric::LABELS.into_iter().map(tag).collect()
}
