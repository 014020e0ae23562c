//! Tokens that were judged before, so that a token seen again costs no signature check, be it good or bad.
//!
//! A token is known by a keyed fingerprint of 128 bits over all of its bytes: nobody without the key can make another
//! token with the same one, and no token is kept. There are two tables of a fixed number of slots, in sets of [`WAYS`]; a
//! fingerprint belongs to one set, and a new one takes the place of the set's least recently used.
//!
//! - Genuine tokens: that the signature fits, and what the claims say. Whether one is valid *now* is asked each time. A slot
//!   takes 48 bytes, and an entry some 150 more with its user, tier and roles (at most 2.6 KB).
//! - Refused tokens, for some seconds, where they stay refused as long as they and their issuer's keys stay the same. They
//!   have a table of their own, so whoever sends a flood of them pushes out nothing but them. A slot takes 48 bytes.
//!
//! Each worker has its own memory, and a new configuration begins with an empty one.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use policy::{Fingerprint, Instant, Seed};

use crate::refusal::Refusal;
use crate::token::Verified;

/// How many slots a fingerprint may be in.
const WAYS: usize = 4;

/// The tokens that one worker remembers.
pub struct Memory {
    seed: Seed,
    genuine: Table,
    refused: Table,
}

/// What is known by fingerprints, for a time.
struct Table {
    lifetime: Duration,
    sets: Vec<[Option<Entry>; WAYS]>,
    uses: u64,
}

#[derive(Clone)]
enum Known {
    Genuine(Rc<Verified>),
    Refused(Refusal),
}

struct Entry {
    print: Fingerprint,
    known: Known,
    learned: Instant,
    used: u64,
}

impl Memory {
    /// An empty one of `slots` slots for genuine tokens, rounded up to whole sets; of none, where it remembers nothing. An
    /// entry is forgotten after `lifetime` however long its token is valid.
    pub fn new(seed: Seed, slots: u32, lifetime: Duration) -> Self {
        Self { seed, genuine: Table::new(slots, lifetime), refused: Table::new(0, Duration::ZERO) }
    }

    /// The same, with so many slots for refused tokens, which are forgotten after `lifetime`.
    #[must_use]
    pub fn with_refused(self, slots: u32, lifetime: Duration) -> Self {
        Self { refused: Table::new(slots, lifetime), ..self }
    }

    /// The fingerprint of a whole token.
    pub fn fingerprint(&self, token: &[u8]) -> Fingerprint {
        self.seed.fingerprint([token])
    }

    /// The fingerprint of an API key, which no token has, be it the same text.
    pub fn fingerprint_of_key(&self, key: &[u8]) -> Fingerprint {
        self.seed.fingerprint([b"api_key".as_slice(), key])
    }

    /// What is known of the token with this fingerprint.
    pub fn recall(&mut self, print: Fingerprint, now: Instant) -> Option<Rc<Verified>> {
        match self.genuine.recall(print, now)? {
            Known::Genuine(verified) => Some(verified),
            Known::Refused(_) => None,
        }
    }

    /// Remembers that the token with this fingerprint is genuine.
    pub fn learn(&mut self, print: Fingerprint, verified: Rc<Verified>, now: Instant) {
        self.genuine.learn(print, Known::Genuine(verified), now);
    }

    /// Why the token with this fingerprint was refused, where that was a moment ago.
    pub fn recall_refusal(&mut self, print: Fingerprint, now: Instant) -> Option<Refusal> {
        match self.refused.recall(print, now)? {
            Known::Refused(refusal) => Some(refusal),
            Known::Genuine(_) => None,
        }
    }

    /// Remembers that the token with this fingerprint was refused, where the reason lasts.
    pub fn learn_refusal(&mut self, print: Fingerprint, refusal: Refusal, now: Instant) {
        if refusal.lasts() {
            self.refused.learn(print, Known::Refused(refusal), now);
        }
    }

    /// Forgets everything: an issuer's keys are others now.
    pub fn clear(&mut self) {
        self.genuine.clear();
        self.refused.clear();
    }
}

impl Table {
    fn new(slots: u32, lifetime: Duration) -> Self {
        let sets = (slots as usize).div_ceil(WAYS);
        Self { lifetime, sets: std::iter::repeat_with(Default::default).take(sets).collect(), uses: 0 }
    }

    fn recall(&mut self, print: Fingerprint, now: Instant) -> Option<Known> {
        let lifetime = self.lifetime;
        self.uses += 1;
        let uses = self.uses;
        let entry = self.set(print)?.iter_mut().flatten().find(|entry| entry.print == print)?;
        // A clock that stepped back behind the moment of learning makes no entry live longer.
        if now < entry.learned || now >= entry.learned + lifetime {
            return None;
        }
        entry.used = uses;
        Some(entry.known.clone())
    }

    fn learn(&mut self, print: Fingerprint, known: Known, now: Instant) {
        self.uses += 1;
        let entry = Entry { print, known, learned: now, used: self.uses };
        let Some(set) = self.set(print) else { return };
        let slot = set.iter_mut().min_by_key(|slot| match slot {
            Some(known) if known.print == print => (0, 0),
            None => (1, 0),
            Some(known) => (2, known.used),
        });
        if let Some(slot) = slot {
            *slot = Some(entry);
        }
    }

    fn clear(&mut self) {
        self.sets.fill_with(Default::default);
    }

    fn set(&mut self, print: Fingerprint) -> Option<&mut [Option<Entry>; WAYS]> {
        let sets = u32::try_from(self.sets.len()).ok().and_then(NonZeroU32::new)?;
        self.sets.get_mut(print.slot(sets) as usize)
    }
}

#[cfg(test)]
mod tests;
