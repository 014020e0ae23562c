//! Numbers modulo an odd one, by Montgomery's multiplication: what checking RSA and ECDSA signatures comes down to.
//!
//! Only public keys, public signatures and public messages meet here, so nothing needs constant time. Crates for big
//! numbers and for each curve bring signing, random primes and unrolled arithmetic: P-384 from its crate alone is as large
//! as a third of this filter. Numbers are in limbs of 32 bits, the lowest first; WebAssembly has no wider product.
//!
//! A number `a` is *in Montgomery's form* as `a * R`, where `R` is 2 to the number of the modulus' bits, whole limbs
//! counted. Products of two such numbers are such numbers again, and no division is needed.
//!
//! What is called in many places here is not copied into them: that would be most of this filter's code for signatures.

/// An odd modulus.
pub(crate) struct Modulus {
    limbs: Vec<u32>,
    /// `-modulus⁻¹` modulo 2³².
    inverse: u32,
    /// `R²` modulo the modulus.
    square: Vec<u32>,
}

impl Modulus {
    /// A modulus of these limbs, `None` where it is even.
    pub(crate) fn new(limbs: Vec<u32>) -> Option<Self> {
        let lowest = limbs.first().copied().filter(|limb| limb % 2 == 1)?;
        let square = square(&limbs);
        Some(Self { limbs, inverse: inverse(lowest), square })
    }

    /// The modulus itself.
    pub(crate) fn limbs(&self) -> &[u32] {
        &self.limbs
    }

    /// Whether a number of as many limbs is below the modulus.
    pub(crate) fn exceeds(&self, number: &[u32]) -> bool {
        let borrow = |borrow, (&limb, &digit): (&u32, &u32)| u64::from(limb) < u64::from(digit) + u64::from(borrow);
        number.iter().zip(&self.limbs).fold(false, borrow)
    }

    /// Montgomery's product: `a * b / R` modulo the modulus. One of the two may be as large as its limbs allow.
    #[inline(never)]
    pub(crate) fn multiply(&self, product: &mut [u32], a: &[u32], b: &[u32]) {
        product.fill(0);
        let mut top = 0;
        for &factor in b.iter().take(self.limbs.len()) {
            // A multiple of the modulus that makes the lowest limb zero, which is then shifted out.
            let first = product.first().zip(a.first()).map_or(0, |(limb, a)| limb.wrapping_add(a.wrapping_mul(factor)));
            let multiple = first.wrapping_mul(self.inverse);
            let (mut carry, mut other, mut zero) = (0, 0, 0);
            let mut place = &mut zero;
            for ((limb, &a), &digit) in product.iter_mut().zip(a).zip(&self.limbs) {
                let sum = add_product(*limb, a, factor, carry);
                carry = high(sum);
                let sum = add_product(low(sum), digit, multiple, other);
                other = high(sum);
                *place = low(sum);
                place = limb;
            }
            let sum = u64::from(carry).wrapping_add(u64::from(other)).wrapping_add(top);
            *place = low(sum);
            top = sum >> 32;
        }
        if top > 0 || !self.exceeds(product) {
            subtract(product, &self.limbs);
        }
    }

    /// A number in Montgomery's form.
    pub(crate) fn enter(&self, form: &mut [u32], number: &[u32]) {
        self.multiply(form, number, &self.square);
    }

    /// A number in Montgomery's form to the power of an exponent that is not zero.
    #[inline(never)]
    pub(crate) fn power(&self, number: &[u32], exponent: &[u32]) -> Vec<u32> {
        let (mut power, mut next) = (number.to_vec(), vec![0; number.len()]);
        let bits = exponent.iter().rev().flat_map(|limb| (0..32).rev().map(move |bit| limb >> bit & 1 == 1));
        for bit in bits.skip_while(|bit| !bit).skip(1) {
            self.multiply(&mut next, &power, &power);
            if bit {
                self.multiply(&mut power, &next, number);
            } else {
                std::mem::swap(&mut power, &mut next);
            }
        }
        power
    }

    /// Adds a number to another, both below the modulus.
    #[inline(never)]
    pub(crate) fn add(&self, sum: &mut [u32], number: &[u32]) {
        // A number may have more limbs than the modulus, which nothing may be carried into.
        let number = number.get(..self.limbs.len()).unwrap_or(number);
        if add(sum, number) || !self.exceeds(sum) {
            subtract(sum, &self.limbs);
        }
    }

    /// Takes a number away from another, both below the modulus.
    #[inline(never)]
    pub(crate) fn subtract(&self, difference: &mut [u32], number: &[u32]) {
        let number = number.get(..self.limbs.len()).unwrap_or(number);
        if subtract(difference, number) {
            add(difference, &self.limbs);
        }
    }
}

/// `limb + a * b + carry`, which always fits.
const fn add_product(limb: u32, a: u32, b: u32, carry: u32) -> u64 {
    (a as u64).wrapping_mul(b as u64).wrapping_add(limb as u64).wrapping_add(carry as u64)
}

/// `-limb⁻¹` modulo 2³² of an odd limb: each step of Newton's doubles the bits that are right, of which there are three.
fn inverse(limb: u32) -> u32 {
    let step = |inverse: u32, _| inverse.wrapping_mul(2_u32.wrapping_sub(limb.wrapping_mul(inverse)));
    (0..4).fold(limb, step).wrapping_neg()
}

/// `R²`, by doubling 1.
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
        if carry > 0 || !number.iter().rev().lt(modulus.iter().rev()) {
            subtract(&mut number, modulus);
        }
    }
    number
}

/// Adds, and answers whether something does not fit.
pub(crate) fn add(number: &mut [u32], other: &[u32]) -> bool {
    let mut carry = false;
    for (limb, &digit) in number.iter_mut().zip(other) {
        let sum = u64::from(*limb).wrapping_add(u64::from(digit)).wrapping_add(u64::from(carry));
        *limb = low(sum);
        carry = sum >> 32 != 0;
    }
    carry
}

/// Takes away, and answers whether something had to be borrowed.
pub(crate) fn subtract(number: &mut [u32], other: &[u32]) -> bool {
    let mut borrow = false;
    for (limb, &digit) in number.iter_mut().zip(other) {
        let difference = u64::from(*limb).wrapping_sub(u64::from(digit)).wrapping_sub(u64::from(borrow));
        *limb = low(difference);
        borrow = difference >> 32 != 0;
    }
    borrow
}

/// Big-endian bytes in limbs.
pub(crate) fn limbs(bytes: &[u8]) -> Vec<u32> {
    let limb = |chunk: &[u8]| chunk.iter().fold(0, |limb, &byte| limb << 8 | u32::from(byte));
    bytes.rchunks(4).map(limb).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
const fn low(number: u64) -> u32 {
    number as u32
}

const fn high(number: u64) -> u32 {
    low(number >> 32)
}

#[cfg(test)]
mod tests;
