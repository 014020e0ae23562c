//! Where clients arrive, and where the filters' own requests do: a listener with one HTTP connection manager each.

use serde_json::{Value as Json, json};

use crate::envoy::{
    NAME, Plan, duration, filter, guard, internal, log, reply, route, set, socket_address, tracing, typed,
};

/// How much of a body or of many small messages is held for one connection.
const BUFFER_BYTES: u64 = 1 << 20;

/// Who sends what a listener hears.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Clients.
    Outer,
    /// This proxy's own filters.
    Inner,
}

/// All listeners.
pub fn all(plan: &Plan<'_>) -> Vec<Json> {
    let address = json!({"address": socket_address(plan.policy.listen.value)});
    let outer = of(NAME, address, manager(plan, Side::Outer, &filter::chain(plan)));
    [outer].into_iter().chain(internal::listeners(plan)).collect()
}

/// A listener with one connection manager.
pub(crate) fn of(name: &str, mut place: Json, manager: Json) -> Json {
    let manager = typed("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", manager);
    let filter = json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager});
    set(&mut place, "name", name);
    set(&mut place, "per_connection_buffer_limit_bytes", BUFFER_BYTES);
    set(&mut place, "filter_chains", json!([{"filters": [filter]}]));
    place
}

/// A connection manager with these filters.
pub(crate) fn manager(plan: &Plan<'_>, side: Side, filters: &[Json]) -> Json {
    let clients = &plan.policy.clients;
    let providers = plan.policy.upstreams.iter().filter(|upstream| upstream.provider.is_some());
    let providers: Vec<_> = providers.map(|upstream| upstream.name.value.as_str()).collect();
    let mut said = guard::headers(plan.policy);
    if side == Side::Inner {
        said.push(reply::local());
    }
    let mut manager = json!({
        "stat_prefix": if side == Side::Inner { internal::NAME } else { NAME },
        "server_name": NAME,
        "server_header_transformation": guard::banner(plan.policy),
        // What leaves over TLS does not call itself plain HTTP because its client came that way.
        "scheme_header_transformation": {"match_upstream": true},
        // Inside, the headers say who the client was.
        "use_remote_address": side == Side::Outer,
        "xff_num_trusted_hops": clients.trusted_hops,
        // Without an `internal_address_config`, nobody is inside: what `x-envoy-…` headers of any client say of retries and
        // timeouts is dropped. One without ranges would make insiders of all private addresses.
        "early_header_mutation_extensions": [without(if side == Side::Outer { tracing::hidden(plan) } else { Vec::new() })],
        // The correlation filter makes ids, and knows which of a client's are safe to keep.
        "generate_request_id": false,
        "preserve_external_request_id": true,
        // What routes and filters match on is one spelling of a path, and nothing that decodes to another.
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "max_request_headers_kb": clients.header_bytes.div_ceil(1024),
        "common_http_protocol_options": {
            "max_headers_count": clients.headers,
            "idle_timeout": duration(clients.idle_timeout),
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 1 << 16,
            "initial_connection_window_size": 1 << 20,
        },
        "stream_idle_timeout": duration(clients.idle_timeout),
        "request_headers_timeout": duration(clients.request_timeout.min(policy::Period::of_seconds(10))),
        "access_log": log::loggers(side, plan.policy.identity.as_ref().is_some_and(|identity| identity.reads_queries), &providers),
        "local_reply_config": reply::config(&said),
        "http_filters": filters,
        "route_config": {
            "name": NAME,
            "virtual_hosts": [{"name": NAME, "domains": ["*"], "routes": route::table(plan, side),
                "typed_per_filter_config": guard::everywhere(plan.policy)}],
            "response_headers_to_remove": guard::removed(plan.policy),
        },
    });
    if side == Side::Outer {
        // A request without a body that waits in a filter is "not received" until it is let go. Inside, nobody sends slowly.
        set(&mut manager, "request_timeout", duration(clients.request_timeout));
    }
    if let Some(tracing) = tracing::config(plan.policy) {
        set(&mut manager, "tracing", tracing);
        set(&mut manager, "request_id_extension", tracing::apart());
    }
    manager
}

/// Takes off `hidden` and the header from which the access log learns what a path was before a route rewrote it: a client that
/// sends it would write the log.
fn without(mut hidden: Vec<&str>) -> Json {
    hidden.push("x-envoy-original-path");
    let kind = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";
    let mutations: Vec<_> = hidden.into_iter().map(|name| json!({"remove": name})).collect();
    json!({
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": typed(kind, json!({"mutations": mutations})),
    })
}
