//! Points on the curves P-256 and P-384 (SP 800-186 §3.2.1), which share their equation `y² = x³ - 3x + b`.
//!
//! A point is held as Jacobian coordinates: `x = X / Z²`, `y = Y / Z³`, and where `Z` is zero it is the one at infinity.
//! Coordinates are in Montgomery's form and below the prime, so two that are equal have equal limbs.

use crate::modulus::{Modulus, subtract};

/// The limbs of the larger curve; the smaller leaves the last four zero.
const LIMBS: usize = 12;

/// A number of at most so many limbs, the lowest first.
pub(crate) type Number = [u32; LIMBS];

/// A curve with its base point.
pub(crate) struct Curve {
    /// What coordinates are taken modulo.
    pub(crate) prime: Modulus,
    /// How many points there are; what factors of points are taken modulo.
    pub(crate) order: Modulus,
    /// The point that all others are multiples of.
    pub(crate) base: Point,
    b: Number,
    /// 1 in Montgomery's form.
    one: Number,
}

/// A point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    x: Number,
    y: Number,
    z: Number,
}

impl Point {
    pub(crate) const INFINITE: Self = Self { x: [0; LIMBS], y: [0; LIMBS], z: [0; LIMBS] };

    pub(super) fn is_infinite(&self) -> bool {
        is_zero(&self.z)
    }
}

/// What defines a curve, each the highest limb first, as the standard prints it: prime, order, b, and the base point's x
/// and y.
pub(crate) type Constants<const N: usize> = [[u32; N]; 5];

pub(crate) const P256: Constants<8> = [
    [0xffff_ffff, 0x0000_0001, 0x0000_0000, 0x0000_0000, 0x0000_0000, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
    [0xffff_ffff, 0x0000_0000, 0xffff_ffff, 0xffff_ffff, 0xbce6_faad, 0xa717_9e84, 0xf3b9_cac2, 0xfc63_2551],
    [0x5ac6_35d8, 0xaa3a_93e7, 0xb3eb_bd55, 0x7698_86bc, 0x651d_06b0, 0xcc53_b0f6, 0x3bce_3c3e, 0x27d2_604b],
    [0x6b17_d1f2, 0xe12c_4247, 0xf8bc_e6e5, 0x63a4_40f2, 0x7703_7d81, 0x2deb_33a0, 0xf4a1_3945, 0xd898_c296],
    [0x4fe3_42e2, 0xfe1a_7f9b, 0x8ee7_eb4a, 0x7c0f_9e16, 0x2bce_3357, 0x6b31_5ece, 0xcbb6_4068, 0x37bf_51f5],
];

#[rustfmt::skip]
pub(crate) const P384: Constants<12> = [
    [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff,
     0xffff_ffff, 0xffff_fffe, 0xffff_ffff, 0x0000_0000, 0x0000_0000, 0xffff_ffff],
    [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff,
     0xc763_4d81, 0xf437_2ddf, 0x581a_0db2, 0x48b0_a77a, 0xecec_196a, 0xccc5_2973],
    [0xb331_2fa7, 0xe23e_e7e4, 0x988e_056b, 0xe3f8_2d19, 0x181d_9c6e, 0xfe81_4112,
     0x0314_088f, 0x5013_875a, 0xc656_398d, 0x8a2e_d19d, 0x2a85_c8ed, 0xd3ec_2aef],
    [0xaa87_ca22, 0xbe8b_0537, 0x8eb1_c71e, 0xf320_ad74, 0x6e1d_3b62, 0x8ba7_9b98,
     0x59f7_41e0, 0x8254_2a38, 0x5502_f25d, 0xbf55_296c, 0x3a54_5e38, 0x7276_0ab7],
    [0x3617_de4a, 0x9626_2c6f, 0x5d9e_98bf, 0x9292_dc29, 0xf8f4_1dbd, 0x289a_147c,
     0xe9da_3113, 0xb5f0_b8c0, 0x0a60_b1ce, 0x1d7e_819d, 0x7a43_1d7c, 0x90ea_0e5f],
];

impl Curve {
    /// The curve that ES256 is for.
    pub(crate) fn p256() -> Option<Self> {
        Self::new(P256.each_ref().map(<[u32; _]>::as_slice))
    }

    /// The curve that ES384 is for.
    pub(crate) fn p384() -> Option<Self> {
        Self::new(P384.each_ref().map(<[u32; _]>::as_slice))
    }

    /// There is always one: prime and order are odd, and the base point is on its curve.
    fn new(constants: [&[u32]; 5]) -> Option<Self> {
        let [prime, order, b, x, y] = constants.map(|constant| constant.iter().rev().copied().collect::<Vec<_>>());
        let (prime, order) = (Modulus::new(prime)?, Modulus::new(order)?);
        let base = Point::INFINITE;
        let mut curve = Self { prime, order, base, b: number(&b), one: number(&[1]) };
        (curve.b, curve.one) = (curve.enter(&curve.b), curve.enter(&curve.one));
        curve.base = curve.point(&number(&x), &number(&y))?;
        Some(curve)
    }

    /// How many bytes a coordinate has, or a factor.
    pub(crate) fn byte_length(&self) -> usize {
        self.limb_count() * 4
    }

    /// How many limbs they have.
    pub(crate) fn limb_count(&self) -> usize {
        self.prime.limbs().len()
    }

    /// The point at these coordinates, where there is one.
    pub(crate) fn point(&self, x: &Number, y: &Number) -> Option<Point> {
        if !self.prime.exceeds(x) || !self.prime.exceeds(y) {
            return None;
        }
        let (x, y) = (self.enter(x), self.enter(y));
        // x³ - 3x + b
        let mut right = self.square(&x);
        (0..3).for_each(|_| self.prime.subtract(&mut right, &self.one));
        right = self.multiply(&right, &x);
        self.prime.add(&mut right, &self.b);
        (self.square(&y) == right).then_some(Point { x, y, z: self.one })
    }

    /// Whether a number is from 1 to below the order.
    pub(crate) fn is_scalar(&self, number: &Number) -> bool {
        !is_zero(number) && self.order.exceeds(number)
    }

    /// Numbers of as many limbs as the order, each divided by one below the order, modulo the order.
    pub(crate) fn quotients(&self, numbers: [&Number; 2], divisor: &Number) -> [Number; 2] {
        // The inverse is the power that is less by two than the order, which is a prime (Fermat).
        let mut exponent = self.order.limbs().to_vec();
        subtract(&mut exponent, &[2]);
        let mut entered = [0; LIMBS];
        self.order.enter(&mut entered, divisor);
        let inverse = self.order.power(&entered, &exponent);
        numbers.map(|number| {
            let mut quotient = [0; LIMBS];
            self.order.multiply(&mut quotient, number, &inverse);
            quotient
        })
    }

    /// Whether a point's x is this number, which is below the prime.
    pub(crate) fn has_x(&self, point: &Point, x: &Number) -> bool {
        !point.is_infinite() && self.multiply(&self.enter(x), &self.square(&point.z)) == point.x
    }

    /// The sum of two points, whichever they are.
    pub(crate) fn add(&self, one: &Point, other: &Point) -> Point {
        if one.is_infinite() {
            return *other;
        }
        if other.is_infinite() {
            return *one;
        }
        let (z1, z2) = (self.square(&one.z), self.square(&other.z));
        let (x1, mut x) = (self.multiply(&one.x, &z2), self.multiply(&other.x, &z1));
        let y1 = self.multiply(&one.y, &self.multiply(&other.z, &z2));
        let mut y = self.multiply(&other.y, &self.multiply(&one.z, &z1));
        // How far the two are from each other.
        self.prime.subtract(&mut x, &x1);
        self.prime.subtract(&mut y, &y1);
        if is_zero(&x) {
            return if is_zero(&y) { self.double(one) } else { Point::INFINITE };
        }
        let x_squared = self.square(&x);
        let x_cubed = self.multiply(&x_squared, &x);
        let mut rest = self.multiply(&x1, &x_squared);
        let z = self.multiply(&self.multiply(&one.z, &other.z), &x);
        let mut sum_x = self.square(&y);
        for less in [&x_cubed, &rest, &rest] {
            self.prime.subtract(&mut sum_x, less);
        }
        self.prime.subtract(&mut rest, &sum_x);
        let mut sum_y = self.multiply(&y, &rest);
        self.prime.subtract(&mut sum_y, &self.multiply(&y1, &x_cubed));
        Point { x: sum_x, y: sum_y, z }
    }

    /// Twice a point.
    pub(crate) fn double(&self, point: &Point) -> Point {
        let (z_squared, y_squared) = (self.square(&point.z), self.square(&point.y));
        // The slope, but for a factor: 3x² - 3z⁴.
        let (mut less, mut more) = (point.x, point.x);
        self.prime.subtract(&mut less, &z_squared);
        self.prime.add(&mut more, &z_squared);
        let third = self.multiply(&less, &more);
        let mut slope = third;
        (0..2).for_each(|_| self.prime.add(&mut slope, &third));
        let mut rest = self.twice(&self.twice(&self.multiply(&point.x, &y_squared)));
        let mut x = self.square(&slope);
        (0..2).for_each(|_| self.prime.subtract(&mut x, &rest));
        self.prime.subtract(&mut rest, &x);
        let mut y = self.multiply(&slope, &rest);
        let less = self.twice(&self.twice(&self.square(&y_squared)));
        (0..2).for_each(|_| self.prime.subtract(&mut y, &less));
        Point { x, y, z: self.twice(&self.multiply(&point.y, &point.z)) }
    }

    #[cfg(test)]
    pub(super) fn negative(&self, point: &Point) -> Point {
        let mut y = [0; LIMBS];
        self.prime.subtract(&mut y, &point.y);
        Point { y, ..*point }
    }

    fn enter(&self, number: &Number) -> Number {
        let mut entered = [0; LIMBS];
        self.prime.enter(&mut entered, number);
        entered
    }

    #[inline(never)]
    fn multiply(&self, a: &Number, b: &Number) -> Number {
        let mut product = [0; LIMBS];
        self.prime.multiply(&mut product, a, b);
        product
    }

    fn square(&self, number: &Number) -> Number {
        self.multiply(number, number)
    }

    fn twice(&self, number: &Number) -> Number {
        let mut sum = *number;
        self.prime.add(&mut sum, number);
        sum
    }
}

fn is_zero(number: &Number) -> bool {
    number.iter().all(|&limb| limb == 0)
}

/// A number of these limbs, as many as it can have.
pub(crate) fn number(limbs: &[u32]) -> Number {
    let mut number = [0; LIMBS];
    number.iter_mut().zip(limbs).for_each(|(place, limb)| *place = *limb);
    number
}
