//! A response that is being copied as it passes: nothing is held back from the client, and what turns out too long is
//! no longer copied.

use std::cell::Cell;
use std::rc::Rc;

use policy::Headers;

use crate::admission::{Admitted, Refusal};
use crate::entry::{self, Facts, Parts};
use crate::envelope::{self, Envelope};
use crate::packing;
use crate::purge::Stamp;
use crate::tag::Tags;
use crate::validation::Conditions;

/// How many bytes one worker copies at a time, in all its streams.
const COPIES_BYTES_MAX: usize = 32 << 20;
/// For how many seconds of being stale a response is of use that the upstream can confirm: a week.
const CONFIRMABLE_FOR: u32 = 7 * 86_400;

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
    envelope: Envelope,
    /// The length at which the entry is whole, where the response says it.
    whole: Option<usize>,
    bytes_max: usize,
    taken: usize,
    ledger: Ledger,
}

impl Recording {
    /// Begins a copy of a response with these `tags`, which was asked for after the purge `stamp`.
    ///
    /// # Errors
    /// [`Refusal::Size`] where it would be larger than `bytes_max`, or the worker copies enough already.
    pub fn begin(
        admitted: &Admitted,
        key: &[u8],
        values: &[u8],
        labels: (Tags, Stamp),
        bytes_max: usize,
        ledger: &Ledger,
    ) -> Result<Self, Refusal> {
        let length = admitted.length.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if length.is_some_and(|length| length > bytes_max) {
            return Err(Refusal::Size);
        }
        let vary = admitted.vary.as_bytes();
        let parts = Parts { key, vary, values };
        let capacity = length.map_or(0, |length| length + envelope::BYTES_MAX);
        let entry = entry::begin(&admitted.facts, &parts, &admitted.headers, capacity);
        let whole = length.map(|length| entry.len() + length);
        let taken = whole.unwrap_or(entry.len());
        if taken > bytes_max || !ledger.take(taken) {
            return Err(Refusal::Size);
        }
        let (tags, stamp) = labels;
        let date = u32::try_from(admitted.date).unwrap_or(u32::MAX);
        let moments = [date, admitted.facts.received_seconds(), useful_until(&admitted.facts, &admitted.headers)];
        let envelope = Envelope { tags, moments, plain: 0, stamp };
        Ok(Self { entry, vary: vary.to_vec(), envelope, whole, bytes_max, taken, ledger: ledger.clone() })
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

    /// The object, its body packed where it may be and that pays, and the field names that select it.
    pub fn finish(mut self, may_pack: bool) -> (Vec<u8>, Vec<u8>) {
        if may_pack && let Some((entry, plain)) = packing::pack(&self.entry) {
            (self.entry, self.envelope.plain) = (entry, plain);
        }
        self.envelope.append(&mut self.entry);
        (std::mem::take(&mut self.entry), std::mem::take(&mut self.vary))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.ledger.give_back(self.taken);
    }
}

/// The moment, in seconds since the epoch, from which the response can answer no request any more, confirmed or not.
pub fn useful_until(facts: &Facts, headers: &Headers) -> u32 {
    let can_be_confirmed = Conditions::of(facts.status, headers, facts.received.at).is_some();
    let bound = facts.terms.stale_bound().max(if can_be_confirmed { CONFIRMABLE_FOR } else { 0 });
    facts.expires().saturating_add(bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, Terms};
    use crate::freshness::Received;
    use crate::key::Vary;
    use policy::Instant;
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
        Recording::begin(&admitted(length), b"k", b"", Default::default(), BYTES_MAX, ledger)
    }

    /// Whether a body that comes in these pieces is copied whole.
    fn copied(length: Option<u64>, pieces: &[usize]) -> Option<bool> {
        let mut recording = begin(length, &Ledger::default()).ok()?;
        for piece in pieces {
            recording = recording.append(&vec![b'x'; *piece])?;
        }
        let is_whole = recording.is_whole();
        let (mut object, _) = recording.finish(true);
        assert!(Envelope::split(&mut object).is_some());
        assert_eq!(Entry::parse(&object).unwrap().body.len(), pieces.iter().sum::<usize>());
        Some(is_whole)
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
    fn an_object_is_spent_when_the_entry_is_of_no_use() {
        let moments = |terms, headers: &[(&[u8], &[u8])]| {
            let mut admitted = Admitted { headers: Headers::from_pairs(headers), ..admitted(None) };
            admitted.facts.terms = terms;
            let labels = (Tags::default(), Stamp { local: 3, remote: 4 });
            let recording = Recording::begin(&admitted, b"k", b"", labels, 2 * BYTES_MAX, &Ledger::default()).unwrap();
            let envelope = Envelope::split(&mut recording.finish(true).0).unwrap();
            assert_eq!(envelope.stamp, Stamp { local: 3, remote: 4 });
            envelope.moments
        };
        let plain = Terms::default();
        let stale = Terms { while_revalidate: 30, if_error: 5, ..plain };
        assert_eq!(moments(plain, &[]), [990, 1000, 1050]);
        assert_eq!(moments(Terms { forced: true, ..plain }, &[]), [990, 1000, 1060]);
        assert_eq!(moments(stale, &[]), [990, 1000, 1080]);
        assert_eq!(moments(Terms { forbids_stale: true, ..stale }, &[]), [990, 1000, 1050]);
        assert_eq!(moments(plain, &[(b"etag", b"\"a\"")]), [990, 1000, 1050 + CONFIRMABLE_FOR]);
        let checked = Terms { needs_validation: true, ..stale };
        assert_eq!(moments(checked, &[(b"etag", b"\"a\"")]), [990, 1000, 1000 + CONFIRMABLE_FOR]);
    }
}
