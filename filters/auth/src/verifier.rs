//! Whether a signature is genuine: the question, and the answer of pure Rust.
//!
//! Two verifiers give the same verdicts: [`Crates`] here, and [`crate::delegate::Delegate`], which asks the host first.

use hmac::{Hmac, Mac};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::algorithm::Algorithm;
use crate::key::{Key, Material};

/// What a verifier says of a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The key's owner signed exactly these bytes.
    Genuine,
    /// Somebody else did, or the bytes are not a signature of the key's algorithm at all.
    Forged,
}

/// Checks signatures.
pub trait Verifier {
    /// Whether `signature` was made over `message` with `key`, by the key's own algorithm.
    fn verify(&self, key: &Key, message: &[u8], signature: &[u8]) -> Verdict;
}

/// Checks signatures in pure Rust. In WebAssembly an HMAC takes microseconds, Ed25519 a fraction of a millisecond, P-256
/// and RSA one to two milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Crates;

impl Verifier for Crates {
    fn verify(&self, key: &Key, message: &[u8], signature: &[u8]) -> Verdict {
        let genuine = match &key.material {
            Material::Secret(secret) => match key.algorithm {
                Algorithm::Hs256 => genuine_mac::<Hmac<Sha256>>(secret.bytes(), message, signature),
                Algorithm::Hs384 => genuine_mac::<Hmac<Sha384>>(secret.bytes(), message, signature),
                Algorithm::Hs512 => genuine_mac::<Hmac<Sha512>>(secret.bytes(), message, signature),
                Algorithm::Rs256 | Algorithm::Es256 | Algorithm::EdDsa => false,
            },
            Material::Rsa { key, .. } => key.verify(message, signature),
            Material::P256 { key, .. } => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&Sha256::digest(message), &signature).is_ok()),
            Material::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        };
        if genuine { Verdict::Genuine } else { Verdict::Forged }
    }
}

/// Compares in constant time, whole or not at all.
fn genuine_mac<M: Mac + hmac::digest::KeyInit>(secret: &[u8], message: &[u8], signature: &[u8]) -> bool {
    <M as Mac>::new_from_slice(secret).is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok())
}

#[cfg(test)]
pub(crate) mod tests;
