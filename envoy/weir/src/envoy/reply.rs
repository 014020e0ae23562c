//! Envoy's own error replies, in the words of the contract that the filters keep.
//!
//! A reply that a filter made is in those words already: its details begin with [`policy::handover::DETAILS_PREFIX`],
//! and the first mapper leaves it as it is. Every other reply gets a status, a code and a message by what happened,
//! as JSON or, where the client asks for it, as problem details (RFC 9457).
//!
//! The ids are the correlation filter's where it saw the request. Where it did not (a request that is no HTTP, headers
//! beyond the limit, a path that cannot be normalised), the request id is made here, and the correlation id is the same.
//! A mapper cannot say one random value twice, as it evaluates all its headers before it adds any; so a filter of Envoy's
//! own, which every reply passes after its mapper, repeats what the mapper has made.

use policy::handover::{DETAILS_PREFIX, header, state};
use serde_json::{Value as Json, json};

use crate::envoy::log::left;
use crate::envoy::{set, typed};

/// What happened, and what the client is told.
struct Case {
    /// When it applies, as an access log filter.
    filter: Json,
    /// The status that the client sees, where it is not the one that Envoy chose.
    status: Option<u16>,
    code: &'static str,
    title: &'static str,
    message: &'static str,
}

/// Response flags of an upstream that broke the connection, or that there was no connection to.
const BROKEN: [&str; 6] = ["UF", "UC", "UR", "LR", "UPE", "DF"];
/// Response flags of an upstream that was too slow.
const LATE: [&str; 2] = ["UT", "UMSDR"];

/// The mapping of local replies, all of which say `headers` besides.
pub fn config(headers: &[Json]) -> Json {
    let mut mappers = vec![json!({
        "filter": expression(&format!("response.code_details.startsWith('{DETAILS_PREFIX}')")),
        "body_format_override": {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}},
    })];
    for known in [true, false] {
        for case in cases() {
            mappers.push(case.mapper(known, Some(PROBLEM)));
            mappers.push(case.mapper(known, None));
        }
    }
    if !headers.is_empty() {
        // What no case is about is left as it is, too.
        mappers.push(json!({"filter": at_least(100)}));
    }
    for mapper in &mut mappers {
        let own = mapper.get("headers_to_add").and_then(Json::as_array).cloned().unwrap_or_default();
        let all: Vec<_> = own.into_iter().chain(headers.iter().cloned()).collect();
        if !all.is_empty() {
            set(mapper, "headers_to_add", all);
        }
    }
    json!({"mappers": mappers})
}

const PROBLEM: &str = "application/problem+json";

fn cases() -> Vec<Case> {
    let case = |filter, status, code, title, message| Case { filter, status, code, title, message };
    vec![
        case(flags(&LATE), Some(504), "TIMEOUT", "Gateway Timeout", "The upstream took too long"),
        case(flags(&BROKEN), Some(502), "PROXY_ERROR", "Bad Gateway", "The upstream gave no usable answer"),
        case(status(400), None, "BAD_REQUEST", "Bad Request", "The request is malformed"),
        case(status(404), None, "NOT_FOUND", "Not Found", "Not found"),
        case(status(408), None, "TIMEOUT", "Request Timeout", "The request took too long to arrive"),
        case(status(413), None, "BAD_REQUEST", "Content Too Large", "The body is too large"),
        case(status(426), None, "BAD_REQUEST", "Upgrade Required", "HTTP/1.1 or later is required"),
        case(status(431), None, "BAD_REQUEST", "Request Header Fields Too Large", "The header fields are too large"),
        case(status(502), None, "PROXY_ERROR", "Bad Gateway", "The upstream gave no usable answer"),
        case(status(503), None, "SERVICE_UNAVAILABLE", "Service Unavailable", "The service is not available"),
        case(status(504), None, "TIMEOUT", "Gateway Timeout", "The upstream took too long"),
        case(at_least(500), None, "INTERNAL_ERROR", "Internal Server Error", "Internal error"),
        case(at_least(400), None, "BAD_REQUEST", "Bad Request", "The request cannot be served"),
    ]
}

impl Case {
    /// How it is told to who does or does not ask for problem details. `known` is about requests that the correlation
    /// filter has seen: it puts their ids on the response itself.
    fn mapper(&self, known: bool, problem: Option<&str>) -> Json {
        let Self { code, title, message, .. } = self;
        let id = if known { left(state::REQUEST_ID) } else { format!("%RESP({})%", header::REQUEST_ID) };
        let mut filters = vec![self.filter.clone()];
        let format = match problem {
            None => json!({"json_format": {"error": {"code": code, "message": message, "request_id": id}}}),
            Some(content_type) => {
                filters.push(accepts(content_type));
                json!({
                    "content_type": content_type,
                    "json_format": {
                        "type": "about:blank", "title": title, "status": "%RESPONSE_CODE%", "detail": message,
                        "code": code, "request_id": id,
                    },
                })
            }
        };
        if known {
            filters.push(expression(&format!("'wasm.{}' in filter_state", state::REQUEST_ID)));
        }
        let filter = if filters.len() == 1 { self.filter.clone() } else { json!({"and_filter": {"filters": filters}}) };
        let mut mapper = json!({"filter": filter, "body_format_override": format});
        if !known {
            set(&mut mapper, "headers_to_add", json!([fresh_id()]));
        }
        if let Some(status) = self.status {
            set(&mut mapper, "status_code", status);
        }
        mapper
    }
}

/// The filter that gives a reply its request id for a correlation id, where it has none. It stands first in the chain, so
/// that it sees what the correlation filter has put on a response, and leaves it.
pub fn correlated() -> Json {
    let header = json!({"key": header::CORRELATION_ID, "value": format!("%RESP({})%", header::REQUEST_ID)});
    let add = json!({"append": {"header": header, "append_action": "ADD_IF_ABSENT"}});
    let kind = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
    let config = typed(kind, json!({"mutations": {"response_mutations": [add]}}));
    json!({"name": "correlated", "typed_config": config})
}

/// Tells a filter that what it asked for was answered by no upstream.
pub fn local() -> Json {
    let header = json!({"key": header::LOCAL, "value": "1"});
    json!({"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
}

/// A new id as a response header.
fn fresh_id() -> Json {
    let header = json!({"key": header::REQUEST_ID, "value": "%UNIQUE_ID%"});
    json!({"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
}

fn expression(expression: &str) -> Json {
    let kind = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter";
    let config = typed(kind, json!({"expression": expression}));
    json!({"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}})
}

fn flags(flags: &[&str]) -> Json {
    json!({"response_flag_filter": {"flags": flags}})
}

fn comparison(op: &str, value: u16) -> Json {
    let value = json!({"default_value": value, "runtime_key": format!("weir.reply.{value}")});
    json!({"status_code_filter": {"comparison": {"op": op, "value": value}}})
}

fn status(status: u16) -> Json {
    comparison("EQ", status)
}

fn at_least(status: u16) -> Json {
    comparison("GE", status)
}

/// As the filters read `Accept`: the media type is named, and not with a weight of nought.
fn accepts(content_type: &str) -> Json {
    let name = content_type.replace('+', "[+]");
    let weight = "q=(1[^;,]*|0[.][0-9]*[1-9][0-9]*)";
    let parameter = format!("([^q;, \t][^;,]*|q[^=;,][^;,]*|{weight})");
    let regex = format!("(?i)(.*,)?[ \t]*{name}([ \t]*;[ \t]*{parameter})*[ \t]*(,.*)?");
    json!({"header_filter": {"header": {"name": "accept", "string_match": {"safe_regex": {"regex": regex}}}}})
}
