//! The decision about one request.

use std::rc::Rc;
use std::time::Duration;

use policy::{Instant, Rejection};

use crate::apikey;
use crate::config::Config;
use crate::credential::Shown;
use crate::keyring::{Keyring, Lack, Prospect};
use crate::memory::Memory;
use crate::refusal::{self, Refusal};
use crate::revocation::{Revoked, Standing};
use crate::route::{Mode, Route};
use crate::source::Kind;
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
    /// It is by whom the token says, who may not.
    Forbidden(Rc<Verified>),
    /// It has no credential and needs one.
    Missing,
    /// Its credential is bad, on whichever route that judges it.
    Refused(Refusal),
    /// It cannot be judged yet: what it lacks is about to be fetched.
    Wait(Lack),
    /// It needs a credential, and none can be judged now; it is worth trying again after this long.
    Unavailable(Duration),
}

impl Decision {
    /// What a request that may not pass is answered.
    pub fn rejection(&self, config: &Config) -> Option<Rejection> {
        match self {
            Self::Unjudged | Self::Anonymous | Self::Allowed(_) | Self::Wait(_) => None,
            Self::Unavailable(retry_after) => Some(Rejection::Unavailable { retry_after: Some(*retry_after) }),
            Self::Forbidden(_) => Some(Rejection::Forbidden),
            Self::Missing => Some(refusal::demand(&config.realm, &config.kinds)),
            Self::Refused(refusal) => Some(refusal.rejection(&config.realm)),
        }
    }
}

/// Everything that a decision depends on besides the request.
pub struct Judge<'a> {
    /// Whom to believe.
    pub config: &'a Config,
    /// What this worker remembers.
    pub memory: &'a mut Memory,
    /// The keys of issuers that publish them.
    pub keyring: &'a Keyring,
    /// Checks the signatures.
    pub verifier: &'a dyn Verifier,
    /// When the request came, where it may wait for keys.
    pub since: Option<Instant>,
    /// What is revoked.
    pub revoked: &'a Revoked,
    /// When it is.
    pub now: Instant,
}

impl Judge<'_> {
    /// Judges a request on this route by what it shows.
    pub fn judge(&mut self, route: &Route, shown: &Shown<'_>) -> Decision {
        let allowed = match (route.mode, shown) {
            (Mode::Off, _) => return Decision::Unjudged,
            // Whoever shows nothing may be allowed more once it shows something.
            (Mode::Optional, Shown::Nothing) if route.forbids(self.config.anonymous) => return Decision::Missing,
            (Mode::Optional, Shown::Nothing) => return Decision::Anonymous,
            (Mode::Required, Shown::Nothing) => return Decision::Missing,
            (_, Shown::Several) => Err(Refusal::Repeated),
            (_, Shown::One(credential)) => credential.bytes().and_then(|bytes| match credential.kind() {
                Kind::Token => self.admit(&bytes),
                Kind::ApiKey => self.admit_key(&bytes),
            }),
        };
        match (allowed, self.revoked.standing) {
            (Err(refusal), _) => self.refuse(route.mode, refusal),
            (Ok(_), Standing::Unknown(retry_after)) => Decision::Unavailable(retry_after),
            (Ok(verified), Standing::Known) if route.forbids(verified.granted) => Decision::Forbidden(verified),
            (Ok(verified), Standing::Known) => Decision::Allowed(verified),
        }
    }

    /// What a lack of keys means depends on the route: where a credential is required, the gateway cannot do its work;
    /// where it is not, the client has shown one that nobody can verify.
    fn refuse(&self, mode: Mode, refusal: Refusal) -> Decision {
        let Refusal::Lacking(lack) = refusal else { return Decision::Refused(refusal) };
        match (self.keyring.prospect(self.config, lack, self.since, self.now), lack, mode) {
            (Prospect::Soon, ..) => Decision::Wait(lack),
            (Prospect::In(wait), Lack::Keys(_), Mode::Required) => Decision::Unavailable(wait),
            (Prospect::In(_), ..) => Decision::Refused(refusal),
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
        if let Some(refusal) = self.memory.recall_refusal(print, self.now) {
            return Err(refusal);
        }
        let text = std::str::from_utf8(token).map_err(|_| Refusal::Malformed)?;
        let opened = token::open(self.config, self.keyring, text, self.verifier).map(Rc::new);
        let judged = opened.and_then(|opened| {
            let valid = opened.check(self.now, self.config.leeway);
            // What is not valid yet is genuine all the same; what has ended needs no place among the good.
            if !valid.is_err_and(Refusal::lasts) {
                self.memory.learn(print, Rc::clone(&opened), self.now);
            }
            valid.map(|()| opened)
        });
        if let Err(refusal) = &judged {
            self.memory.learn_refusal(print, *refusal, self.now);
        }
        let opened = judged?;
        // A token that is revoked now may not be so later, and is remembered all the same.
        self.revoked.check(&opened.marks, self.now)?;
        Ok(opened)
    }

    /// A key seen before costs no hash. Its time ends by this clock alone, so there is no leeway.
    fn admit_key(&mut self, key: &[u8]) -> Result<Rc<Verified>, Refusal> {
        apikey::check(key)?;
        let print = self.memory.fingerprint_of_key(key);
        let (known, seen) = match self.memory.recall(print, self.now) {
            Some(known) => (known, true),
            None => (self.config.api_keys.find(key).ok_or(Refusal::KeyUnknown)?, false),
        };
        known.check(self.now, Duration::ZERO).map_err(|_| Refusal::KeyExpired)?;
        self.revoked.check(&known.marks, self.now).map_err(|_| Refusal::KeyRevoked)?;
        if !seen {
            self.memory.learn(print, Rc::clone(&known), self.now);
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests;
