//! One slot of a rule's table: the buckets of a few callers, in one value of shared data.
//!
//! A table has a fixed number of slots, and a caller's keyed fingerprint says which one is its own. What a slot holds
//! is a *set* of at most [`WAYS`] callers. Shared data has no eviction, so this is where memory is bounded: whatever
//! clients send, a rule takes up at most `slots * (9 + (WAYS + 1) * (18 + kinds))` bytes, and what the host adds for each key;
//! `kinds` is 17 for each token bucket that some caller of the rule may have, and 223 for each window.
//!
//! **Who is forgotten.** A caller whose buckets are all full again needs no storing, and is dropped when its set is next
//! written. Only where every caller of a set is in debt does a newcomer push one out: the one that owes least (in windows the
//! fewest requests; in buckets alone, what is paid soonest). Its debt stays. It goes into the set's *floor*: for each token
//! bucket one instant, for each window a log that at no time counts less than that of any who was pushed out. Whoever has
//! no entry begins with what the floor owes. An evicted caller that comes back is such a newcomer. So
//!
//! - being evicted is never a gain: as long as an evicted caller owes anything, the floor owes at least as much. Nobody
//!   who is over a limit is let through sooner by a flood of other keys, however many;
//! - being new is a bounded loss: the floor is a debt like any other, that time pays, and it counts for no more than an
//!   empty bucket. When a flood ends, the last newcomer is free of it within the longest window of the rule;
//! - a whole set never admits more than `WAYS + 1` callers may: each admission adds at least its cost to the sum of the
//!   entries' debts and the floor's. In a flood that fills the table, those who share a set share the budget of one, beside the
//!   ones that it tells apart, instead of each bringing a fresh one.
//!
//! Nobody can aim at a slot: fingerprints are keyed with a secret of this proxy.
//!
//! **A clock that steps back** shows in a set that was written later than now. Its instants are moved back by the
//! difference, so every bucket is as full as when it was last written: the step gives no tokens and takes none. A set is
//! told the time after it was read, so on a clock that does not step, no other worker's writing is in its future.

use std::num::NonZeroU32;
use std::ops::Range;

use policy::{Fingerprint, Instant};

use crate::debt::{Buckets, Longest};
use crate::limit::{Limits, Outcome};

/// How many callers one set tells apart.
pub const WAYS: usize = 8;

/// The first byte of a stored set; what begins otherwise was written by another version, and is not understood.
const FORMAT: u8 = 2;

/// What a set keeps of a fingerprint. The other half has chosen the slot.
type Print = [u8; 8];

/// The floor's place in a stored set is the first, under the print that nobody is asked for by.
const FLOOR: Print = [0; 8];

/// The callers of one slot, as they stand now.
#[derive(Clone, Debug)]
pub struct Set {
    now: Instant,
    upkeep: Upkeep,
    /// What was read; most of it is written again as it is.
    bytes: Vec<u8>,
    /// What callers without an entry may owe at most.
    floor: Buckets,
    entries: Vec<Entry>,
}

/// Whether a set is to be written even where nothing was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upkeep {
    /// It need not be.
    None,
    /// The clock stepped back, or what the refused caller owes is counted otherwise than before: time counts from now on.
    Due,
}

#[derive(Clone, Debug)]
struct Entry {
    print: Print,
    until: Instant,
    owed: Stored,
}

/// What a caller owes is only read where it matters.
#[derive(Clone, Debug)]
enum Stored {
    At(Range<usize>),
    Read(Buckets),
}

/// Who takes tokens, how many, and under which limits.
#[derive(Clone, Copy, Debug)]
pub struct Taker<'a> {
    /// The caller's fingerprint.
    pub print: Fingerprint,
    /// The limits that hold for the caller.
    pub limits: &'a Limits,
    /// The longest windows that any caller of the same table has.
    pub longest: &'a Longest,
    /// How many tokens.
    pub cost: NonZeroU32,
}

impl Set {
    /// Reads what [`Set::write`] wrote, as it is `now`; nothing, or what cannot be understood, is a set without callers.
    pub fn read(bytes: &[u8], now: Instant) -> Self {
        let empty =
            Self { now, upkeep: Upkeep::None, bytes: Vec::new(), floor: Buckets::default(), entries: Vec::new() };
        let Some((written_at, mut entries)) = parse(bytes) else { return empty };
        let step = written_at.since(now);
        let upkeep = if now < written_at { Upkeep::Due } else { Upkeep::None };
        entries.retain_mut(|entry| {
            entry.until = entry.until.before(step);
            entry.until > now
        });
        let mut set = Self { upkeep, bytes: bytes.to_vec(), entries, ..empty };
        if set.entries.first().is_some_and(|entry| entry.print == FLOOR) {
            let floor = set.entries.remove(0);
            set.floor = set.owed(&floor);
        }
        set
    }

    /// Whether it is to be written even where nothing was taken.
    pub const fn upkeep(&self) -> Upkeep {
        self.upkeep
    }

    /// Takes tokens for a caller, where all of its limits hold enough; otherwise everybody has as many as before.
    pub fn try_take<'a>(&mut self, taker: &Taker<'a>) -> Outcome<'a> {
        let now = self.now;
        let (index, mut buckets) = if let Some((index, buckets)) = self.find(taker) {
            (index, buckets)
        } else {
            if self.floor.clamp(taker.longest, now) {
                self.upkeep = Upkeep::Due;
            }
            (self.entries.len(), self.floor.clone())
        };
        let outcome = taker.limits.try_take(&mut buckets, now, taker.cost);
        let changed = if outcome.is_denied() {
            let adopted = index < self.entries.len() && taker.limits.adopt(&mut buckets, now);
            if adopted {
                self.upkeep = Upkeep::Due;
            }
            adopted
        } else {
            true
        };
        if changed {
            self.put(index, stored(taker.print), buckets);
        }
        outcome
    }

    /// Puts back what [`Set::try_take`] took at `taken_at`. Who was evicted in the meantime gets nothing back.
    pub fn give_back(&mut self, taker: &Taker<'_>, taken_at: Instant) {
        if let Some((index, mut buckets)) = self.find(taker) {
            taker.limits.give_back(&mut buckets, self.now, taker.cost, self.now.since(taken_at));
            self.put(index, stored(taker.print), buckets);
        }
    }

    /// Whole tokens that a caller has under the limit that leaves fewest.
    pub fn tokens(&self, taker: &Taker<'_>) -> u32 {
        let buckets = self.find(taker).map_or_else(
            || {
                let mut floor = self.floor.clone();
                floor.clamp(taker.longest, self.now);
                floor
            },
            |(_, buckets)| buckets,
        );
        taker.limits.tokens(&buckets, self.now)
    }

    /// Writes the set in place of what `bytes` held.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.push(FORMAT);
        bytes.extend(self.now.as_nanos().to_le_bytes());
        let floor = Entry { print: FLOOR, until: self.floor.until(), owed: Stored::Read(self.floor.clone()) };
        for entry in std::iter::once(&floor).chain(&self.entries).filter(|entry| entry.until > self.now) {
            bytes.extend(entry.print);
            bytes.extend(entry.until.as_nanos().to_le_bytes());
            let at = bytes.len();
            bytes.extend([0, 0]);
            match &entry.owed {
                Stored::At(range) => bytes.extend(self.bytes.get(range.clone()).unwrap_or_default()),
                Stored::Read(buckets) => buckets.write(self.now, entry.until, bytes),
            }
            let length = u16::try_from(bytes.len() - at - 2).unwrap_or(0).to_le_bytes();
            bytes.iter_mut().skip(at).zip(length).for_each(|(byte, length)| *byte = length);
        }
    }

    /// Where a caller's entry is, and what it owes.
    fn find(&self, taker: &Taker<'_>) -> Option<(usize, Buckets)> {
        let print = stored(taker.print);
        let index = self.entries.iter().position(|entry| entry.print == print)?;
        Some((index, self.owed(self.entries.get(index)?)))
    }

    fn owed(&self, entry: &Entry) -> Buckets {
        match &entry.owed {
            Stored::Read(buckets) => buckets.clone(),
            Stored::At(range) => {
                self.bytes.get(range.clone()).and_then(|bytes| Buckets::read(bytes, entry.until)).unwrap_or_default()
            }
        }
    }

    /// Keeps what a caller owes, in its entry or in a new one.
    fn put(&mut self, index: usize, print: Print, buckets: Buckets) {
        let entry = Entry { print, until: buckets.until(), owed: Stored::Read(buckets) };
        if let Some(old) = self.entries.get_mut(index) {
            *old = entry;
            return;
        }
        if self.entries.len() >= WAYS {
            self.evict();
        }
        self.entries.push(entry);
    }

    /// Forgets the caller that owes least, and lets the floor rise to what it owes.
    fn evict(&mut self) {
        let owed = self.entries.iter().map(|entry| self.owed(entry));
        let least = owed.enumerate().min_by_key(|(_, owed)| (owed.spent(self.now), owed.until()));
        if let Some((index, owed)) = least {
            self.entries.swap_remove(index);
            self.floor.raise(&owed);
        }
    }
}

/// The half of a fingerprint that does not choose the slot.
fn stored(print: Fingerprint) -> Print {
    let print = print.to_bytes().first_chunk().copied().unwrap_or_default();
    // One in 2^64 is called like the floor, and is given another's name.
    if print == FLOOR { [0xff; 8] } else { print }
}

fn parse(bytes: &[u8]) -> Option<(Instant, Vec<Entry>)> {
    let mut rest = bytes;
    if take::<1>(&mut rest)? != [FORMAT] {
        return None;
    }
    let written_at = instant(&mut rest)?;
    let mut entries = Vec::with_capacity(WAYS + 1);
    while !rest.is_empty() && entries.len() <= WAYS {
        let (print, until) = (take(&mut rest)?, instant(&mut rest)?);
        let length = usize::from(u16::from_le_bytes(take(&mut rest)?));
        let start = bytes.len() - rest.len();
        rest = rest.get(length..)?;
        entries.push(Entry { print, until, owed: Stored::At(start..start + length) });
    }
    rest.is_empty().then_some((written_at, entries))
}

fn instant(rest: &mut &[u8]) -> Option<Instant> {
    Some(Instant::from_nanos(u64::from_le_bytes(take(rest)?)))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests;
