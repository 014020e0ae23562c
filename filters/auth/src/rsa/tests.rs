//! Tests of the module around this one. What padding passes is in the table of the verifiers.

use super::*;
use crate::sample;
use ::rsa::BigUint;
use ::rsa::traits::PublicKeyParts;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const HASHES: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];

fn key() -> PublicKey {
    PublicKey::new(&sample::bytes(sample::RSA_N), &[1, 0, 1]).unwrap()
}

/// Bytes without a pattern, from a seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let counted = (0_u64..)
        .flat_map(|counter| Hash::Sha256.digest(&[&seed.to_be_bytes(), &counter.to_be_bytes()]).as_ref().to_vec());
    counted.take(length).collect()
}

#[test]
fn powers_are_those_of_a_crate_for_big_numbers() {
    for (seed, length) in [(1, 256), (2, 257), (3, 258), (4, 259), (5, 260), (6, 384), (7, 511), (8, 512), (9, 1024)] {
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
fn the_name_of_a_hash_is_as_rfc_8017_prints_it() {
    let unhex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let names = [
        "3031300d060960864801650304020105000420",
        "3041300d060960864801650304020205000430",
        "3051300d060960864801650304020305000440",
    ];
    for (hash, name) in HASHES.into_iter().zip(names) {
        let digest = hash.digest(&[b"text"]);
        let block = pkcs1(hash, digest.as_ref(), 256);
        assert_eq!(block.len(), 256);
        assert!(block.ends_with(&[&[0], unhex(name).as_slice(), digest.as_ref()].concat()), "{hash:?}");
        assert_eq!(block[..3], [0, 1, 0xff]);
    }
}

/// The encoded message of PSS has a bit less than the modulus, which is a byte less for one size of eight.
#[test]
fn moduli_of_any_number_of_bits_check_pss() {
    for (bits, p, q) in sized_primes() {
        let (p, q) = (BigUint::from_bytes_be(&sample::bytes(p)), BigUint::from_bytes_be(&sample::bytes(q)));
        let private = ::rsa::RsaPrivateKey::from_p_q(p, q, 65_537_u32.into()).unwrap();
        assert_eq!(private.n().bits(), bits);
        let key = PublicKey::new(&private.n().to_bytes_be(), &[1, 0, 1]).unwrap();
        for message in [b"one".as_slice(), b"two", b"three"] {
            let signature = sample::pss_by::<sha2::Sha256>(&private, message, 32);
            assert!(key.verify(Padding::Pss, Hash::Sha256, message, &signature), "{bits}");
            assert!(!key.verify(Padding::Pss, Hash::Sha256, b"four", &signature));
            assert!(!key.verify(Padding::Pss, Hash::Sha384, message, &signature));
            assert!(!key.verify(Padding::Pkcs1, Hash::Sha256, message, &signature));
        }
    }
}

/// The bits of a modulus, and its two primes.
fn sized_primes() -> [(usize, &'static str, &'static str); 3] {
    [
        (
            2049,
            "\
                9zkDBQPL6C3lONrVWoLppFWBi86u-9kmUBGSudq90CdOsEaxPvwt3GiRuslGwjEURjDzZ-nLKhrSxlxKFucYv0hLV_09IzkRwvKiAwCxAZ_prb\
                k7D3mZsncQSnQvAr2hOGhC9lehdMJbib8RdhyldEWSiAknkawXi-5nEy3lG68",
            "\
                AcJsJ-n8N6HcdNMWS8t74SiMZkei7Lrp9VnXYCscTat-wGzKVgVR_QbWe8ICbo06S3fYXQuHWt5TnPr3lUV-fq-oxo-ZTWMhxThiCP7VCqh3gV\
                qhH0koU1Ol-InhENDGwK5VnlCROAdFxo7MbmGgzcAOBGfAbKIqT2bnz-k4awkH",
        ),
        (
            2050,
            "\
                AabAIZfzzs2I0XGXaS2J74r_UIL9x0nXbLPSZAWTRnQ2ZwOhtWkOS_pociUMDqDSiry2M0F5vaPMiBQpZUMdSmVjLjCpg9Swfy38jE05yClxxG\
                k2AGdtsisICFyyk1diLIoUmc8rf30r_tMeiXJZlIabf1hlsFeYtvHFvfhOUtyn",
            "\
                AYB3ZeQGjyFi3o8U7QRimSRuZNXz1BIo1kOfz1sMqK5ZePwLp-w5dXXIJ5ldBOCVCdv_X-zz1RVtMBBbqwEOASOXeCCX8kGLIJ3NZi5k2GlebN\
                ciw4GdNrSB7CNowHvVrgnQ2ZeBQu3xmDoMJusHYp5hqL1dsxpZWWOsyJ31st5z",
        ),
        (
            2056,
            "\
                DPPZAhrFVqez7vCelLqpvg6cgzbLbDwOf6UN3Awo7TC1URuyRyT9-2PLX1EMjPUEI2Om9J6OLoP1p0knT9Uj0rEn1QGaFVGLXVzCEOcZo5avdK\
                AEWmEtY4rUGLK-fKsujKKawMJrhvjpoKFbRg3RRQxb9LQ3DX0SjJ15qmu5Obs5",
            "\
                DyHtEbDUlOo894altFvUl5RyvFGbUSmEV1Bxd8DEE6Br2pM1b4un7aTfWwJlXJ8Opd8u8T5ewT-aArGFFF8rVbZr4s7e39pbgT23rJYxeV7Tp2\
                NpDnKDAWhNISArorP-SR-OApUA0RUvsjCwjK7BnnfRB6X4DyW337Rs1aTt-y3v",
        ),
    ]
}

#[test]
fn a_modulus_may_have_leading_zeros_and_any_number_of_bits() {
    let padded = [&[0, 0], sample::bytes(sample::RSA_N).as_slice()].concat();
    let key = PublicKey::new(&padded, &[0, 1, 0, 1]).unwrap();
    let signature = sample::sign(Algorithm::Rs256, b"text");
    assert!(key.verify(Padding::Pkcs1, Hash::Sha256, b"text", &signature));
    assert_eq!(key.bits, self::key().bits);
    let rows = [(2047, false), (2048, true), (2049, true), (3000, true), (4096, true), (8192, true), (8193, false)];
    for (bits, expected) in rows {
        let mut modulus = vec![0xff; usize::div_ceil(bits, 8)];
        modulus[0] = 0xff >> (7 - (bits - 1) % 8);
        assert_eq!(PublicKey::new(&modulus, &[3]).is_ok(), expected, "{bits}");
    }
}
