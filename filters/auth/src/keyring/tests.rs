//! Tests of the module around this one.

use super::*;
use crate::algorithm::Algorithms;
use crate::keyset::Published;
use crate::sample;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Two issuers: `a` with keys in the configuration, `b` with keys to be fetched, and a wait of two seconds.
fn config() -> Config {
    let inline = sample::issuer("a", "[]", &[sample::okp(Some("k"))]);
    let fetched = r#"{"issuer": "b", "audiences": [], "jwks": {"url": "http://id.example/", "cluster": "id"}}"#;
    sample::read(&format!(r#"{{"issuers": [{inline}, {fetched}]}}"#))
}

fn at(second: u64) -> Instant {
    Instant::from_unix_seconds(second)
}

/// A set that was fetched at this second.
fn fetched(config: &Config, second: u64, version: u64) -> Upkeep {
    let mut upkeep = Upkeep::default();
    upkeep.begin(at(second));
    upkeep.succeed(config.issuers[1].fetch().unwrap(), at(second), version, None, 0);
    upkeep
}

fn key_set(key: &str) -> Option<KeySet> {
    Published::read(format!(r#"{{"keys": [{key}]}}"#).as_bytes(), Algorithms::ALL).ok().map(|published| published.keys)
}

fn find(config: &Config, ring: &Keyring, place: usize, kid: Option<&str>, alg: &str) -> Result<usize, Refusal> {
    ring.candidates(place, &config.issuers[place], kid, alg).map(|(_, keys)| keys.len())
}

#[test]
fn a_lack_of_fetched_keys_is_told_from_a_bad_token() {
    let config = config();
    let mut ring = Keyring::new(&config.issuers);
    assert_eq!(find(&config, &ring, 0, Some("k"), "EdDSA"), Ok(1));
    assert_eq!(find(&config, &ring, 0, Some("x"), "EdDSA"), Err(Refusal::Key));
    assert_eq!(find(&config, &ring, 1, Some("k"), "EdDSA"), Err(Refusal::Lacking(Lack::Keys(1))));
    ring.install(1, 1, key_set(&sample::okp(Some("k"))));
    for (kid, alg, expected) in [
        (Some("k"), "EdDSA", Ok(1)),
        (Some("k"), "HS256", Err(Refusal::Algorithm)),
        (Some("x"), "EdDSA", Err(Refusal::Lacking(Lack::Key(1)))),
        (Some("x"), "none", Err(Refusal::Lacking(Lack::Key(1)))),
        (None, "EdDSA", Ok(1)),
    ] {
        assert_eq!(find(&config, &ring, 1, kid, alg), expected, "{kid:?} {alg}");
    }
}

#[test]
fn a_document_is_read_when_it_has_changed_and_dropped_when_it_is_too_old() {
    let config = config();
    let fetch = config.issuers[1].fetch().unwrap();
    let mut ring = Keyring::new(&config.issuers);
    let day = 24 * 3600;
    assert_eq!(ring.observe(1, fetch, Upkeep::default(), at(1000)), News::None);
    assert_eq!(ring.observe(1, fetch, fetched(&config, 1000, 1), at(1000)), News::Changed);
    ring.install(1, 1, key_set(&sample::okp(None)));
    assert_eq!(ring.observe(1, fetch, fetched(&config, 1000, 1), at(1000 + day - 1)), News::None);
    assert_eq!(ring.observe(1, fetch, fetched(&config, 1000, 1), at(1000 + day)), News::Expired);
    assert_eq!(ring.observe(1, fetch, fetched(&config, 1000, 1), at(1000 + day)), News::None);
    assert_eq!(find(&config, &ring, 1, None, "EdDSA"), Err(Refusal::Lacking(Lack::Keys(1))));
    assert_eq!(ring.observe(1, fetch, fetched(&config, 1000 + day, 1), at(1000 + day)), News::Changed);
}

#[test]
fn a_request_waits_only_for_what_may_come_in_its_time() {
    let config = config();
    let fetch = config.issuers[1].fetch().unwrap();
    let mut ring = Keyring::new(&config.issuers);
    let soon = |ring: &Keyring, lack, since: Option<u64>, now| {
        ring.prospect(&config, lack, since.map(at), at(now)) == Prospect::Soon
    };
    // The first attempt is about to begin.
    for (since, now, expected) in [
        (Some(1000), 1000, true),
        (Some(1000), 1001, true),
        (Some(1000), 1002, false),
        (Some(1000), 999, false),
        (None, 1000, false),
    ] {
        assert_eq!(soon(&ring, Lack::Keys(1), since, now), expected, "{since:?} {now}");
    }
    // Keys have just been fetched: a new one can be asked for, once in 30 seconds.
    let mut upkeep = fetched(&config, 1000, 1);
    ring.observe(1, fetch, upkeep, at(1000));
    assert!(soon(&ring, Lack::Key(1), Some(1000), 1000));
    upkeep.ask(fetch, at(1000));
    upkeep.begin(at(1000));
    ring.observe(1, fetch, upkeep, at(1000));
    assert!(soon(&ring, Lack::Key(1), Some(1001), 1001));
    upkeep.fail(at(1001), 0);
    ring.observe(1, fetch, upkeep, at(1001));
    assert!(soon(&ring, Lack::Key(1), Some(1001), 1001), "it is tried again in a second");
    upkeep.succeed(fetch, at(1001), 1, None, 0);
    ring.observe(1, fetch, upkeep, at(1001));
    assert_eq!(ring.prospect(&config, Lack::Key(1), Some(at(1001)), at(1001)), Prospect::In(Duration::from_secs(29)));
    assert!(soon(&ring, Lack::Key(1), Some(1028), 1028), "another may be asked for in two seconds");
    // There is nothing to wait for at an issuer that publishes nothing, or is none.
    assert!(!soon(&ring, Lack::Key(0), Some(1000), 1000) && !soon(&ring, Lack::Keys(9), Some(1000), 1000));
}

#[test]
fn what_was_missed_is_asked_for_once() {
    let mut ring = Keyring::new(&config().issuers);
    ring.miss(Lack::Keys(1));
    assert!(!ring.take_missed(1), "a set that is not there is fetched anyway");
    ring.miss(Lack::Key(1));
    ring.miss(Lack::Key(9));
    assert_eq!([0, 1, 1, 9].map(|place| ring.take_missed(place)), [false, true, false, false]);
}
