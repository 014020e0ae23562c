//! Answering in the upstream's place.
#![allow(unsafe_code)]

use policy::handover::header;
use policy::rejection::Format;
use policy::{Headers, Rejection, RequestId};

use crate::abi::{self, HostError};
use crate::context::Action;

/// Answers the current request with `rejection`, in the form that the request's own `headers` ask for, plus `extra`
/// headers. The callback that calls this returns what this returns, and answers no second time.
pub fn reject(rejection: &Rejection, headers: &Headers, extra: &[(&str, &str)]) -> Action {
    let request_id = headers.first(header::REQUEST_ID).and_then(RequestId::parse);
    let reply = rejection.reply(request_id.as_ref(), Format::of(headers.first("accept")));
    let own = reply.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let pairs: Vec<_> = own.chain(extra.iter().copied()).collect();
    send(reply.status, &reply.details, &pairs, &reply.body)
}

/// Answers the current request with exactly this; `details` reach the access log as `%RESPONSE_CODE_DETAILS%` and
/// begin with [`policy::handover::DETAILS_PREFIX`].
pub fn send<V: AsRef<[u8]>>(status: u16, details: &str, headers: &[(&str, V)], body: &[u8]) -> Action {
    let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_ref())).collect();
    send_whole(status, details, &Headers::from_pairs(&pairs), body)
}

/// As [`send`], with headers that are serialised already.
pub fn send_whole(status: u16, details: &str, headers: &Headers, body: &[u8]) -> Action {
    log::debug!("answered {status} {details}");
    let bytes = headers.as_bytes();
    // -1: not a gRPC status; Envoy makes one of the HTTP status where the request is gRPC.
    // SAFETY: all pointers are valid for the call.
    let answer = unsafe {
        abi::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            bytes.as_ptr(),
            bytes.len(),
            -1,
        )
    };
    if let Err(error @ HostError { .. }) = abi::check("proxy_send_local_response", answer) {
        // The stream is ending, or an answer is on its way already: nobody is left to tell.
        log::debug!("no reply sent: {error}");
    }
    Action::Pause
}
