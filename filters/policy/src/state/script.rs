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
    digest: [[u8; 8]; 5],
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
        Self { source, digest: sha1(source.as_bytes()) }
    }

    /// What a command begins with that runs it.
    pub const fn words(&self, form: Form) -> [&[u8]; 2] {
        match form {
            Form::Digest => [b"EVALSHA", self.digest.as_flattened()],
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
            // Redis has not heard of it.
            (Err(Fault::Refused(_)), form) => *self = form,
            _ => {}
        }
        reply
    }
}

/// What Redis calls a script: FIPS 180-4 §6.1.2, in hexadecimal digits. It guards nothing, and no filter has it: the compiler runs
/// it, and nothing in it can panic.
const fn sha1(text: &[u8]) -> [[u8; 8]; 5] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let padded = ((text.len() + 8) / 64 + 1) * 64;
    let [.., a, b, c, d] = (text.len() * 8).to_be_bytes();
    let (mut words, mut word, mut rest, mut at) = ([0; 16], 0, text, 0);
    while at < padded {
        let byte = match rest.split_first() {
            Some((first, others)) => {
                rest = others;
                *first
            }
            None if at == text.len() => 0x80,
            None => 0,
        };
        word = word << 8 | u32::from_be_bytes([0, 0, 0, byte]);
        at += 1;
        if at % 4 == 0 {
            words = push(words, if at == padded { u32::from_be_bytes([a, b, c, d]) } else { word });
        }
        if at % 64 == 0 {
            state = turn(state, words);
        }
    }
    let [first, second, third, fourth, fifth] = state;
    [digits(first), digits(second), digits(third), digits(fourth), digits(fifth)]
}

/// Takes one block in.
const fn turn(state: [u32; 5], mut words: [u32; 16]) -> [u32; 5] {
    let (mut turned, mut round) = (state, 0);
    while round < 80 {
        let [first, second, third, fourth, fifth] = turned;
        let (mixed, constant) = match round / 20 {
            0 => (second & third | !second & fourth, 0x5a82_7999),
            1 => (second ^ third ^ fourth, 0x6ed9_eba1),
            2 => (second & third | second & fourth | third & fourth, 0x8f1b_bcdc),
            _ => (second ^ third ^ fourth, 0xca62_c1d6_u32),
        };
        let [now, _, after_two, _, _, _, _, _, after_eight, _, _, _, _, after_thirteen, _, _] = words;
        let sum = first.rotate_left(5).wrapping_add(mixed).wrapping_add(fifth);
        let next = sum.wrapping_add(constant).wrapping_add(now);
        turned = [next, first, second.rotate_left(30), third, fourth];
        words = push(words, (now ^ after_two ^ after_eight ^ after_thirteen).rotate_left(1));
        round += 1;
    }
    let [zero, one, two, three, four] = state;
    let [first, second, third, fourth, fifth] = turned;
    [
        zero.wrapping_add(first),
        one.wrapping_add(second),
        two.wrapping_add(third),
        three.wrapping_add(fourth),
        four.wrapping_add(fifth),
    ]
}

/// The last words, with one more.
const fn push(mut words: [u32; 16], word: u32) -> [u32; 16] {
    words.rotate_left(1);
    let [.., last] = &mut words;
    *last = word;
    words
}

const fn digits(number: u32) -> [u8; 8] {
    let [a, b, c, d] = number.to_be_bytes();
    [digit(a >> 4), digit(a), digit(b >> 4), digit(b), digit(c >> 4), digit(c), digit(d >> 4), digit(d)]
}

/// The digit of a byte's lower half.
const fn digit(byte: u8) -> u8 {
    match byte & 15 {
        half @ 0..=9 => b'0' + half,
        half => b'a' + half - 10,
    }
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
            assert_eq!(sha1(source.as_bytes()).as_flattened(), digest.as_bytes(), "{} bytes", source.len());
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
            (Err(Fault::Refused(503)), Err(Fault::Refused(503)), Form::Source),
            (Err(Fault::Status(504)), Err(Fault::Status(504)), Form::Digest),
            (Err(Fault::Refused(503)), Err(Fault::Refused(503)), Form::Digest),
            (Err(Fault::Loading), Err(Fault::Loading), Form::Digest),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!((form.hear(reply), form), (heard, next), "row {row}");
        }
    }
}
