//! The access log: one JSON object a line on standard output, for each request of a client. What filters ask for on their own has
//! lines, too: which upstream failed behind a composed answer is said nowhere else. Those say `inside`, and no other line does.

use policy::handover::state;
use serde_json::{Value as Json, json};

use crate::envoy::listener::Side;
use crate::envoy::{set, typed};
use crate::xds::rendering::MARK;

/// One logger for each level, each with the requests of its level alone: a filter by status costs nothing, while a
/// level that is computed for every line would be an expression to evaluate.
///
/// Where credentials are read from queries, the query is the one that the auth filter leaves without them. What is sent to
/// one of `providers` has a query of ours, with a credential perhaps; it is not the client's, and is left out.
pub fn loggers(side: Side, reads_queries: bool, providers: &[&str]) -> Vec<Json> {
    let query = match providers {
        _ if reads_queries => left(state::QUERY),
        [] => "%CEL(request.query)%".to_owned(),
        names => {
            // Where clusters come and go, more follows the name.
            let is =
                |name: &&str| format!("xds.cluster_name == '{name}' || xds.cluster_name.startsWith('{name}{MARK}')");
            let any: Vec<_> = names.iter().map(is).collect();
            format!("%CEL({} ? '' : request.query)%", any.join(" || "))
        }
    };
    let logger = |level, filter: &Json, ids| {
        let mut line = line(level, ids, &query);
        if side == Side::Inner {
            set(&mut line, "inside", true);
        }
        logger(filter, &line)
    };
    let answered = ["%RESP(X-REQUEST-ID)%".to_owned(), "%RESP(X-CORRELATION-ID)%".to_owned()];
    let unanswered = [left(state::REQUEST_ID), left(state::CORRELATION_ID)];
    vec![
        logger("info", &range(100, 400), &answered),
        logger("warn", &range(400, 500), &answered),
        logger("error", &range(500, 600), &answered),
        // No status at all: the client left before there was an answer that could carry ids.
        logger("error", &range(0, 100), &unanswered),
    ]
}

fn logger(filter: &Json, line: &Json) -> Json {
    let kind = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
    let config = typed(kind, json!({"log_format": {"json_format": line}}));
    json!({"name": "envoy.access_loggers.stdout", "filter": filter, "typed_config": config})
}

/// Statuses from `low` up to, but without, `high`.
fn range(low: u32, high: u32) -> Json {
    let bound = |op: &str, value: u32| {
        let value = json!({"default_value": value, "runtime_key": format!("weir.log.{value}")});
        json!({"status_code_filter": {"comparison": {"op": op, "value": value}}})
    };
    let upper = bound("LE", high - 1);
    if low == 0 { upper } else { json!({"and_filter": {"filters": [bound("GE", low), upper]}}) }
}

/// What a Wasm filter left for the log.
pub(super) fn left(key: &str) -> String {
    format!("%FILTER_STATE(wasm.{key}:PLAIN)%")
}

fn line(level: &str, [request_id, correlation_id]: &[String; 2], query: &str) -> Json {
    json!({
        "timestamp": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "level": level,
        // Of the response: Envoy's replies to what never reached a filter carry ids that nothing else knows.
        "request_id": request_id,
        "correlation_id": correlation_id,
        "trace_id": left(state::TRACE_ID),
        "agent": left(state::AGENT),
        "user_id": format!("%FILTER_STATE({}:PLAIN)%", state::USER),
        "tier": format!("%FILTER_STATE({}:PLAIN)%", state::TIER),
        "method": "%REQ(:METHOD)%",
        "path": "%PATH(NQ:ORIG_OR_PATH)%",
        "query": query,
        "status": "%RESPONSE_CODE%",
        "duration_ms": "%DURATION%",
        "cache": "%RESP(CACHE-STATUS)%",
        "breaker": left(state::BREAKER),
        "upstream": "%UPSTREAM_CLUSTER%",
        "upstream_ms": "%RESPONSE_DURATION%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "bytes": "%BYTES_SENT%",
    })
}
