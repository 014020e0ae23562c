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
    younger: HashMap<[u8; 16], Instant>,
    older: HashMap<[u8; 16], Instant>,
}

impl Shelf {
    /// Whether something fresh is stored under a key.
    pub fn has(&mut self, key: Fingerprint, now: Instant) -> bool {
        let key = key.to_bytes();
        let until = self.younger.get(&key).copied().or_else(|| {
            let until = self.older.remove(&key)?;
            self.put_bytes(key, until);
            Some(until)
        });
        until.is_some_and(|until| until > now)
    }

    /// Stores something under a key.
    pub fn put(&mut self, key: Fingerprint, now: Instant, lifetime: Duration) {
        self.put_bytes(key.to_bytes(), now + lifetime);
    }

    fn put_bytes(&mut self, key: [u8; 16], until: Instant) {
        if self.younger.len() >= KEYS_MAX {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(key, until);
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
        shelf.put(key(0), now, minute);
        assert!(shelf.has(key(0), now) && !shelf.has(key(1), now));
        assert!(!shelf.has(key(0), now + minute));
        shelf.put(key(0), now, minute);
        for number in 1..KEYS_MAX + 10 {
            shelf.put(key(number), now, minute);
        }
        assert!(shelf.has(key(0), now), "it is in the older generation");
        for number in KEYS_MAX..3 * KEYS_MAX {
            shelf.put(key(number), now, minute);
        }
        assert!(!shelf.has(key(0), now));
        assert!(shelf.younger.len() + shelf.older.len() <= 2 * KEYS_MAX);
    }
}
