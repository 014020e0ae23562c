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
/// `id-ecPublicKey` on `secp384r1` (RFC 5480 §2.1.1).
const P384: &[u8] =
    &[0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];

/// The public key of these numbers, in big-endian bytes.
pub(crate) fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::with_capacity(modulus.len() + exponent.len() + 10);
    integer(&mut numbers, modulus);
    integer(&mut numbers, exponent);
    key(RSA, &element(SEQUENCE, &numbers))
}

/// The public key at these coordinates, of P-256 or of P-384 by their length, as an uncompressed point (SEC 1 §2.3.3).
pub(crate) fn ec_key(x: &[u8], y: &[u8]) -> Vec<u8> {
    key(if x.len() == 32 { P256 } else { P384 }, &[&[4], x, y].concat())
}

/// The signature whose halves stand one after the other (RFC 7518 §3.4), as `Ecdsa-Sig-Value` (RFC 3279 §2.2.3).
///
/// Halves have no more than 48 bytes, so the length of both takes one byte.
pub(crate) fn ecdsa_signature(halves: &[u8]) -> Vec<u8> {
    let (r, s) = halves.split_at(halves.len() / 2);
    let mut bytes = Vec::with_capacity(halves.len() + 8);
    bytes.extend([SEQUENCE, 0]);
    integer(&mut bytes, r);
    integer(&mut bytes, s);
    let [.., length] = bytes.len().saturating_sub(2).to_be_bytes();
    bytes.iter_mut().skip(1).take(1).for_each(|byte| *byte = length);
    bytes
}

fn key(algorithm: &[u8], bits: &[u8]) -> Vec<u8> {
    // The first byte of a bit string counts the bits that its last byte leaves unused.
    let bits = element(BIT_STRING, &[&[0], bits].concat());
    element(SEQUENCE, &[algorithm, &bits].concat())
}

/// Writes a number that is not negative, in as few bytes as it needs.
fn integer(bytes: &mut Vec<u8>, number: &[u8]) {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    // The highest bit is the sign.
    let sign: &[u8] = if digits.first().is_none_or(|&byte| byte >= 0x80) { &[0] } else { &[] };
    head(bytes, INTEGER, sign.len().saturating_add(digits.len()));
    bytes.extend_from_slice(sign);
    bytes.extend_from_slice(digits);
}

/// Writes a tag and how long its content is.
fn head(bytes: &mut Vec<u8>, tag: u8, length: usize) {
    let [.., high, low] = length.to_be_bytes();
    bytes.push(tag);
    match (high, low) {
        (0, 0..0x80) => bytes.push(low),
        (0, _) => bytes.extend_from_slice(&[0x81, low]),
        _ => bytes.extend_from_slice(&[0x82, high, low]),
    }
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 4);
    head(&mut bytes, tag, content.len());
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests;
