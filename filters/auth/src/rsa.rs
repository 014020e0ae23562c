//! RSA signatures checked (RFC 8017 §8.1.2 and §8.2.2), for hosts that have no crypto of their own; no host here has PSS.
//!
//! Padding is never taken apart by rules that a forger could stretch: PKCS #1 v1.5 is made and compared whole, and of PSS
//! each byte has one value that it may have.

mod pss;

use crate::algorithm::{Algorithm, Algorithms};
use crate::hash::Hash;
use crate::modulus::{Modulus, limbs};

/// Shorter moduli are refused (RFC 7518 §3.3).
const BITS_MIN: u32 = 2048;
/// Longer ones too, here as by Envoy's crypto: checking with them takes too long.
const BITS_MAX: u32 = 8192;
/// Larger exponents are refused, here as by Envoy's crypto.
const EXPONENT_BITS_MAX: u32 = 33;

/// What comes before a hash of 32 bytes in PKCS #1 v1.5 (RFC 8017 §9.2, note 1). Other hashes of the family have another
/// length of the whole, number of the function and length of the hash, at these places.
const DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// A public key.
pub(crate) struct PublicKey {
    modulus: Modulus,
    exponent: [u32; 2],
    bits: u32,
}

/// How a hash becomes a block that is as long as the modulus.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Padding {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1,
    /// RSASSA-PSS as RFC 7518 §3.5 has it.
    Pss,
}

impl Padding {
    /// The padding of an algorithm that RSA keys are for.
    pub(crate) const fn of(algorithm: Algorithm) -> Self {
        if Algorithms::PSS.has(algorithm) { Self::Pss } else { Self::Pkcs1 }
    }
}

/// Why numbers are no public key, as a phrase that follows the member's name.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Mistake {
    Modulus(String),
    Exponent(&'static str),
}

impl PublicKey {
    /// The key of these numbers, in big-endian bytes.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, Mistake> {
        let modulus = stripped(modulus);
        let bits = bit_length(modulus);
        if !(BITS_MIN..=BITS_MAX).contains(&bits) {
            return Err(Mistake::Modulus(format!("must have {BITS_MIN} to {BITS_MAX} bits, got {bits}")));
        }
        let exponent = stripped(exponent);
        if bit_length(exponent) > EXPONENT_BITS_MAX {
            return Err(Mistake::Exponent("must have at most 33 bits"));
        }
        let mut limbs_of_exponent = limbs(exponent).into_iter();
        let exponent = [(); 2].map(|()| limbs_of_exponent.next().unwrap_or(0));
        if exponent[0] % 2 == 0 || exponent == [1, 0] {
            return Err(Mistake::Exponent("must be odd and at least 3"));
        }
        match Modulus::new(limbs(modulus)) {
            Some(modulus) => Ok(Self { modulus, exponent, bits }),
            None => Err(Mistake::Modulus("must be odd".to_owned())),
        }
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verify(&self, padding: Padding, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let length = self.bits.div_ceil(8) as usize;
        if signature.len() != length {
            return false;
        }
        let number = limbs(signature);
        if !self.modulus.exceeds(&number) {
            return false;
        }
        let block = self.power(&number);
        let mut block: Vec<u8> = block.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
        let spare = block.len().saturating_sub(length);
        let block = block.get_mut(spare..).unwrap_or_default();
        let digest = hash.digest(&[message]);
        match padding {
            Padding::Pkcs1 => block == pkcs1(hash, digest.as_ref(), length),
            Padding::Pss => pss::fits(hash, digest.as_ref(), block, self.bits),
        }
    }

    /// `number` to the power of the exponent.
    fn power(&self, number: &[u32]) -> Vec<u32> {
        let mut entered = vec![0; number.len()];
        self.modulus.enter(&mut entered, number);
        let power = self.modulus.power(&entered, &self.exponent);
        let mut one = vec![0; number.len()];
        one.iter_mut().take(1).for_each(|limb| *limb = 1);
        self.modulus.multiply(&mut entered, &power, &one);
        entered
    }
}

/// The only block of this length that stands for a digest (RFC 8017 §9.2).
fn pkcs1(hash: Hash, digest: &[u8], length: usize) -> Vec<u8> {
    let mut info = DIGEST_INFO;
    let [_, whole, .., number, _, _, _, short] = &mut info;
    let (function, bytes) = match hash {
        Hash::Sha256 => (1, 32),
        Hash::Sha384 => (2, 48),
        Hash::Sha512 => (3, 64),
    };
    (*whole, *number, *short) = (17 + bytes, function, bytes);
    let padding = length.saturating_sub(info.len() + digest.len() + 3);
    [&[0, 1], vec![0xff; padding].as_slice(), &[0], &info, digest].concat()
}

fn stripped(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// How many bits a number has whose first byte is not zero.
fn bit_length(bytes: &[u8]) -> u32 {
    let zeros = bytes.first().map_or(0, |byte| byte.leading_zeros());
    u32::try_from(bytes.len()).map_or(u32::MAX, |length| length.saturating_mul(8).saturating_sub(zeros))
}

#[cfg(test)]
mod tests;
