//! Keys of a fixed size for whatever a client sends: client-chosen bytes never become keys themselves.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// The secret under which one proxy takes fingerprints, the same on all of its workers.
///
/// Without it nobody can compute which clients share a slot, so nobody can push another client out of a table.
#[derive(Clone, Copy)]
pub struct Seed([u8; 16]);

impl Seed {
    /// A seed of randomness that the caller provides.
    pub const fn from_random(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// The fingerprint of several parts. Each part's length counts, so `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn fingerprint<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Fingerprint {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        for part in parts {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        Fingerprint(hasher.finish128().as_u128())
    }

    /// The same as 32 hexadecimal digits, by which filters of this proxy prove to each other that they have said something.
    pub fn proof<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> String {
        let print = self.fingerprint(parts).to_bytes();
        let half = |half: Option<&[u8; 8]>| half.map_or(0, |half| u64::from_le_bytes(*half));
        format!("{:016x}{:016x}", half(print.first_chunk()), half(print.last_chunk()))
    }
}

/// 128 bits of keyed SipHash-1-3: two different keys share one with a chance of 2⁻¹²⁸.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// Which of `slots` slots this fingerprint belongs to.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below a u32")]
    pub const fn slot(self, slots: std::num::NonZeroU32) -> u32 {
        // The upper half: the lower is what tables store to tell their entries apart.
        ((self.0 >> 64) % slots.get() as u128) as u32
    }

    /// The fingerprint as bytes that can be stored.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// A fingerprint that [`Fingerprint::to_bytes`] wrote.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SEED: Seed = Seed::from_random([7; 16]);

    #[test]
    fn parts_are_told_apart_by_where_they_end() {
        let print = |parts: &[&'static str]| SEED.fingerprint(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(print(&["ab", "c"]), print(&["a", "bc"]));
        assert_ne!(print(&["ab"]), print(&["ab", ""]));
        assert_eq!(print(&["ab", "c"]), print(&["ab", "c"]));
    }

    #[test]
    fn another_seed_gives_another_fingerprint() {
        let other = Seed::from_random([8; 16]);
        assert_ne!(SEED.fingerprint([b"alice".as_slice()]), other.fingerprint([b"alice".as_slice()]));
    }

    #[test]
    fn a_proof_has_all_of_the_fingerprint() {
        let proof = SEED.proof([b"alice".as_slice()]);
        let (first, last) = proof.split_at(16);
        let half = |digits| u64::from_str_radix(digits, 16).unwrap().to_le_bytes();
        assert_eq!([half(first), half(last)].concat(), SEED.fingerprint([b"alice".as_slice()]).to_bytes());
        assert_eq!(proof.len(), 32);
    }

    #[test]
    fn slots_are_filled_evenly() {
        let slots = NonZeroU32::new(16).unwrap();
        let mut filled = [0; 16];
        for client in 0..16_000_u32 {
            filled[SEED.fingerprint([client.to_le_bytes().as_slice()]).slot(slots) as usize] += 1;
        }
        assert!(filled.iter().all(|&count| (850..1150).contains(&count)), "{filled:?}");
    }

    #[test]
    fn a_stored_fingerprint_is_the_same() {
        let print = SEED.fingerprint([b"alice".as_slice()]);
        assert_eq!(Fingerprint::from_bytes(print.to_bytes()), print);
    }
}
