//! One stored response as bytes: what stands under one key of shared data, whole or not at all.
//!
//! ```text
//! format:1 flags:1 status:2 age:4 lifetime:4 lengths of key, vary, values, headers: 4×4 ticket:8 received:8
//! stale while revalidate:4 stale if error:4
//! key vary values headers body
//! ```
//! Numbers are little-endian. `headers` are in the host's own serialisation. The body comes last, so that it is copied
//! from the stream to its place once, and handed to the host from its place.

use policy::stored::{cut, take};
use policy::{Headers, Instant};

use crate::config::Despite;
use crate::freshness::Received;

/// What is known of a stored response beside its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Facts {
    /// The status code.
    pub status: u16,
    /// What holds for its reuse.
    pub terms: Terms,
    /// When it came in, and how old it was.
    pub received: Received,
    /// For how many seconds it is fresh.
    pub lifetime: u32,
}

/// What holds for a stored response's reuse.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact on its own, kept as one bit")]
pub struct Terms {
    /// It is never used once it is stale (RFC 9111 §4.2.4).
    pub forbids_stale: bool,
    /// It may answer requests with credentials (RFC 9111 §3.5).
    pub allows_credentials: bool,
    /// It is here although its request carried credentials, because the route said that all callers are answered alike.
    pub relies_on_shared: bool,
    /// Its lifetime is the route's, counted from when it came in.
    pub forced: bool,
    /// What the route has overlooked for it to be here.
    pub despite: Despite,
    /// It is validated before each use (RFC 9111 §5.2.2.4).
    pub needs_validation: bool,
    /// For how many seconds of being stale it may answer while it is refreshed (RFC 5861 §3).
    pub while_revalidate: u32,
    /// For how many seconds of being stale it may answer where the upstream fails (RFC 5861 §4).
    pub if_error: u32,
}

/// The parts of a stored response that have a length of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parts<'a> {
    /// The whole primary key.
    pub key: &'a [u8],
    /// The field names of `Vary`.
    pub vary: &'a [u8],
    /// What its request said in those fields.
    pub values: &'a [u8],
}

/// A stored response, read in place.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Which placement in the directory this is the object of.
    pub ticket: u64,
    /// What is known of it.
    pub facts: Facts,
    /// Key, vary, values.
    pub parts: Parts<'a>,
    /// Its headers, in the host's serialisation.
    headers: &'a [u8],
    /// Its body.
    pub body: &'a [u8],
}

const FORMAT: u8 = 2;
const HEAD: usize = 52;
const LIFETIME_AT: usize = 8;
const TICKET_AT: usize = 28;

/// Writes all but the body and the ticket, with room for `body_capacity` bytes of body.
pub fn begin(facts: &Facts, parts: &Parts<'_>, headers: &Headers, body_capacity: usize) -> Vec<u8> {
    let headers = headers.as_bytes();
    let sections = [parts.key, parts.vary, parts.values, headers];
    let length: usize = sections.iter().map(|section| section.len()).sum();
    let mut entry = Vec::with_capacity(HEAD + length + body_capacity);
    entry.extend([FORMAT, facts.terms.bits()]);
    entry.extend(facts.status.to_le_bytes());
    entry.extend(facts.received.age.to_le_bytes());
    entry.extend(facts.lifetime.to_le_bytes());
    for section in sections {
        entry.extend(u32::try_from(section.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    entry.extend(0_u64.to_le_bytes());
    entry.extend(facts.received.at.as_nanos().to_le_bytes());
    entry.extend(facts.terms.while_revalidate.to_le_bytes());
    entry.extend(facts.terms.if_error.to_le_bytes());
    for section in sections {
        entry.extend_from_slice(section);
    }
    entry
}

/// Writes the ticket into what [`begin`] began.
pub fn seal(entry: &mut [u8], ticket: u64) {
    write(entry, TICKET_AT, &ticket.to_le_bytes());
}

/// Which ticket stands there.
pub fn ticket(entry: &[u8]) -> Option<u64> {
    entry.get(TICKET_AT..).and_then(<[u8]>::first_chunk).map(|ticket| u64::from_le_bytes(*ticket))
}

/// For how many seconds it is fresh.
pub fn lifetime(entry: &[u8]) -> Option<u32> {
    entry.get(LIFETIME_AT..).and_then(<[u8]>::first_chunk).map(|lifetime| u32::from_le_bytes(*lifetime))
}

/// Gives an entry another lifetime, in seconds.
pub fn shorten(entry: &mut [u8], lifetime: u32) {
    write(entry, LIFETIME_AT, &lifetime.to_le_bytes());
}

fn write(entry: &mut [u8], at: usize, number: &[u8]) {
    if let Some(place) = entry.get_mut(at..at + number.len()) {
        place.copy_from_slice(number);
    }
}

impl<'a> Entry<'a> {
    /// Reads a stored response, or `None` where the bytes are none: nothing is stored there, or something else.
    pub fn parse(mut bytes: &'a [u8]) -> Option<Self> {
        let rest = &mut bytes;
        let [format, flags] = take(rest)?;
        if format != FORMAT {
            return None;
        }
        let status = u16::from_le_bytes(take(rest)?);
        let age = u32::from_le_bytes(take(rest)?);
        let lifetime = u32::from_le_bytes(take(rest)?);
        let mut lengths = [0; 4];
        for length in &mut lengths {
            *length = u32::from_le_bytes(take(rest)?) as usize;
        }
        let ticket = u64::from_le_bytes(take(rest)?);
        let at = Instant::from_nanos(u64::from_le_bytes(take(rest)?));
        let while_revalidate = u32::from_le_bytes(take(rest)?);
        let if_error = u32::from_le_bytes(take(rest)?);
        let terms = Terms { while_revalidate, if_error, ..Terms::from_bits(flags) };
        let [key, vary, values, headers] = lengths;
        let parts = Parts { key: cut(rest, key)?, vary: cut(rest, vary)?, values: cut(rest, values)? };
        let headers = cut(rest, headers)?;
        let facts = Facts { status, terms, received: Received { at, age }, lifetime };
        Some(Self { ticket, facts, parts, headers, body: bytes })
    }

    /// Its headers, or `None` where they cannot be read.
    pub fn headers(&self) -> Option<Headers> {
        Headers::parse(self.headers.to_vec())
    }
}

impl Facts {
    /// Until when it is fresh, in seconds since the epoch.
    pub fn expires(&self) -> u32 {
        let spent = if self.terms.forced { 0 } else { self.received.age };
        // What is validated before each use never is.
        let lifetime = if self.terms.needs_validation { 0 } else { self.lifetime };
        self.received_seconds().saturating_add(lifetime.saturating_sub(spent))
    }

    /// Whether it was stale when it came in.
    pub fn came_stale(&self) -> bool {
        self.expires() <= self.received_seconds()
    }

    /// When it came in, in seconds since the epoch.
    pub fn received_seconds(&self) -> u32 {
        u32::try_from(self.received.at.unix_seconds()).unwrap_or(u32::MAX)
    }
}

impl Terms {
    /// For how many seconds it may be used once it is stale.
    pub fn stale_bound(&self) -> u32 {
        if self.forbids_stale || self.needs_validation { 0 } else { self.while_revalidate.max(self.if_error) }
    }

    const fn bits(self) -> u8 {
        self.forbids_stale as u8
            | (self.allows_credentials as u8) << 1
            | (self.relies_on_shared as u8) << 2
            | (self.forced as u8) << 3
            | (self.needs_validation as u8) << 4
            | (self.despite.private as u8) << 5
            | (self.despite.no_store as u8) << 6
            | (self.despite.set_cookie as u8) << 7
    }

    const fn from_bits(bits: u8) -> Self {
        Self {
            forbids_stale: bits & 1 != 0,
            allows_credentials: bits & 2 != 0,
            relies_on_shared: bits & 4 != 0,
            forced: bits & 8 != 0,
            needs_validation: bits & 16 != 0,
            despite: Despite { private: bits & 32 != 0, no_store: bits & 64 != 0, set_cookie: bits & 128 != 0 },
            while_revalidate: 0,
            if_error: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const PARTS: Parts<'_> = Parts { key: b"GET http a /", vary: b"accept", values: b"\x01\0\0\0\0" };

    fn facts() -> Facts {
        let (while_revalidate, if_error) = (30, 0x0102_0304);
        let terms = Terms { allows_credentials: true, forced: true, while_revalidate, if_error, ..Terms::default() };
        let received = Received { at: Instant::from_nanos(u64::MAX - 7), age: 11 };
        Facts { status: 203, terms, received, lifetime: 60 }
    }

    fn sample() -> Vec<u8> {
        let headers = Headers::from_pairs(&[(b"content-type", b"a/b"), (b"x", b"\xff\xfe"), (b"x", b"")]);
        let mut entry = begin(&facts(), &PARTS, &headers, 4);
        entry.extend_from_slice(b"body");
        seal(&mut entry, 0x0102_0304_0506_0708);
        entry
    }

    #[test]
    fn what_was_written_is_read_back() {
        let bytes = sample();
        assert_eq!(bytes.len(), bytes.capacity());
        let entry = Entry::parse(&bytes).unwrap();
        assert_eq!(ticket(&bytes), Some(entry.ticket));
        assert_eq!((entry.ticket, entry.facts, entry.parts), (0x0102_0304_0506_0708, facts(), PARTS));
        assert_eq!(entry.body, b"body");
        let headers = entry.headers().unwrap();
        assert_eq!(headers.all("x").collect::<Vec<_>>(), [b"\xff\xfe".as_slice(), b""]);
    }

    #[test]
    fn a_lifetime_is_changed_in_its_place() {
        let mut bytes = sample();
        shorten(&mut bytes, 7);
        assert_eq!(Entry::parse(&bytes).unwrap().facts, Facts { lifetime: 7, ..facts() });
        assert_eq!((lifetime(&bytes), lifetime(b"")), (Some(7), None));
        shorten(&mut [0; LIFETIME_AT + 3], 7);
    }

    #[test]
    fn a_response_is_fresh_for_what_is_left_of_its_lifetime() {
        let received = Received { at: Instant::from_unix_seconds(1000), age: 10 };
        let of = |terms| Facts { terms, received, ..facts() }.expires();
        assert_eq!(of(Terms::default()), 1050);
        assert_eq!(of(Terms { forced: true, ..Terms::default() }), 1060);
        assert_eq!(of(Terms { needs_validation: true, ..Terms::default() }), 1000);
    }

    #[test]
    fn every_term_is_kept_on_its_own() {
        for bits in 0..=u8::MAX {
            assert_eq!(Terms::from_bits(bits).bits(), bits);
        }
    }

    #[test]
    fn bytes_that_are_no_entry_are_none() {
        let whole = sample();
        let head = whole.len() - b"body".len();
        for length in 0..head {
            assert!(Entry::parse(&whole[..length]).is_none(), "{length}");
        }
        let mut other = whole.clone();
        other[0] = FORMAT + 1;
        assert!(Entry::parse(&other).is_none());
        let mut lying = whole;
        lying[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Entry::parse(&lying).is_none());
    }
}
