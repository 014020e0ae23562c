//! RSA signatures checked (RFC 8017 §8.2.2, RSASSA-PKCS1-v1_5 with SHA-256), for hosts that have no crypto of their own.
//!
//! Only a public key, a public signature and a public message meet here, so nothing needs constant time, and all there is
//! to do is one power modulo an odd number, by Montgomery's multiplication. A crate for RSA brings signing, random
//! primes and big numbers of any size, which would take half as much room again as the rest of this filter.

use sha2::{Digest, Sha256};

/// Shorter moduli are refused (RFC 7518 §3.3).
const BITS_MIN: u32 = 2048;
/// Longer ones too: checking with them takes too long.
const BITS_MAX: u32 = 4096;
/// Larger exponents are refused, here as by Envoy's crypto.
const EXPONENT_BITS_MAX: u32 = 33;

/// What comes before the hash (RFC 8017 §9.2, note 1).
const DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// A public key. Numbers are in limbs of 32 bits, the lowest first.
pub(crate) struct PublicKey {
    modulus: Vec<u32>,
    exponent: u64,
    /// `-modulus⁻¹` modulo 2³².
    inverse: u32,
    /// The square of 2 to the number of the modulus' bits, whole limbs counted, modulo the modulus.
    square: Vec<u32>,
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
        let modulus = limbs(modulus);
        let Some(lowest) = modulus.first().copied().filter(|limb| limb % 2 == 1) else {
            return Err(Mistake::Modulus("must be odd".to_owned()));
        };
        let exponent = stripped(exponent);
        if bit_length(exponent) > EXPONENT_BITS_MAX {
            return Err(Mistake::Exponent("must have at most 33 bits"));
        }
        let exponent = exponent.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        if exponent < 3 || exponent.is_multiple_of(2) {
            return Err(Mistake::Exponent("must be odd and at least 3"));
        }
        let square = square(&modulus);
        Ok(Self { modulus, exponent, inverse: inverse(lowest), square })
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let length = self.byte_length();
        if signature.len() != length {
            return false;
        }
        let number = limbs(signature);
        if !is_less(&number, &self.modulus) {
            return false;
        }
        // The whole block is made and compared, so no padding but the right one can pass.
        let hash = Sha256::digest(message);
        let padding = length.saturating_sub(DIGEST_INFO.len() + hash.len() + 3);
        let expected = [&[0, 1], vec![0xff; padding].as_slice(), &[0], &DIGEST_INFO, &hash].concat();
        self.power(&number) == limbs(&expected)
    }

    fn byte_length(&self) -> usize {
        let highest = self.modulus.last().map_or(0, |limb| limb.leading_zeros() / 8);
        self.modulus.len() * 4 - highest as usize
    }

    /// `number` to the power of the exponent.
    fn power(&self, number: &[u32]) -> Vec<u32> {
        let base = self.multiply(number, &self.square);
        let mut power = base.clone();
        for bit in (0..self.exponent.ilog2()).rev() {
            power = self.multiply(&power, &power);
            if self.exponent >> bit & 1 == 1 {
                power = self.multiply(&power, &base);
            }
        }
        let mut one = vec![0; self.modulus.len()];
        one.iter_mut().take(1).for_each(|limb| *limb = 1);
        self.multiply(&power, &one)
    }

    /// Montgomery's product: `a * b / 2^(32 * limbs)` modulo the modulus, below it where `a` or `b` is.
    fn multiply(&self, a: &[u32], b: &[u32]) -> Vec<u32> {
        let mut sum = vec![0_u32; self.modulus.len()];
        let mut top = 0_u64;
        for &factor in b {
            top += add_product(&mut sum, a, factor);
            // A multiple of the modulus that makes the lowest limb zero, which is then shifted out.
            let multiple = sum.first().map_or(0, |limb| limb.wrapping_mul(self.inverse));
            top += add_product(&mut sum, &self.modulus, multiple);
            sum.rotate_left(1);
            if let Some(highest) = sum.last_mut() {
                *highest = low(top);
            }
            top >>= 32;
        }
        if top > 0 || !is_less(&sum, &self.modulus) {
            subtract(&mut sum, &self.modulus);
        }
        sum
    }
}

/// Adds `a * factor` and answers with what does not fit.
fn add_product(sum: &mut [u32], a: &[u32], factor: u32) -> u64 {
    let mut carry = 0;
    for (limb, &digit) in sum.iter_mut().zip(a) {
        let total = u64::from(*limb) + u64::from(digit) * u64::from(factor) + carry;
        *limb = low(total);
        carry = total >> 32;
    }
    carry
}

/// `-limb⁻¹` modulo 2³² of an odd limb: each step of Newton's doubles the bits that are right, of which there are three.
fn inverse(limb: u32) -> u32 {
    let mut inverse = limb;
    for _ in 0..4 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(limb.wrapping_mul(inverse)));
    }
    inverse.wrapping_neg()
}

/// 2 to the number of the modulus' bits times two, whole limbs counted, by doubling.
fn square(modulus: &[u32]) -> Vec<u32> {
    let mut number = vec![0; modulus.len()];
    number.iter_mut().take(1).for_each(|limb| *limb = 1);
    for _ in 0..modulus.len() * 64 {
        let mut carry = 0;
        for limb in &mut number {
            let next = *limb >> 31;
            *limb = *limb << 1 | carry;
            carry = next;
        }
        if carry > 0 || !is_less(&number, modulus) {
            subtract(&mut number, modulus);
        }
    }
    number
}

/// Takes `other` away once; what is borrowed at the end is the caller's carry.
fn subtract(number: &mut [u32], other: &[u32]) {
    let mut borrowed = false;
    for (limb, &digit) in number.iter_mut().zip(other) {
        let (difference, first) = limb.overflowing_sub(digit);
        let (difference, second) = difference.overflowing_sub(u32::from(borrowed));
        *limb = difference;
        borrowed = first || second;
    }
}

/// Compares two numbers of as many limbs.
fn is_less(one: &[u32], other: &[u32]) -> bool {
    one.iter().rev().lt(other.iter().rev())
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

/// Big-endian bytes in limbs.
fn limbs(bytes: &[u8]) -> Vec<u32> {
    bytes.rchunks(4).map(|chunk| chunk.iter().fold(0, |limb, &byte| limb << 8 | u32::from(byte))).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
const fn low(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests;
