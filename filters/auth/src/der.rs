//! The little DER (X.690) that Envoy's crypto wants: public keys as `SubjectPublicKeyInfo`, ECDSA signatures as pairs.
//!
//! Only definite lengths below 64 KiB are written, which no key or signature here comes near.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// `rsaEncryption` with its NULL parameters (RFC 8017 A.1).
const RSA: &[u8] = &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// `id-ecPublicKey` on `secp256r1` (RFC 5480 §2.1.1).
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];

/// The public key of these numbers, in big-endian bytes.
pub(crate) fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let numbers = [integer(modulus), integer(exponent)].concat();
    key(RSA, &element(SEQUENCE, &numbers))
}

/// The public key of this uncompressed point (SEC 1 §2.3.3).
pub(crate) fn p256_key(point: &[u8]) -> Vec<u8> {
    key(P256, point)
}

/// The signature whose halves stand one after the other (RFC 7518 §3.4), as `Ecdsa-Sig-Value` (RFC 3279 §2.2.3).
pub(crate) fn ecdsa_signature(halves: &[u8]) -> Vec<u8> {
    let (r, s) = halves.split_at(halves.len() / 2);
    element(SEQUENCE, &[integer(r), integer(s)].concat())
}

fn key(algorithm: &[u8], bits: &[u8]) -> Vec<u8> {
    // The first byte of a bit string counts the bits that its last byte leaves unused.
    let bits = element(BIT_STRING, &[&[0], bits].concat());
    element(SEQUENCE, &[algorithm, &bits].concat())
}

/// A number that is not negative, in as few bytes as it needs.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    // The highest bit is the sign.
    let sign: &[u8] = if digits.first().is_none_or(|&byte| byte >= 0x80) { &[0] } else { &[] };
    element(INTEGER, &[sign, digits].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let mut bytes = Vec::with_capacity(content.len() + 4);
    bytes.push(tag);
    match (high, low) {
        (0, 0..0x80) => bytes.push(low),
        (0, _) => bytes.extend([0x81, low]),
        _ => bytes.extend([0x82, high, low]),
    }
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use ::rsa::pkcs8::DecodePublicKey;
    use ::rsa::traits::PublicKeyParts;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn another_reader_finds_the_same_rsa_key() {
        let key =
            ::rsa::RsaPublicKey::from_public_key_der(&rsa_key(&sample::bytes(sample::RSA_N), &[1, 0, 1])).unwrap();
        assert_eq!(key.n().to_bytes_be(), sample::bytes(sample::RSA_N));
        assert_eq!(key.e().to_bytes_be(), [1, 0, 1]);
    }

    #[test]
    fn another_reader_finds_the_same_p256_key() {
        let point = [&[4][..], &sample::bytes(sample::P256_X), &sample::bytes(sample::P256_Y)].concat();
        let key = p256::ecdsa::VerifyingKey::from_public_key_der(&p256_key(&point)).unwrap();
        assert_eq!(key.to_encoded_point(false).as_bytes(), point);
    }

    #[test]
    fn another_reader_finds_the_same_signature() {
        let mut halves = [0x80; 64];
        halves[..32].copy_from_slice(&[[0; 31].as_slice(), &[7]].concat());
        let read = p256::ecdsa::Signature::from_der(&ecdsa_signature(&halves)).unwrap();
        assert_eq!(read.to_bytes().as_slice(), halves);
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
        for (bytes, expected) in rows {
            assert_eq!(integer(bytes), expected);
        }
    }
}
