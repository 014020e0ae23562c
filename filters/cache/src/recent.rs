//! What a worker has read lately and will be asked for again: whole entries in its own memory, ready to be sent.
//!
//! A set's directory is read with every request, and says by number which object answers. An object never changes under its
//! number, but that a purge makes it stale, and then it is read anew: what is kept here is as good as what stands in shared
//! data, and need not be copied from there and unpacked once more. Only what has proved itself by its uses is kept, so that a
//! scan takes nobody's place.

use std::rc::Rc;

use policy::Fingerprint;

use crate::envelope::Envelope;

/// No more entries than this are kept: all of them are gone over with each request.
const ENTRIES_MAX: usize = 64;
/// No entry takes more than this part of the room.
const PART: usize = 4;

/// What tells an object from every other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    /// Its URL.
    pub print: Fingerprint,
    /// The placement's number.
    pub ticket: u64,
    /// When it came in, in seconds since the epoch.
    pub received: u32,
}

/// An entry, its body as it was, and its envelope.
pub type Whole = (Rc<Vec<u8>>, Envelope);

/// One worker's entries.
#[derive(Debug, Default)]
pub struct Recent {
    bytes_max: usize,
    bytes: usize,
    /// The one that was used last comes last.
    kept: Vec<(Mark, Whole)>,
}

impl Recent {
    /// Room for so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// The entry with this mark.
    pub fn find(&mut self, mark: Mark) -> Option<Whole> {
        let at = self.kept.iter().rposition(|(other, _)| *other == mark)?;
        self.kept.get_mut(at..)?.rotate_left(1);
        self.kept.last().map(|(_, whole)| whole.clone())
    }

    /// Keeps it no longer.
    pub fn forget(&mut self, mark: Mark) {
        if let Some(at) = self.kept.iter().position(|(other, _)| *other == mark) {
            let (_, (gone, _)) = self.kept.remove(at);
            self.bytes -= gone.len();
        }
    }

    /// Keeps an entry; those that were used longest ago give way.
    pub fn keep(&mut self, mark: Mark, whole: Whole) {
        let bytes = whole.0.len();
        if bytes > self.bytes_max / PART {
            return;
        }
        while self.kept.len() >= ENTRIES_MAX || self.bytes + bytes > self.bytes_max {
            let (_, (gone, _)) = self.kept.remove(0);
            self.bytes -= gone.len();
        }
        self.bytes += bytes;
        self.kept.push((mark, whole));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::Seed;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn mark(ticket: u64) -> Mark {
        Mark { print: Seed::from_random([7; 16]).fingerprint([b"a".as_slice()]), ticket, received: 5 }
    }

    fn keep(recent: &mut Recent, ticket: u64, bytes: usize) {
        let envelope = Envelope { moments: [1, 2, 3], ..Envelope::default() };
        recent.keep(mark(ticket), (Rc::new(vec![0; bytes]), envelope));
    }

    #[test]
    fn an_entry_is_found_by_all_of_its_mark() {
        let mut recent = Recent::new(1000);
        keep(&mut recent, 1, 10);
        let (entry, envelope) = recent.find(mark(1)).unwrap();
        assert_eq!((entry.len(), envelope.moments), (10, [1, 2, 3]));
        let print = Seed::from_random([8; 16]).fingerprint([b"a".as_slice()]);
        for other in [mark(2), Mark { received: 6, ..mark(1) }, Mark { print, ..mark(1) }] {
            assert!(recent.find(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn what_was_used_longest_ago_gives_way() {
        let mut recent = Recent::new(1000);
        for ticket in 1..=4 {
            keep(&mut recent, ticket, 250);
        }
        assert!(recent.find(mark(1)).is_some());
        keep(&mut recent, 5, 251);
        assert!(recent.find(mark(5)).is_none(), "too large");
        keep(&mut recent, 6, 200);
        assert_eq!([1, 2, 3, 4, 6].map(|ticket| recent.find(mark(ticket)).is_some()), [true, false, true, true, true]);
        assert_eq!(recent.bytes, 950);
    }

    #[test]
    fn there_are_no_more_than_can_be_gone_over() {
        let mut recent = Recent::new(1 << 20);
        for ticket in 0..1000 {
            keep(&mut recent, ticket, 1);
        }
        assert_eq!((recent.kept.len(), recent.bytes), (ENTRIES_MAX, ENTRIES_MAX));
        let mut none = Recent::new(0);
        keep(&mut none, 1, 1);
        assert!(none.kept.is_empty());
    }
}
