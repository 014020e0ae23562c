//! Tests of the module around this one: what the RFCs print, and a table for both verifiers.

mod table;
mod vectors;

use super::*;
use crate::algorithm::Algorithms;
use crate::key::Environment;
use crate::keyring::Keyring;
use crate::refusal::Refusal;
use crate::sample;
use table::Row;
use vectors::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The table as the scenarios play it to whole proxies.
const WRITTEN: &str = include_str!("tests/table.txt");

pub(crate) fn key(jwk: &str) -> Key {
    let json = serde_json::from_str(jwk).unwrap();
    Key::read(json, &Environment::Absent).map_err(|mistake| mistake.to_string()).unwrap().unwrap()
}

/// Whether a printed signature is genuine, by both verifiers' own way here, and no other message's.
fn check_vector(jwk: &str, algorithm: Algorithm, signed: &str, signature: &str) {
    let (key, signature) = (key(jwk), sample::bytes(signature));
    let verdict = |signed: &str| Crates.verify(&key, algorithm, signed.as_bytes(), &signature);
    assert_eq!(verdict(signed), Verdict::Genuine);
    assert_eq!(verdict(&format!("{signed}x")), Verdict::Forged);
    assert_eq!(verdict(&signed[1..]), Verdict::Forged);
}

#[test]
fn rfc_7515_a_1_by_hs256_is_genuine() {
    let signed = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}");
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    check_vector(&sample::oct("HS256", None), Algorithm::Hs256, &signed, signature);
}

#[test]
fn rfc_7515_a_2_by_rs256_is_genuine() {
    check_vector(&sample::rsa(None), Algorithm::Rs256, &format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}"), RS256_A2);
}

#[test]
fn rfc_7515_a_3_by_es256_is_genuine() {
    check_vector(&sample::ec(None), Algorithm::Es256, &format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}"), ES256_A3);
}

#[test]
fn rfc_7515_a_4_by_es512_is_refused_as_key_and_as_token() {
    let read = Key::read(serde_json::from_str(P521_A4_KEY).unwrap(), &Environment::Absent);
    let reason = read.err().map(|mistake| mistake.to_string());
    assert_eq!(reason.as_deref(), Some(r#"crv: must be P-256 or P-384 with kty EC, got "P-521""#));
    // Its payload is a word, and no claims.
    let token = format!("{ES512_A4_SIGNED}.{ES512_A4}");
    let opened = crate::token::open(&sample::config(""), &Keyring::default(), &token, &Crates);
    assert_eq!(opened, Err(Refusal::Token));
    let token = sample::token_of(Algorithm::Es256, r#"{"alg":"ES512"}"#, r#"{"iss":"i"}"#);
    let opened = crate::token::open(&sample::config(""), &Keyring::default(), &token, &Crates);
    assert_eq!(opened, Err(Refusal::Algorithm));
}

#[test]
fn rfc_7515_a_5_without_a_signature_is_refused() {
    let issuer = sample::issuer("joe", "[]", &[sample::ec(None), sample::oct("HS256", None)]);
    let config = sample::read(&format!(r#"{{"issuers":[{issuer}]}}"#));
    let token = format!("eyJhbGciOiJub25lIn0.{CLAIMS}.");
    assert_eq!(crate::token::open(&config, &Keyring::default(), &token, &Crates), Err(Refusal::Algorithm));
}

#[test]
fn rfc_8037_a_4_by_eddsa_is_genuine() {
    let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    check_vector(&sample::okp(None), Algorithm::EdDsa, signed, EDDSA_A4);
}

#[test]
fn rfc_7520_4_1_by_rs256_is_genuine() {
    let jwk = sample::rsa(None).replace(sample::RSA_N, RSA_N_3_3);
    check_vector(&jwk, Algorithm::Rs256, &format!("{HEADER_4_1}.{PAYLOAD_4}"), RS256_4_1);
}

#[test]
fn rfc_7520_4_2_by_ps384_is_genuine() {
    let jwk = sample::rsa(None).replace(sample::RSA_N, RSA_N_3_3).replace('}', r#","alg":"PS384"}"#);
    check_vector(&jwk, Algorithm::Ps384, &format!("{HEADER_4_2}.{PAYLOAD_4}"), PS384_4_2);
}

#[test]
fn rfc_7520_4_4_by_hs256_is_genuine() {
    let jwk = sample::oct("HS256", None).replace(sample::SECRET, SECRET_3_5);
    check_vector(&jwk, Algorithm::Hs256, &format!("{HEADER_4_4}.{PAYLOAD_4}"), HS256_4_4);
}

/// One table for both verifiers, and for keys that are asked for what they are not for.
pub(crate) fn check(verifier: &dyn Verifier) {
    for Row { algorithm, name, signature, verdict } in table::rows() {
        let (key, message) = (key(&sample::jwk(algorithm)), table::message(algorithm));
        let found = verifier.verify(&key, algorithm, message.as_bytes(), &signature);
        assert_eq!(found, verdict, "{}: {name}", algorithm.name());
    }
    for algorithm in Algorithm::ALL {
        let key = key(&sample::jwk(algorithm));
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let signature = sample::sign(other, b"text");
            assert_eq!(verifier.verify(&key, algorithm, b"text", &signature), Verdict::Forged);
            // Whatever a key is not for, it finds nothing genuine, not even what fits.
            let allowed = if key.allows(other) { Verdict::Genuine } else { Verdict::Forged };
            assert_eq!(verifier.verify(&key, other, b"text", &signature), allowed);
        }
    }
}

#[test]
fn the_crates_tell_genuine_signatures_from_forged_ones() {
    check(&Crates);
}

#[test]
fn the_written_table_is_this_one() {
    let rows = table::rows();
    let lines: Vec<_> = WRITTEN.lines().filter(|line| !line.starts_with('#')).collect();
    let expected: Vec<_> = rows.iter().map(Row::line).collect();
    for (line, expected) in lines.iter().zip(&expected) {
        assert_eq!(line, expected);
    }
    assert_eq!(
        lines.len(),
        expected.len(),
        "what is missing:\n{}",
        expected[lines.len().min(expected.len())..].join("\n")
    );
}

#[test]
fn no_key_but_a_secret_is_for_hmac() {
    for algorithm in Algorithm::ALL {
        let key = key(&sample::jwk(algorithm));
        let is_secret = Algorithms::HMAC.has(algorithm);
        for hmac in Algorithm::ALL.into_iter().filter(|other| Algorithms::HMAC.has(*other)) {
            assert_eq!(key.allows(hmac), hmac == algorithm);
            // Not even where an issuer is said to sign with nothing else.
            let mut key = self::key(&sample::jwk(algorithm));
            assert_eq!(key.narrow(Algorithms::of(&[hmac])).is_ok(), hmac == algorithm);
            assert_eq!(key.allows(hmac), hmac == algorithm);
        }
        assert_eq!(key.algorithms().and(Algorithms::HMAC).is_empty(), !is_secret);
    }
}

/// The keys that the scenarios use beside the table are the sample keys.
#[test]
fn the_written_keys_are_the_sample_keys() {
    let written: serde_json::Value = serde_json::from_str(include_str!("tests/keys.json")).unwrap();
    for (written, algorithm) in written["keys"].as_array().unwrap().iter().zip(Algorithm::ALL) {
        let mut expected: serde_json::Value = serde_json::from_str(&sample::jwk(algorithm)).unwrap();
        if let Some(alg) = written.get("alg") {
            expected["alg"] = alg.clone();
        }
        assert_eq!(*written, expected);
    }
}
