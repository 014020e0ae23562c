//! Tests of the module around this one.

use super::*;
use policy::Instant;
use policy::json::Json;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn read(json: &str) -> Result<Expectation, String> {
    let json: Json = serde_json::from_str(json).unwrap();
    Fields::of(json).and_then(|mut fields| Expectation::read(&mut fields)).map_err(|mistake| mistake.to_string())
}

#[test]
fn a_token_of_another_type_is_refused() {
    let usual = read(r#"{"audiences": []}"#).unwrap();
    let strict = read(r#"{"audiences": [], "typ": ["at+jwt", "application/x"]}"#).unwrap();
    for (typ, with_usual, with_strict) in [
        (None, true, false),
        (Some("JWT"), true, false),
        (Some("jwt"), true, false),
        (Some("application/jwt"), true, false),
        (Some("at+jwt"), true, true),
        (Some("AT+JWT"), true, true),
        (Some("Application/at+jwt"), true, true),
        (Some("application/x"), false, true),
        (Some("x"), false, false),
        (Some("application/application/at+jwt"), false, false),
        (Some("logout+jwt"), false, false),
        (Some("dpop+jwt"), false, false),
        (Some("secevent+jwt"), false, false),
        (Some("JWE"), false, false),
        (Some(""), false, false),
        (Some("JWT "), false, false),
    ] {
        assert_eq!(usual.check_type(typ).is_ok(), with_usual, "{typ:?}");
        assert_eq!(strict.check_type(typ).is_ok(), with_strict, "{typ:?}");
    }
}

#[test]
fn a_token_ends_when_it_says_or_when_it_is_too_old() {
    let usual = read(r#"{"audiences": []}"#).unwrap();
    let aged = read(r#"{"audiences": [], "max_age": "100s"}"#).unwrap();
    let endless = read(r#"{"audiences": [], "max_age": "100s", "require_expiry": false}"#).unwrap();
    let at = |expectation: &Expectation, expires, issued, now| {
        let window = expectation.check(&Members::default(), Times { expires, not_before: None, issued })?;
        window.check(Instant::from_unix_seconds(now), Duration::from_secs(10))
    };
    for (expectation, expires, issued, now, expected) in [
        (&usual, None, Some(1000), 1000, Err(Refusal::Endless)),
        (&usual, Some(5000), None, 5009, Ok(())),
        (&usual, Some(5000), Some(1000), 5010, Err(Refusal::Expired)),
        (&aged, None, Some(1000), 1000, Err(Refusal::Endless)),
        (&aged, Some(5000), None, 1000, Err(Refusal::Undated)),
        (&aged, Some(5000), Some(1000), 1109, Ok(())),
        (&aged, Some(5000), Some(1000), 1110, Err(Refusal::Stale)),
        (&aged, Some(1050), Some(1000), 1060, Err(Refusal::Expired)),
        (&aged, Some(5000), Some(1000), 989, Err(Refusal::Future)),
        (&aged, Some(5000), Some(i64::MAX), 989, Err(Refusal::Future)),
        (&aged, Some(5000), Some(i64::MIN), 989, Err(Refusal::Stale)),
        (&endless, None, Some(1000), 1109, Ok(())),
        (&endless, None, Some(1000), 1110, Err(Refusal::Stale)),
        (&endless, None, None, 1000, Err(Refusal::Undated)),
        (&endless, Some(1050), Some(1000), 1060, Err(Refusal::Expired)),
    ] {
        assert_eq!(at(expectation, expires, issued, now), expected, "{expires:?} {issued:?} at {now}");
    }
}

#[test]
fn a_claim_that_must_be_there_is() {
    let expectation = read(r#"{"audiences": [], "required_claims": ["jti", "https://x/y"]}"#).unwrap();
    let times = Times { expires: Some(1000), not_before: None, issued: None };
    for (claims, expected) in [
        (r#"{"jti": "7", "https://x/y": 0}"#, true),
        (r#"{"jti": "7"}"#, false),
        (r#"{"jti": null, "https://x/y": 0}"#, false),
        ("{}", false),
    ] {
        let found = expectation.check(&serde_json::from_str(claims).unwrap(), times).map(|_| ());
        assert_eq!(found, if expected { Ok(()) } else { Err(Refusal::Incomplete) }, "{claims}");
    }
}

#[test]
fn a_mistake_is_said_with_its_place() {
    for (json, expected) in [
        ("{}", "audiences: is missing"),
        (r#"{"audiences": [], "typ": []}"#, "typ: must have the names of one type or more"),
        (r#"{"audiences": [], "typ": [""]}"#, "typ: must have the names of one type or more"),
        (r#"{"audiences": [], "typ": "JWT"}"#, "typ: must be a list"),
        (r#"{"audiences": [], "require_expiry": false}"#, "require_expiry: must be true, or max_age must say"),
        (r#"{"audiences": [], "max_age": "0"}"#, "max_age: must be at least 1s"),
        (r#"{"audiences": [], "max_age": "400d"}"#, "max_age: must be a length of time"),
        (
            r#"{"audiences": [], "required_claims": ["iat"]}"#,
            "required_claims: must be other claims than exp, nbf and iat",
        ),
        (r#"{"audiences": [], "required_claims": [""]}"#, "required_claims: must be other claims"),
    ] {
        let said = read(json).err().unwrap_or_default();
        assert!(said.starts_with(expected), "{json}\n{said}");
    }
}
