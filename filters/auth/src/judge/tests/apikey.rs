//! What becomes of requests that show an API key.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const KEYS: &str = r#","api_keys":{"keys":[{"id":"scraper","expires":1000,
    "sha256":"9acb86f2472661ce269c1e8b69d916ca2c4b7cdbbae3a2d36bcde4b02e35d31c"}]}"#;

/// What becomes of a request that shows a key in `x-api-key`.
fn outcome(court: &mut Court, key: &[u8], seconds: u64) -> String {
    let source = court.config.api_keys.sources[0].clone();
    match court.judge_at(&source, Sole::Value(key), Mode::Optional, seconds) {
        Decision::Allowed(verified) => verified.identity.user.clone(),
        Decision::Refused(refusal) => refusal.reason().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_api_key_is_judged_by_its_form_its_digest_and_its_time() {
    let mut court = Court::new(KEYS);
    let long = vec![b'a'; 60_000];
    let rows: [(&[u8], u64, &str); 10] = [
        (b"key-of-the-scraper", 999, "scraper"),
        (b"key-of-the-scraper", 999, "scraper"),
        // No leeway: the clock that ends it is this one.
        (b"key-of-the-scraper", 1000, "api_key_expired"),
        (b"key-of-the-scraper", 1, "scraper"),
        (b"key-of-the-scrapes", 1, "unknown_api_key"),
        (b"short", 1, "malformed_api_key"),
        (b"key-of-the-scraper\xff\xfe", 1, "malformed_api_key"),
        (b"key-of-the-scraper,key-of-the-scraper", 1, "repeated_credential"),
        (b"", 1, "malformed_credential"),
        (&long, 1, "malformed_api_key"),
    ];
    for (key, seconds, expected) in rows {
        assert_eq!(outcome(&mut court, key, seconds), expected, "{}", key[..key.len().min(40)].escape_ascii());
    }
}

#[test]
fn a_key_seen_before_is_remembered_for_its_time() {
    let mut court = Court::new(&format!(r#","remember":{{"for":"5m"}}{KEYS}"#));
    assert_eq!(outcome(&mut court, b"key-of-the-scraper", 100), "scraper");
    // Nothing but the memory knows it now.
    let sources = std::mem::take(&mut court.config.api_keys.sources);
    court.config.api_keys = ApiKeys::default();
    court.config.api_keys.sources = sources;
    assert_eq!(outcome(&mut court, b"key-of-the-scraper", 399), "scraper");
    assert_eq!(outcome(&mut court, b"key-of-the-scraper", 400), "unknown_api_key");
}

#[test]
fn a_remembered_credential_is_none_of_another_kind() {
    let mut court = Court::new(KEYS);
    assert_eq!(outcome(&mut court, b"key-of-the-scraper", 100), "scraper");
    assert_eq!(court.reason(b"Bearer key-of-the-scraper"), "malformed_token");
    let token = bearer_of(Algorithm::Hs256);
    assert!(matches!(court.judge(Sole::Value(token.as_bytes()), Mode::Required, 500), Decision::Allowed(_)));
    let token = token.trim_start_matches("Bearer ");
    assert!(token.len() <= 256);
    assert_eq!(outcome(&mut court, token.as_bytes(), 500), "unknown_api_key");
}
