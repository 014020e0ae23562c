//! Tests of the module around this one, against the crates for P-256 and P-384.

use super::*;
use crate::sample;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::elliptic_curve::sec1::ToEncodedPoint;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Bytes without a pattern, from a seed.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for counter in 0_u32.. {
        if bytes.len() >= length {
            break;
        }
        bytes.extend_from_slice(Hash::Sha256.digest(&[&seed.to_be_bytes(), &counter.to_be_bytes()]).as_ref());
    }
    bytes.truncate(length);
    bytes
}

/// What one curve's crate can do.
trait Model {
    const HASH: Hash;
    /// The order, in bytes.
    fn order() -> Vec<u8>;
    fn curve() -> Curve;
    /// The point of a secret, as its coordinates.
    fn public(secret: &[u8]) -> Option<(Vec<u8>, Vec<u8>)>;
    fn sign(secret: &[u8], message: &[u8]) -> Vec<u8>;
    fn verify(x: &[u8], y: &[u8], message: &[u8], signature: &[u8]) -> bool;
    /// The coordinates with another one for the last.
    fn is_point(x: &[u8], y: &[u8]) -> bool;
}

macro_rules! model {
    ($name:ident, $krate:ident, $hash:expr, $order:expr) => {
        struct $name;

        impl Model for $name {
            const HASH: Hash = $hash;

            fn order() -> Vec<u8> {
                $order.iter().flat_map(|limb: &u32| limb.to_be_bytes()).collect()
            }

            fn curve() -> Curve {
                Curve::$krate().unwrap()
            }

            fn public(secret: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
                let point = $krate::SecretKey::from_slice(secret).ok()?.public_key().to_encoded_point(false);
                Some((point.x()?.to_vec(), point.y()?.to_vec()))
            }

            fn sign(secret: &[u8], message: &[u8]) -> Vec<u8> {
                use p256::ecdsa::signature::Signer;
                let signature: $krate::ecdsa::Signature =
                    $krate::ecdsa::SigningKey::from_slice(secret).unwrap().sign(message);
                signature.to_bytes().to_vec()
            }

            fn verify(x: &[u8], y: &[u8], message: &[u8], signature: &[u8]) -> bool {
                let key = $krate::ecdsa::VerifyingKey::from_sec1_bytes(&[&[4], x, y].concat()).unwrap();
                $krate::ecdsa::Signature::from_slice(signature).is_ok_and(|signature| {
                    key.verify_prehash(Self::HASH.digest(&[message]).as_ref(), &signature).is_ok()
                })
            }

            fn is_point(x: &[u8], y: &[u8]) -> bool {
                $krate::PublicKey::from_sec1_bytes(&[&[4], x, y].concat()).is_ok()
            }
        }
    };
}

model!(P256, p256, Hash::Sha256, curve::P256[1]);
model!(P384, p384, Hash::Sha384, curve::P384[1]);

fn key<M: Model>(x: &[u8], y: &[u8]) -> PublicKey {
    PublicKey::new(M::curve(), x, y).unwrap()
}

/// Adds a small number to big-endian bytes.
fn plus(bytes: &[u8], more: i16) -> Vec<u8> {
    let mut sum = bytes.to_vec();
    let mut carry = more;
    for byte in sum.iter_mut().rev() {
        carry += i16::from(*byte);
        *byte = u8::try_from(carry & 0xff).unwrap();
        carry >>= 8;
    }
    sum
}

/// The negative of a number modulo the order.
fn negative<M: Model>(number: &[u8]) -> Vec<u8> {
    use ::rsa::BigUint;
    let bytes = (BigUint::from_bytes_be(&M::order()) - BigUint::from_bytes_be(number)).to_bytes_be();
    [vec![0; number.len() - bytes.len()], bytes].concat()
}

fn random_signatures<M: Model>(keys: u32) {
    let length = M::HASH.length();
    for seed in 0..keys {
        let secret = noise(seed, length);
        let Some((x, y)) = M::public(&secret) else { continue };
        let key = key::<M>(&x, &y);
        let message = noise(seed + 1_000_000, seed as usize % 200);
        let good = M::sign(&secret, &message);
        let (r, s) = good.split_at(length);
        let mut flipped = good.clone();
        flipped[seed as usize % good.len()] ^= 1 << (seed % 8);
        let rows = [
            good.clone(),
            [r, &negative::<M>(s)].concat(),
            [&negative::<M>(r), s].concat(),
            flipped,
            noise(seed + 2_000_000, good.len()),
        ];
        for (row, signature) in rows.iter().enumerate() {
            let expected = M::verify(&x, &y, &message, signature);
            assert_eq!(expected, row < 2, "row {row}");
            assert_eq!(key.verify(M::HASH, &message, signature), expected, "seed {seed}, row {row}");
        }
    }
}

/// How many random keys are tried, each with five signatures; in Node, what runs is slower.
const KEYS: u32 = if cfg!(target_arch = "wasm32") { 20 } else { 400 };

#[test]
fn verdicts_on_p256_are_those_of_its_crate() {
    random_signatures::<P256>(KEYS);
}

#[test]
fn verdicts_on_p384_are_those_of_its_crate() {
    random_signatures::<P384>(KEYS / 2);
}

/// Keys whose multiples meet the base point's, and halves at the ends of their range.
fn edges<M: Model>() {
    let length = M::HASH.length();
    let small = |number: u8| [vec![0; length - 1], vec![number]].concat();
    let order = M::order();
    let secrets: Vec<_> = (1..=6).map(small).chain((1..=6).map(|less| plus(&order, -less))).collect();
    let halves = [
        small(0),
        small(1),
        small(2),
        small(3),
        plus(&order, -2),
        plus(&order, -1),
        order.clone(),
        plus(&order, 1),
        vec![0xff; length],
        [vec![0x80], vec![0; length - 1]].concat(),
    ];
    let mut genuine = 0;
    for secret in &secrets {
        let (x, y) = M::public(secret).unwrap();
        let key = key::<M>(&x, &y);
        let good = M::sign(secret, b"text");
        let mut signatures: Vec<_> =
            halves.iter().flat_map(|r| halves.iter().map(move |s| [&r[..], s].concat())).collect();
        for half in &halves {
            signatures.push([&good[..length], half].concat());
            signatures.push([half, &good[length..]].concat());
        }
        signatures.extend([good.clone(), good[1..].to_vec(), [&good[..], &[0]].concat(), Vec::new()]);
        for signature in signatures {
            let expected = M::verify(&x, &y, b"text", &signature);
            assert_eq!(key.verify(M::HASH, b"text", &signature), expected, "{secret:?} {signature:?}");
            genuine += u32::from(expected);
        }
    }
    assert_eq!(genuine, 12);
}

#[test]
fn halves_at_the_ends_of_their_range_and_keys_near_the_base_point_are_judged_alike_on_p256() {
    edges::<P256>();
}

#[test]
fn halves_at_the_ends_of_their_range_and_keys_near_the_base_point_are_judged_alike_on_p384() {
    edges::<P384>();
}

/// Signatures made backwards: any two factors give a point, whose x gives `r`, and then `s` and the digest follow. So
/// every pair of factors can be met, the ones where the sum passes through infinity too.
fn chosen_factors<M: Model>() {
    let length = M::HASH.length();
    let small = |number: u8| number_of(&[vec![0; length - 1], vec![number]].concat());
    let order = M::order();
    let factors: Vec<_> = (0..=5).map(small).chain((1..=4).map(|less| number_of(&plus(&order, -less)))).collect();
    for secret in [1, 2, 3, 16] {
        let secret = [vec![0; length - 1], vec![secret]].concat();
        let (x, y) = M::public(&secret).unwrap();
        let key = key::<M>(&x, &y);
        let minus_one = number_of(&plus(&order, -1));
        for of_base in &factors {
            for of_key in &factors {
                let sum = key.combine(of_base, of_key);
                // The same by one factor at a time.
                let zero = small(0);
                let apart = key.curve.add(&key.combine(of_base, &zero), &key.combine(&zero, of_key));
                assert!(same(&key.curve, &sum, &apart));
                // And by the only factor of the base point that it can be: base + secret * key.
                let scaled = times::<M>(of_key, &secret);
                let total = sum_of::<M>(of_base, &scaled);
                assert!(same(&key.curve, &sum, &key.combine(&total, &zero)));
            }
        }
        // The order times any point is none.
        let base = key.combine(&minus_one, &small(0));
        assert!(same(&key.curve, &key.curve.add(&base, &key.curve.base), &Point::INFINITE));
    }
}

fn number_of(bytes: &[u8]) -> Number {
    number(&limbs(bytes))
}

/// Whether two points are the same: each minus the other is none.
fn same(curve: &Curve, one: &Point, other: &Point) -> bool {
    curve.add(one, &curve.negative(other)).is_infinite()
}

fn modulo<M: Model>(big: &::rsa::BigUint) -> Number {
    let bytes = (big % ::rsa::BigUint::from_bytes_be(&M::order())).to_bytes_be();
    number_of(&bytes)
}

fn times<M: Model>(factor: &Number, secret: &[u8]) -> Number {
    modulo::<M>(&(::rsa::BigUint::new(factor.to_vec()) * ::rsa::BigUint::from_bytes_be(secret)))
}

fn sum_of<M: Model>(one: &Number, other: &Number) -> Number {
    modulo::<M>(&(::rsa::BigUint::new(one.to_vec()) + ::rsa::BigUint::new(other.to_vec())))
}

#[test]
fn every_sum_of_multiples_is_the_right_one() {
    chosen_factors::<P256>();
    chosen_factors::<P384>();
}

fn points<M: Model>() {
    let length = M::HASH.length();
    let (x, y) = M::public(&noise(7, length)).unwrap();
    let prime: Vec<u8> = M::curve().prime.limbs().iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
    let zero = vec![0; length];
    let rows = [
        (x.clone(), y.clone()),
        (y.clone(), x.clone()),
        (x.clone(), plus(&y, 1)),
        (plus(&x, 1), y.clone()),
        (zero.clone(), zero.clone()),
        (zero.clone(), y.clone()),
        (prime.clone(), y.clone()),
        (x.clone(), prime.clone()),
        (prime.clone(), prime.clone()),
        (plus(&prime, -1), plus(&prime, -1)),
        (vec![0xff; length], vec![0xff; length]),
    ];
    for (x, y) in rows {
        assert_eq!(PublicKey::new(M::curve(), &x, &y).is_some(), M::is_point(&x, &y), "{x:?} {y:?}");
    }
}

#[test]
fn only_points_on_the_curve_are_keys() {
    points::<P256>();
    points::<P384>();
}

/// RFC 6979 A.2.5 and A.2.6: messages `sample` and `test` with the hash of the curve's own length.
#[test]
fn the_signatures_of_rfc_6979_are_genuine() {
    let unhex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let p256 = key::<P256>(
        &unhex("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"),
        &unhex("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"),
    );
    let p384 = key::<P384>(&sample::bytes(sample::P384_X), &sample::bytes(sample::P384_Y));
    let rows: [(&PublicKey, Hash, &[u8], &str); 4] = [
        (
            &p256,
            Hash::Sha256,
            b"sample",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
             F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            &p256,
            Hash::Sha256,
            b"test",
            "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367\
             019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
        ),
        (
            &p384,
            Hash::Sha384,
            b"sample",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46\
             99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
        ),
        (
            &p384,
            Hash::Sha384,
            b"test",
            "8203B63D3C853E8D77227FB377BCF7B7B772E97892A80F36AB775D509D7A5FEB0542A7F0812998DA8F1DD3CA3CF023DB\
             DDD0760448D42D8A43AF45AF836FCE4DE8BE06B485E9B61B827C2F13173923E06A739F040649A667BF3B828246BAA5A5",
        ),
    ];
    for (key, hash, message, signature) in rows {
        assert!(key.verify(hash, message, &unhex(signature)));
        assert!(!key.verify(hash, b"another", &unhex(signature)));
    }
}
