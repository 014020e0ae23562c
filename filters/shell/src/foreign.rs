//! Functions that Envoy offers to Wasm filters beyond the ABI.
#![allow(unsafe_code)]

use crate::abi::{self, HostError};

/// Calls the host's function `name`. Another host may lack it, and Envoy answers a wrong argument with an error.
///
/// # Errors
/// What the host says.
pub fn call(name: &str, arguments: &[u8]) -> Result<Vec<u8>, HostError> {
    // SAFETY: all pointers are valid for the call.
    let answer = abi::fetch("proxy_call_foreign_function", |data, size| unsafe {
        abi::proxy_call_foreign_function(name.as_ptr(), name.len(), arguments.as_ptr(), arguments.len(), data, size)
    });
    answer.map(Option::unwrap_or_default)
}
