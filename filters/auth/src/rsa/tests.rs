//! Tests of the module around this one.

use super::*;
use crate::algorithm::Algorithm;
use crate::sample;
use ::rsa::traits::PublicKeyParts;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn key() -> PublicKey {
    PublicKey::new(&sample::bytes(sample::RSA_N), &[1, 0, 1]).unwrap()
}

/// Bytes without a pattern, from a seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(length)
    .collect()
}

#[test]
fn powers_are_those_of_a_crate_for_big_numbers() {
    use ::rsa::BigUint;
    for (seed, length) in [(1, 256), (2, 257), (3, 258), (4, 259), (5, 260), (6, 384), (7, 511), (8, 512)] {
        let mut modulus = noise(seed, length);
        *modulus.first_mut().unwrap() |= 0x80;
        *modulus.last_mut().unwrap() |= 1;
        for exponent in [[0, 0, 0, 0, 3], [0, 0, 1, 0, 1], [1, 0xff, 0xff, 0xff, 0xff]] {
            let key = PublicKey::new(&modulus, &exponent).unwrap();
            let n = BigUint::from_bytes_be(&modulus);
            for number in [noise(seed + 100, length - 1), vec![0], vec![1], (&n - 1_u32).to_bytes_be()] {
                let mut padded = vec![0; length - number.len()];
                padded.extend(&number);
                let expected = BigUint::from_bytes_be(&number).modpow(&BigUint::from_bytes_be(&exponent), &n);
                let mut expected_bytes = vec![0; length - expected.to_bytes_be().len()];
                expected_bytes.extend(expected.to_bytes_be());
                assert_eq!(key.power(&limbs(&padded)), limbs(&expected_bytes), "{length} bytes, {exponent:?}");
            }
        }
    }
}

#[test]
fn only_the_right_padding_passes() {
    let message = b"text";
    let good = sample::sign(Algorithm::Rs256, message);
    assert!(key().verify(message, &good));
    // The same number plus the modulus is congruent, and no signature.
    let (number, modulus) =
        (::rsa::BigUint::from_bytes_be(&good), ::rsa::BigUint::from_bytes_be(&sample::bytes(sample::RSA_N)));
    let congruent = (number + &modulus).to_bytes_be();
    assert!(!key().verify(message, &congruent));
    assert!(!key().verify(message, &[&[0], good.as_slice()].concat()));
    // Signed by the right key, with what is not the padding of this hash.
    for block in [
        [&[0, 1], [0xff; 202].as_slice(), &[0], &DIGEST_INFO, &Sha256::digest(b"texts")].concat(),
        [&[0, 1], [0xff; 201].as_slice(), &[0, 0], &DIGEST_INFO, &Sha256::digest(message)].concat(),
        [&[0, 1], [0xff; 8].as_slice(), &[0], &DIGEST_INFO, &Sha256::digest(message), &[7; 194]].concat(),
        [&[0, 2], [0xff; 202].as_slice(), &[0], &DIGEST_INFO, &Sha256::digest(message)].concat(),
        [&[0, 1], [0xff; 221].as_slice(), &[0], &Sha256::digest(message)].concat(),
    ] {
        assert_eq!(block.len(), 256);
        assert!(!key().verify(message, &sample::raw_rsa(&block)));
    }
    let block = [&[0, 1], [0xff; 202].as_slice(), &[0], &DIGEST_INFO, &Sha256::digest(message)].concat();
    assert_eq!(sample::raw_rsa(&block), good);
}

#[test]
fn a_modulus_may_have_leading_zeros_and_any_number_of_bits() {
    let padded = [&[0, 0], sample::bytes(sample::RSA_N).as_slice()].concat();
    let key = PublicKey::new(&padded, &[0, 1, 0, 1]).unwrap();
    assert!(key.verify(b"text", &sample::sign(Algorithm::Rs256, b"text")));
    let other = ::rsa::RsaPublicKey::new(::rsa::BigUint::from_bytes_be(&padded), 65_537_u32.into()).unwrap();
    assert_eq!(key.byte_length(), other.size());
    for (bits, expected) in [(2047, false), (2048, true), (2049, true), (3000, true), (4096, true), (4097, false)] {
        let mut modulus = vec![0xff; usize::div_ceil(bits, 8)];
        modulus[0] = 0xff >> (7 - (bits - 1) % 8);
        assert_eq!(PublicKey::new(&modulus, &[3]).is_ok(), expected, "{bits}");
    }
}
