//! Tests of the module around this one.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::*;
use crate::config::Config;
use policy::Instant;
use policy::json::Members;
use std::fmt::Write;
use std::time::Duration;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const KEY: &[u8] = b"an-api-key-of-the-scraper";
const PEPPER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn sha256(key: &[u8]) -> String {
    hex(&Sha256::digest(key))
}

fn hmac(key: &[u8]) -> String {
    let pepper: Vec<u8> = (0..32).collect();
    let mac = <Hmac<Sha256> as Mac>::new_from_slice(&pepper).unwrap();
    hex(&mac.chain_update(key).finalize().into_bytes())
}

fn variable(name: &str) -> Option<String> {
    (name == "PEPPER").then(|| PEPPER.to_owned())
}

/// The keys of a configuration, or its mistake.
fn keys(json: &str) -> Result<ApiKeys, String> {
    let config = format!(r#"{{"api_keys": {json}, "hand_on": [{{"claim": "team.name", "header": "x-team"}}]}}"#);
    Config::with_environment(config.as_bytes(), &variable)
        .map(|config| config.api_keys)
        .map_err(|mistake| mistake.to_string())
}

fn user(keys: &ApiKeys, key: &[u8]) -> Option<String> {
    keys.find(key).map(|verified| verified.identity.user.clone())
}

#[test]
fn a_key_is_known_by_its_digest() {
    let json = format!(
        r#"{{"pepper": {{"env": "PEPPER"}}, "keys": [
            {{"id": "scraper", "sha256": "{}", "tier": "pro", "roles": ["service", "x"], "scopes": ["a", "b"],
              "claims": {{"team": {{"name": "music"}}}}}},
            {{"id": "scraper", "hmac": "{}", "user": "robot"}},
            {{"id": "upper", "sha256": "{}"}}]}}"#,
        sha256(KEY),
        hmac(b"the-next-key-of-the-scraper"),
        sha256(b"another-key-0123").to_uppercase(),
    );
    let keys = keys(&json).unwrap();
    let identity = |key: &[u8]| keys.find(key).map(|verified| verified.identity.clone()).unwrap();
    let expected = Identity {
        kind: Kind::ApiKey,
        user: "scraper".into(),
        tier: "pro".into(),
        roles: Some("service,x".into()),
        handed: vec![(0, "music".into())],
    };
    assert_eq!(identity(KEY), expected);
    let expected = Identity { user: "robot".into(), tier: "free".into(), roles: None, handed: Vec::new(), ..expected };
    assert_eq!(identity(b"the-next-key-of-the-scraper"), expected);
    assert_eq!(user(&keys, b"another-key-0123").as_deref(), Some("upper"));
    for other in [b"".as_slice(), b"an-api-key-of-the-scrapes", b"scraper", sha256(KEY).as_bytes()] {
        assert_eq!(user(&keys, other), None, "{}", other.escape_ascii());
    }
    assert!(ApiKeys::default().find(KEY).is_none());
}

#[test]
fn a_digest_under_a_pepper_is_none_without_it() {
    let with =
        |digest: &str| format!(r#"{{"pepper": {{"env": "PEPPER"}}, "keys": [{{"id": "a", "hmac": "{digest}"}}]}}"#);
    assert!(keys(&with(&hmac(KEY))).unwrap().find(KEY).is_some());
    assert!(keys(&with(&sha256(KEY))).unwrap().find(KEY).is_none());
    // To check a configuration, no pepper is needed; no key fits then.
    let checked = Config::from_json(format!(r#"{{"api_keys": {}}}"#, with(&hmac(KEY))).as_bytes());
    assert!(checked.map_err(|mistake| mistake.to_string()).unwrap().api_keys.find(KEY).is_none());
}

#[test]
fn thousands_of_keys_are_each_found() {
    let entry =
        |n: u32| format!(r#"{{"id": "key-{n}", "sha256": "{}"}}"#, sha256(format!("key-number-{n:05}").as_bytes()));
    let list = |keys: u32| format!(r#"{{"keys": [{}]}}"#, (0..keys).map(entry).collect::<Vec<_>>().join(","));
    let many = keys(&list(10_000)).unwrap();
    for n in (0..10_000).step_by(97) {
        assert_eq!(user(&many, format!("key-number-{n:05}").as_bytes()), Some(format!("key-{n}")));
    }
    assert_eq!(user(&many, b"key-number-10000"), None);
    assert_eq!(keys(&list(10_001)).err().unwrap(), "api_keys.keys: must have 1 to 10000 keys");
}

#[test]
fn a_key_ends_at_its_moment() {
    let json = format!(
        r#"{{"keys": [{{"id": "a", "sha256": "{}", "expires": "2026-01-01T00:01:00Z"}},
            {{"id": "b", "sha256": "{}", "expires": 1767225601}}, {{"id": "c", "sha256": "{}"}}]}}"#,
        sha256(KEY),
        sha256(b"key-b"),
        sha256(b"key-c")
    );
    let keys = keys(&json).unwrap();
    let valid = |key: &[u8], seconds: u64| {
        keys.find(key).unwrap().check(Instant::from_unix_seconds(seconds), Duration::ZERO).is_ok()
    };
    let rows: [(&[u8], u64, bool); 6] = [
        (KEY, 1_767_225_659, true),
        (KEY, 1_767_225_660, false),
        (b"key-b", 1_767_225_600, true),
        (b"key-b", 1_767_225_601, false),
        (b"key-c", 0, true),
        (b"key-c", u64::MAX, true),
    ];
    for (key, seconds, expected) in rows {
        assert_eq!(valid(key, seconds), expected, "{} at {seconds}", key.escape_ascii());
    }
}

#[test]
fn what_is_no_key_by_its_form_is_not_hashed() {
    let rows = [
        ("x".repeat(16), Ok(())),
        ("~".repeat(256), Ok(())),
        ("x".repeat(15), Err(Refusal::KeyForm)),
        ("x".repeat(257), Err(Refusal::KeyForm)),
        (String::new(), Err(Refusal::KeyForm)),
        ("0123456789abcdef,".into(), Err(Refusal::KeyForm)),
        ("0123456789 abcdef".into(), Err(Refusal::KeyForm)),
        ("0123456789abcdef\0".into(), Err(Refusal::KeyForm)),
        ("0123456789abcdefé".into(), Err(Refusal::KeyForm)),
    ];
    for (key, expected) in rows {
        assert_eq!(check(key.as_bytes()), expected, "{key}");
    }
}

#[test]
fn a_mistake_is_said_with_its_place_and_without_the_key() {
    let good = sha256(KEY);
    let one = |more: &str| format!(r#"{{"keys": [{{"id": "a", "sha256": "{good}"{more}}}]}}"#);
    let top = |more: &str| format!(r#"{{"keys": [{{"id": "a", "sha256": "{good}"}}]{more}}}"#);
    let rows = [
        ("{}".to_owned(), "keys: must have 1 to 10000 keys"),
        (r#"{"keys": [{"sha256": ""}]}"#.into(), "keys[0].id: is missing"),
        (r#"{"keys": [{"id": "a"}]}"#.into(), "keys[0]: must have one of sha256 and hmac"),
        (one(r#", "hmac": """#), "keys[0]: must have one of sha256 and hmac"),
        (
            r#"{"keys": [{"id": "a", "sha256": "an-api-key-of-the-scraper"}]}"#.into(),
            "keys[0].sha256: must be the digest of a key, in 64 hexadecimal digits",
        ),
        (format!(r#"{{"keys": [{{"id": "a", "hmac": "{good}"}}]}}"#), "keys[0].hmac: needs a pepper"),
        (one(r#", "user": """#), "keys[0].user: must be 1 to 256 bytes of text without control characters"),
        (one(r#", "tier": "a\n""#), "keys[0].tier: must be 1 to 256 bytes of text without control characters"),
        (one(r#", "roles": ["a,b"]"#), "keys[0].roles: must be names without commas, of 2048 bytes altogether"),
        (one(r#", "scopes": ["a b"]"#), "keys[0].scopes: must be words without blanks"),
        (one(r#", "scopes": ["a"], "claims": {"scope": "b"}"#), "keys[0].scopes: must not stand beside claims.scope"),
        (one(r#", "claims": {"team": {"name": "\n"}}"#), "keys[0].claims: has a value that no header can carry"),
        (
            one(r#", "expires": "tomorrow""#),
            r#"keys[0].expires: must be a moment like "2027-01-01T00:00:00Z", or one in seconds since 1970"#,
        ),
        (one(r#", "expires": -1"#), "keys[0].expires: must be a moment"),
        (one(r#", "expire": 1"#), "keys[0].expire: is not known here"),
        (
            format!(r#"{{"keys": [{{"id": "a", "sha256": "{good}"}}, {{"id": "b", "sha256": "{good}"}}]}}"#),
            "keys[1]: has the digest of another key",
        ),
        (top(r#", "header": "X-Key""#), r#"header: must be a header name in lower case, got "X-Key""#),
        (top(r#", "header": "authorization""#), r#"header: must be a header of its own, got "authorization""#),
        (top(r#", "header": "cookie""#), r#"header: must be a header of its own, got "cookie""#),
        (top(r#", "header": "x_weir_user""#), "header: must be a header of its own"),
        (top(r#", "header": "x-team""#), r#"hand_on[0].header: "x-team" holds something else already"#),
        (top(r#", "query": """#), "query: must be the name of a parameter"),
        (top(r#", "pepper": {}"#), "pepper.env: is missing"),
        (top(r#", "pepper": {"env": "NONE"}"#), r#"pepper.env: the environment has no text under "NONE""#),
        (top(r#", "other": 1"#), "other: is not known here"),
    ];
    for (json, expected) in rows {
        let said = keys(&json).err().unwrap_or_default();
        let own = said.strip_prefix("api_keys.").unwrap_or(&said);
        assert!(own.starts_with(expected), "{json}\n{said}");
        assert!(!said.contains("an-api-key"), "{said}");
    }
    let short = |_: &str| Some("AAECAwQFBgcICQoLDA0ODw".to_owned());
    let json = format!(r#"{{"api_keys": {}}}"#, top(r#", "pepper": {"env": "SHORT"}"#));
    let said = Config::with_environment(json.as_bytes(), &short).err().unwrap().to_string();
    assert_eq!(said, "api_keys.pepper.env: must hold 32 bytes or more, in base64url without padding");
}

#[test]
fn scopes_are_said_as_a_token_says_them() {
    let mut fields = Fields::read(br#"{"scopes": ["read", "write"], "claims": {"a": 1}}"#).unwrap();
    let claims = claims(&mut fields).unwrap();
    let expected: Members = serde_json::from_str(r#"{"a": 1, "scope": "read write"}"#).unwrap();
    assert_eq!(claims, expected);
}
