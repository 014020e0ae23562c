//! Spans of requests, as Envoy's OpenTelemetry tracer exports them, with what the filters decided as their attributes.
//!
//! **One trace.** Envoy begins its span before any filter sees a request, in the client's trace where there is one. What the
//! correlation filter then finds is that very trace: a filter before it says it in `traceparent` where the client did not, so the
//! log, what filters ask for on a request's behalf, and the upstream are all in the trace that is exported. Where clients'
//! traces are not to go on (`correlation: {client_traces: restart}`), their headers are taken off before Envoy looks.
//!
//! **No secrets.** Envoy would say the whole URL, with the credentials that a query may hold, the client's and, where a
//! provider wants it there, our own. What it says is put in the place of that: the client's path alone.

use policy::handover::state;
use serde_json::{Value as Json, json};

use crate::envoy::log::left;
use crate::envoy::{Plan, typed};
use crate::policy::Policy;

/// The cluster of the collector.
pub const COLLECTOR: &str = "weir_tracing";

/// What a connection manager does of it; nothing where the policy has no `tracing`.
pub fn config(policy: &Policy) -> Option<Json> {
    let tracing = policy.tracing.as_ref()?;
    let address = &tracing.collector;
    let scheme = if address.tls { "https" } else { "http" };
    let uri = format!("{scheme}://{}{}/v1/traces", address.authority(), address.base);
    let exporter = json!({
        "service_name": tracing.service,
        "http_service": {"http_uri": {"uri": uri, "cluster": COLLECTOR, "timeout": "1s"}},
        "sampler": sampler(tracing.sampled),
    });
    Some(json!({
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": typed("envoy.config.trace.v3.OpenTelemetryConfig", exporter),
        },
        "spawn_upstream_span": true,
        "custom_tags": tags(),
    }))
}

/// What a client has decided holds; of the others, as many as are wanted are recorded, by their ids.
fn sampler(percent: f64) -> Json {
    const KIND: &str = "envoy.extensions.tracers.opentelemetry.samplers.v3";
    let ratio = json!({"sampling_percentage": {"numerator": (percent * 10_000.0).round(), "denominator": "MILLION"}});
    let ratio = json!({
        "name": "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        "typed_config": typed(&format!("{KIND}.TraceIdRatioBasedSamplerConfig"), ratio),
    });
    json!({
        "name": "envoy.tracers.opentelemetry.samplers.parent_based",
        "typed_config": typed(&format!("{KIND}.ParentBasedSamplerConfig"), json!({"wrapped_sampler": ratio})),
    })
}

/// Leaves request ids alone: Envoy would write into them what became of a trace, and record none of a request whose id it did not
/// make.
pub fn apart() -> Json {
    let kind = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig";
    let config = json!({"pack_trace_reason": false, "use_request_id_for_trace_sampling": false});
    json!({"typed_config": typed(kind, config)})
}

/// What is said of each request, from where the access log has it, too.
fn tags() -> Vec<Json> {
    let tag = |name: &str, value: String| json!({"tag": name, "value": value});
    vec![
        tag("http.url", "%REQ(:SCHEME)%://%REQ(:AUTHORITY)%%PATH(NQ:ORIG_OR_PATH)%".to_owned()),
        tag("weir.request_id", left(state::REQUEST_ID)),
        tag("weir.correlation_id", left(state::CORRELATION_ID)),
        tag("weir.agent", left(state::AGENT)),
        tag("weir.user", format!("%FILTER_STATE({}:PLAIN)%", state::USER)),
        tag("weir.tier", format!("%FILTER_STATE({}:PLAIN)%", state::TIER)),
        tag("weir.provider", left(state::PROVIDER)),
        tag("weir.breaker", left(state::BREAKER)),
        tag("weir.cache", "%RESP(CACHE-STATUS)%".to_owned()),
        tag("weir.details", "%RESPONSE_CODE_DETAILS%".to_owned()),
    ]
}

/// The filter that tells the correlation filter which trace a request is in.
pub fn told(policy: &Policy) -> Option<Json> {
    policy.tracing.as_ref()?;
    // The parent is the correlation filter's to choose. Whether the trace is recorded, nothing says here: what is asked for on
    // the request's behalf is recorded where its client has had it so.
    let header = json!({"key": policy::handover::header::TRACEPARENT, "value": "00-%TRACE_ID%-0000000000000001-00"});
    let add = json!({"append": {"header": header, "append_action": "ADD_IF_ABSENT"}});
    let kind = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
    Some(json!({"name": "traced", "typed_config": typed(kind, json!({"mutations": {"request_mutations": [add]}}))}))
}

/// Headers that Envoy must not find.
pub fn hidden(plan: &Plan<'_>) -> Vec<&'static str> {
    let correlation = plan.filters.iter().find(|filter| filter.name == "correlation");
    let restarts =
        correlation.is_some_and(|filter| filter.config.get("client_traces").is_some_and(|traces| traces == "restart"));
    if plan.policy.tracing.is_some() && restarts { vec!["traceparent", "tracestate"] } else { Vec::new() }
}
