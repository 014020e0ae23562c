//! Callouts: HTTP requests of a filter's own, sent through one of Envoy's clusters.
//!
//! They are made from callbacks of the root context alone: the SDK gives an answer to the context that was active when its
//! request was sent, and drops it where that was a stream which has ended.

use std::time::Duration;

use policy::Headers;

use crate::abi::HostError;
use crate::headers::{self, Map};
use crate::stream::{self, Buffer};

/// What a callout was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The status; 504 where the answer was too late and 503 where nobody answered, since Envoy says so.
    pub status: u16,
    /// All headers, `:status` included.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// Sends a request to `cluster`; `headers` has `:method`, `:path` and `:authority`. The number that comes back is the
/// token under which `on_http_call_response` will hear of it, at the latest after `timeout`.
///
/// # Errors
/// The host refuses where there is no such cluster, or no host in it.
pub fn send(cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout: Duration) -> Result<u32, HostError> {
    let body = Some(body).filter(|body| !body.is_empty());
    // The SDK must know the token, or it would not find the context to hand the answer to.
    proxy_wasm::hostcalls::dispatch_http_call(cluster, headers.to_vec(), body, Vec::new(), timeout)
        .map_err(|status| HostError { call: "proxy_http_call", status: status as u32 })
}

/// The answer that is being delivered to `on_http_call_response`, which is told the numbers; `None` where it broke off,
/// cannot be read, or is longer than `body_bytes_max`.
pub fn answer(headers: usize, body_bytes: usize, body_bytes_max: usize) -> Option<Answer> {
    if headers == 0 || body_bytes > body_bytes_max {
        return None;
    }
    let headers = headers::read(Map::Callout).ok()?;
    let status = std::str::from_utf8(headers.first(":status")?).ok()?.parse().ok()?;
    let body = if body_bytes == 0 { Vec::new() } else { stream::bytes(Buffer::CalloutBody, 0, body_bytes).ok()? };
    Some(Answer { status, headers, body })
}
