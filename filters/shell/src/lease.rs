//! Leadership: of all workers that ask, one is told to do what must be done once per proxy.

use std::time::Duration;

use policy::lease::{Claim, claim};

use crate::abi::HostError;
use crate::plugin::now;
use crate::shared::{self, Failure};

/// Whether this worker does the work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// It does, until the lease ends.
    Leader,
    /// Another one does.
    Follower,
}

/// Asks for the lease under `key` (see [`policy::lease`]) or renews it. `asker` is this worker's own number, drawn at
/// random when it was configured; whoever leads asks again within half of `length`.
///
/// # Errors
/// What the host says; nobody leads then.
pub fn lead(key: &str, asker: u64, length: Duration) -> Result<Role, HostError> {
    let (stored, version) = shared::read(key)?;
    match claim(&stored, asker, now(), length) {
        Claim::Held => Ok(Role::Leader),
        Claim::Refused => Ok(Role::Follower),
        Claim::Take(bytes) => match shared::store(key, &bytes, version) {
            Ok(()) => Ok(Role::Leader),
            Err(Failure::Contended) => Ok(Role::Follower),
            Err(Failure::Host(error)) => Err(error),
        },
    }
}
