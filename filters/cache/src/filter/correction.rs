//! What has to be set right after the host has sent an answer for us.

use policy::Headers;
use shell::HostError;
use shell::headers::{self, Map};

/// What a host makes of the content type of an answer that it sends for us: Envoy takes it away where there is no
/// body, and makes it `text/plain` where there is a body without it.
pub(crate) enum Correction {
    /// Nothing is wrong.
    None,
    /// There was no content type.
    Remove,
    /// This was the content type.
    Restore(Vec<u8>),
}

impl Correction {
    /// What will be wrong with an answer of these headers and this body.
    pub(crate) fn of(headers: &Headers, body: &[u8]) -> Self {
        match headers.first("content-type") {
            None if !body.is_empty() => Self::Remove,
            Some(value) if body.is_empty() => Self::Restore(value.to_vec()),
            _ => Self::None,
        }
    }

    /// Sets it right, in the response's headers.
    pub(crate) fn apply(self) -> Result<(), HostError> {
        match self {
            Self::None => Ok(()),
            Self::Remove => headers::remove(Map::Response, "content-type"),
            Self::Restore(value) => headers::set(Map::Response, "content-type", value),
        }
    }
}
