//! Hashes and HMAC over them, chosen at run time: one function each, where generic code would be three.

use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The longest hash, in bytes.
pub(crate) const BYTES_MAX: usize = 64;
/// The longest block, in bytes.
const BLOCK_MAX: usize = 128;

/// A hash function of the SHA-2 family (FIPS 180-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// What a hash function made; it reads as bytes.
#[derive(Clone, Copy)]
pub(crate) struct Digest {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Hash {
    /// How long its digests are, in bytes.
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of these parts, one after the other.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Digest {
        let mut digest = Digest { bytes: [0; BYTES_MAX], length: self.length() };
        let (short, _) = digest.bytes.split_at_mut(digest.length);
        match self {
            Self::Sha256 => {
                let state = parts.iter().fold(Sha256::new(), sha2::Digest::chain_update);
                short.copy_from_slice(&state.finalize());
            }
            Self::Sha384 => {
                let state = parts.iter().fold(Sha384::new(), sha2::Digest::chain_update);
                short.copy_from_slice(&state.finalize());
            }
            Self::Sha512 => {
                let state = parts.iter().fold(Sha512::new(), sha2::Digest::chain_update);
                short.copy_from_slice(&state.finalize());
            }
        }
        digest
    }

    /// Whether `code` is the HMAC of a message under this secret. The time that it takes does not tell how much of the code
    /// is right.
    pub(crate) fn authenticates(self, secret: &[u8], message: &[u8], code: &[u8]) -> bool {
        self.code(secret, message).as_ref().ct_eq(code).into()
    }

    /// The HMAC (RFC 2104) of a message under this secret.
    pub(crate) fn code(self, secret: &[u8], message: &[u8]) -> Digest {
        let block_length = if self == Self::Sha256 { BLOCK_MAX / 2 } else { BLOCK_MAX };
        let mut block = Zeroizing::new([0; BLOCK_MAX]);
        let hashed;
        let key = if secret.len() > block_length {
            hashed = self.digest(&[secret]);
            hashed.as_ref()
        } else {
            secret
        };
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte = *key);
        block.iter_mut().for_each(|byte| *byte ^= 0x36);
        let inner = self.digest(&[block.get(..block_length).unwrap_or_default(), message]);
        block.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
        self.digest(&[block.get(..block_length).unwrap_or_default(), inner.as_ref()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, Mac};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const ALL: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];

    fn mac(hash: Hash, secret: &[u8], message: &[u8]) -> Vec<u8> {
        fn of<M: Mac + hmac::digest::KeyInit>(secret: &[u8], message: &[u8]) -> Vec<u8> {
            <M as Mac>::new_from_slice(secret).unwrap().chain_update(message).finalize().into_bytes().to_vec()
        }
        match hash {
            Hash::Sha256 => of::<Hmac<Sha256>>(secret, message),
            Hash::Sha384 => of::<Hmac<Sha384>>(secret, message),
            Hash::Sha512 => of::<Hmac<Sha512>>(secret, message),
        }
    }

    #[test]
    fn a_digest_is_that_of_the_whole() {
        for hash in ALL {
            let whole = hash.digest(&[b"one and two"]);
            assert_eq!(whole.as_ref().len(), hash.length());
            assert_eq!(hash.digest(&[b"one ", b"", b"and two"]).as_ref(), whole.as_ref());
        }
        // FIPS 180-2, B.1.
        assert_eq!(Hash::Sha256.digest(&[b"abc"]).as_ref()[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn a_code_is_that_of_a_crate_for_codes() {
        for hash in ALL {
            for length in [0, 1, 32, 63, 64, 65, 127, 128, 129, 300] {
                let secret: Vec<u8> = (0_u8..=255).cycle().take(length).collect();
                let code = mac(hash, &secret, b"text");
                assert!(hash.authenticates(&secret, b"text", &code), "{hash:?} {length}");
                assert!(!hash.authenticates(&secret, b"texts", &code));
                assert!(!hash.authenticates(&secret, b"text", &code[1..]));
                assert!(!hash.authenticates(&secret, b"text", &[&code[..], &[0]].concat()));
                for at in 0..code.len() {
                    let mut flipped = code.clone();
                    flipped[at] ^= 0x10;
                    assert!(!hash.authenticates(&secret, b"text", &flipped));
                }
            }
        }
    }

    #[test]
    fn the_codes_of_rfc_4231_authenticate() {
        // Test cases 1 and 6, for SHA-256.
        let rows: [(&[u8], &[u8], [u8; 4]); 2] = [
            (&[0x0b; 20], b"Hi There", [0xb0, 0x34, 0x4c, 0x61]),
            (&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First", [0x60, 0xe4, 0x31, 0x59]),
        ];
        for (secret, message, start) in rows {
            let code = mac(Hash::Sha256, secret, message);
            assert_eq!(code[..4], start);
            assert!(Hash::Sha256.authenticates(secret, message, &code));
        }
    }
}
