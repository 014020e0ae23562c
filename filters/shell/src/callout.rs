//! Callouts: HTTP requests of a filter's own, sent through one of Envoy's clusters.
//!
//! An answer is handed to the context whose callback sent the request, and to nobody where that was a stream which has ended.
#![allow(unsafe_code)]

use std::time::Duration;

use policy::Headers;

use crate::abi::{self, HostError};
use crate::dispatch;
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
    let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let (headers, trailers) = (Headers::from_pairs(&pairs), Headers::from_pairs(&[]));
    let (headers, trailers) = (headers.as_bytes(), trailers.as_bytes());
    let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let mut token = 0;
    // SAFETY: all pointers are valid for the call.
    let status = unsafe {
        abi::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            millis,
            &raw mut token,
        )
    };
    abi::check("proxy_http_call", status)?;
    dispatch::await_answer(token);
    Ok(token)
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
