//! Answers: JSON with its headers, and the parts that several upstreams have alike.

use std::collections::BTreeMap;

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use hyper::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::digest;

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// A good answer of JSON.
pub(crate) fn ok(value: &Value) -> Response {
    json(StatusCode::OK, value)
}

/// What the internal services say when they refuse.
pub(crate) fn error(status: StatusCode, message: &str) -> Response {
    json(
        status,
        &json!({"status": status.as_u16(), "error": status.canonical_reason().unwrap_or("Error"), "message": message}),
    )
}

/// The answer that a fault puts in place of the real one.
pub(crate) fn replaced(status: u16, headers: &BTreeMap<String, String>, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        response = with(response, name, value.as_str());
    }
    response
}

/// Adds a header; one that cannot be a header is left out.
pub(crate) fn with(mut response: Response, name: &str, value: &(impl ToString + ?Sized)) -> Response {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.to_string().parse::<HeaderValue>()) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A good answer that may be kept, with a validator: 304 where the client has it already (RFC 9110, section 13.1.2).
pub(crate) fn cacheable(request_headers: &HeaderMap, cache_control: &'static str, value: &Value) -> Response {
    let body = value.to_string();
    let tag = format!("\"{}\"", digest::hex(&body, 16));
    let matched = request_headers.get_all(IF_NONE_MATCH).iter().filter_map(|sent| sent.to_str().ok()).any(|sent| {
        sent.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
    });
    let mut response = if matched {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        ok(value)
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    with(response, ETAG.as_str(), &tag)
}

/// A body of JSON, or the answer to one that is not.
pub(crate) fn payload<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Response> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
    }
    serde_json::from_slice(body).map_err(|reason| error(StatusCode::BAD_REQUEST, &format!("malformed body: {reason}")))
}
