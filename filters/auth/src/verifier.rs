//! Whether a signature is genuine: the question, and the answer of pure Rust.
//!
//! Two verifiers give the same verdicts: [`Crates`] here, and [`crate::delegate::Delegate`], which asks the host first.

use crate::algorithm::Algorithm;
use crate::key::{Key, Material};
use crate::rsa::Padding;

/// What a verifier says of a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The key's owner signed exactly these bytes.
    Genuine,
    /// Somebody else did, or the bytes are not a signature of the algorithm at all, or the key is not for it.
    Forged,
}

/// Checks signatures.
pub trait Verifier {
    /// Whether `signature` was made over `message` with `key` by `algorithm`, which has to be one that the key allows.
    fn verify(&self, key: &Key, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Verdict;
}

/// Checks signatures in pure Rust.
#[derive(Clone, Copy, Debug, Default)]
pub struct Crates;

impl Verifier for Crates {
    fn verify(&self, key: &Key, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Verdict {
        let hash = algorithm.hash();
        let genuine = key.allows(algorithm)
            && match &key.material {
                Material::Secret(secret) => hash.authenticates(secret.bytes(), message, signature),
                Material::Rsa { key, .. } => key.verify(Padding::of(algorithm), hash, message, signature),
                Material::Ec { key, .. } => key.verify(hash, message, signature),
                Material::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            };
        if genuine { Verdict::Genuine } else { Verdict::Forged }
    }
}

#[cfg(test)]
pub(crate) mod tests;
