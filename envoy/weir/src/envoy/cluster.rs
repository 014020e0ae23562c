//! Where requests go: one cluster for each upstream, one for each place that issuers publish their keys at or that providers'
//! tokens come from, one for the state store, and the one that leads back into the proxy.

use std::path::Path;

use policy::Period;
use serde_json::{Value as Json, json};

use crate::envoy::{Plan, duration, guard, internal, set, tracing, typed};
use crate::policy::Upstream;
use crate::policy::upstream::{Address, Name, Pool};

/// Where the certificates of public authorities are, on the systems that keep them in one file.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How long a connection to where an issuer publishes its keys may take: less than the filter waits for an answer.
const CONNECT_TIMEOUT: Period = Period::of_seconds(1);
/// One worker at a time fetches keys.
const POOL: Pool = Pool { connections: 4, pending: 16, requests: 16 };

/// So many retries may be under way however few requests are.
const RETRIES_LEAST: u64 = 3;

/// How much is read at once of the answers that the provider filter holds back: a piece must fit into what Envoy holds for
/// the client's stream, 64 KiB with HTTP/2, or the answer is lost.
const PIECE_BYTES: u32 = 32 << 10;

/// All clusters that may change while Envoy runs: the upstreams', those that only filters call, and the way back in.
pub fn all(plan: &Plan<'_>) -> Vec<Json> {
    let upstreams = plan.policy.upstreams.iter().map(of_upstream);
    upstreams.chain(of_filters(plan)).chain(internal::clusters(plan)).chain(guard::cluster(plan.policy)).collect()
}

/// Those that only filters call: the state store's, and those that keys and tokens are fetched through.
pub fn of_filters(plan: &Plan<'_>) -> Vec<Json> {
    let store = plan.policy.state.iter().map(|state| of_upstream(&state.upstream));
    let publishers = plan.policy.identity.iter().flat_map(|identity| &identity.publishers);
    let publishers = publishers.map(|one| aside(&one.cluster, &one.address));
    let endpoints = plan.policy.upstreams.iter().filter_map(|upstream| upstream.provider.as_ref()?.endpoint.as_ref());
    let mut endpoints: Vec<_> = endpoints.collect();
    endpoints.sort_by(|one, other| one.cluster.cmp(&other.cluster));
    endpoints.dedup_by(|one, other| one.cluster == other.cluster);
    let endpoints = endpoints.into_iter().map(|one| aside(&one.cluster, &one.address));
    let collector = plan.policy.tracing.iter().map(|tracing| aside(tracing::COLLECTOR, &tracing.collector));
    store.chain(collector).chain(publishers).chain(endpoints).collect()
}

/// Where the requests to an upstream go.
pub(crate) fn of_upstream(upstream: &Upstream) -> Json {
    let budget = upstream.retry.as_ref().map(|retry| retry.budget);
    let (name, address) = (&upstream.name.value, &upstream.address);
    let mut cluster = render(name, address, upstream.connect_timeout, upstream.pool, budget);
    if upstream.provider.is_some() {
        set(&mut cluster, "per_connection_buffer_limit_bytes", PIECE_BYTES);
    }
    cluster
}

/// Where something is fetched now and then.
pub(crate) fn aside(name: &str, address: &Address) -> Json {
    render(name, address, CONNECT_TIMEOUT, POOL, None)
}

/// `retries` is how many percent of the requests under way may be retries.
fn render(name: &str, address: &Address, connect_timeout: Period, pool: Pool, retries: Option<u64>) -> Json {
    let (kind, host) = match &address.host {
        Name::Domain(name) => ("STRICT_DNS", name.clone()),
        Name::Ip(ip) => ("STATIC", ip.to_string()),
    };
    let endpoint = json!({"endpoint": {"address": {"socket_address": {"address": host, "port_value": address.port}}}});
    let mut cluster = json!({
        "name": name,
        "type": kind,
        "connect_timeout": duration(connect_timeout),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [threshold(pool, retries)]},
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 60, "keepalive_interval": 10},
        },
        "per_connection_buffer_limit_bytes": 1 << 20,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
                typed("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", protocol(address.tls)),
        },
    });
    if kind == "STRICT_DNS" {
        set(&mut cluster, "dns_lookup_family", "V4_PREFERRED");
    }
    if address.tls {
        set(
            &mut cluster,
            "transport_socket",
            json!({
                "name": "envoy.transport_sockets.tls",
                "typed_config": typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", tls(&address.host)),
            }),
        );
    }
    cluster
}

fn threshold(pool: Pool, retries: Option<u64>) -> Json {
    let mut threshold = json!({
        "max_connections": pool.connections,
        "max_pending_requests": pool.pending,
        "max_requests": pool.requests,
    });
    if let Some(percent) = retries {
        // Beyond it, a failing upstream would get a multiple of the load that it fails under.
        let budget = json!({"budget_percent": {"value": percent}, "min_retry_concurrency": RETRIES_LEAST});
        set(&mut threshold, "retry_budget", budget);
    }
    threshold
}

/// HTTP/2 where TLS can agree on it, HTTP/1.1 elsewhere; unused connections are closed after 90 seconds.
fn protocol(tls: bool) -> Json {
    let common = json!({"idle_timeout": "90s"});
    if tls {
        let both = json!({"http_protocol_options": {}, "http2_protocol_options": {}});
        json!({"common_http_protocol_options": common, "auto_config": both})
    } else {
        let explicit = json!({"http_protocol_options": {}});
        json!({"common_http_protocol_options": common, "explicit_http_config": explicit})
    }
}

/// The certificate must be of a public authority and for this host.
fn tls(host: &Name) -> Json {
    let [usual, ..] = &AUTHORITIES;
    let authorities = AUTHORITIES.iter().find(|file| Path::new(file).exists()).unwrap_or(usual);
    let (kind, name) = match host {
        Name::Domain(name) => ("DNS", name.clone()),
        Name::Ip(ip) => ("IP_ADDRESS", ip.to_string()),
    };
    let names = json!([{"san_type": kind, "matcher": {"exact": name}}]);
    let validation = json!({"trusted_ca": {"filename": authorities}, "match_typed_subject_alt_names": names});
    let versions = json!({"tls_minimum_protocol_version": "TLSv1_2"});
    let mut context = json!({"common_tls_context": {"tls_params": versions, "validation_context": validation}});
    if kind == "DNS" {
        set(&mut context, "sni", name);
    }
    context
}
