//! The keys of all issuers as one worker has them, and what it is worth to wait for those that it has not.

use std::time::Duration;

use policy::Instant;

use crate::algorithm::Algorithm;
use crate::config::Config;
use crate::fetch::Fetch;
use crate::issuer::{Issuer, Keys};
use crate::key::Key;
use crate::keyset::KeySet;
use crate::refusal::Refusal;
use crate::upkeep::Upkeep;

/// What is not there to check a token with; the number is its issuer's place in the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lack {
    /// All of the issuer's keys: none have been fetched, or the last ones are too old.
    Keys(usize),
    /// The key that the token names; the issuer may have a new one.
    Key(usize),
}

/// When what is lacking may come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prospect {
    /// As long as the request may wait.
    Soon,
    /// Not before this much time has passed, at the earliest.
    In(Duration),
}

/// What a worker has to do after it looked at the state that all workers share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// Nothing.
    None,
    /// Read the document, which has changed.
    Changed,
    /// Remember nothing that the keys have said: they are too old, and gone.
    Expired,
}

/// The keys of issuers that publish them, by the issuer's place in the configuration.
#[derive(Default)]
pub struct Keyring(Vec<Ring>);

/// The keys of one issuer. One whose keys the configuration has needs none of it.
#[derive(Default)]
struct Ring {
    /// As last seen.
    upkeep: Upkeep,
    /// The version of the document that the keys are of.
    known: u64,
    keys: Option<KeySet>,
    /// Whether a token has named a key that is not among them.
    is_missed: bool,
}

impl Lack {
    /// The place of the issuer whose keys they are.
    pub const fn issuer(self) -> usize {
        match self {
            Self::Keys(issuer) | Self::Key(issuer) => issuer,
        }
    }
}

impl Keyring {
    /// One that has seen nothing of these issuers' keys yet.
    pub fn new(issuers: &[Issuer]) -> Self {
        Self(issuers.iter().map(|_| Ring::default()).collect())
    }

    /// Takes in what all workers share of an issuer's keys.
    pub fn observe(&mut self, issuer: usize, fetch: &Fetch, upkeep: Upkeep, now: Instant) -> News {
        let Some(ring) = self.0.get_mut(issuer) else { return News::None };
        ring.upkeep = upkeep;
        if !upkeep.is_usable(fetch, now) {
            ring.known = 0;
            return if ring.keys.take().is_some() { News::Expired } else { News::None };
        }
        if ring.known == upkeep.version { News::None } else { News::Changed }
    }

    /// Takes in the keys of a document of this version; none, where the document cannot be used here.
    pub fn install(&mut self, issuer: usize, version: u64, keys: Option<KeySet>) {
        if let Some(ring) = self.0.get_mut(issuer) {
            (ring.known, ring.keys) = (version, keys);
        }
    }

    /// Notes that a request lacks this.
    pub fn miss(&mut self, lack: Lack) {
        if let (Lack::Key(_), Some(ring)) = (lack, self.0.get_mut(lack.issuer())) {
            ring.is_missed = true;
        }
    }

    /// Whether a request has lacked one of this issuer's keys since this was last asked.
    pub fn take_missed(&mut self, issuer: usize) -> bool {
        self.0.get_mut(issuer).is_some_and(|ring| std::mem::take(&mut ring.is_missed))
    }

    /// How many attempts to fetch these keys have ended, as last seen, and whether there are keys.
    pub fn progress(&self, issuer: usize) -> (u64, bool) {
        self.0.get(issuer).map_or((0, false), |ring| (ring.upkeep.ended, ring.keys.is_some()))
    }

    /// The keys that may have signed a token with this `kid` and this `alg` (see [`KeySet::candidates`]).
    pub(crate) fn candidates<'a>(
        &'a self,
        place: usize,
        issuer: &'a Issuer,
        kid: Option<&str>,
        alg: &str,
    ) -> Result<(Algorithm, Vec<&'a Key>), Refusal> {
        if let Keys::Inline(keys) = &issuer.keys {
            return keys.candidates(kid, alg);
        }
        let keys = self.0.get(place).and_then(|ring| ring.keys.as_ref());
        match keys.ok_or(Refusal::Lacking(Lack::Keys(place)))?.candidates(kid, alg) {
            // Only a token that names a key can say that there is a new one.
            Err(Refusal::Key) if kid.is_some() => Err(Refusal::Lacking(Lack::Key(place))),
            found => found,
        }
    }

    /// When what a request lacks may come that has waited `since` then, where it may wait at all.
    pub fn prospect(&self, config: &Config, lack: Lack, since: Option<Instant>, now: Instant) -> Prospect {
        let ring = self.0.get(lack.issuer());
        let fetch = config.issuers.get(lack.issuer()).and_then(Issuer::fetch);
        let Some((ring, fetch)) = ring.zip(fetch) else { return Prospect::In(Duration::ZERO) };
        let next = ring.upkeep.next(fetch, now, matches!(lack, Lack::Key(_)));
        match since {
            Some(since) if !is_late(fetch, since, now) && next <= since + fetch.wait => Prospect::Soon,
            _ => Prospect::In(next.since(now)),
        }
    }
}

/// Whether a request that came `since` then has waited for long enough. Where the clock has stepped back, it has.
pub fn is_late(fetch: &Fetch, since: Instant, now: Instant) -> bool {
    since > now || now.since(since) >= fetch.wait
}

#[cfg(test)]
mod tests;
