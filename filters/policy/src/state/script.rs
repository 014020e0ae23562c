//! Scripts that Redis runs: named by their digest, and sent whole where it does not know them.
//!
//! Redis keeps a script that it was sent whole under its SHA-1 (FIPS 180-4 §6.1), until it restarts or is told to forget it. So a
//! script is run by its digest, and where Redis says `NOSCRIPT`, the same command is sent once more, at once, with all of the script.
//! Whether a run names the digest is known of each run alone: several may be under way when Redis forgets.

use super::{Fault, Reply};

/// A script; a `static`, so that its digest is known when a filter is built.
#[derive(Debug)]
pub struct Script {
    /// What Redis runs.
    pub source: &'static str,
    digest: [u8; 40],
}

/// How a run names its script.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Form {
    /// By its digest (`EVALSHA`).
    #[default]
    Digest,
    /// By all of it (`EVAL`), after which Redis knows it.
    Source,
}

impl Script {
    /// A script of this source.
    pub const fn new(source: &'static str) -> Self {
        Self { source, digest: digits(sha1(source.as_bytes())) }
    }

    /// What a command begins with that runs it.
    pub const fn words(&self, form: Form) -> [&[u8]; 2] {
        match form {
            Form::Digest => [b"EVALSHA", &self.digest],
            Form::Source => [b"EVAL", self.source.as_bytes()],
        }
    }
}

impl Form {
    /// Takes in what a run of this form was answered, and becomes the form of the next. After [`Fault::NoScript`], that is the same
    /// run, once more: it was not done, and this fault comes of no run that named all of its script.
    ///
    /// # Errors
    /// Those of `reply`.
    pub fn hear(&mut self, reply: Result<Reply, Fault>) -> Result<Reply, Fault> {
        let form = std::mem::take(self);
        match (&reply, form) {
            (Err(Fault::NoScript), Self::Digest) => *self = Self::Source,
            (Err(Fault::NoScript), Self::Source) => return Err(Fault::Malformed),
            _ => {}
        }
        reply
    }
}

/// A digest as Redis writes it.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn digits(state: [u32; 5]) -> [u8; 40] {
    let (mut digits, mut at) = ([0; 40], 0);
    while at < 40 {
        let four = state[at / 8] >> (28 - at % 8 * 4) & 15;
        digits[at] = b"0123456789abcdef"[four as usize];
        at += 1;
    }
    digits
}

/// FIPS 180-4 §6.1.2. It names texts and guards nothing; no filter has it, since the compiler runs it.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn sha1(text: &[u8]) -> [u32; 5] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let (mut block, blocks) = (0, (text.len() + 8) / 64 + 1);
    while block < blocks {
        let (mut words, mut at) = ([0_u32; 80], 0);
        while at < 80 {
            words[at] = if at < 16 {
                word(text, block * 64 + at * 4, blocks * 64 - 8)
            } else {
                (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1)
            };
            at += 1;
        }
        let mut turned = state;
        at = 0;
        while at < 80 {
            let [first, second, third, fourth, fifth] = turned;
            let (mixed, constant) = match at / 20 {
                0 => (second & third | !second & fourth, 0x5a82_7999),
                1 => (second ^ third ^ fourth, 0x6ed9_eba1),
                2 => (second & third | second & fourth | third & fourth, 0x8f1b_bcdc),
                _ => (second ^ third ^ fourth, 0xca62_c1d6_u32),
            };
            let sum = first.rotate_left(5).wrapping_add(mixed).wrapping_add(fifth);
            let next = sum.wrapping_add(constant).wrapping_add(words[at]);
            turned = [next, first, second.rotate_left(30), third, fourth];
            at += 1;
        }
        at = 0;
        while at < 5 {
            state[at] = state[at].wrapping_add(turned[at]);
            at += 1;
        }
        block += 1;
    }
    state
}

/// The word at this byte of a padded text, whose length in bits stands at `length_at` (FIPS 180-4 §5.1.1).
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn word(text: &[u8], from: usize, length_at: usize) -> u32 {
    let bits = (text.len() as u64 * 8).to_be_bytes();
    let (mut bytes, mut at) = ([0; 4], 0);
    while at < 4 {
        let place = from + at;
        bytes[at] = if place < text.len() {
            text[place]
        } else if place == text.len() {
            0x80
        } else if place >= length_at {
            bits[place - length_at]
        } else {
            0
        };
        at += 1;
    }
    u32::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_digest_is_the_sha_1_of_the_source() {
        // Lengths around the end of a block, as Python's hashlib has them; the second is an example of FIPS 180.
        let rows = [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (&"a".repeat(55), "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
            (&"a".repeat(56), "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
            (&"a".repeat(64), "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
            (&"a".repeat(3700), "5ea52f5dbf80d8b81dc2bf5d2b699123ea33f34a"),
        ];
        for (source, digest) in rows {
            assert_eq!(digits(sha1(source.as_bytes())), digest.as_bytes(), "{} bytes", source.len());
        }
    }

    #[test]
    fn a_script_is_named_by_its_digest_and_where_redis_does_not_know_it_by_all_of_it() {
        static SCRIPT: Script = Script::new("abc");
        let digest: [&[u8]; 2] = [b"EVALSHA", b"a9993e364706816aba3e25717850c26c9cd0d89d"];
        assert_eq!((SCRIPT.words(Form::default()), SCRIPT.words(Form::Source)), (digest, [&b"EVAL"[..], b"abc"]));
    }

    /// What each run of one caller is answered, what it hears, and the form of its next.
    #[test]
    fn what_redis_does_not_know_is_sent_whole_once_and_then_named_again() {
        let mut form = Form::default();
        let ok = || Ok(Reply::Status("OK".into()));
        for (row, (reply, heard, next)) in [
            (ok(), ok(), Form::Digest),
            (Err(Fault::NoScript), Err(Fault::NoScript), Form::Source),
            (ok(), ok(), Form::Digest),
            (Err(Fault::NoScript), Err(Fault::NoScript), Form::Source),
            (Err(Fault::NoScript), Err(Fault::Malformed), Form::Digest),
            (Err(Fault::NoScript), Err(Fault::NoScript), Form::Source),
            (Err(Fault::Status(504)), Err(Fault::Status(504)), Form::Digest),
            (Err(Fault::Loading), Err(Fault::Loading), Form::Digest),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!((form.hear(reply), form), (heard, next), "row {row}");
        }
    }
}
