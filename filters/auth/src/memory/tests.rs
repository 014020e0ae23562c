//! Tests of the module around this one.

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
        self.genuine.sets.iter().flatten().flatten().count()
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

#[test]
fn a_million_bad_tokens_push_out_no_good_one() {
    let mut memory = memory(64).with_refused(64, Duration::from_secs(10));
    memory.learn_of("alice", at(0));
    let mut last = memory.fingerprint(b"");
    for number in 0..1_000_000_u32 {
        last = memory.fingerprint(&number.to_be_bytes());
        memory.learn_refusal(last, Refusal::Signature, at(0));
    }
    let places = |table: &Table| (table.sets.len(), table.sets.iter().flatten().flatten().count());
    assert_eq!((places(&memory.refused), places(&memory.genuine)), ((16, 64), (16, 1)));
    assert_eq!(memory.recall_of("alice", at(0)).as_deref(), Some("alice"));
    assert_eq!(memory.recall_refusal(last, at(9)), Some(Refusal::Signature));
    assert_eq!(memory.recall_refusal(last, at(10)), None);
    assert!(size_of::<Option<Entry>>() <= 64, "{}", size_of::<Option<Entry>>());
}

#[test]
fn only_what_stays_bad_is_remembered_as_bad() {
    let mut memory = memory(0).with_refused(16, Duration::from_secs(10));
    for refusal in [Refusal::Key, Refusal::Ambiguous, Refusal::Algorithm, Refusal::Early, Refusal::Future] {
        let print = memory.fingerprint(refusal.reason().as_bytes());
        memory.learn_refusal(print, refusal, at(0));
        assert_eq!(memory.recall_refusal(print, at(0)), None, "{refusal:?}");
    }
    for refusal in [Refusal::Token, Refusal::Signature, Refusal::Audience, Refusal::Issuer, Refusal::Expired] {
        let print = memory.fingerprint(refusal.reason().as_bytes());
        memory.learn_refusal(print, refusal, at(0));
        assert_eq!(memory.recall_refusal(print, at(0)), Some(refusal), "{refusal:?}");
    }
    // Other keys may think otherwise.
    memory.clear();
    let print = memory.fingerprint(Refusal::Signature.reason().as_bytes());
    assert_eq!(memory.recall_refusal(print, at(0)), None);
}

#[test]
fn what_is_cleared_is_forgotten() {
    let mut memory = memory(16).with_refused(16, LIFETIME);
    let bad = memory.fingerprint(b"bad");
    memory.learn_of("alice", at(0));
    memory.learn_refusal(bad, Refusal::Signature, at(0));
    memory.clear();
    assert_eq!((memory.recall_of("alice", at(0)), memory.recall_refusal(bad, at(0)), memory.kept()), (None, None, 0));
    memory.learn_of("bob", at(0));
    assert_eq!(memory.recall_of("bob", at(0)).as_deref(), Some("bob"));
}
