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

/// How an upstream is called by the routes of these names.
pub fn traffic(upstream: &Upstream, routes: &[String], settings: &Settings) -> Json {
    let pool = upstream.pool;
    let targets: Vec<_> = routes
        .iter()
        .map(|name| json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": name}))
        .collect();
    let mut breaker = json!({
        "maxConnections": pool.connections,
        "maxPendingRequests": pool.pending,
        "maxParallelRequests": pool.requests,
    });
    let mut spec = json!({
        "targetRefs": targets,
        "tcpKeepalive": {"probes": 3, "idleTime": "60s", "interval": "10s"},
        "timeout": {
            "tcp": {"connectTimeout": kubernetes::duration(upstream.connect_timeout.length())},
            "http": {"requestTimeout": kubernetes::duration(upstream.timeout.length()), "connectionIdleTimeout": "90s"},
        },
    });
    if let Some(retry) = &upstream.retry {
        let heeded = upstream.slow_down.as_ref().map(|said| said.statuses.as_slice()).unwrap_or_default();
        let statuses: Vec<_> = retry.statuses.iter().filter(|status| !heeded.contains(status)).collect();
        {
            let budget = json!({"percent": {"numerator": retry.budget, "denominator": 100}, "minRetryConcurrency": 3});
            set(&mut breaker, "retryBudget", budget);
        }
        let pause = |period: policy::Period| kubernetes::duration(period.length());
        set(
            &mut spec,
            "retry",
            json!({
                "numRetries": retry.times,
                "perRetry": {
                    "timeout": pause(retry.per_try),
                    "backOff": {"baseInterval": pause(retry.wait), "maxInterval": pause(retry.longest_wait)},
                },
                "retryOn": {
                    "triggers": ["reset", "connect-failure", "refused-stream", "retriable-status-codes"],
                    "httpStatusCodes": statuses,
                },
            }),
        );
    }
    set(&mut spec, "circuitBreaker", breaker);
    settings.place.object(VERSION, "BackendTrafficPolicy", &kubernetes::named(&upstream.name.value), &spec)
}
