//! Tests of the module around this one.

use super::*;
use crate::sample;
use ::rsa::pkcs8::DecodePublicKey;
use ::rsa::traits::PublicKeyParts;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn another_reader_finds_the_same_rsa_key() {
    let key = ::rsa::RsaPublicKey::from_public_key_der(&rsa_key(&sample::bytes(sample::RSA_N), &[1, 0, 1])).unwrap();
    assert_eq!(key.n().to_bytes_be(), sample::bytes(sample::RSA_N));
    assert_eq!(key.e().to_bytes_be(), [1, 0, 1]);
}

#[test]
fn another_reader_finds_the_same_p256_key() {
    let [x, y] = [sample::P256_X, sample::P256_Y].map(sample::bytes);
    let key = p256::ecdsa::VerifyingKey::from_public_key_der(&ec_key(&x, &y)).unwrap();
    assert_eq!(key.to_encoded_point(false).as_bytes(), [&[4][..], &x, &y].concat());
}

#[test]
fn another_reader_finds_the_same_p384_key() {
    let [x, y] = [sample::P384_X, sample::P384_Y].map(sample::bytes);
    let key = p384::ecdsa::VerifyingKey::from_public_key_der(&ec_key(&x, &y)).unwrap();
    assert_eq!(key.to_encoded_point(false).as_bytes(), [&[4][..], &x, &y].concat());
}

#[test]
fn another_reader_finds_the_same_signature() {
    let mut halves = [0x80; 64];
    halves[..32].copy_from_slice(&[[0; 31].as_slice(), &[7]].concat());
    let read = p256::ecdsa::Signature::from_der(&ecdsa_signature(&halves)).unwrap();
    assert_eq!(read.to_bytes().as_slice(), halves);
    let read = p384::ecdsa::Signature::from_der(&ecdsa_signature(&[0x80; 96])).unwrap();
    assert_eq!(read.to_bytes().as_slice(), [0x80; 96]);
}

#[test]
fn a_number_takes_as_few_bytes_as_it_needs() {
    let rows: [(&[u8], &[u8]); 5] = [
        (&[], &[2, 1, 0]),
        (&[0, 0], &[2, 1, 0]),
        (&[0, 1], &[2, 1, 1]),
        (&[0x7f], &[2, 1, 0x7f]),
        (&[0x80], &[2, 2, 0, 0x80]),
    ];
    for (number, expected) in rows {
        let mut bytes = Vec::new();
        integer(&mut bytes, number);
        assert_eq!(bytes, expected);
    }
}

#[test]
fn a_length_takes_as_few_bytes_as_it_needs() {
    for (length, expected) in [
        (0, [4, 0].as_slice()),
        (0x7f, &[4, 0x7f]),
        (0x80, &[4, 0x81, 0x80]),
        (0xff, &[4, 0x81, 0xff]),
        (0x100, &[4, 0x82, 1, 0]),
        (0xffff, &[4, 0x82, 0xff, 0xff]),
    ] {
        let element = element(4, &vec![7; length]);
        assert_eq!(&element[..expected.len()], expected);
        assert_eq!(element.len(), expected.len() + length);
    }
}
