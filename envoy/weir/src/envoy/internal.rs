//! The way back into the proxy: what a filter of this proxy asks for on its own passes the filters again.
//!
//! A callout to the cluster [`NAME`] reaches a listener of the same name that has no socket: Envoy connects the two inside one
//! worker, and nobody outside can reach it. It routes as the outer listener does, by method, authority and path, and its chain is
//! the outer one without those filters that judge a *client*: `front`, `guard`, `auth`, `ratelimit` and `bodies`, and without
//! `admin`. So upstreams' limits, breakers, credentials, the cache and the ids hold for such a request as for any other.
//!
//! **How trust is passed on.** What comes in here was sent by one of the proxy's own filters. A filter that asks on a client's
//! behalf does so after the outer chain has judged that client, and hands on what `auth` said of it (`x-weir-user` and its like),
//! which is believed here as it is, as is the address in `x-forwarded-for`. The outer listener takes such headers off whatever a
//! client sends. The client is not charged a second time, and its credential, where it is handed on, is not judged a second time.
//!
//! **What a batch asks for** comes in by another such listener, [`CHARGED`], which has `ratelimit`, too: there the client is charged for
//! each request as if it had sent it alone.
//!
//! **What is sent once more**, since a provider refused a token, comes in by a third one, [`AGAIN`], behind the cache and the
//! breaker: both have let its first request through and wait for its answer, which they hear of once. The upstream's limit is asked.

use serde_json::{Value as Json, json};

use crate::envoy::{Plan, filter, listener, typed};
use crate::translate::{compose, provider};

/// The name of the cluster and of the listener.
pub const NAME: &str = "weir_internal";

/// The name of the cluster and of the listener by which a batch's requests come in, where callers are limited.
pub const CHARGED: &str = "weir_batch";

/// The name of the cluster and of the listener by which a request comes in that is sent once more, where tokens are fetched.
pub const AGAIN: &str = "weir_again";

/// The filters that judge a client, and those that a client's request ends at: what they send comes in here.
const OUTER: [&str; 11] =
    ["secured", "traced", "cors", "front", "guard", "auth", "caller", "ratelimit", "bodies", "compose", "admin"];

/// All such listeners and clusters.
pub const NAMES: [&str; 3] = [NAME, CHARGED, AGAIN];

/// Whether a listener or a cluster is one of them.
pub fn is_one(listener: &Json) -> bool {
    NAMES.iter().any(|name| listener["name"] == **name)
}

/// Whether the listener of this name has no filter of that name.
pub fn leaves_out(listener: &str, filter: &str) -> bool {
    match listener {
        CHARGED if filter == "ratelimit" => false,
        AGAIN if PASSED.contains(&filter) => true,
        _ => OUTER.contains(&filter),
    }
}

/// The filters that have let the first request through of one that is sent once more.
const PASSED: [&str; 3] = ["cache", provider::INPUT, "breaker"];

/// How many requests of a proxy's own may be under way at a time.
const REQUESTS: u32 = 4096;

/// Those of them that a policy's filters come back by.
pub fn ways(plan: &Plan<'_>) -> Vec<&'static str> {
    let is_asked = plan.policy.routes.iter().any(|route| route.compose.is_some() || route.cache.is_some());
    names(plan).into_iter().filter(|name| *name != NAME || is_asked).collect()
}

/// Their names: of the listeners, and of the clusters that lead there.
fn names(plan: &Plan<'_>) -> Vec<&'static str> {
    let charged = compose::is_charged(plan.policy).then_some(CHARGED);
    let again = provider::fetches_tokens(plan.policy).then_some(AGAIN);
    [NAME].into_iter().chain(charged).chain(again).collect()
}

/// The listeners.
pub fn listeners(plan: &Plan<'_>) -> Vec<Json> {
    names(plan).into_iter().map(|name| listener(plan, name)).collect()
}

fn listener(plan: &Plan<'_>, name: &str) -> Json {
    let is_left_out = |filter: &Json| filter["name"].as_str().is_some_and(|filter| leaves_out(name, filter));
    let chain: Vec<_> = filter::chain(plan).into_iter().filter(|filter| !is_left_out(filter)).collect();
    let manager = listener::manager(plan, listener::Side::Inner, &chain);
    listener::of(name, json!({"internal_listener": {}}), manager)
}

/// The clusters that lead to them.
pub fn clusters(plan: &Plan<'_>) -> Vec<Json> {
    names(plan).into_iter().map(cluster).collect()
}

fn cluster(name: &str) -> Json {
    let endpoint = json!({"endpoint": {"address": {"envoy_internal_address": {
        "server_listener_name": name, "endpoint_id": name,
    }}}});
    let raw = json!({
        "name": "envoy.transport_sockets.raw_buffer",
        "typed_config": typed("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", json!({})),
    });
    let socket = "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport";
    // HTTP/2 carries the scheme, by which what is stored is told apart.
    let protocol = json!({"explicit_http_config": {"http2_protocol_options": {}}});
    json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [{"max_requests": REQUESTS, "max_pending_requests": REQUESTS}]},
        "transport_socket": {
            "name": "envoy.transport_sockets.internal_upstream",
            "typed_config": typed(socket, json!({"transport_socket": raw})),
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
                typed("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", protocol),
        },
    })
}

/// What Envoy has to be started with for such a listener.
pub fn extension() -> Json {
    let kind = "envoy.extensions.bootstrap.internal_listener.v3.InternalListener";
    json!({"name": "envoy.bootstrap.internal_listener", "typed_config": typed(kind, json!({}))})
}
