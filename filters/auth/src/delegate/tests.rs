//! Tests of the module around this one.

use super::*;
use crate::algorithm::Algorithm;
use crate::sample;
use crate::verifier::tests::{check, key};
use ::rsa::Pkcs1v15Sign;
use ::rsa::pkcs8::DecodePublicKey;
use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest, Sha256, Sha384, Sha512};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Takes a message of strings apart, as protobuf says.
fn fields(mut message: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut fields = Vec::new();
    while let [tag, rest @ ..] = message {
        assert_eq!(tag & 7, 2);
        let digits = rest.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let length = rest[..digits].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
        fields.push((tag >> 3, rest[digits..digits + length].to_vec()));
        message = &rest[digits + length..];
    }
    fields
}

/// A host with crypto of its own: it reads the DER that it is given with other code than what wrote it.
fn host(question: &[u8]) -> Answer {
    let fields = fields(question);
    let numbers: Vec<_> = fields.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let [hash, der, signature, text] = [0, 1, 2, 3].map(|field: usize| fields[field].1.as_slice());
    let fits = if let Ok(key) = ::rsa::RsaPublicKey::from_public_key_der(der) {
        match hash {
            b"sha256" => key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text), signature).is_ok(),
            b"sha384" => key.verify(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(text), signature).is_ok(),
            b"sha512" => key.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(text), signature).is_ok(),
            other => panic!("{other:?}"),
        }
    } else if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(der) {
        assert_eq!(hash, b"sha256");
        p256::ecdsa::Signature::from_der(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok())
    } else {
        assert_eq!(hash, b"sha384");
        let key = p384::ecdsa::VerifyingKey::from_public_key_der(der).unwrap();
        p384::ecdsa::Signature::from_der(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok())
    };
    Answer::Message(if fits { vec![8, 1] } else { b"\x12\x03no!".to_vec() })
}

#[test]
fn the_host_and_the_crates_give_the_same_verdicts() {
    check(&Delegate::new(host));
}

#[test]
fn without_the_function_the_crates_take_over_and_the_host_is_asked_once() {
    let asked = Cell::new(0);
    let lacking = Delegate::new(|_: &[u8]| {
        asked.set(asked.get() + 1);
        Answer::Lacking
    });
    check(&lacking);
    assert_eq!(asked.get(), 1);
}

#[test]
fn an_answer_that_is_none_leaves_the_verdict_to_the_crates() {
    check(&Delegate::new(|_: &[u8]| Answer::Failed));
    check(&Delegate::new(|_: &[u8]| Answer::Message(b"\x1a\x00".to_vec())));
    check(&Delegate::new(|_: &[u8]| Answer::Message(b"\x08".to_vec())));
}

#[test]
fn the_host_is_asked_about_what_it_can_tell_alone() {
    let verifier = Delegate::new(|_: &[u8]| Answer::Message(vec![8, 1]));
    for algorithm in Algorithm::ALL {
        let name = algorithm.name();
        let asked = name.starts_with("RS") || name.starts_with("ES");
        let expected = if asked { Verdict::Genuine } else { Verdict::Forged };
        let signature = vec![1; algorithm.hash().length() * 2];
        let key = key(&sample::jwk(algorithm));
        assert_eq!(verifier.verify(&key, algorithm, b"text", &signature), expected, "{name}");
        // Nor about an algorithm that the key is not for.
        for other in Algorithm::ALL.into_iter().filter(|other| !key.allows(*other)) {
            assert_eq!(verifier.verify(&key, other, b"text", &signature), Verdict::Forged);
        }
    }
}

#[test]
fn a_false_answer_may_leave_its_field_out() {
    let rows: [(&[u8], Option<Verdict>); 7] = [
        (b"", Some(Verdict::Forged)),
        (b"\x08\x00", Some(Verdict::Forged)),
        (b"\x12\x02no", Some(Verdict::Forged)),
        (b"\x08\x01", Some(Verdict::Genuine)),
        (b"\x08\x01\x12\x00", Some(Verdict::Genuine)),
        (b"\x08\x02", None),
        (b"\xff", None),
    ];
    for (answer, expected) in rows {
        assert_eq!(verdict(answer), expected, "{answer:?}");
    }
}
