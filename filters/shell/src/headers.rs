//! Header maps: read whole in one host call, changed one name at a time.
#![allow(unsafe_code)]

use policy::Headers;

use crate::abi::{self, HostError};

/// Which header map of the current stream or callout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Map {
    /// The request's headers, pseudo-headers included. Gone in the response phase.
    Request = 0,
    /// The request's trailers.
    RequestTrailers = 1,
    /// The response's headers, `:status` included.
    Response = 2,
    /// The response's trailers.
    ResponseTrailers = 3,
    /// The headers of the callout's answer that is being delivered.
    Callout = 6,
    /// The trailers of the callout's answer that is being delivered.
    CalloutTrailers = 7,
}

/// The whole map.
///
/// # Errors
/// The host refuses where there is no such map in the current phase.
pub fn read(map: Map) -> Result<Headers, HostError> {
    const CALL: &str = "proxy_get_header_map_pairs";
    // SAFETY: both pointers are valid for the call.
    let bytes = abi::fetch(CALL, |data, size| unsafe { abi::proxy_get_header_map_pairs(map as u32, data, size) })?;
    // A host whose serialisation we cannot read has told us nothing.
    Headers::parse(bytes.unwrap_or_default()).ok_or(HostError { call: CALL, status: abi::PARSE_FAILURE })
}

/// The first value under `name`, or `None` where there is none. Where a second value matters, [`read`] the map.
///
/// # Errors
/// What the host says, other than that there is no such header.
pub fn first(map: Map, name: &str) -> Result<Option<Vec<u8>>, HostError> {
    // SAFETY: all pointers are valid for the call.
    let answer = abi::fetch("proxy_get_header_map_value", |data, size| unsafe {
        abi::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size)
    });
    match answer {
        Err(HostError { status: abi::NOT_FOUND, .. }) => Ok(None),
        other => other,
    }
}

/// Replaces the whole map.
///
/// # Errors
/// What the host says.
pub fn replace_all(map: Map, headers: &Headers) -> Result<(), HostError> {
    let bytes = headers.as_bytes();
    // SAFETY: the pointer is valid for the call.
    let status = unsafe { abi::proxy_set_header_map_pairs(map as u32, bytes.as_ptr(), bytes.len()) };
    abi::check("proxy_set_header_map_pairs", status)
}

/// Sets `name` to `value` alone, whatever it was before.
///
/// # Errors
/// What the host says.
pub fn set(map: Map, name: &str, value: impl AsRef<[u8]>) -> Result<(), HostError> {
    let value = value.as_ref();
    // SAFETY: all pointers are valid for the call.
    let status = unsafe {
        abi::proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    };
    abi::check("proxy_replace_header_map_value", status)
}

/// Adds `name: value` beside whatever stands under that name.
///
/// # Errors
/// What the host says.
pub fn add(map: Map, name: &str, value: impl AsRef<[u8]>) -> Result<(), HostError> {
    let value = value.as_ref();
    // SAFETY: all pointers are valid for the call.
    let status =
        unsafe { abi::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    abi::check("proxy_add_header_map_value", status)
}

/// Removes every value under `name`.
///
/// # Errors
/// What the host says.
pub fn remove(map: Map, name: &str) -> Result<(), HostError> {
    // SAFETY: the pointer is valid for the call.
    let status = unsafe { abi::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) };
    abi::check("proxy_remove_header_map_value", status)
}
