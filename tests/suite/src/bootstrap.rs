//! The smallest bootstrap of Envoy that runs a chain of filters as `weir render envoy` would run it.

use serde_json::{Value, json};

use crate::module;
use crate::scenario::Scenario;

/// A bootstrap with the scenario's chain in front of its clusters, which are all one upstream. The access log has the
/// client's port, and the filter state under each of `states`.
pub(crate) fn bootstrap(scenario: &Scenario, upstream_port: u16, states: &[String]) -> String {
    let clusters = scenario.clusters().iter();
    let mut clusters: Vec<Value> =
        clusters.map(|(name, at)| cluster(name, at.map_or(upstream_port, |at| at.port()))).collect();
    let chain = |stat_prefix| json!([{"filters": [manager(scenario, states, stat_prefix)]}]);
    let mut listeners = vec![json!({"name": "main", "address": address(0), "filter_chains": chain("weir")})];
    let mut extensions = Vec::new();
    if let Some(name) = scenario.way_back() {
        listeners.push(json!({"name": name, "internal_listener": {}, "filter_chains": chain(name)}));
        clusters.push(back(name));
        extensions.push(typed(
            "envoy.bootstrap.internal_listener",
            "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
            json!({}),
        ));
    }
    json!({
        "bootstrap_extensions": extensions,
        "static_resources": {"listeners": listeners, "clusters": clusters},
        // Histograms are merged this often; the default is five seconds.
        "stats_flush_interval": "0.1s",
    })
    .to_string()
}

/// The connection manager with the scenario's chain.
fn manager(scenario: &Scenario, states: &[String], stat_prefix: &str) -> Value {
    let mut filters: Vec<Value> =
        scenario.chain().iter().map(|(name, config)| filter(scenario, name, config)).collect();
    filters.push(typed("router", "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router", json!({})));
    let routes: Vec<Value> = scenario.routes().iter().map(|(prefix, cluster)| route(prefix, cluster)).collect();
    let mut manager = json!({
        "stat_prefix": stat_prefix,
        "generate_request_id": false,
        "preserve_external_request_id": true,
        "normalize_path": true,
        "use_remote_address": true,
        "http_protocol_options": {"enable_trailers": true},
        "http_filters": filters,
        "access_log": [access_log(states)],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    });
    if let Some(timeout) = scenario.request_time() {
        manager["request_timeout"] = json!(format!("{}s", timeout.as_secs_f64()));
    }
    typed(
        "http",
        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        manager,
    )
}

/// The cluster that leads back into the proxy.
fn back(name: &str) -> Value {
    let raw = typed(
        "envoy.transport_sockets.raw_buffer",
        "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
        json!({}),
    );
    let mut cluster = cluster(name, 0);
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] =
        json!({"envoy_internal_address": {"server_listener_name": name, "endpoint_id": name}});
    cluster["transport_socket"] = typed(
        "envoy.transport_sockets.internal_upstream",
        "type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
        json!({"transport_socket": raw}),
    );
    cluster
}

fn filter(scenario: &Scenario, name: &str, config: &str) -> Value {
    let environment: serde_json::Map<String, Value> =
        scenario.variables().iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let plugin = json!({"config": {
        "name": name,
        "root_id": name,
        "failure_policy": "FAIL_RELOAD",
        "allow_on_headers_stop_iteration": true,
        "vm_config": {
            "vm_id": "weir",
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": module::path(name)}},
            "environment_variables": {"key_values": environment},
        },
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": config},
    }});
    typed(name, "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", plugin)
}

/// A route without a time limit: what hangs is the test's to end.
fn route(prefix: &str, cluster: &str) -> Value {
    json!({"match": {"prefix": prefix}, "route": {"cluster": cluster, "timeout": "0s"}})
}

fn cluster(name: &str, port: u16) -> Value {
    let protocol = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
    });
    json!({
        "name": name,
        "type": "STATIC",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}],
        },
    })
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn access_log(states: &[String]) -> Value {
    let states: serde_json::Map<String, Value> =
        states.iter().map(|key| (key.clone(), json!(format!("%FILTER_STATE({key}:PLAIN)%")))).collect();
    let file = json!({
        "path": "access.log",
        "log_format": {"json_format": {"port": "%DOWNSTREAM_REMOTE_PORT%", "states": states}},
    });
    typed("file", "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", file)
}

fn typed(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(kind);
    json!({"name": name, "typed_config": config})
}
