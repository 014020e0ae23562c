//! Tests of the module around this one, against a crate for big numbers.

use super::*;
use ::rsa::BigUint;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Limbs without a pattern, from a seed.
fn noise(seed: u64, count: usize) -> Vec<u32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        low(state >> 16)
    })
    .take(count)
    .collect()
}

fn big(limbs: &[u32]) -> BigUint {
    BigUint::new(limbs.to_vec())
}

/// Moduli of many shapes, and numbers below each: none, one, the largest, and some without a pattern.
fn cases() -> impl Iterator<Item = (Modulus, Vec<Vec<u32>>)> {
    let shapes = (1..200_u64).flat_map(|seed| {
        let count = usize::try_from(seed % 13 + 1).unwrap();
        let mut odd = noise(seed, count);
        odd[0] |= 1;
        let mut full = vec![u32::MAX; count];
        full[0] = low(seed) << 1 | 1;
        let mut low_top = odd.clone();
        *low_top.last_mut().unwrap() = if count == 1 { 3 } else { 1 };
        [odd, full, low_top]
    });
    shapes.zip(1000..).map(|(limbs, seed)| {
        let mut numbers: Vec<_> = (0..3).map(|more| noise(seed * 3 + more, limbs.len())).collect();
        numbers.push(vec![0; limbs.len()]);
        numbers.push((0..limbs.len()).map(|at| u32::from(at == 0)).collect());
        let mut largest = limbs.clone();
        largest[0] -= 1;
        numbers.push(largest);
        let modulus = Modulus::new(limbs).unwrap();
        for number in &mut numbers {
            let mut rest = (big(number) % big(modulus.limbs())).to_bytes_be();
            rest.splice(0..0, vec![0; number.len() * 4 - rest.len()]);
            *number = super::limbs(&rest);
        }
        (modulus, numbers)
    })
}

#[test]
fn sums_differences_and_products_are_those_of_a_crate_for_big_numbers() {
    for (modulus, numbers) in cases() {
        let n = big(modulus.limbs());
        let r = BigUint::from(1_u32) << (modulus.limbs().len() * 32);
        for a in &numbers {
            for b in &numbers {
                let mut sum = a.clone();
                modulus.add(&mut sum, b);
                assert_eq!(big(&sum), (big(a) + big(b)) % &n);
                let mut difference = a.clone();
                modulus.subtract(&mut difference, b);
                assert_eq!(big(&difference), (&n + big(a) - big(b)) % &n);
                let mut product = vec![7; a.len()];
                modulus.multiply(&mut product, a, b);
                assert!(big(&product) < n);
                assert_eq!(big(&product) * &r % &n, big(a) * big(b) % &n);
            }
        }
    }
}

#[test]
fn a_factor_may_be_as_large_as_its_limbs_allow() {
    for (modulus, numbers) in cases() {
        let r = BigUint::from(1_u32) << (modulus.limbs().len() * 32);
        let all = vec![u32::MAX; modulus.limbs().len()];
        for number in &numbers {
            for (a, b) in [(&all, number), (number, &all)] {
                let mut product = vec![0; all.len()];
                modulus.multiply(&mut product, a, b);
                assert!(modulus.exceeds(&product));
                assert_eq!(big(&product) * &r % big(modulus.limbs()), big(a) * big(b) % big(modulus.limbs()));
            }
        }
    }
}

#[test]
fn a_number_may_have_more_limbs_than_its_modulus() {
    for (modulus, numbers) in cases().filter(|(modulus, _)| modulus.limbs().len() < 12) {
        let wide = |number: &[u32]| [number, &vec![0; 12 - number.len()]].concat();
        for a in &numbers {
            for b in &numbers {
                let (mut narrow, mut other) = (a.clone(), wide(a));
                modulus.add(&mut narrow, b);
                modulus.add(&mut other, &wide(b));
                assert_eq!(wide(&narrow), other);
                modulus.subtract(&mut narrow, a);
                modulus.subtract(&mut other, &wide(a));
                assert_eq!(wide(&narrow), other);
                modulus.multiply(&mut narrow, a, b);
                modulus.multiply(&mut other, &wide(a), &wide(b));
                assert_eq!(wide(&narrow), other);
            }
        }
    }
}

#[test]
fn powers_are_those_of_a_crate_for_big_numbers() {
    for (modulus, numbers) in cases().step_by(7) {
        let n = big(modulus.limbs());
        for number in &numbers {
            for exponent in [[1, 0], [2, 0], [3, 0], [0x1_0001, 0], [u32::MAX, 1], [0, 1]] {
                let mut entered = vec![0; number.len()];
                modulus.enter(&mut entered, number);
                let power = modulus.power(&entered, &exponent);
                let mut one = vec![0; number.len()];
                one[0] = 1;
                modulus.multiply(&mut entered, &power, &one);
                assert_eq!(big(&entered), big(number).modpow(&big(&exponent), &n), "{exponent:?}");
            }
        }
    }
}

#[test]
fn an_even_number_or_none_is_no_modulus() {
    for limbs in [vec![], vec![0], vec![2, 1], vec![0, 1]] {
        assert!(Modulus::new(limbs).is_none());
    }
}

#[test]
fn bytes_are_read_from_the_highest() {
    assert_eq!(limbs(&[1, 2, 3, 4, 5, 6]), [0x0304_0506, 0x0102]);
    assert_eq!(limbs(&[]), [0_u32; 0]);
}
