//! Tokens that were found genuine, so that a token seen before costs no signature check.
//!
//! A token is known by a keyed fingerprint of 128 bits over all of its bytes: nobody without the key can make another
//! token with the same one, and no token is kept. The table has a fixed number of slots in sets of [`WAYS`]; a fingerprint
//! belongs to one set, and a new one takes the place of the set's least recently used. What is remembered is that the
//! signature fits and what the claims say; whether the token is valid *now* is asked each time.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use policy::{Fingerprint, Instant, Seed};

use crate::token::Verified;

/// How many slots a fingerprint may be in.
const WAYS: usize = 4;

/// The tokens that one worker remembers.
pub struct Memory {
    seed: Seed,
    lifetime: Duration,
    sets: Vec<[Option<Entry>; WAYS]>,
    uses: u64,
}

struct Entry {
    print: Fingerprint,
    verified: Rc<Verified>,
    learned: Instant,
    used: u64,
}

impl Memory {
    /// An empty one of `slots` slots, rounded up to whole sets; of none, where it remembers nothing. An entry is
    /// forgotten after `lifetime` however long its token is valid.
    pub fn new(seed: Seed, slots: u32, lifetime: Duration) -> Self {
        let sets = (slots as usize).div_ceil(WAYS);
        Self { seed, lifetime, sets: std::iter::repeat_with(Default::default).take(sets).collect(), uses: 0 }
    }

    /// The fingerprint of a whole token.
    pub fn fingerprint(&self, token: &[u8]) -> Fingerprint {
        self.seed.fingerprint([token])
    }

    /// What is known of the token with this fingerprint.
    pub fn recall(&mut self, print: Fingerprint, now: Instant) -> Option<Rc<Verified>> {
        let lifetime = self.lifetime;
        self.uses += 1;
        let uses = self.uses;
        let entry = self.set(print)?.iter_mut().flatten().find(|entry| entry.print == print)?;
        // A clock that stepped back behind the moment of learning makes no entry live longer.
        if now < entry.learned || now >= entry.learned + lifetime {
            return None;
        }
        entry.used = uses;
        Some(Rc::clone(&entry.verified))
    }

    /// Remembers that the token with this fingerprint is genuine.
    pub fn learn(&mut self, print: Fingerprint, verified: Rc<Verified>, now: Instant) {
        self.uses += 1;
        let entry = Entry { print, verified, learned: now, used: self.uses };
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

    /// Forgets everything, as when a key is not to be trusted any more.
    pub fn clear(&mut self) {
        self.sets.fill_with(Default::default);
    }

    fn set(&mut self, print: Fingerprint) -> Option<&mut [Option<Entry>; WAYS]> {
        let sets = u32::try_from(self.sets.len()).ok().and_then(NonZeroU32::new)?;
        self.sets.get_mut(print.slot(sets) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const LIFETIME: Duration = Duration::from_mins(5);

    fn memory(slots: u32) -> Memory {
        Memory::new(Seed::from_random([7; 16]), slots, LIFETIME)
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(1_000_000 + seconds)
    }

    impl Memory {
        fn learn_of(&mut self, token: &str, now: Instant) {
            let print = self.fingerprint(token.as_bytes());
            self.learn(print, Rc::new(sample::verified(token)), now);
        }

        fn recall_of(&mut self, token: &str, now: Instant) -> Option<String> {
            let print = self.fingerprint(token.as_bytes());
            self.recall(print, now).map(|verified| verified.identity.user.clone())
        }

        fn kept(&self) -> usize {
            self.sets.iter().flatten().flatten().count()
        }
    }

    #[test]
    fn a_token_is_remembered_for_its_time_and_no_longer() {
        let mut memory = memory(16);
        memory.learn_of("alice", at(0));
        for (seconds, known) in [(0, true), (299, true), (300, false), (299, true)] {
            assert_eq!(memory.recall_of("alice", at(seconds)).is_some(), known, "after {seconds} s");
        }
        assert_eq!(memory.recall_of("bob", at(0)), None);
        memory.learn_of("alice", at(300));
        assert_eq!(memory.recall_of("alice", at(599)).as_deref(), Some("alice"));
        assert_eq!(memory.kept(), 1);
    }

    #[test]
    fn a_clock_that_steps_back_makes_no_entry_live_longer() {
        let mut memory = memory(16);
        memory.learn_of("alice", at(1000));
        assert_eq!(memory.recall_of("alice", at(999)), None);
        assert_eq!(memory.recall_of("alice", at(1000)).as_deref(), Some("alice"));
    }

    #[test]
    fn a_flood_of_tokens_takes_no_more_than_the_slots() {
        let mut memory = memory(64);
        for client in 0..100_000 {
            memory.learn_of(&client.to_string(), at(0));
        }
        assert_eq!(memory.kept(), 64);
        assert_eq!(memory.recall_of("99999", at(0)).as_deref(), Some("99999"));
    }

    #[test]
    fn the_least_recently_used_of_a_set_gives_way() {
        let mut memory = memory(4);
        for token in ["a", "b", "c", "d"] {
            memory.learn_of(token, at(0));
        }
        assert!(memory.recall_of("a", at(1)).is_some());
        memory.learn_of("e", at(1));
        for (token, known) in [("a", true), ("b", false), ("c", true), ("d", true), ("e", true)] {
            assert_eq!(memory.recall_of(token, at(2)).is_some(), known, "{token}");
        }
    }

    #[test]
    fn what_is_cleared_is_forgotten() {
        let mut memory = memory(16);
        memory.learn_of("alice", at(0));
        memory.clear();
        assert_eq!((memory.recall_of("alice", at(0)), memory.kept()), (None, 0));
        memory.learn_of("bob", at(0));
        assert_eq!(memory.recall_of("bob", at(0)).as_deref(), Some("bob"));
    }

    #[test]
    fn a_memory_without_slots_remembers_nothing() {
        let mut memory = memory(0);
        memory.learn_of("alice", at(0));
        assert_eq!(memory.recall_of("alice", at(0)), None);
    }

    #[test]
    fn a_token_that_differs_in_one_byte_is_another() {
        let mut memory = memory(16);
        memory.learn_of("header.claims.signature", at(0));
        assert_eq!(memory.recall_of("header.claims.signaturf", at(0)), None);
    }
}
