//! What stands behind an entry in the same bytes: what storage knows of it that is none of HTTP's business.
//!
//! ```text
//! entry tags:2×n date:4 received:4 expires:4 plain:4 local:4 remote:8 n:1 format:1
//! ```
//! It comes last so that an entry begins where its bytes begin, and is read from the end.

use policy::stored::take;

use crate::directory::Record;
use crate::purge::Stamp;
use crate::tag::Tags;

/// What storage knows of an entry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Envelope {
    /// What purges take it by.
    pub tags: Tags,
    /// When it was made, when it came in, and until when it is of use, in seconds since the epoch.
    pub moments: [u32; 3],
    /// How long the body was before it was [packed](crate::packing); zero where it is as it was.
    pub plain: u32,
    /// The last purge that the proxy knew of when the response was asked for.
    pub stamp: Stamp,
}

const FORMAT: u8 = 2;
const TAIL: usize = 4 * 4 + 4 + 8 + 2;

/// The most bytes that an envelope may have.
pub const BYTES_MAX: usize = TAIL + crate::tag::TAGS_MAX * 2;

impl Envelope {
    /// Puts the envelope behind an entry.
    pub fn append(&self, entry: &mut Vec<u8>) {
        let before = entry.len();
        entry.extend(self.tags.to_bytes());
        let tags = (entry.len() - before) / 2;
        let [date, received, expires] = self.moments;
        for number in [date, received, expires, self.plain, self.stamp.local] {
            entry.extend(number.to_le_bytes());
        }
        entry.extend(self.stamp.remote.to_le_bytes());
        entry.extend([u8::try_from(tags).unwrap_or(u8::MAX), FORMAT]);
    }

    /// Takes the envelope off; `None` where the bytes have none.
    pub fn split(object: &mut Vec<u8>) -> Option<Self> {
        let (envelope, length) = Self::read(object)?;
        object.truncate(length);
        Some(envelope)
    }

    /// The envelope of an object; `None` where the bytes have none.
    pub fn of(object: &[u8]) -> Option<Self> {
        Self::read(object).map(|(envelope, _)| envelope)
    }

    /// And how many bytes are before it.
    fn read(object: &[u8]) -> Option<(Self, usize)> {
        let (rest, tail) = object.split_at_checked(object.len().checked_sub(TAIL)?)?;
        let mut tail = tail;
        let mut next = || take(&mut tail).map(u32::from_le_bytes);
        let moments = [next()?, next()?, next()?];
        let (plain, local) = (next()?, next()?);
        let (low, high) = (next()?, next()?);
        let remote = u64::from(high) << 32 | u64::from(low);
        let [tags, format] = take(&mut tail)?;
        if format != FORMAT {
            return None;
        }
        let (entry, tags) = rest.split_at_checked(rest.len().checked_sub(usize::from(tags) * 2)?)?;
        let envelope = Self { tags: Tags::from_bytes(tags), moments, plain, stamp: Stamp { local, remote } };
        Some((envelope, entry.len()))
    }
}

impl Envelope {
    /// The line in the directory that this object asks for, as one of `bytes` bytes; `tag`, `variant` and `vary` are those
    /// of the proxy that stores it.
    pub const fn record<'a>(&self, tag: u64, variant: u64, vary: &'a [u8], bytes: u32) -> Record<'a> {
        let [date, received, expires] = self.moments;
        let (ticket, former, uses, slot, is_main, is_softened) = (0, 0, 0, 0, false, false);
        Record { tag, variant, ticket, former, bytes, received, expires, date, uses, is_main, slot, is_softened, vary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::Headers;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn sample() -> Envelope {
        let tags = Tags::read(&Headers::from_pairs(&[(b"cache-tag", b"a,b,c")]), &["cache-tag".to_owned()]);
        let stamp = Stamp { local: 7, remote: u64::MAX - 3 };
        Envelope { tags, moments: [1, 2, 3], plain: 70_000, stamp }
    }

    #[test]
    fn what_was_put_behind_is_taken_off() {
        for envelope in [sample(), Envelope::default()] {
            let mut object = b"entry".to_vec();
            envelope.append(&mut object);
            assert!(object.len() <= 5 + BYTES_MAX);
            assert_eq!(Envelope::split(&mut object), Some(envelope));
            assert_eq!(object, b"entry");
        }
    }

    #[test]
    fn what_operators_are_told_of_an_object_is_what_it_says() {
        use crate::entry::{self, Facts, Parts, Terms};
        let received = crate::freshness::Received { at: policy::Instant::from_unix_seconds(1000), age: 11 };
        let facts = Facts { status: 203, terms: Terms::default(), received, lifetime: 60 };
        let parts = Parts { key: b"GET a b c", vary: b"", values: b"" };
        let mut object = entry::begin(&facts, &parts, &Headers::from_pairs(&[(b":status", b"203")]), 4);
        object.extend(b"body");
        entry::seal(&mut object, 99);
        sample().append(&mut object);
        let expected = policy::stored::Object {
            status: 203,
            age: 11,
            lifetime: 60,
            ticket: 99,
            is_packed: true,
            tags: 3,
            purges: 7,
        };
        assert_eq!(policy::stored::Object::read(&object), Some(expected));
    }

    #[test]
    fn bytes_without_one_have_none() {
        let mut whole = Vec::new();
        sample().append(&mut whole);
        for length in 0..whole.len() {
            assert_eq!(Envelope::split(&mut whole[..length].to_vec()), None, "{length}");
        }
        let lying = whole.len() - 2;
        whole[lying] = 200;
        assert_eq!(Envelope::split(&mut whole), None);
    }
}
