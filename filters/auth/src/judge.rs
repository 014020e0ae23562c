//! The decision about one request.

use std::rc::Rc;
use std::time::Duration;

use policy::headers::Sole;
use policy::{Instant, Rejection};

use crate::config::Config;
use crate::memory::Memory;
use crate::refusal::{self, Refusal};
use crate::revocation::{Revoked, Standing};
use crate::route::{Mode, Route};
use crate::token::{self, Verified};
use crate::verifier::Verifier;

/// What becomes of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Its route asks nothing; the credential passes as it is.
    Unjudged,
    /// It has no credential and needs none.
    Anonymous,
    /// It is by whom the token says.
    Allowed(Rc<Verified>),
    /// It has no credential and needs one.
    Missing,
    /// Its credential is bad, on whichever route that judges it.
    Refused(Refusal),
    /// Nobody can say now whether its credential is good; asking again is worth it after this long.
    Unavailable(Duration),
}

impl Decision {
    /// What a request that may not pass is answered.
    pub fn rejection(&self, realm: &str) -> Option<Rejection> {
        match self {
            Self::Unjudged | Self::Anonymous | Self::Allowed(_) => None,
            Self::Unavailable(retry_after) => Some(Rejection::Unavailable { retry_after: Some(*retry_after) }),
            Self::Missing => Some(refusal::demand(realm)),
            Self::Refused(refusal) => Some(refusal.rejection(realm)),
        }
    }
}

/// Everything that a decision depends on besides the request.
pub struct Judge<'a> {
    /// Whom to believe.
    pub config: &'a Config,
    /// What this worker remembers.
    pub memory: &'a mut Memory,
    /// Checks the signatures.
    pub verifier: &'a dyn Verifier,
    /// What is revoked.
    pub revoked: &'a Revoked,
    /// When it is.
    pub now: Instant,
}

impl Judge<'_> {
    /// Judges a request on this route by its `credential`.
    pub fn judge(&mut self, route: &Route, credential: Sole<'_>) -> Decision {
        let allowed = match (route.mode, credential) {
            (Mode::Off, _) => return Decision::Unjudged,
            (Mode::Optional, Sole::Absent) => return Decision::Anonymous,
            (Mode::Required, Sole::Absent) => return Decision::Missing,
            (_, Sole::Repeated) => Err(Refusal::Repeated),
            (_, Sole::Value(value)) => bearer(value).and_then(|token| self.admit(token)),
        };
        match (allowed, self.revoked.standing) {
            (Ok(_), Standing::Unknown(retry_after)) => Decision::Unavailable(retry_after),
            (Ok(verified), Standing::Known) => Decision::Allowed(verified),
            (Err(refusal), _) => Decision::Refused(refusal),
        }
    }

    fn admit(&mut self, token: &[u8]) -> Result<Rc<Verified>, Refusal> {
        if token.len() > self.config.token_bytes_max {
            return Err(Refusal::TooLong);
        }
        let print = self.memory.fingerprint(token);
        if let Some(known) = self.memory.recall(print, self.now) {
            known.check(self.now, self.config.leeway)?;
            self.revoked.check(&known.marks, self.now)?;
            return Ok(known);
        }
        let text = std::str::from_utf8(token).map_err(|_| Refusal::Malformed)?;
        let opened = Rc::new(token::open(self.config, text, self.verifier)?);
        opened.check(self.now, self.config.leeway)?;
        self.memory.learn(print, Rc::clone(&opened), self.now);
        // A token that is revoked now may not be so later, and is remembered all the same.
        self.revoked.check(&opened.marks, self.now)?;
        Ok(opened)
    }
}

/// The token of `Bearer <token>` (RFC 6750 §2.1; the scheme's case does not matter, RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Result<&[u8], Refusal> {
    let end = value.iter().position(|&byte| byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end).unwrap_or_default();
    if scheme.is_empty() {
        return Err(Refusal::Malformed);
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Refusal::Scheme);
    }
    // What is not base64url is found when it is decoded; an empty token is no token.
    let start = rest.iter().position(|&byte| byte != b' ');
    let token = start.and_then(|start| rest.get(start..)).ok_or(Refusal::Malformed)?;
    // Envoy joins a header that is repeated, and no token has a comma.
    if token.contains(&b',') { Err(Refusal::Repeated) } else { Ok(token) }
}

#[cfg(test)]
mod tests;
