//! What a cache has stored, as it stands in shared data, for the cache and for whoever is told of it.
//!
//! A cache has a number of sets ([`extent`] says how many), each with a *directory* ([`directory`]) and up to [`SLOTS`] objects
//! ([`object`]). A URL's fingerprint names its set, and half of it is the *tag* of its records. A directory is a head and a record
//! for each object, all numbers little-endian:
//!
//! ```text
//! format:1 next ticket:8 the last invalidations, each tag:8 ticket:8; ghosts:1 and 4 bytes of each
//! tag:8 variant:8 ticket:8 former:8 bytes:4 received:4 expires:4 date:4 slot:1 uses and flags:1 length of vary:1, vary
//! ```
//! How they come about and what they mean is for the cache's own modules to say. What was purged stays in its place until it is asked for:
//! an object tells how many purges its cache knew of when it was asked for ([`Object::purges`]), and the pulse
//! ([`crate::purge::Pulse`]) how many there have been.

use crate::Fingerprint;

/// Slots of one set.
pub const SLOTS: u8 = 64;
/// Uses beyond this are not counted.
pub const USES_MAX: u8 = 3;
/// How many invalidations a directory remembers.
pub const INVALIDATIONS: usize = 8;
/// The first byte of a directory.
pub const FORMAT: u8 = 3;
/// The bits beside the number of uses.
const SOFTENED: u8 = 0x80;
const MAIN: u8 = 0x40;
/// A moment this far ahead counts as now.
const TOLERANCE: u32 = 2;

/// The key of the number of sets that a cache has ever had in use.
pub fn extent(cache: &str) -> String {
    format!("weir.cache.{cache}.sets")
}

/// The key of a set's directory.
pub fn directory(cache: &str, set: u32) -> String {
    format!("weir.cache.{cache}.{set}")
}

/// The key of one object.
pub fn object(cache: &str, set: u32, slot: u8) -> String {
    format!("weir.cache.{cache}.{set}.{slot}")
}

/// A fingerprint's half that directories hold: the other half chose the set.
pub fn tag(print: Fingerprint) -> u64 {
    let bytes = print.to_bytes();
    bytes.first_chunk().map_or(0, |half| u64::from_le_bytes(*half))
}

/// One response's line in the directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record<'a> {
    /// Of the primary key.
    pub tag: u64,
    /// Of what the request said in the varied fields.
    pub variant: u64,
    /// The placement's number.
    pub ticket: u64,
    /// The number of the placement in the same slot that it takes the place of: until its object is written, that one
    /// answers. Zero where there is none that may.
    pub former: u64,
    /// The object's length.
    pub bytes: u32,
    /// When it came in; this and the other moments are in seconds since the epoch.
    pub received: u32,
    /// Until when it is of use: fresh, stale within bounds, or to be confirmed.
    pub expires: u32,
    /// When it was made, by its `Date`.
    pub date: u32,
    /// How often it was used, as far as that counts.
    pub uses: u8,
    /// Whether it has proved itself (see the cache's eviction).
    pub is_main: bool,
    /// Where its object is.
    pub slot: u8,
    /// Whether it counts as stale, since a purge said so.
    pub is_softened: bool,
    /// The field names of its `Vary`.
    pub vary: &'a [u8],
}

impl Record<'_> {
    /// Of two for the same request, the higher one is to be chosen: the more recent (RFC 9111 §4), but for one without
    /// `Vary`, which is perhaps a default that was sent without saying so (§4.1).
    pub const fn rank(&self) -> (bool, u32, u64) {
        (!self.vary.is_empty(), self.date, self.ticket)
    }

    /// Whether a use is worth writing down.
    pub const fn is_use_news(&self) -> bool {
        self.uses < USES_MAX
    }

    /// Whether the response is of no use any more: stale, or from before the clock stepped back.
    pub const fn is_spent(&self, now: u32) -> bool {
        self.expires <= now || self.received > now.saturating_add(TOLERANCE)
    }

    /// What it weighs in a set whose objects may have `share` bytes together.
    pub fn weight(&self, share: u32) -> u32 {
        self.bytes.max(share / u32::from(SLOTS))
    }

    /// Writes it behind those that are before it; nothing of one whose list of names is longer than can be said.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let Ok(vary_length) = u8::try_from(self.vary.len()) else { return };
        for number in [self.tag, self.variant, self.ticket, self.former] {
            bytes.extend(number.to_le_bytes());
        }
        for number in [self.bytes, self.received, self.expires, self.date] {
            bytes.extend(number.to_le_bytes());
        }
        let softened = if self.is_softened { SOFTENED } else { 0 };
        let main = if self.is_main { MAIN } else { 0 };
        bytes.extend([self.slot, self.uses | main | softened, vary_length]);
        bytes.extend_from_slice(self.vary);
    }
}

/// How many bytes a directory has before the first of its records and what it remembers of former ones.
pub const HEAD: usize = 1 + 8 + INVALIDATIONS * 16 + 1;
/// How many bytes a record has beside the field names.
pub const RECORD: usize = 4 * 8 + 4 * 4 + 3;

/// The next ticket, the latest invalidations, and the records.
pub type Opened<'a> = (u64, [(u64, u64); INVALIDATIONS], Records<'a>);

/// Reads a directory's head; its records follow when they are asked for.
pub fn open(mut bytes: &[u8]) -> Option<Opened<'_>> {
    let [format] = take(&mut bytes)?;
    if format != FORMAT {
        return None;
    }
    let next_ticket = u64::from_le_bytes(take(&mut bytes)?);
    let mut invalidated = [(0, 0); INVALIDATIONS];
    for (tag, ticket) in &mut invalidated {
        (*tag, *ticket) = (u64::from_le_bytes(take(&mut bytes)?), u64::from_le_bytes(take(&mut bytes)?));
    }
    let [ghosts] = take(&mut bytes)?;
    cut(&mut bytes, usize::from(ghosts) * 4)?;
    Some((next_ticket, invalidated, Records(bytes)))
}

/// The records of a directory.
#[derive(Debug)]
pub struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let rest = &mut self.0;
        let mut long = || take(rest).map(u64::from_le_bytes);
        let (tag, variant, ticket, former) = (long()?, long()?, long()?, long()?);
        let mut short = || take(rest).map(u32::from_le_bytes);
        let (bytes, received, expires, date) = (short()?, short()?, short()?, short()?);
        let [slot, state, vary_length] = take(rest)?;
        let vary = cut(rest, usize::from(vary_length))?;
        let (uses, is_main, is_softened) = (state & USES_MAX, state & MAIN != 0, state & SOFTENED != 0);
        let record = Record {
            tag,
            variant,
            ticket,
            former,
            bytes,
            received,
            expires,
            date,
            uses,
            is_main,
            slot,
            is_softened,
            vary,
        };
        Some(record)
    }
}

/// What an object says of itself at its two ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Object {
    /// The response's status.
    pub status: u16,
    /// How old it was when it came in, in seconds.
    pub age: u32,
    /// For how many seconds it is fresh from then on, its age included.
    pub lifetime: u32,
    /// Which placement it is of.
    pub ticket: u64,
    /// Whether its body is packed.
    pub is_packed: bool,
    /// The tags that it bears.
    pub tags: u8,
    /// How many purges its cache knew of when it was asked for.
    pub purges: u32,
}

/// Where an object's ticket stands, and how many bytes its end has.
const TICKET_AT: usize = 28;
const TAIL: usize = 30;

impl Object {
    /// Reads both ends; `None` where they are none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut head = bytes;
        let [_format, _flags] = take(&mut head)?;
        let status = u16::from_le_bytes(take(&mut head)?);
        let (age, lifetime) = (u32::from_le_bytes(take(&mut head)?), u32::from_le_bytes(take(&mut head)?));
        let ticket = u64::from_le_bytes(*bytes.get(TICKET_AT..)?.first_chunk()?);
        let mut tail = bytes.get(bytes.len().checked_sub(TAIL)?..)?;
        let _moments: [u8; 12] = take(&mut tail)?;
        let (plain, purges) = (u32::from_le_bytes(take(&mut tail)?), u32::from_le_bytes(take(&mut tail)?));
        let _remote: [u8; 8] = take(&mut tail)?;
        let [tags, _format] = take(&mut tail)?;
        Some(Self { status, age, lifetime, ticket, is_packed: plain > 0, tags, purges })
    }
}

/// Takes `N` bytes off the front.
pub fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

/// Takes `length` bytes off the front, without copying them.
pub fn cut<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_key_is_of_its_cache() {
        assert_eq!(extent("weir"), "weir.cache.weir.sets");
        assert_eq!(object("weir", 3, 63), "weir.cache.weir.3.63");
    }

    #[test]
    fn bytes_that_are_no_object_say_nothing() {
        for length in 0..TAIL {
            assert_eq!(Object::read(&vec![0; length]), None, "{length}");
        }
        assert!(Object::read(&[0; 36]).is_some());
    }
}
