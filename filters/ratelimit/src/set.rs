//! One slot of a rule's table: the buckets of a few callers, in one value of shared data.
//!
//! A table has a fixed number of slots, and a caller's keyed fingerprint says which one is its own. What a slot holds
//! is a *set* of at most [`WAYS`] callers. Shared data has no eviction, so this is where memory is bounded: whatever
//! clients send, a rule takes up at most `slots * (42 + WAYS * 73)` bytes, and what the host adds for each key.
//!
//! **Who is forgotten.** A caller whose buckets are all full again needs no storing, and is dropped when its set is next
//! written. Only where every caller of a set is in debt does a newcomer push one out: the one that would have been full
//! soonest. Its debt stays. It goes into the set's *floor*, one instant for each unit of time, and whoever has no entry
//! begins with buckets that lack what the floor says. An evicted caller that comes back is such a newcomer. So
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
use std::time::Duration;

use policy::{Fingerprint, Instant};

use crate::bucket::Bucket;
use crate::limit::{Buckets, Limits, Outcome};
use crate::rate::{PerUnit, Unit};

/// How many callers one set tells apart.
pub const WAYS: usize = 8;

/// The first byte of a stored set; what begins otherwise was written by another version, and is not understood.
const FORMAT: u8 = 1;

/// What a set keeps of a fingerprint. The other half has chosen the slot.
type Print = [u8; 8];

/// The callers of one slot, as they stand now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Set {
    now: Instant,
    upkeep: Upkeep,
    /// What callers without an entry may owe at most.
    floor: PerUnit<Instant>,
    entries: Vec<Entry>,
}

/// Whether a set is to be written even where nothing was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upkeep {
    /// It need not be.
    None,
    /// The clock stepped back, or the refused caller's quota is another one than before: time counts from now on.
    Due,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Entry {
    print: Print,
    buckets: Buckets,
}

/// Who takes tokens, how many, and under which limits.
#[derive(Clone, Copy, Debug)]
pub struct Taker<'a> {
    /// The caller's fingerprint.
    pub print: Fingerprint,
    /// The limits that hold for the caller.
    pub limits: &'a Limits,
    /// The longest windows that any caller of the same table has.
    pub longest: &'a PerUnit<Duration>,
    /// How many tokens.
    pub cost: NonZeroU32,
}

impl Set {
    /// Reads what [`Set::write`] wrote, as it is `now`; nothing, or what cannot be understood, is a set without callers.
    pub fn read(bytes: &[u8], now: Instant) -> Self {
        let empty = Self { now, upkeep: Upkeep::None, floor: PerUnit::default(), entries: Vec::new() };
        let Some((written_at, floor, entries)) = parse(bytes) else { return empty };
        let mut set = Self { floor, entries, ..empty };
        if now < written_at {
            set.upkeep = Upkeep::Due;
            set.move_back(written_at.since(now));
        }
        set.entries.retain(|entry| entry.buckets.0.iter().any(|bucket| bucket.full_at > now));
        set
    }

    /// Whether it is to be written even where nothing was taken.
    pub const fn upkeep(&self) -> Upkeep {
        self.upkeep
    }

    /// Takes tokens for a caller, where all of its limits hold enough; otherwise everybody has as many as before.
    pub fn try_take<'a>(&mut self, taker: &Taker<'a>) -> Outcome<'a> {
        let print = stored(taker.print);
        let now = self.now;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.print == print) {
            let outcome = taker.limits.try_take(&mut entry.buckets, now, taker.cost);
            if outcome.is_denied() && taker.limits.adopt(&mut entry.buckets, now) {
                self.upkeep = Upkeep::Due;
            }
            return outcome;
        }
        let mut buckets = self.newcomer(taker.longest);
        let outcome = taker.limits.try_take(&mut buckets, now, taker.cost);
        if !outcome.is_denied() {
            if self.entries.len() >= WAYS {
                self.evict();
            }
            self.entries.push(Entry { print, buckets });
        }
        outcome
    }

    /// Puts back what [`Set::try_take`] took at `taken_at`. Who was evicted in the meantime gets nothing back.
    pub fn give_back(&mut self, taker: &Taker<'_>, taken_at: Instant) {
        let print = stored(taker.print);
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.print == print) {
            taker.limits.give_back(&mut entry.buckets, self.now, taker.cost, self.now.since(taken_at));
        }
    }

    /// Whole tokens that a caller has under the limit that leaves fewest.
    pub fn tokens(&self, taker: &Taker<'_>) -> u32 {
        let print = stored(taker.print);
        let entry = self.entries.iter().find(|entry| entry.print == print);
        let buckets = entry.map_or_else(|| self.newcomer(taker.longest), |entry| entry.buckets);
        taker.limits.tokens(&buckets, self.now)
    }

    /// Writes the set in place of what `bytes` held.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.push(FORMAT);
        bytes.extend(self.now.as_nanos().to_le_bytes());
        bytes.push(mask(&self.floor, |instant| *instant > self.now));
        for instant in self.floor.0.iter().filter(|instant| **instant > self.now) {
            bytes.extend(instant.as_nanos().to_le_bytes());
        }
        for Entry { print, buckets } in &self.entries {
            bytes.extend(print);
            bytes.push(mask(buckets, |bucket| bucket.full_at > self.now));
            for bucket in buckets.0.iter().filter(|bucket| bucket.full_at > self.now) {
                bytes.extend(bucket.full_at.as_nanos().to_le_bytes());
                bytes.extend(u64::try_from(bucket.window.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
            }
        }
    }

    /// What a caller has of whom the set knows nothing: full buckets, but for what somebody who was evicted may owe.
    fn newcomer(&self, longest: &PerUnit<Duration>) -> Buckets {
        let mut buckets = Buckets::default();
        for unit in Unit::ALL {
            // No window is named: the debt is handed on as time.
            buckets.at_mut(unit).full_at = (*self.floor.at(unit)).min(self.now + *longest.at(unit));
        }
        buckets
    }

    /// Forgets the caller that would be full soonest, and lets the floor rise to what it owes.
    fn evict(&mut self) {
        let last = |entry: &Entry| entry.buckets.0.iter().map(|bucket| bucket.full_at).max();
        let Some((index, _)) = self.entries.iter().enumerate().min_by_key(|(_, entry)| last(entry)) else { return };
        let evicted = self.entries.swap_remove(index);
        for unit in Unit::ALL {
            let floor = self.floor.at_mut(unit);
            *floor = (*floor).max(evicted.buckets.at(unit).full_at);
        }
    }

    fn move_back(&mut self, step: Duration) {
        for instant in &mut self.floor.0 {
            *instant = instant.before(step);
        }
        for bucket in self.entries.iter_mut().flat_map(|entry| &mut entry.buckets.0) {
            bucket.full_at = bucket.full_at.before(step);
        }
    }
}

/// The half of a fingerprint that does not choose the slot.
fn stored(print: Fingerprint) -> Print {
    print.to_bytes().first_chunk().copied().unwrap_or_default()
}

/// One bit for each unit whose value is stored, the shortest unit's the lowest.
fn mask<T>(values: &PerUnit<T>, stored: impl Fn(&T) -> bool) -> u8 {
    values.0.iter().rev().fold(0, |mask, value| (mask << 1) | u8::from(stored(value)))
}

fn parse(bytes: &[u8]) -> Option<(Instant, PerUnit<Instant>, Vec<Entry>)> {
    let mut rest = bytes;
    if take::<1>(&mut rest)? != [FORMAT] {
        return None;
    }
    let written_at = instant(&mut rest)?;
    let mut floor = PerUnit::default();
    for unit in stored_units(&mut rest)? {
        *floor.at_mut(unit) = instant(&mut rest)?;
    }
    let mut entries = Vec::with_capacity(WAYS);
    while !rest.is_empty() && entries.len() < WAYS {
        let print = take::<8>(&mut rest)?;
        let mut buckets = Buckets::default();
        for unit in stored_units(&mut rest)? {
            let full_at = instant(&mut rest)?;
            let window = Duration::from_nanos(u64::from_le_bytes(take(&mut rest)?));
            *buckets.at_mut(unit) = Bucket { full_at, window };
        }
        entries.push(Entry { print, buckets });
    }
    rest.is_empty().then_some((written_at, floor, entries))
}

fn stored_units(rest: &mut &[u8]) -> Option<impl Iterator<Item = Unit> + use<>> {
    let [mask] = take(rest)?;
    Some(Unit::ALL.into_iter().enumerate().filter_map(move |(bit, unit)| ((mask >> bit) & 1 == 1).then_some(unit)))
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
