//! Tests of the module around this one.

use super::*;
use crate::algorithm::Algorithms;
use crate::keyset::Published;
use crate::sample;
use crate::upkeep::Upkeep;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// One issuer with keys to be fetched, and a wait of two seconds.
fn config() -> Config {
    let fetched = r#"{"issuer": "b", "audiences": [], "jwks": {"url": "http://id.example/", "cluster": "id"}}"#;
    sample::read(&format!(r#"{{"issuers": [{fetched}]}}"#))
}

fn waiting(context: u32, lack: Lack, second: u64) -> Waiting {
    Waiting { context, lack, since: Instant::from_unix_seconds(second), ended: 0 }
}

fn ready(queue: &mut Queue, config: &Config, ring: &Keyring, second: u64) -> Vec<u32> {
    let ready = queue.ready(config, ring, Instant::from_unix_seconds(second));
    ready.iter().map(|waiting| waiting.context).collect()
}

#[test]
fn there_is_room_for_so_many_of_each_issuer() {
    let mut queue = Queue::default();
    for (context, lack, expected) in [
        (1, Lack::Keys(0), true),
        (2, Lack::Key(0), true),
        (3, Lack::Keys(0), false),
        (4, Lack::Keys(1), true),
        (5, Lack::Key(0), false),
    ] {
        assert_eq!(queue.admit(waiting(context, lack, 0), 2), expected, "{context}");
        assert_eq!(queue.has(context), expected, "{context}");
    }
    assert!(queue.lacks_key(0) && !queue.lacks_key(1));
    queue.retain(|context| context != 2);
    assert!(!queue.lacks_key(0) && queue.admit(waiting(6, Lack::Key(0), 0), 2));
    assert!(!Queue::default().admit(waiting(1, Lack::Keys(0), 0), 0));
}

#[test]
fn a_request_is_ready_when_keys_come_or_an_attempt_ends_or_its_time_does() {
    let (config, mut queue) = (config(), Queue::default());
    let fetch = config.issuers[0].fetch().unwrap();
    let mut ring = Keyring::new(&config.issuers);
    queue.admit(waiting(1, Lack::Keys(0), 100), 9);
    queue.admit(waiting(2, Lack::Key(0), 101), 9);
    assert_eq!(ready(&mut queue, &config, &ring, 101), [0; 0]);
    assert_eq!(ready(&mut queue, &config, &ring, 102), [1], "its time is over");
    queue.admit(waiting(3, Lack::Keys(0), 102), 9);
    let document = format!(r#"{{"keys": [{}]}}"#, sample::okp(None));
    ring.install(0, 1, Published::read(document.as_bytes(), Algorithms::ALL).ok().map(|published| published.keys));
    assert_eq!(ready(&mut queue, &config, &ring, 102), [3], "there are keys");
    let mut upkeep = Upkeep::default();
    upkeep.begin(Instant::from_unix_seconds(102));
    upkeep.fail(Instant::from_unix_seconds(102), 0);
    ring.observe(0, fetch, upkeep, Instant::from_unix_seconds(102));
    assert_eq!(ready(&mut queue, &config, &ring, 102), [2], "an attempt has ended");
    assert!(queue.is_empty());
    queue.admit(waiting(4, Lack::Keys(0), 1000), 9);
    assert_eq!(ready(&mut queue, &config, &ring, 5), [4], "the clock has stepped back");
}
