//! The check behind `verify_signature`: RSA (PKCS #1) and ECDSA (DER) by ring, where Envoy uses `BoringSSL`.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

/// The hashes that Envoy knows.
const HASHES: [&[u8]; 5] = [b"sha1", b"sha224", b"sha256", b"sha384", b"sha512"];

/// Object identifiers, as DER writes them.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// Tags of DER.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// A public key, taken out of its `SubjectPublicKeyInfo`.
enum Key<'a> {
    Rsa(&'a [u8]),
    P256(&'a [u8]),
    P384(&'a [u8]),
}

/// Checks a signature; the error is Envoy's text on why it does not hold. It looks at the hash first, and a key that it
/// cannot read is a signature that does not hold.
pub(crate) fn verify(hash: &[u8], key: &[u8], signature: &[u8], text: &[u8]) -> Result<(), String> {
    let unsupported = || format!("{} is not supported.", String::from_utf8_lossy(&hash[..hash.len().min(64)]));
    if !HASHES.contains(&hash) {
        return Err(unsupported());
    }
    let Some(key) = parse(key) else { return Err("Failed to initialize digest verify.".to_owned()) };
    let (algorithm, point): (&dyn VerificationAlgorithm, _) = match (&key, hash) {
        (Key::Rsa(key), b"sha1") => (&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, key),
        (Key::Rsa(key), b"sha256") => (&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, key),
        (Key::Rsa(key), b"sha384") => (&signature::RSA_PKCS1_2048_8192_SHA384, key),
        (Key::Rsa(key), b"sha512") => (&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, key),
        (Key::P256(point), b"sha256") => (&signature::ECDSA_P256_SHA256_ASN1, point),
        (Key::P256(point), b"sha384") => (&signature::ECDSA_P256_SHA384_ASN1, point),
        (Key::P384(point), b"sha256") => (&signature::ECDSA_P384_SHA256_ASN1, point),
        (Key::P384(point), b"sha384") => (&signature::ECDSA_P384_SHA384_ASN1, point),
        // Envoy has these pairs too; ring lacks them, and no algorithm of RFC 7518 is one of them.
        _ => return Err(unsupported()),
    };
    let checked = UnparsedPublicKey::new(algorithm, point).verify(text, signature);
    checked.map_err(|_| "Failed to verify digest. Error code: 0".to_owned())
}

/// Reads a `SubjectPublicKeyInfo` (RFC 5280, 4.1) of RSA or of one of two curves.
fn parse(mut key: &[u8]) -> Option<Key<'_>> {
    let mut info = element(&mut key, SEQUENCE)?;
    let mut algorithm = element(&mut info, SEQUENCE)?;
    let (unused_bits, value) = element(&mut info, BIT_STRING)?.split_first()?;
    if *unused_bits != 0 {
        return None;
    }
    let kind = element(&mut algorithm, OBJECT)?;
    if kind == RSA {
        let mut key = value;
        let mut numbers = element(&mut key, SEQUENCE)?;
        element(&mut numbers, INTEGER)?;
        element(&mut numbers, INTEGER)?;
        return Some(Key::Rsa(value));
    }
    let curve = (kind == EC).then(|| element(&mut algorithm, OBJECT))??;
    match (curve, value.len(), value.first()) {
        (P256, 65, Some(4)) => Some(Key::P256(value)),
        (P384, 97, Some(4)) => Some(Key::P384(value)),
        _ => None,
    }
}

/// Takes an element of this tag off the front, and gives its contents.
fn element<'a>(der: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let [found, first, rest @ ..] = *der else { return None };
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    *der = rest;
    (*found == tag).then_some(contents)
}
