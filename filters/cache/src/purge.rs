//! Purging by numbers: an order draws the next number, and what is older than the numbers that are about it is gone.
//!
//! Nothing is looked for. An entry bears the number of the last purge that its proxy knew of when the response was *asked
//! for* ([`Stamp`]), so that what was still on its way is met, too. A [`Ledger`] keeps, in one value of shared data, the last
//! number for everything, for each provider, data type and prefix, and for each cell of tags. It is bounded: tags share
//! [`CELLS`](crate::tag::CELLS) cells, and of more than [`NAMED_MAX`] other scopes the oldest becomes a purge of everything
//! that is older than it. It may thus take too much, and never too little.
//!
//! # Two numbers
//! A proxy counts its own orders (`local`). In a fleet, an order also goes into a stream of the state store, whose id
//! (`remote`) is the same for all; every proxy reads the stream twice a second. An entry of the fleet's store is judged by
//! the second number, since the first means nothing elsewhere. An order is applied where it was given at once, and once
//! more when it comes back from the stream: what was stored in between is taken twice, and nothing is missed.

mod scope;

pub use policy::purge::{Mistake, Mode, Order, Scope};
use policy::stored::{cut, take};

use policy::Instant;

use crate::entry::Facts;
use crate::key;
use crate::tag::{self, Tags};

/// How many scopes other than tags are told apart.
pub const NAMED_MAX: usize = 128;

/// Which purges something is younger than.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stamp {
    /// The proxy's own count.
    pub local: u32,
    /// The place in the fleet's stream.
    pub remote: u64,
}

/// The last purges of one scope.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Cell {
    hard: Stamp,
    soft: Stamp,
}

/// What purges have left of an entry.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// All.
    Current,
    /// It is stale, as from the first use after the purge.
    Stale,
    /// Nothing.
    Gone,
}

/// What an entry is to purges.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its primary key.
    pub key: &'a [u8],
    /// Its route's labels.
    pub provider: &'a str,
    /// The second of them.
    pub data_type: &'a str,
    /// Its tags.
    pub tags: &'a Tags,
}

/// All purges that still matter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ledger {
    /// The number of the last purge.
    pub last: Stamp,
    /// What the fleet's store holds from before this place is of no use: purges have been forgotten since.
    pub horizon: u64,
    everything: Cell,
    /// Scopes as texts, in the order in which they were first purged.
    named: Vec<(Vec<u8>, Cell)>,
    /// In the order of their numbers.
    tags: Vec<(u16, Cell)>,
    /// The same for URLs: where no directory knows, since it is the fleet's store, or the key has more than the URL.
    urls: Vec<(u16, Cell)>,
}

const FORMAT: u8 = 1;

impl Stamp {
    const fn is_after(self, other: Self) -> bool {
        self.local > other.local || self.remote > other.remote
    }
}

impl Cell {
    fn note(&mut self, mode: Mode, number: Stamp) {
        let last = match mode {
            Mode::Hard => &mut self.hard,
            Mode::Soft => &mut self.soft,
        };
        *last = Stamp { local: last.local.max(number.local), remote: last.remote.max(number.remote) };
    }

    const fn standing(&self, stamp: Stamp) -> Standing {
        if self.hard.is_after(stamp) {
            Standing::Gone
        } else if self.soft.is_after(stamp) {
            Standing::Stale
        } else {
            Standing::Current
        }
    }
}

impl Ledger {
    /// Takes an order; `remote` is its place in the fleet's stream, where it comes from there. What is about one URL is for
    /// the [directory](crate::directory), and draws a number all the same.
    pub fn apply(&mut self, order: &Order, remote: Option<u64>) {
        self.last.local = self.last.local.saturating_add(1);
        if let Some(remote) = remote {
            self.last.remote = self.last.remote.max(remote);
        }
        // One of the stream counts by its place alone, so that to read it twice takes nothing twice.
        let number = match remote {
            Some(remote) => Stamp { local: 0, remote },
            None => Stamp { local: self.last.local, remote: 0 },
        };
        match &order.scope {
            Scope::Url(key) => note_in(&mut self.urls, tag::cell(key), order.mode, number),
            Scope::Cells(cells) => cells.iter().for_each(|&url| note_in(&mut self.urls, url, order.mode, number)),
            Scope::Everything => self.everything.note(order.mode, number),
            Scope::Tags(cells) => cells.iter().for_each(|&tag| note_in(&mut self.tags, tag, order.mode, number)),
            Scope::Prefix(_) | Scope::Labels { .. } => {
                self.named(scope::to_bytes(&order.scope)).note(order.mode, number);
            }
        }
    }

    /// Forgets the fleet's stream, which has lost what was read from it, and all that is stored.
    pub fn restart(&mut self) {
        self.apply(&Order { scope: Scope::Everything, mode: Mode::Hard }, None);
        self.last.remote = 0;
    }

    /// What purges have left of something with this stamp.
    pub fn standing(&self, subject: &Subject<'_>, stamp: Stamp) -> Standing {
        if !self.last.is_after(stamp) {
            return Standing::Current;
        }
        let of_tags = self.tags.iter().filter(|(cell, _)| subject.tags.has(*cell)).map(|(_, cell)| cell);
        let of_names = self.named.iter().filter(|(scope, _)| scope::covers(scope, subject)).map(|(_, cell)| cell);
        let all = std::iter::once(&self.everything).chain(of_tags).chain(of_names);
        let standing = all.map(|cell| cell.standing(stamp)).max().unwrap_or(Standing::Current);
        // What a URL's directory does not know of.
        if key::url(subject.key).is_none() { standing } else { standing.max(self.of_url(subject.key, stamp)) }
    }

    fn of_url(&self, key: &[u8], stamp: Stamp) -> Standing {
        let number = key::cell(key);
        let at = self.urls.binary_search_by_key(&number, |(number, _)| *number).ok();
        at.and_then(|at| self.urls.get(at)).map_or(Standing::Current, |(_, cell)| cell.standing(stamp))
    }

    /// As [`Ledger::standing`], for something of the fleet's store.
    pub fn standing_remote(&self, subject: &Subject<'_>, stamp: Stamp) -> Standing {
        if stamp.remote < self.horizon {
            return Standing::Gone;
        }
        self.standing(subject, stamp).max(self.of_url(subject.key, stamp))
    }

    fn named(&mut self, scope: Vec<u8>) -> &mut Cell {
        // What was purged last comes last, so that the first is the one to be forgotten.
        let known = self.named.iter().position(|(other, _)| *other == scope);
        let entry = known.map_or((scope, Cell::default()), |at| self.named.remove(at));
        if self.named.len() >= NAMED_MAX {
            let (_, cell) = self.named.remove(0);
            self.everything.note(Mode::Hard, cell.hard);
            self.everything.note(Mode::Soft, cell.soft);
        }
        self.named.push(entry);
        self.named.last_mut().map_or(&mut self.everything, |(_, cell)| cell)
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        write(&mut bytes, self.last);
        bytes.extend(self.horizon.to_le_bytes());
        write_cell(&mut bytes, &self.everything);
        bytes.extend((self.named.len() as u64).to_le_bytes());
        for (scope, cell) in &self.named {
            bytes.extend((scope.len() as u64).to_le_bytes());
            bytes.extend_from_slice(scope);
            write_cell(&mut bytes, cell);
        }
        bytes.extend((self.tags.len() as u64).to_le_bytes());
        for (number, cell) in self.tags.iter().chain(&self.urls) {
            bytes.extend(number.to_le_bytes());
            write_cell(&mut bytes, cell);
        }
        bytes
    }

    /// Reads what [`Ledger::to_bytes`] wrote; `None` for anything else, no bytes included.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let [format] = take(rest)?;
        if format != FORMAT {
            return None;
        }
        let mut ledger =
            Self { last: read(rest)?, horizon: long(rest)?, everything: read_cell(rest)?, ..Self::default() };
        for _ in 0..long(rest)? {
            let length = usize::try_from(long(rest)?).ok()?;
            ledger.named.push((cut(rest, length)?.to_vec(), read_cell(rest)?));
        }
        let tags = long(rest)?;
        while !rest.is_empty() {
            let cell = (u16::from_le_bytes(take(rest)?), read_cell(rest)?);
            let is_tag = (ledger.tags.len() as u64) < tags;
            if is_tag { ledger.tags.push(cell) } else { ledger.urls.push(cell) }
        }
        (ledger.tags.len() as u64 == tags).then_some(ledger)
    }
}

fn note_in(cells: &mut Vec<(u16, Cell)>, number: u16, mode: Mode, stamp: Stamp) {
    let at = cells.partition_point(|(other, _)| *other < number);
    if cells.get(at).is_none_or(|(other, _)| *other != number) {
        cells.insert(at, (number, Cell::default()));
    }
    if let Some((_, cell)) = cells.get_mut(at) {
        cell.note(mode, stamp);
    }
}

/// The lifetime of a stored response that becomes stale now, in seconds; `None` where it is stale already.
pub fn withered(facts: &Facts, now: Instant) -> Option<u32> {
    let age = if facts.terms.forced { facts.received.resident(now) } else { facts.received.age(now) };
    Some(age.unwrap_or(0)).filter(|&age| age < facts.lifetime)
}

fn write(bytes: &mut Vec<u8>, stamp: Stamp) {
    bytes.extend(stamp.local.to_le_bytes());
    bytes.extend(stamp.remote.to_le_bytes());
}

fn write_cell(bytes: &mut Vec<u8>, cell: &Cell) {
    write(bytes, cell.hard);
    write(bytes, cell.soft);
}

fn long(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}

fn read(rest: &mut &[u8]) -> Option<Stamp> {
    Some(Stamp { local: take(rest).map(u32::from_le_bytes)?, remote: long(rest)? })
}

fn read_cell(rest: &mut &[u8]) -> Option<Cell> {
    Some(Cell { hard: read(rest)?, soft: read(rest)? })
}

#[cfg(test)]
mod tests;
