//! The current stream: body bytes, filter state, properties.
#![allow(unsafe_code)]

use crate::abi::{self, HostError};

/// Which buffer of the current stream, callout or plugin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Buffer {
    /// The request's body as far as it has arrived or is held.
    RequestBody = 0,
    /// The response's body as far as it has arrived or is held.
    ResponseBody = 1,
    /// The body of the callout's answer that is being delivered.
    CalloutBody = 4,
    /// The plugin's configuration, during its configuration.
    Configuration = 7,
}

/// `length` bytes of a buffer from `start` on, fewer where it ends.
///
/// # Errors
/// The host refuses where there is no such buffer in the current phase.
pub fn bytes(buffer: Buffer, start: usize, length: usize) -> Result<Vec<u8>, HostError> {
    // SAFETY: both pointers are valid for the call.
    let answer = abi::fetch("proxy_get_buffer_bytes", |data, size| unsafe {
        abi::proxy_get_buffer_bytes(buffer as u32, start, length, data, size)
    });
    match answer {
        Ok(bytes) => Ok(bytes.unwrap_or_default()),
        Err(HostError { status: abi::NOT_FOUND, .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Puts `bytes` in the place of all that a buffer holds.
///
/// # Errors
/// The host refuses where there is no such buffer in the current phase.
pub fn replace(buffer: Buffer, bytes: &[u8]) -> Result<(), HostError> {
    // Envoy puts the bytes before what is there where the length is zero, and accepts one beyond the buffer's.
    let all = i32::MAX as usize;
    // SAFETY: the pointer is valid for the call.
    let status = unsafe { abi::proxy_set_buffer_bytes(buffer as u32, 0, all, bytes.as_ptr(), bytes.len()) };
    abi::check("proxy_set_buffer_bytes", status)
}

/// A property of the stream, such as `["source", "address"]`, in the host's encoding; `None` where it has none.
///
/// # Errors
/// What the host says.
pub fn property(path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
    own_property(&path.join("\0"))
}

/// The property of this name, which needs no path.
///
/// # Errors
/// What the host says.
pub fn own_property(path: &str) -> Result<Option<Vec<u8>>, HostError> {
    // SAFETY: all pointers are valid for the call.
    let answer = abi::fetch("proxy_get_property", |data, size| unsafe {
        abi::proxy_get_property(path.as_ptr(), path.len(), data, size)
    });
    match answer {
        Err(HostError { status: abi::NOT_FOUND, .. }) => Ok(None),
        other => other,
    }
}

/// Sets one key of filter state (see [`policy::handover::state`]) for the filters after this one and the access log.
///
/// # Errors
/// What the host says.
pub fn set_state(key: &str, value: impl AsRef<[u8]>) -> Result<(), HostError> {
    let value = value.as_ref();
    // SAFETY: all pointers are valid for the call.
    let status = unsafe { abi::proxy_set_property(key.as_ptr(), key.len(), value.as_ptr(), value.len()) };
    abi::check("proxy_set_property", status)
}

/// Makes the stream of context `id` the current one, for a root context that acts on a stream which it holds.
///
/// # Errors
/// The host refuses where the stream has ended.
pub fn select(id: u32) -> Result<(), HostError> {
    // SAFETY: no pointers.
    abi::check("proxy_set_effective_context", unsafe { abi::proxy_set_effective_context(id) })
}

/// Lets the current stream's request go on that an earlier callback held back.
///
/// # Errors
/// What the host says.
pub fn resume_request() -> Result<(), HostError> {
    const REQUEST: u32 = 0;
    // SAFETY: no pointers.
    abi::check("proxy_continue_stream", unsafe { abi::proxy_continue_stream(REQUEST) })
}

/// Breaks the current stream off, whose answer has begun and must not end as if it were whole.
///
/// # Errors
/// What the host says.
pub fn break_off() -> Result<(), HostError> {
    const RESPONSE: u32 = 1;
    // SAFETY: no pointers.
    abi::check("proxy_close_stream", unsafe { abi::proxy_close_stream(RESPONSE) })
}

/// Lets the answer to the current stream's request go on that an earlier callback held back.
///
/// # Errors
/// What the host says.
pub fn resume_response() -> Result<(), HostError> {
    const RESPONSE: u32 = 1;
    // SAFETY: no pointers.
    abi::check("proxy_continue_stream", unsafe { abi::proxy_continue_stream(RESPONSE) })
}
