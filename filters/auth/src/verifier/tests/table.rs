//! Signatures by the sample keys, genuine and not quite, for every algorithm.

use ::rsa::BigUint;
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::{Scalar, clamp_integer};

use crate::algorithm::{Algorithm, Algorithms};
use crate::hash::Hash;
use crate::sample;
use crate::verifier::Verdict::{self, Forged, Genuine};

/// A signature over the [`message`] of an algorithm, and what is to be said of it.
pub(crate) struct Row {
    pub(crate) algorithm: Algorithm,
    pub(crate) name: String,
    pub(crate) signature: Vec<u8>,
    pub(crate) verdict: Verdict,
}

impl Row {
    /// As the table is written: the algorithm, the verdict, the signature, and its name.
    pub(crate) fn line(&self) -> String {
        let verdict = if self.verdict == Genuine { "genuine" } else { "forged" };
        format!("{} {verdict} {}. {}", self.algorithm.name(), sample::text(&self.signature), self.name)
    }
}

/// What is signed: the first two parts of a token.
pub(crate) fn message(algorithm: Algorithm) -> String {
    let header = format!(r#"{{"alg": "{0}", "kid": "{0}"}}"#, algorithm.name());
    let claims = r#"{"iss": "https://id.example/", "aud": "gateway", "exp": 4102444800, "sub": "alice"}"#;
    format!("{}.{}", sample::text(header.as_bytes()), sample::text(claims.as_bytes()))
}

/// The whole table.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for algorithm in Algorithm::ALL {
        let mut add = |name: &str, signature: Vec<u8>, verdict| {
            rows.push(Row { algorithm, name: name.to_owned(), signature, verdict });
        };
        let message = message(algorithm);
        any(algorithm, message.as_bytes(), &mut add);
        match algorithm {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {}
            Algorithm::Es256 => ecdsa(algorithm, &crate::ecdsa::curve::P256[1], message.as_bytes(), &mut add),
            Algorithm::Es384 => ecdsa(algorithm, &crate::ecdsa::curve::P384[1], message.as_bytes(), &mut add),
            Algorithm::EdDsa => eddsa(message.as_bytes(), &mut add),
            _ => {
                rsa(algorithm, message.as_bytes(), &mut add);
                if Algorithms::PSS.has(algorithm) {
                    pss(algorithm.hash(), message.as_bytes(), &mut add);
                } else {
                    pkcs1(algorithm.hash(), message.as_bytes(), &mut add);
                }
            }
        }
    }
    rows
}

type Add<'a> = dyn FnMut(&str, Vec<u8>, Verdict) + 'a;

/// What is wrong with a signature of whatever kind.
fn any(algorithm: Algorithm, message: &[u8], add: &mut Add<'_>) {
    let good = sample::sign(algorithm, message);
    let flipped = |at: usize, bit: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= bit;
        bytes
    };
    let (middle, last) = (good.len() / 2, good.len() - 1);
    add("made by the key", good.clone(), Genuine);
    add("of another message", sample::sign(algorithm, &message[1..]), Forged);
    add("the first bit flipped", flipped(0, 0x80), Forged);
    add("the last bit of the first half flipped", flipped(middle - 1, 1), Forged);
    add("the first bit of the second half flipped", flipped(middle, 0x80), Forged);
    add("the last bit flipped", flipped(last, 1), Forged);
    add("empty", Vec::new(), Forged);
    add("one byte", vec![1], Forged);
    add("without its first byte", good[1..].to_vec(), Forged);
    add("without its last byte", good[..last].to_vec(), Forged);
    add("the first half alone", good[..middle].to_vec(), Forged);
    add("a zero before it", [&[0], &good[..]].concat(), Forged);
    add("a zero after it", [&good[..], &[0]].concat(), Forged);
    add("twice", good.repeat(2), Forged);
    add("all zeros", vec![0; good.len()], Forged);
    add("all ones", vec![0xff; good.len()], Forged);
}

fn ecdsa(algorithm: Algorithm, order: &[u32], message: &[u8], add: &mut Add<'_>) {
    let good = sample::sign(algorithm, message);
    let length = good.len() / 2;
    let (r, s) = good.split_at(length);
    let order = BigUint::from_bytes_be(&order.iter().flat_map(|limb| limb.to_be_bytes()).collect::<Vec<_>>());
    let bytes = |number: &BigUint| padded(number, length);
    let [zero, one] = [0_u32, 1].map(|number| bytes(&number.into()));
    let n = bytes(&order);
    let negative = |half: &[u8]| bytes(&(&order - BigUint::from_bytes_be(half)));
    let join = |r: &[u8], s: &[u8]| [r, s].concat();
    add("s is its negative", join(r, &negative(s)), Genuine);
    add("r is its negative", join(&negative(r), s), Forged);
    add("the halves change places", join(s, r), Forged);
    add("r is 0", join(&zero, s), Forged);
    add("s is 0", join(r, &zero), Forged);
    add("r is 1", join(&one, s), Forged);
    add("s is 1", join(r, &one), Forged);
    add("r and s are 1", join(&one, &one), Forged);
    add("r is the order", join(&n, s), Forged);
    add("s is the order", join(r, &n), Forged);
    add("r and s are the order", join(&n, &n), Forged);
    add("r is the order less 1", join(&bytes(&(&order - 1_u32)), s), Forged);
    add("s is the order less 1", join(r, &bytes(&(&order - 1_u32))), Forged);
    add("r is the order and 1", join(&bytes(&(&order + 1_u32)), s), Forged);
    add("s is all ones", join(r, &vec![0xff; length]), Forged);
    add("as DER", crate::der::ecdsa_signature(&good), Forged);
}

fn rsa(algorithm: Algorithm, message: &[u8], add: &mut Add<'_>) {
    let modulus = BigUint::from_bytes_be(&sample::bytes(sample::RSA_N));
    let good = BigUint::from_bytes_be(&sample::sign(algorithm, message));
    add("the modulus", padded(&modulus, 256), Forged);
    add("the modulus less 1", padded(&(&modulus - 1_u32), 256), Forged);
    add("the modulus less what the key made", padded(&(&modulus - &good), 256), Forged);
    // The same number modulo the modulus, where it has a byte more.
    add("the modulus and what the key made", (&modulus + &good).to_bytes_be(), Forged);
    add("the number 1", padded(&1_u32.into(), 256), Forged);
    for other in Algorithm::ALL {
        let is_rsa = Algorithms::PKCS1.has(other) || Algorithms::PSS.has(other);
        if is_rsa && other != algorithm {
            add(&format!("by {}", other.name()), sample::sign(other, message), Forged);
        }
    }
}

/// What precedes a hash (RFC 8017 §9.2, note 1), with the NULL of its parameters or without.
fn digest_info(hash: Hash, null: bool) -> Vec<u8> {
    let (function, length, parameters): (u8, u8, &[u8]) = match hash {
        Hash::Sha256 => (1, 32, &[5, 0]),
        Hash::Sha384 => (2, 48, &[5, 0]),
        Hash::Sha512 => (3, 64, &[5, 0]),
    };
    let parameters = if null { parameters } else { &[] };
    let inner = 11 + u8::try_from(parameters.len()).unwrap();
    let oid = [0x30, inner, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, function];
    [&[0x30, 4 + inner + length], &oid[..], parameters, &[4, length]].concat()
}

fn pkcs1(hash: Hash, message: &[u8], add: &mut Add<'_>) {
    let digest = hash.digest(&[message]);
    let info = [&digest_info(hash, true), digest.as_ref()].concat();
    let block = |start: &[u8], fill: u8, end: &[u8]| {
        let fill = vec![fill; 256 - start.len() - end.len()];
        sample::raw_rsa(&[start, &fill, end].concat())
    };
    let after_zero = |end: &[u8]| [&[0], end].concat();
    add("its padding made by hand", block(&[0, 1], 0xff, &after_zero(&info)), Genuine);
    add("padding of block type 2", block(&[0, 2], 0xff, &after_zero(&info)), Forged);
    add("padding of block type 0", block(&[0, 0], 0, &after_zero(&info)), Forged);
    add("padding with other bytes", block(&[0, 1], 0xfe, &after_zero(&info)), Forged);
    add("padding with one other byte", block(&[0, 1, 0xff, 0xff, 0x7f], 0xff, &after_zero(&info)), Forged);
    add("padding with a zero more", block(&[0, 1], 0xff, &[&[0, 0], &info[..]].concat()), Forged);
    add("padding without its zero", block(&[0, 1], 0xff, &info), Forged);
    let short = [&[0, 1], [0xff; 8].as_slice(), &[0], &info].concat();
    add("eight bytes of padding, and bytes after the hash", block(&short, 7, &[]), Forged);
    add("bytes between padding and hash", block(&[&[0, 1], [0xff; 8].as_slice(), &[0]].concat(), 7, &info), Forged);
    let bare = [&digest_info(hash, false), digest.as_ref()].concat();
    add("a hash without the NULL of its parameters", block(&[0, 1], 0xff, &after_zero(&bare)), Forged);
    add("a hash without its name", block(&[0, 1], 0xff, &after_zero(digest.as_ref())), Forged);
    let other = if hash == Hash::Sha256 { Hash::Sha384 } else { Hash::Sha256 };
    let misnamed = [&digest_info(other, true), digest.as_ref()].concat();
    add("a hash with the name of another", block(&[0, 1], 0xff, &after_zero(&misnamed)), Forged);
    let otherwise = [&digest_info(other, true), other.digest(&[message]).as_ref()].concat();
    add("another hash with its own name", block(&[0, 1], 0xff, &after_zero(&otherwise)), Forged);
    let mut trailing = info.clone();
    trailing.push(0);
    add("a byte after the hash", block(&[0, 1], 0xff, &after_zero(&trailing)), Forged);
}

/// A block of PSS (RFC 8017 §9.1.1) for the sample key, as it should be but for what is said.
struct Pss {
    hash: Hash,
    mask_hash: Hash,
    salt: Vec<u8>,
    separator: u8,
    first: u8,
    highest: u8,
    trailer: u8,
}

impl Pss {
    const fn new(hash: Hash, salt: Vec<u8>) -> Self {
        Self { hash, mask_hash: hash, salt, separator: 1, first: 0, highest: 0, trailer: 0xbc }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        sample::raw_rsa(&self.block(message))
    }

    fn block(&self, message: &[u8]) -> Vec<u8> {
        let digest = self.hash.digest(&[message]);
        let seed = self.hash.digest(&[&[0; 8], digest.as_ref(), &self.salt]);
        let zeros = 256 - self.salt.len() - seed.as_ref().len() - 2;
        let mut block = [&vec![0; zeros], &[self.separator][..], &self.salt].concat();
        block[0] |= self.first;
        for (counter, chunk) in (0_u32..).zip(block.chunks_mut(self.mask_hash.length())) {
            let mask = self.mask_hash.digest(&[seed.as_ref(), &counter.to_be_bytes()]);
            chunk.iter_mut().zip(mask.as_ref()).for_each(|(byte, mask)| *byte ^= mask);
        }
        block[0] = block[0] & 0x7f | self.highest;
        [&block, seed.as_ref(), &[self.trailer]].concat()
    }
}

fn pss(hash: Hash, message: &[u8], add: &mut Add<'_>) {
    let salt = |more: usize| -> Vec<u8> { (0_u8..=255).cycle().take(more).collect() };
    let good = || Pss::new(hash, salt(hash.length()));
    let other = if hash == Hash::Sha256 { Hash::Sha384 } else { Hash::Sha256 };
    add("its padding made by hand", good().sign(message), Genuine);
    add("no salt", Pss::new(hash, Vec::new()).sign(message), Forged);
    add("a salt that is a byte too short", Pss::new(hash, salt(hash.length() - 1)).sign(message), Forged);
    add("a salt that is a byte too long", Pss::new(hash, salt(hash.length() + 1)).sign(message), Forged);
    add("a salt as long as can be", Pss::new(hash, salt(256 - hash.length() - 3)).sign(message), Forged);
    add("a salt as long as SHA-1", Pss::new(hash, salt(20)).sign(message), Forged);
    add("a mask of another hash", Pss { mask_hash: other, ..good() }.sign(message), Forged);
    add("another separator", Pss { separator: 2, ..good() }.sign(message), Forged);
    add("no separator", Pss { separator: 0, ..good() }.sign(message), Forged);
    add("padding that is not zero", Pss { first: 0x40, ..good() }.sign(message), Forged);
    add("a trailer of another hash", Pss { trailer: 0xcc, ..good() }.sign(message), Forged);
    // Only some salts make a block that is below the modulus with its highest bit.
    let high = |fill| Pss { highest: 0x80, ..Pss::new(hash, vec![fill; hash.length()]) };
    let high = (0..=255).map(high).find(|pss| pss.block(message)[0] < 0xa0).unwrap();
    add("a bit too many", high.sign(message), Forged);
}

/// Signatures whose equation holds, if one looks at nothing else (RFC 8032 §5.1.7).
fn eddsa(message: &[u8], add: &mut Add<'_>) {
    let good = sample::sign(Algorithm::EdDsa, message);
    let (r, s) = good.split_at(32);
    let digest = Hash::Sha512.digest(&[&sample::bytes(sample::ED25519_D)]);
    let clamped = clamp_integer(digest.as_ref()[..32].try_into().unwrap());
    let secret = Scalar::from_bytes_mod_order(clamped);
    let public = sample::bytes(sample::ED25519_X);
    assert_eq!((ED25519_BASEPOINT_POINT * secret).compress().as_bytes()[..], public);
    let proof = |r: &[u8]| {
        let digest = Hash::Sha512.digest(&[r, &public, message]);
        Scalar::from_bytes_mod_order_wide(digest.as_ref().try_into().unwrap()) * secret
    };
    // L, the order (RFC 8032 §5.1), is one more than the largest scalar.
    let order: Vec<u8> = (Scalar::ZERO - Scalar::ONE).as_bytes().to_vec();
    let reversed = |bytes: &[u8]| BigUint::from_bytes_le(bytes);
    let more = reversed(s) + reversed(&order) + 1_u32;
    let mut more = more.to_bytes_le();
    more.resize(32, 0);
    add("s and the order", [r, &more].concat(), Forged);
    let mut identity = [0; 32];
    identity[0] = 1;
    add("R is the identity", [identity.as_slice(), proof(&identity).as_bytes()].concat(), Forged);
    // The identity again, its y and the prime: 2²⁵⁵ - 18.
    let mut identity = [0xff; 32];
    (identity[0], identity[31]) = (0xee, 0x7f);
    add("R is the identity, not canonical", [identity.as_slice(), proof(&identity).as_bytes()].concat(), Forged);
    // A point of order 2, with which the equation holds where the cofactor is multiplied in.
    let mut two = [0xff; 32];
    (two[0], two[31]) = (0xec, 0x7f);
    assert!(CompressedEdwardsY(two).decompress().unwrap().is_small_order());
    add("R has a small order", [two.as_slice(), proof(&two).as_bytes()].concat(), Forged);
    add("s is 0", [r, &[0; 32]].concat(), Forged);
    add("R and s are 0", vec![0; 64], Forged);
}

fn padded(number: &BigUint, length: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; length - bytes.len()], bytes].concat()
}
