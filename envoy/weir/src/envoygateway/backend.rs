//! What is called, as `Backend`s, and how: `BackendTrafficPolicy`s.

use serde_json::{Value as Json, json};

use crate::envoy::set;
use crate::envoygateway::Settings;
use crate::kubernetes;
use crate::policy::Upstream;
use crate::policy::upstream::Name;

/// The group of Envoy Gateway's own kinds, with their version.
pub const VERSION: &str = "gateway.envoyproxy.io/v1alpha1";

/// Where an upstream is.
pub fn place(upstream: &Upstream, settings: &Settings) -> Json {
    let (address, name) = (&upstream.address, kubernetes::named(&upstream.name.value));
    let (endpoint, host) = match &address.host {
        Name::Domain(name) => (json!({"fqdn": {"hostname": name, "port": address.port}}), name.clone()),
        Name::Ip(ip) => (json!({"ip": {"address": ip.to_string(), "port": address.port}}), ip.to_string()),
    };
    let mut spec = json!({"endpoints": [endpoint]});
    if address.tls {
        set(&mut spec, "tls", json!({"wellKnownCACertificates": "System", "sni": host, "minVersion": "1.2"}));
    }
    settings.place.object(VERSION, "Backend", &name, &spec)
}

/// So many routes can be named by one policy.
const TARGETS_MAX: usize = 16;

/// How an upstream is called by the routes of these names. No retry is said here, since it would be one of every method: that is
/// patched into the routes, and where no patch is allowed, nothing is sent twice.
pub fn traffic(upstream: &Upstream, routes: &[String], settings: &Settings) -> Vec<Json> {
    let pool = upstream.pool;
    let mut breaker = json!({
        "maxConnections": pool.connections,
        "maxPendingRequests": pool.pending,
        "maxParallelRequests": pool.requests,
    });
    if let Some(retry) = &upstream.retry {
        let budget = json!({"percent": {"numerator": retry.budget, "denominator": 100}, "minRetryConcurrency": 3});
        set(&mut breaker, "retryBudget", budget);
    }
    let spec = json!({
        "tcpKeepalive": {"probes": 3, "idleTime": "60s", "interval": "10s"},
        "timeout": {
            "tcp": {"connectTimeout": kubernetes::duration(upstream.connect_timeout.length())},
            "http": {"requestTimeout": kubernetes::duration(upstream.timeout.length()), "connectionIdleTimeout": "90s"},
        },
        "circuitBreaker": breaker,
    });
    let target = |name: &String| json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": name});
    let policies = routes.chunks(TARGETS_MAX).enumerate().map(|(index, routes)| {
        let mut spec = spec.clone();
        set(&mut spec, "targetRefs", routes.iter().map(target).collect::<Json>());
        let name = kubernetes::named(&upstream.name.value);
        // No upstream's name has a dot.
        let name = if index == 0 { name } else { format!("{name}.{}", index + 1) };
        settings.place.object(VERSION, "BackendTrafficPolicy", &name, &spec)
    });
    policies.collect()
}
