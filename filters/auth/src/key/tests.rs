//! Tests of the module around this one.

use super::*;
use crate::sample;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn variables(name: &str) -> Option<String> {
    (name == "SECRET").then(|| sample::SECRET.to_owned())
}

fn read(json: &str) -> Result<Option<Key>, String> {
    let json = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Key::read(json, &Environment::Variables(&variables)).map_err(|mistake| mistake.to_string())
}

/// The key with more members.
fn with(key: &str, more: &str) -> String {
    key.replace('}', &format!(",{more}}}"))
}

#[test]
fn a_key_that_names_its_algorithm_is_for_that_one() {
    for algorithm in Algorithm::ALL {
        let name = algorithm.name();
        let jwk =
            with(&sample::jwk(algorithm).replace(&format!(r#","alg":"{name}""#), ""), &format!(r#""alg":"{name}""#));
        let key = read(&jwk).unwrap().unwrap();
        assert_eq!((key.id.as_deref(), key.algorithms()), (Some(name), Algorithms::of(&[algorithm])));
    }
    let more = r#""alg":"RS256","use":"sig","key_ops":["verify"],"x5c":["…"],"x5t":"…""#;
    let key = read(&with(&sample::rsa(None), more)).unwrap().unwrap();
    assert_eq!((&key.id, key.algorithms()), (&None, Algorithms::of(&[Algorithm::Rs256])));
}

#[test]
fn a_key_that_names_none_is_for_one_padding_or_one_curve() {
    let rows = [
        (sample::rsa(None), Algorithms::PKCS1),
        (sample::ec(None), Algorithms::of(&[Algorithm::Es256])),
        (sample::ec384(None), Algorithms::of(&[Algorithm::Es384])),
        (sample::okp(None), Algorithms::of(&[Algorithm::EdDsa])),
    ];
    for (jwk, expected) in rows {
        assert_eq!(read(&jwk).unwrap().unwrap().algorithms(), expected, "{jwk}");
    }
}

#[test]
fn an_issuers_list_leaves_one_padding_and_never_another_kind() {
    use Algorithm::{Es256, Hs256, Ps256, Ps512, Rs256, Rs384};
    type Row<'a> = (String, &'a [Algorithm], Option<&'a [Algorithm]>);
    let rows: [Row<'_>; 10] = [
        (sample::rsa(None), &[Rs256], Some(&[Rs256])),
        (sample::rsa(None), &[Rs256, Rs384, Es256], Some(&[Rs256, Rs384])),
        (sample::rsa(None), &[Rs256, Ps256], Some(&[Rs256])),
        (sample::rsa(None), &[Ps256, Ps512], Some(&[Ps256, Ps512])),
        (sample::rsa(None), &[Es256, Hs256], None),
        (sample::rsa(None), &[], None),
        (with(&sample::rsa(None), r#""alg":"RS256""#), &[Ps256], None),
        (with(&sample::rsa(None), r#""alg":"PS256""#), &[Rs256, Ps256], Some(&[Ps256])),
        (sample::ec(None), &[Rs256, Es256], Some(&[Es256])),
        (sample::oct("HS256", None), &[Rs256], None),
    ];
    for (jwk, list, expected) in rows {
        let mut key = read(&jwk).unwrap().unwrap();
        let before = key.algorithms();
        let narrowed = key.narrow(Algorithms::of(list));
        let found = narrowed.map(|()| key.algorithms()).map_err(|mistake| mistake.to_string());
        let issued = Algorithms::of(list);
        let expected = expected
            .map(Algorithms::of)
            .ok_or_else(|| format!("alg: is for {before}, and the issuer signs with {issued} alone"));
        assert_eq!(found, expected, "{jwk}");
    }
}

#[test]
fn a_secret_may_come_from_the_environment() {
    let jwk = r#"{"kty":"oct","alg":"HS512","env":"SECRET"}"#;
    assert!(read(jwk).unwrap().unwrap().allows(Algorithm::Hs512));
    let absent = Key::read(serde_json::from_str(jwk).unwrap(), &Environment::Absent);
    assert!(absent.is_ok_and(|key| key.is_none()));
}

#[test]
fn a_published_set_has_no_secrets() {
    for jwk in [sample::oct("HS256", None), r#"{"kty":"oct","alg":"HS512","env":"SECRET"}"#.to_owned()] {
        let reason = Key::published(serde_json::from_str(&jwk).unwrap()).err().map(|mistake| mistake.to_string());
        let expected = "kty: must not be oct in a set that is published: a secret there is none";
        assert_eq!(reason.as_deref(), Some(expected));
    }
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| !Algorithms::HMAC.has(*algorithm)) {
        let key = Key::published(serde_json::from_str(&sample::jwk(algorithm)).unwrap());
        assert!(key.is_ok_and(|key| key.allows(algorithm)));
    }
}

/// Whether each of these is refused for the reason beside it.
fn check(rows: &[(String, &str)]) {
    for (jwk, expected) in rows {
        assert_eq!(read(jwk).err().as_deref(), Some(*expected), "{jwk}");
    }
}

fn filled(bytes: usize) -> String {
    sample::text(&vec![0xff; bytes])
}

fn oct(alg: &str, k: &str) -> String {
    format!(r#"{{"kty":"oct","alg":"{alg}","k":"{k}"}}"#)
}

#[test]
fn a_secret_that_could_be_guessed_or_is_none_is_refused() {
    let der = crate::der::rsa_key(&sample::bytes(sample::RSA_N), &[1, 0, 1]);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}", "A".repeat(80));
    let shared = oct("HS256", &filled(32));
    let public = "k: is a public key or a certificate, which everybody knows";
    let none = "alg: must be one of HS256, HS384, HS512 for this key of kty oct";
    check(&[
        (oct("HS256", &filled(31)), "k: must be at least 32 bytes for HS256"),
        (oct("HS384", &filled(47)), "k: must be at least 48 bytes for HS384"),
        (oct("HS512", &filled(63)), "k: must be at least 64 bytes for HS512"),
        (oct("HS256", ""), "k: must be at least 32 bytes for HS256"),
        (oct("RS256", &filled(64)), none),
        (oct("none", &filled(64)), none),
        (shared.replace(r#""alg":"HS256","#, ""), none),
        (oct("HS256", &sample::text(&der)), public),
        (oct("HS256", &sample::text(pem.as_bytes())), public),
        (oct("HS256", &sample::text(format!("\n {pem}").as_bytes())), public),
        (with(&shared, r#""n":"AAAA""#), "n: belongs to keys of kty RSA, EC or OKP"),
        (with(&shared, r#""x":"AAAA""#), "x: belongs to keys of kty RSA, EC or OKP"),
        (sample::rsa(None).replace("RSA", "oct"), "n: belongs to keys of kty RSA, EC or OKP"),
        (r#"{"kty":"oct","alg":"HS256"}"#.to_owned(), "must have either k or env with kty oct"),
        (with(&shared, r#""env":"SECRET""#), "must have either k or env with kty oct"),
        (r#"{"kty":"oct","alg":"HS256","k":7}"#.to_owned(), "k: must be a string"),
        (oct("HS256", "a+/="), "k: must be base64url without padding"),
        (
            r#"{"kty":"oct","alg":"HS256","env":"NOBODY"}"#.to_owned(),
            r#"env: the environment has no text under "NOBODY""#,
        ),
    ]);
}

#[test]
fn a_key_that_is_for_something_else_is_refused() {
    let rsa = || sample::rsa(None);
    let of_rsa = "alg: must be one of RS256, RS384, RS512, PS256, PS384, PS512 for this key of kty RSA";
    check(&[
        ("{}".to_owned(), "kty: is missing"),
        ("[]".to_owned(), "must be an object"),
        (r#"{"kty":"none"}"#.to_owned(), r#"kty: must be RSA, EC, OKP or oct, got "none""#),
        (with(&rsa(), r#""use":"enc""#), r#"use: must be "sig", got "enc""#),
        (with(&rsa(), r#""use":7"#), "use: must be a string"),
        (with(&rsa(), r#""key_ops":["sign"]"#), r#"key_ops: must have "verify" among them"#),
        (with(&rsa(), r#""key_ops":[]"#), r#"key_ops: must have "verify" among them"#),
        (with(&rsa(), r#""alg":"RSA-OAEP""#), of_rsa),
        (with(&rsa(), r#""alg":"HS256""#), of_rsa),
        (with(&rsa(), r#""alg":"ES256""#), of_rsa),
        (with(&rsa(), r#""alg":"none""#), of_rsa),
        (with(&rsa(), r#""alg":7"#), "alg: must be a string"),
        (with(&sample::ec(None), r#""alg":"ES384""#), "alg: must be one of ES256 for this key of kty EC"),
        (with(&sample::ec(None), r#""alg":"ECDH-ES""#), "alg: must be one of ES256 for this key of kty EC"),
        (with(&sample::ec384(None), r#""alg":"ES512""#), "alg: must be one of ES384 for this key of kty EC"),
        (with(&sample::okp(None), r#""alg":"ES256""#), "alg: must be one of EdDSA for this key of kty OKP"),
        (with(&rsa(), r#""k":"AAAA""#), "k: belongs to keys of kty oct"),
        (with(&rsa(), r#""env":"SECRET""#), "env: belongs to keys of kty oct"),
        (r#"{"kty":"RSA","x5c":["AAAA"]}"#.to_owned(), "x5c: is not read; the key itself must stand beside it"),
    ]);
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let reason = format!("{member}: is a private key; only the public half belongs here");
        for jwk in [sample::rsa(None), sample::ec(None), sample::okp(None)] {
            check(&[(with(&jwk, &format!(r#""{member}":"AAAA""#)), &reason)]);
        }
    }
}

#[test]
fn an_rsa_key_that_is_weak_is_refused() {
    let rsa = |n: &[u8]| format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, sample::text(n));
    let with_exponent = |e: &str| sample::rsa(None).replace("AQAB", e);
    check(&[
        (rsa(&[0xff; 128]), "n: must have 2048 to 8192 bits, got 1024"),
        (rsa(&[&[0x7f], [0xff; 255].as_slice()].concat()), "n: must have 2048 to 8192 bits, got 2047"),
        (rsa(&[&[0; 256], [0xff; 128].as_slice()].concat()), "n: must have 2048 to 8192 bits, got 1024"),
        (rsa(&[&[1], [0xff; 1024].as_slice()].concat()), "n: must have 2048 to 8192 bits, got 8193"),
        (rsa(&[]), "n: must have 2048 to 8192 bits, got 0"),
        (rsa(&[0x80; 256]), "n: must be odd"),
        (with_exponent(""), "e: must be odd and at least 3"),
        (with_exponent("AA"), "e: must be odd and at least 3"),
        (with_exponent("AQ"), "e: must be odd and at least 3"),
        (with_exponent("AAAC"), "e: must be odd and at least 3"),
        (with_exponent("AgAAAAE"), "e: must have at most 33 bits"),
        (with_exponent("____________"), "e: must have at most 33 bits"),
        (r#"{"kty":"RSA","e":"AQAB"}"#.to_owned(), "n: is missing"),
        (sample::rsa(None).replace(r#","e":"AQAB""#, ""), "e: is missing"),
    ]);
}

#[test]
fn a_point_that_is_none_is_refused() {
    let okp = |bytes: &[u8]| sample::okp(None).replace(sample::ED25519_X, &sample::text(bytes));
    let weak = "x: is not a point on Ed25519 that signatures can be checked with";
    let short = sample::text(&sample::bytes(sample::P256_X)[1..]);
    let long = sample::text(&[&[0], sample::bytes(sample::P256_X).as_slice()].concat());
    // A y of 1, written as the prime and 1.
    let twice = [&[0xee], [0xff; 30].as_slice(), &[0x7f]].concat();
    check(&[
        (sample::ec(None).replace("P-256", "P-521"), r#"crv: must be P-256 or P-384 with kty EC, got "P-521""#),
        (sample::ec(None).replace("P-256", "secp256k1"), r#"crv: must be P-256 or P-384 with kty EC, got "secp256k1""#),
        (sample::ec(None).replace("P-256", "P-384"), "x: must be 48 bytes, got 32"),
        (sample::ec384(None).replace("P-384", "P-256"), "x: must be 32 bytes, got 48"),
        (sample::ec(None).replace(sample::P256_X, &short), "x: must be 32 bytes, got 31"),
        (sample::ec(None).replace(sample::P256_X, &long), "x: must be 32 bytes, got 33"),
        (sample::ec(None).replace(sample::P256_Y, sample::P256_X), "is not a point on the curve of ES256"),
        (sample::ec384(None).replace(sample::P384_Y, sample::P384_X), "is not a point on the curve of ES384"),
        (sample::ec(None).replace(r#","crv":"P-256""#, ""), "crv: is missing"),
        (sample::okp(None).replace("Ed25519", "X25519"), r#"crv: must be Ed25519 with kty OKP, got "X25519""#),
        (sample::okp(None).replace("Ed25519", "Ed448"), r#"crv: must be Ed25519 with kty OKP, got "Ed448""#),
        (okp(&[&[1_u8][..], &[0; 31]].concat()), weak),
        (okp(&[0; 32]), weak),
        (okp(&twice), weak),
        (okp(&[&[2_u8][..], &[0; 31]].concat()), weak),
        (okp(&[7; 31]), "x: must be 32 bytes, got 31"),
    ]);
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let reason = read(&with(&sample::ec(None), r#""crv":"P-256""#)).err().unwrap();
    assert!(reason.starts_with("a name stands twice in one object"), "{reason}");
}
