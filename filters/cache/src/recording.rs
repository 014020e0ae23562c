//! A response that is being copied as it passes: nothing is held back from the client, and what turns out too long is
//! no longer copied.

use std::cell::Cell;
use std::rc::Rc;

use crate::admission::{Admitted, Refusal};
use crate::directory::Record;
use crate::entry::{self, Parts};

/// How many bytes one worker copies at a time, in all its streams.
const COPIES_BYTES_MAX: usize = 32 << 20;

/// How many bytes a worker's copies hold at present.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Rc<Cell<usize>>);

impl Ledger {
    /// Counts bytes that are held for something else than a copy; `None` where the worker holds enough already.
    pub fn hold(&self, bytes: usize) -> Option<Hold> {
        self.take(bytes).then(|| Hold { bytes, ledger: self.clone() })
    }

    fn take(&self, bytes: usize) -> bool {
        let held = self.0.get().saturating_add(bytes);
        let fits = held <= COPIES_BYTES_MAX;
        if fits {
            self.0.set(held);
        }
        fits
    }

    fn give_back(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_sub(bytes));
    }
}

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub struct Hold {
    bytes: usize,
    ledger: Ledger,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.ledger.give_back(self.bytes);
    }
}

/// The copy of one response, as far as it has come.
#[derive(Debug)]
pub struct Recording {
    entry: Vec<u8>,
    vary: Vec<u8>,
    date: u32,
    received: u32,
    expires: u32,
    /// The length at which the entry is whole, where the response says it.
    whole: Option<usize>,
    bytes_max: usize,
    taken: usize,
    ledger: Ledger,
}

impl Recording {
    /// Begins a copy.
    ///
    /// # Errors
    /// [`Refusal::Size`] where it would be larger than `bytes_max`, or the worker copies enough already.
    pub fn begin(
        admitted: &Admitted,
        key: &[u8],
        values: &[u8],
        bytes_max: usize,
        ledger: &Ledger,
    ) -> Result<Self, Refusal> {
        let length = admitted.length.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if length.is_some_and(|length| length > bytes_max) {
            return Err(Refusal::Size);
        }
        let vary = admitted.vary.as_bytes();
        let entry = entry::begin(&admitted.facts, &Parts { key, vary, values }, &admitted.headers, length.unwrap_or(0));
        let whole = length.map(|length| entry.len() + length);
        let taken = whole.unwrap_or(entry.len());
        if taken > bytes_max || !ledger.take(taken) {
            return Err(Refusal::Size);
        }
        let facts = &admitted.facts;
        let spent = if facts.terms.forced { 0 } else { facts.received.age };
        let received = seconds(facts.received.at.unix_seconds());
        Ok(Self {
            entry,
            vary: vary.to_vec(),
            date: seconds(admitted.date),
            received,
            expires: received.saturating_add(facts.lifetime.saturating_sub(spent)),
            whole,
            bytes_max,
            taken,
            ledger: ledger.clone(),
        })
    }

    /// Copies a piece of the body; `None` where the copy is given up: it is longer than it said, or than is kept.
    pub fn append(mut self, piece: &[u8]) -> Option<Self> {
        let length = self.entry.len() + piece.len();
        if length > self.whole.unwrap_or(self.bytes_max) {
            return None;
        }
        let more = length.saturating_sub(self.taken);
        if more > 0 && !self.ledger.take(more) {
            return None;
        }
        self.taken += more;
        self.entry.extend_from_slice(piece);
        Some(self)
    }

    /// Whether the body has come as far as the response said; where it said nothing, its end is its end.
    pub fn is_whole(&self) -> bool {
        self.whole.is_none_or(|whole| whole == self.entry.len())
    }

    /// The line under which it asks for a place.
    pub fn record(&self, tag: u64, variant: u64) -> Record<'_> {
        Record {
            tag,
            variant,
            ticket: 0,
            bytes: seconds(self.entry.len() as u64),
            received: self.received,
            expires: self.expires,
            date: self.date,
            used: 0,
            slot: 0,
            vary: &self.vary,
        }
    }

    /// The entry, with the ticket that it was given.
    pub fn sealed(&mut self, ticket: u64) -> &[u8] {
        entry::seal(&mut self.entry, ticket);
        &self.entry
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.ledger.give_back(self.taken);
    }
}

fn seconds(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, Facts, Terms};
    use crate::freshness::Received;
    use crate::key::Vary;
    use policy::{Headers, Instant};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const BYTES_MAX: usize = 100;
    /// What an entry has before its body.
    const HEAD: usize = 52 + 1 + 4;

    fn admitted(length: Option<u64>) -> Admitted {
        let received = Received { at: Instant::from_unix_seconds(1000), age: 10 };
        let facts = Facts { status: 200, terms: Terms::default(), received, lifetime: 60 };
        Admitted { facts, vary: Vary::default(), headers: Headers::from_pairs(&[]), length, date: 990 }
    }

    fn begin(length: Option<u64>, ledger: &Ledger) -> Result<Recording, Refusal> {
        Recording::begin(&admitted(length), b"k", b"", BYTES_MAX, ledger)
    }

    /// Whether a body that comes in these pieces is copied whole.
    fn copied(length: Option<u64>, pieces: &[usize]) -> Option<bool> {
        let mut recording = begin(length, &Ledger::default()).ok()?;
        for piece in pieces {
            recording = recording.append(&vec![b'x'; *piece])?;
        }
        assert_eq!(Entry::parse(recording.sealed(7)).unwrap().body.len(), pieces.iter().sum::<usize>());
        Some(recording.is_whole())
    }

    #[test]
    fn a_body_is_copied_as_it_comes() {
        let room = BYTES_MAX - HEAD;
        for (length, pieces, expected) in [
            (Some(0), &[][..], Some(true)),
            (None, &[][..], Some(true)),
            (Some(5), &[2, 3], Some(true)),
            (None, &[2, 3, 0], Some(true)),
            (Some(5), &[2, 2], Some(false)),
            (Some(5), &[2, 4], None),
            (Some(room as u64), &[room], Some(true)),
            (Some(room as u64 + 1), &[], None),
            (Some(u64::MAX), &[], None),
            (None, &[room], Some(true)),
            (None, &[room, 1], None),
        ] {
            assert_eq!(copied(length, pieces), expected, "{length:?} {pieces:?}");
        }
    }

    #[test]
    fn a_worker_copies_so_much_at_a_time() {
        let ledger = Ledger::default();
        let one = begin(Some(10), &ledger).unwrap();
        let other = begin(None, &ledger).unwrap().append(b"abc").unwrap();
        assert_eq!(ledger.0.get(), HEAD + 10 + HEAD + 3);
        drop(one);
        let hold = ledger.hold(7);
        assert_eq!(ledger.0.get(), HEAD + 3 + 7);
        drop(hold);
        assert_eq!(ledger.0.get(), HEAD + 3);
        assert!(ledger.hold(COPIES_BYTES_MAX).is_none());
        ledger.take(COPIES_BYTES_MAX - HEAD - 3);
        assert_eq!(begin(None, &ledger).unwrap_err(), Refusal::Size);
        assert!(other.append(b"d").is_none());
        assert_eq!(ledger.0.get(), COPIES_BYTES_MAX - HEAD - 3);
    }

    #[test]
    fn a_record_expires_when_the_entry_does() {
        let record = |forced| {
            let mut admitted = admitted(None);
            admitted.facts.terms.forced = forced;
            let recording = Recording::begin(&admitted, b"k", b"", BYTES_MAX, &Ledger::default()).unwrap();
            let record = recording.record(1, 2);
            (record.received, record.expires, record.date, record.bytes as usize)
        };
        assert_eq!(record(false), (1000, 1050, 990, HEAD));
        assert_eq!(record(true), (1000, 1060, 990, HEAD));
    }
}
