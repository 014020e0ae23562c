//! What the cache would have stored: which keys, and until when.
//!
//! Two generations of so many keys bound it: where the younger is full, it becomes the older one, and what nobody has asked for
//! in the meantime is forgotten.

use std::collections::HashMap;
use std::time::Duration;

use policy::{Fingerprint, Instant};

/// How many keys a generation has.
const KEYS_MAX: usize = 200_000;

/// The keys that are stored.
#[derive(Debug, Default)]
pub struct Shelf {
    younger: HashMap<[u8; 16], Kept>,
    older: HashMap<[u8; 16], Kept>,
    /// When what was stored of a URL ended, whatever its keys have beside that.
    ended: HashMap<[u8; 16], Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    since: Instant,
    until: Instant,
}

impl Shelf {
    /// Whether something fresh is stored under a key of a URL.
    pub fn has(&mut self, key: Fingerprint, url: Fingerprint, now: Instant) -> bool {
        let key = key.to_bytes();
        let kept = self.younger.get(&key).copied().or_else(|| {
            let kept = self.older.remove(&key)?;
            self.put_bytes(key, kept);
            Some(kept)
        });
        let ended = self.ended.get(&url.to_bytes());
        kept.is_some_and(|kept| kept.until > now && ended.is_none_or(|ended| *ended < kept.since))
    }

    /// Ends what is stored of a URL.
    pub fn end(&mut self, url: Fingerprint, now: Instant) {
        if self.ended.len() >= KEYS_MAX {
            self.ended.clear();
        }
        self.ended.insert(url.to_bytes(), now);
    }

    /// Stores something under a key.
    pub fn put(&mut self, key: Fingerprint, now: Instant, lifetime: Duration) {
        self.put_bytes(key.to_bytes(), Kept { since: now, until: now + lifetime });
    }

    fn put_bytes(&mut self, key: [u8; 16], kept: Kept) {
        if self.younger.len() >= KEYS_MAX {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(key, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::SEED;

    #[test]
    fn a_key_is_there_until_its_time_is_over_or_too_many_have_come() {
        let key = |number: usize| SEED.fingerprint([number.to_string().as_bytes()]);
        let (now, minute) = (Instant::from_unix_seconds(100), Duration::from_mins(1));
        let mut shelf = Shelf::default();
        let url = key(3 * KEYS_MAX);
        shelf.put(key(0), now, minute);
        assert!(shelf.has(key(0), url, now) && !shelf.has(key(1), url, now));
        assert!(!shelf.has(key(0), url, now + minute));
        shelf.put(key(0), now, minute);
        for number in 1..KEYS_MAX + 10 {
            shelf.put(key(number), now, minute);
        }
        assert!(shelf.has(key(0), url, now), "it is in the older generation");
        for number in KEYS_MAX..3 * KEYS_MAX {
            shelf.put(key(number), now, minute);
        }
        assert!(!shelf.has(key(0), url, now));
        assert!(shelf.younger.len() + shelf.older.len() <= 2 * KEYS_MAX);
    }

    #[test]
    fn what_is_ended_is_gone_until_it_is_stored_anew() {
        let key = |text: &str| SEED.fingerprint([text.as_bytes()]);
        let (at, minute) = (Instant::from_unix_seconds, Duration::from_mins(1));
        let mut shelf = Shelf::default();
        for name in ["a", "a for one"] {
            shelf.put(key(name), at(100), minute);
        }
        shelf.put(key("b"), at(100), minute);
        shelf.end(key("a"), at(101));
        assert!(["a", "a for one"].iter().all(|name| !shelf.has(key(name), key("a"), at(102))));
        assert!(shelf.has(key("b"), key("b"), at(102)));
        shelf.put(key("a"), at(103), minute);
        assert!(shelf.has(key("a"), key("a"), at(104)) && !shelf.has(key("a for one"), key("a"), at(104)));
    }
}
