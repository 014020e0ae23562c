//! Tests of the module around this one.

use super::*;
use crate::sample;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn variables(name: &str) -> Option<String> {
    (name == "SECRET").then(|| sample::SECRET.to_owned())
}

fn read(json: &str) -> Result<Option<Key>, String> {
    let json = serde_json::from_str(json).unwrap();
    Key::read(json, &Environment::Variables(&variables)).map_err(|mistake| mistake.to_string())
}

#[test]
fn a_key_is_for_the_algorithm_of_its_type() {
    for algorithm in Algorithm::ALL {
        let key = read(&sample::jwk(algorithm)).unwrap().unwrap();
        assert_eq!((key.id.as_deref(), key.algorithm), (Some(algorithm.name()), algorithm));
    }
    let more = r#","alg":"RS256","use":"sig","key_ops":["verify"],"x5c":["…"],"x5t":"…"}"#;
    let key = read(&sample::rsa(None).replace('}', more)).unwrap().unwrap();
    assert_eq!((key.id, key.algorithm), (None, Algorithm::Rs256));
}

#[test]
fn a_secret_may_come_from_the_environment() {
    let jwk = r#"{"kty":"oct","alg":"HS512","env":"SECRET"}"#;
    assert_eq!(read(jwk).unwrap().unwrap().algorithm, Algorithm::Hs512);
    let absent = Key::read(serde_json::from_str(jwk).unwrap(), &Environment::Absent);
    assert!(absent.is_ok_and(|key| key.is_none()));
}

#[test]
fn a_key_that_could_be_misused_is_refused() {
    let short = |bytes: usize| sample::text(&vec![0xff; bytes]);
    let oct = |alg: &str, bytes: usize| format!(r#"{{"kty":"oct","alg":"{alg}","k":"{}"}}"#, short(bytes));
    let rsa = |bytes: usize| format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, short(bytes));
    let with = |key: String, more: &str| key.replace('}', &format!(",{more}}}"));
    let even = format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, sample::text(&vec![0x80; 256]));
    let off_curve = sample::ec(None).replace(sample::P256_Y, sample::P256_X);
    let weak = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, sample::text(&[&[1_u8][..], &[0; 31]].concat()));
    let rows = [
        ("{}".to_owned(), "kty: is missing"),
        ("[]".to_owned(), "must be an object"),
        (r#"{"kty":"none"}"#.to_owned(), r#"kty: must be RSA, EC, OKP or oct, got "none""#),
        (oct("HS256", 31), "k: must be at least 32 bytes for HS256"),
        (oct("HS384", 47), "k: must be at least 48 bytes for HS384"),
        (oct("HS512", 63), "k: must be at least 64 bytes for HS512"),
        (oct("RS256", 64), "alg: must be HS256, HS384 or HS512 with kty oct"),
        (oct("none", 64), "alg: must be HS256, HS384 or HS512 with kty oct"),
        (format!(r#"{{"kty":"oct","k":"{}"}}"#, short(64)), "alg: must be HS256, HS384 or HS512 with kty oct"),
        (r#"{"kty":"oct","alg":"HS256"}"#.to_owned(), "must have either k or env with kty oct"),
        (with(oct("HS256", 32), r#""env":"SECRET""#), "must have either k or env with kty oct"),
        (r#"{"kty":"oct","alg":"HS256","k":7}"#.to_owned(), "k: must be a string"),
        (r#"{"kty":"oct","alg":"HS256","k":"a+/="}"#.to_owned(), "k: must be base64url without padding"),
        (
            r#"{"kty":"oct","alg":"HS256","env":"NOBODY"}"#.to_owned(),
            r#"env: the environment has no text under "NOBODY""#,
        ),
        (with(sample::rsa(None), r#""use":"enc""#), r#"use: must be "sig", got "enc""#),
        (with(sample::rsa(None), r#""key_ops":["sign"]"#), r#"key_ops: must have "verify" among them"#),
        (with(sample::rsa(None), r#""alg":"RS512""#), r#"alg: must be RS256 with kty RSA, got "RS512""#),
        (with(sample::rsa(None), r#""alg":"HS256""#), r#"alg: must be RS256 with kty RSA, got "HS256""#),
        (with(sample::rsa(None), r#""k":"AAAA""#), "k: belongs to keys of kty oct"),
        (with(sample::ec(None), r#""alg":"ES384""#), r#"alg: must be ES256 with kty EC, got "ES384""#),
        (with(sample::ec(None), r#""d":"AAAA""#), "d: is a private key; only the public half belongs here"),
        (rsa(128), "n: must have 2048 to 4096 bits, got 1024"),
        (rsa(1024), "n: must have 2048 to 4096 bits, got 8192"),
        (even, "n: must be odd"),
        (sample::rsa(None).replace("AQAB", "AQ"), "e: must be odd and at least 3"),
        (sample::rsa(None).replace("AQAB", "AAAC"), "e: must be odd and at least 3"),
        (sample::rsa(None).replace("AQAB", "____________"), "e: must have at most 33 bits"),
        (r#"{"kty":"RSA","e":"AQAB"}"#.to_owned(), "n: is missing"),
        (sample::ec(None).replace("P-256", "P-384"), r#"crv: must be P-256 with kty EC, got "P-384""#),
        (sample::ec(None).replace(sample::P256_X, "AAAA"), "x: must be 32 bytes, got 3"),
        (off_curve, "is not a point on P-256"),
        (sample::okp(None).replace("Ed25519", "X25519"), r#"crv: must be Ed25519 with kty OKP, got "X25519""#),
        (weak, "x: is not a point on Ed25519 that signatures can be checked with"),
    ];
    for (jwk, expected) in rows {
        assert_eq!(read(&jwk).err().as_deref(), Some(expected), "{jwk}");
    }
}
