//! ECDSA signatures checked (FIPS 186-5 §6.4.2) on P-256 with SHA-256 and on P-384 with SHA-384, for hosts that have no
//! crypto of their own.
//!
//! The halves of a signature may be any numbers from 1 to below the order: the one that is the negative of `s` fits as
//! well as `s` does, here as in Envoy's crypto (RFC 7518 §3.4 asks for no other).

pub(crate) mod curve;

use crate::hash::Hash;
use crate::modulus::{add, limbs};
use curve::{Curve, Number, Point, number};

/// A public key: a point on its curve.
pub(crate) struct PublicKey {
    curve: Curve,
    point: Point,
}

impl PublicKey {
    /// The key at these coordinates, in big-endian bytes as many as the curve's; `None` where there is no such point.
    pub(crate) fn new(curve: Curve, x: &[u8], y: &[u8]) -> Option<Self> {
        let point = curve.point(&number(&limbs(x)), &number(&limbs(y)))?;
        Some(Self { curve, point })
    }

    /// Whether `signature`, its halves one after the other (RFC 7518 §3.4), is this key's over `message`.
    pub(crate) fn verify(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        // Both curves are used with the hash that is as long as their order, so that no digest is cut.
        let length = self.curve.byte_length();
        if signature.len() != length * 2 || hash.length() != length {
            return false;
        }
        let (r, s) = signature.split_at(length);
        let (r, s) = (number(&limbs(r)), number(&limbs(s)));
        if !self.curve.is_scalar(&r) || !self.curve.is_scalar(&s) {
            return false;
        }
        let digest = number(&limbs(hash.digest(&[message]).as_ref()));
        let [of_base, of_key] = self.curve.quotients([&digest, &r], &s);
        let sum = self.combine(&of_base, &of_key);
        // The sum's x, below the prime, is r modulo the order, which is a little below the prime.
        self.curve.has_x(&sum, &r) || self.over(&r).is_some_and(|over| self.curve.has_x(&sum, &over))
    }

    /// `r` and the order, where that is below the prime.
    fn over(&self, r: &Number) -> Option<Number> {
        let mut over = *r;
        let overflows = add(&mut over, self.curve.order.limbs());
        (!overflows && self.curve.prime.exceeds(&over)).then_some(over)
    }

    /// The base point and this key, each so many times: two bits of both factors at a time, the highest first.
    fn combine(&self, of_base: &Number, of_key: &Number) -> Point {
        let curve = &self.curve;
        let mut multiples = [Point::INFINITE; 16];
        // The multiple at place `4 k + b` is of `b` times the base point and `k` times the key.
        for place in 1..16_usize {
            let (step, from) = if place % 4 == 0 { (&self.point, place - 4) } else { (&curve.base, place - 1) };
            let next = multiples.get(from).map_or(Point::INFINITE, |from| curve.add(from, step));
            multiples.iter_mut().skip(place).take(1).for_each(|multiple| *multiple = next);
        }
        let mut sum = Point::INFINITE;
        for (base, key) in of_base.iter().zip(of_key).take(curve.limb_count()).rev() {
            for shift in (0..32).step_by(2).rev() {
                sum = curve.double(&curve.double(&sum));
                let place = (base >> shift & 3) + 4 * (key >> shift & 3);
                if let Some(multiple) = multiples.get(place as usize) {
                    sum = curve.add(&sum, multiple);
                }
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests;
