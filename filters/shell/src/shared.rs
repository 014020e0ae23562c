//! Shared data: one store per `vm_id`, seen by every worker and every filter of the proxy.
//!
//! One key holds one whole state, replaced by compare-and-swap or not at all. There is no delete, no listing and no
//! eviction: a key lives as long as the proxy, so keys are bounded in number by whoever makes them.
#![allow(unsafe_code)]

use crate::abi::{self, HostError};

/// The version of a value: what a compare-and-swap compares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Version(u32);

impl Default for Version {
    fn default() -> Self {
        Self::ABSENT
    }
}

impl Version {
    /// The version of what is not there yet: storing under it creates, and fails where somebody was faster.
    pub const ABSENT: Self = Self(u32::MAX);
}

/// Why an update did not happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// Other workers changed the value in between, each time.
    Contended,
    /// The host failed.
    Host(HostError),
}

/// What becomes of the value that an update was shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change<T> {
    /// It stays as it was, and this is the update's answer.
    Keep(T),
    /// It is replaced by what the buffer now holds, and this is the update's answer.
    Store(T),
}

/// The value under `key` with its version; an absent one is empty and [`Version::ABSENT`].
///
/// # Errors
/// What the host says.
pub fn read(key: &str) -> Result<(Vec<u8>, Version), HostError> {
    let mut cas = 0;
    // SAFETY: all pointers are valid for the call.
    let answer = abi::fetch("proxy_get_shared_data", |data, size| unsafe {
        abi::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
    });
    match answer {
        Ok(value) => Ok((value.unwrap_or_default(), Version(cas))),
        Err(HostError { status: abi::NOT_FOUND, .. }) => Ok((Vec::new(), Version::ABSENT)),
        Err(error) => Err(error),
    }
}

/// Stores `value` under `key` where its version still is `version`.
///
/// # Errors
/// [`Failure::Contended`] where it is not.
pub fn store(key: &str, value: &[u8], version: Version) -> Result<(), Failure> {
    match set(key, value, version.0) {
        abi::OK => Ok(()),
        abi::CAS_MISMATCH => Err(Failure::Contended),
        status => Err(Failure::Host(HostError { call: "proxy_set_shared_data", status })),
    }
}

/// Stores `value` under `key`, whatever stands there.
///
/// # Errors
/// What the host says.
pub fn overwrite(key: &str, value: &[u8]) -> Result<(), HostError> {
    abi::check("proxy_set_shared_data", set(key, value, 0))
}

/// Changes the value under `key` as one step: `change` sees it (empty where absent) and may edit it in place. When
/// another worker was faster, it is shown the new value, `attempts` times in all.
///
/// # Errors
/// [`Failure::Contended`] after the last attempt.
pub fn update<T>(key: &str, attempts: u32, mut change: impl FnMut(&mut Vec<u8>) -> Change<T>) -> Result<T, Failure> {
    for _ in 0..attempts {
        let (mut value, version) = read(key).map_err(Failure::Host)?;
        match change(&mut value) {
            Change::Keep(answer) => return Ok(answer),
            Change::Store(answer) => match store(key, &value, version) {
                Ok(()) => return Ok(answer),
                Err(Failure::Contended) => {}
                Err(failure) => return Err(failure),
            },
        }
    }
    Err(Failure::Contended)
}

fn set(key: &str, value: &[u8], cas: u32) -> u32 {
    // SAFETY: all pointers are valid for the call.
    unsafe { abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) }
}
