//! An origin without a story: `GET /plain?bytes=500` answers what its query asks for, as fast as it can.
//!
//! | parameter | meaning |
//! |---|---|
//! | `bytes` | the length of the body (500) |
//! | `status` | the status (200) |
//! | `cache-control`, `vary`, `etag`, `expires`, `age`, `content-type` | that header |
//! | `header=name:value` | any header, repeatable |

use axum::{body::Body, response::Response};
use bytes::Bytes;
use hyper::{
    StatusCode, Uri,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};

use crate::{params::Params, reply};

/// How long a body may be.
const BODY_BYTES_MAX: usize = 1024 * 1024;
static BODY: [u8; BODY_BYTES_MAX] = [b'.'; BODY_BYTES_MAX];

/// Answers one request.
pub(crate) fn answer(uri: &Uri) -> Response {
    let params = Params::parse(uri.query().unwrap_or_default().as_bytes());
    let length = params.number("bytes", 500, 0, BODY_BYTES_MAX);
    let status = params.number("status", 200, 200, 599).and_then(|code| u16::try_from(code).ok());
    let (Some(length), Some(status)) = (length, status) else {
        return reply::error(StatusCode::BAD_REQUEST, "bytes is 0 to 1048576, status is 200 to 599");
    };
    let mut response = Response::new(Body::from(Bytes::from_static(&BODY[..length])));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    for (name, value) in params.iter() {
        let (name, value) = match name {
            "cache-control" | "vary" | "etag" | "expires" | "age" | "content-type" => (name, value),
            "header" => match value.split_once(':') {
                Some((name, value)) => (name, value.trim()),
                None => return reply::error(StatusCode::BAD_REQUEST, "header is name:value"),
            },
            _ => continue,
        };
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) else {
            return reply::error(StatusCode::BAD_REQUEST, "a header has a name and a value");
        };
        if name == CONTENT_TYPE {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
    response
}
