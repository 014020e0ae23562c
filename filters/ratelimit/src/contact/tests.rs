//! What a proxy knows of its fleet survives being stored, and a Redis that has forgotten it.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn at(millis: u64) -> Instant {
    Instant::from_unix_seconds(1_000) + Duration::from_millis(millis)
}

fn answer(proxies: u32) -> Answer {
    Answer { proxies, seed: [9; 16], grants: Vec::new() }
}

#[test]
fn another_worker_takes_over_what_one_has_heard() {
    let mut one = Contact::new([1; 16]);
    assert_eq!(one.seed().map(|_| ()), None);
    one.answered(&answer(3), at(0));
    let mut other = Contact::new([2; 16]);
    other.take_over(&one.to_bytes());
    assert_eq!(other, one);
    for bytes in [&b""[..], b"x", &[FORMAT, 1, 2], &[7; 100]] {
        other.take_over(bytes);
        assert_eq!(other, one);
    }
}

#[test]
fn proxies_that_redis_has_forgotten_are_counted_until_they_must_be_dead() {
    let mut contact = Contact::new([1; 16]);
    for (millis, heard, counted) in [(0, 3, 3), (1000, 1, 3), (2000, 4, 4), (6999, 2, 4), (7000, 2, 2), (7001, 3, 3)] {
        contact.answered(&answer(heard), at(millis));
        assert_eq!(contact.proxies().get(), counted, "at {millis}");
    }
}

#[test]
fn redis_hears_of_a_proxy_in_time_and_of_one_that_misses_it_more_often() {
    let mut contact = Contact::new([1; 16]);
    assert!(contact.is_due(Instant::EPOCH, at(0)));
    contact.answered(&answer(1), at(0));
    assert!(!contact.is_due(Instant::EPOCH, at(999)));
    assert!(contact.is_due(Instant::EPOCH, at(1000)));
    assert!(!contact.is_due(at(900), at(1000)));
    contact.is_away = true;
    assert!(!contact.is_due(at(1000), at(1249)));
    assert!(contact.is_due(at(1000), at(1250)));
    assert!(contact.is_due(at(1000), at(0)), "the clock has stepped back");
}
