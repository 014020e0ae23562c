//! Signature checks by the host's own crypto, which is up to 15 times faster than the same check in WebAssembly.
//!
//! Envoy offers Wasm filters a function `verify_signature`. It takes the protobuf message `{1: name of the hash, 2: public
//! key as DER, 3: signature (ECDSA as DER), 4: text}` and answers `{1: whether it fits, 2: why not}`; four fields are
//! written by hand here rather than by a library. Where a host lacks the function, that is found out once, and the crates
//! take over. It offers RSASSA-PKCS1-v1_5 and ECDSA; HMAC, RSASSA-PSS and Ed25519 are not among what it can check.

use std::cell::Cell;

use crate::algorithm::Algorithm;
use crate::der;
use crate::hash::Hash;
use crate::key::{Key, Material};
use crate::rsa::Padding;
use crate::verifier::{Crates, Verdict, Verifier};

/// The host's name for the function.
pub const FUNCTION: &str = "verify_signature";

/// How the host took a call of [`FUNCTION`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It answered with this message.
    Message(Vec<u8>),
    /// It has no such function, and never will.
    Lacking,
    /// It has the function and could not use it this time.
    Failed,
}

/// Asks the host where it can tell, and [`Crates`] where not.
pub struct Delegate<Host> {
    host: Host,
    lacking: Cell<bool>,
}

impl<Host: Fn(&[u8]) -> Answer> Delegate<Host> {
    /// A verifier that calls [`FUNCTION`] through `host`, which is given the message and returns the answer.
    pub const fn new(host: Host) -> Self {
        Self { host, lacking: Cell::new(false) }
    }

    fn ask(&self, hash: Hash, der: &[u8], signature: &[u8], message: &[u8]) -> Option<Verdict> {
        if self.lacking.get() {
            return None;
        }
        match (self.host)(&question([name(hash), der, signature, message])) {
            Answer::Message(answer) => verdict(&answer),
            Answer::Lacking => {
                self.lacking.set(true);
                None
            }
            Answer::Failed => None,
        }
    }
}

impl<Host: Fn(&[u8]) -> Answer> Verifier for Delegate<Host> {
    fn verify(&self, key: &Key, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Verdict {
        if !key.allows(algorithm) {
            return Verdict::Forged;
        }
        let hash = algorithm.hash();
        let answered = match &key.material {
            Material::Rsa { der, .. } if Padding::of(algorithm) == Padding::Pkcs1 => {
                self.ask(hash, der, signature, message)
            }
            // Another length has no halves, and the crates refuse it without any arithmetic.
            Material::Ec { der, .. } if signature.len() == hash.length() * 2 => {
                self.ask(hash, der, &der::ecdsa_signature(signature), message)
            }
            _ => None,
        };
        answered.unwrap_or_else(|| Crates.verify(key, algorithm, message, signature))
    }
}

/// What the host calls a hash.
const fn name(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha256 => b"sha256",
        Hash::Sha384 => b"sha384",
        Hash::Sha512 => b"sha512",
    }
}

/// Every field here is either a string or bytes, which protobuf writes alike.
const fn tag(field: u8) -> u8 {
    field << 3 | 2
}

/// Fields 1 to 4, in one piece of memory.
fn question(fields: [&[u8]; 4]) -> Vec<u8> {
    // A tag, and a length of at most five bytes, before each.
    let size: usize = fields.iter().map(|field| field.len() + 6).sum();
    let mut bytes = Vec::with_capacity(size);
    for (number, field) in (1..).zip(fields) {
        bytes.push(tag(number));
        let mut rest = field.len();
        while rest >= 0x80 {
            bytes.push(0x80 | low(rest));
            rest >>= 7;
        }
        bytes.push(low(rest));
        bytes.extend_from_slice(field);
    }
    bytes
}

/// The lowest seven bits.
#[expect(clippy::cast_possible_truncation, reason = "seven bits fit")]
const fn low(number: usize) -> u8 {
    (number & 0x7f) as u8
}

/// Reads field 1, a bool that is left out where it is false; what follows it is the reason why not. `None` where the
/// answer is not such a message.
fn verdict(answer: &[u8]) -> Option<Verdict> {
    match answer {
        [0x08, 1, ..] => Some(Verdict::Genuine),
        [] | [0x08, 0, ..] | [0x12, ..] => Some(Verdict::Forged),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
