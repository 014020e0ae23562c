//! A set's directory: which response stands in which slot, what it weighs, and which one gives way to another.
//!
//! # Tickets
//! Directory and objects are different keys, so they change one after the other. Each placement draws a ticket, a
//! number that the set gives out once, and writes it into the directory and into the object: an object answers only
//! for the placement whose ticket it bears. A worker that was overtaken between the two leaves an object that nobody
//! asks for, never a wrong one. A response that replaces another takes its slot, and the directory keeps the ticket of
//! both: until the new object is there, the old one answers, by its own freshness, and nobody misses.
//!
//! # Invalidation
//! An unsafe request makes what is stored for its URL unusable, and what is still on its way, too: a response that was
//! asked for before the invalidation must not be stored after it. A miss therefore remembers the next ticket as it saw
//! it, and the directory remembers the last few URLs that were invalidated, with the ticket that each drew last. A response whose URL was
//! invalidated since, or that is so late that the directory may have forgotten, is refused.
//!
//! # Weight
//! Every entry weighs its bytes, and at least a slot's share of the set's, so that one sum bounds both bytes and slots. What
//! gives way when there is no room is for [`crate::eviction`] to say.

pub use policy::stored::Record;
use policy::stored::{FORMAT, HEAD, INVALIDATIONS, RECORD, open};

use crate::arena::SLOTS;
use crate::eviction::{GHOSTS_MAX, Order, USES_MAX, weight};

/// What the directory says about a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found<'a> {
    /// Nothing is stored for the URL.
    Nothing,
    /// Something is, but for other values of the varied fields.
    OtherVariants,
    /// This is the most recent response (RFC 9111 §4) to such a request; of one that varies and one that does not say so,
    /// the one that varies (§4.1).
    Record(Record<'a>),
}

/// What became of a response that was offered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Placement {
    /// It has this slot and this ticket; the objects in `emptied` have lost their places.
    Placed {
        /// Where its object goes.
        slot: u8,
        /// What its object must bear.
        ticket: u64,
        /// The slots of the evicted, without the one that is taken again.
        emptied: Vec<u8>,
    },
    /// Something newer is known: a more recent response, or an invalidation.
    Outdated,
}

/// What a request saw of a set when it asked the upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sight {
    /// The next ticket.
    pub next: u64,
    /// The ticket of what was stored for it; zero where that was nothing.
    pub found: u64,
}

/// A directory, read from its bytes.
#[derive(Clone, Debug, Default)]
pub struct Directory<'a> {
    next_ticket: u64,
    /// Tag and ticket of the latest invalidations, oldest first.
    invalidated: [(u64, u64); INVALIDATIONS],
    order: Order<'a>,
}

/// Finds the most recent response for a URL and a request. `variant` says what the request comes to under a list of
/// field names; it is asked once for each list in turn. Also says the next ticket, for [`Directory::place`].
pub fn find<'a>(bytes: &'a [u8], tag: u64, mut variant: impl FnMut(&'a [u8]) -> u64) -> (Found<'a>, u64) {
    let Some((next_ticket, _, records)) = open(bytes) else { return (Found::Nothing, 0) };
    let mut found = Found::Nothing;
    let mut asked: Option<(&[u8], u64)> = None;
    for record in records.filter(|record| record.tag == tag) {
        let wanted = match asked {
            Some((vary, wanted)) if vary == record.vary => wanted,
            _ => variant(record.vary),
        };
        asked = Some((record.vary, wanted));
        found = match found {
            Found::Record(best) if wanted != record.variant || best.rank() > record.rank() => found,
            Found::Nothing | Found::OtherVariants if wanted != record.variant => Found::OtherVariants,
            _ => Found::Record(record),
        };
    }
    (found, next_ticket)
}

/// The ticket of a response that would also have answered a request which the one with `ticket` answers, under another list of
/// field names; `variant` is as [`find`] has it.
pub fn rival(bytes: &[u8], tag: u64, ticket: u64, mut variant: impl FnMut(&[u8]) -> u64) -> Option<u64> {
    let mut records = open(bytes)?.2.filter(|record| record.tag == tag && record.ticket != ticket);
    records.find(|record| variant(record.vary) == record.variant).map(|record| record.ticket)
}

impl<'a> Directory<'a> {
    /// Reads a directory; bytes that are none are an empty one, and what no set can have is left out.
    pub fn parse(bytes: &'a [u8]) -> Self {
        let Some((next_ticket, invalidated, records)) = open(bytes) else { return Self::default() };
        let ghosts = ghosts(bytes).unwrap_or_default();
        let records = records.filter(|record| record.slot < SLOTS).take(usize::from(SLOTS)).collect();
        Self { next_ticket, invalidated, order: Order { records, ghosts } }
    }

    /// Writes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length: usize = self.order.records.iter().map(|record| RECORD + record.vary.len()).sum();
        let mut bytes = Vec::with_capacity(HEAD + self.order.ghosts.len() * 4 + length);
        bytes.push(FORMAT);
        bytes.extend(self.next_ticket.to_le_bytes());
        for (tag, ticket) in self.invalidated {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(ticket.to_le_bytes());
        }
        bytes.push(u8::try_from(self.order.ghosts.len()).unwrap_or(0));
        bytes.extend(self.order.ghosts.iter().flat_map(|ghost| ghost.to_le_bytes()));
        for record in &self.order.records {
            record.write(&mut bytes);
        }
        bytes
    }

    /// Finds a place for a response, whose `ticket` and `slot` are given here. `seen` is what its request saw, `share` what
    /// the objects of the set may have together.
    pub fn place(&mut self, offer: Record<'a>, seen: Sight, share: u32, now: u32) -> Placement {
        let same =
            |record: &Record<'_>| (record.tag, record.variant, record.vary) == (offer.tag, offer.variant, offer.vary);
        let newer = self
            .order
            .records
            .iter()
            .any(|record| same(record) && record.ticket >= seen.next && record.date > offer.date);
        if newer || offer.bytes > share || self.is_invalidated(offer.tag, seen.next) {
            return Placement::Outdated;
        }
        let at = self.order.records.iter().position(same);
        let replaced = at.map(|at| self.order.records.remove(at));
        // The upstream has said something else to a request which that would have answered, perhaps under other field names.
        let mut emptied: Vec<u8> = self.remove(seen.found).into_iter().collect();
        while self.weight(share).saturating_add(offer.weight(share)) > share {
            let Some(victim) = self.order.evict(offer.weight(share), share, now) else { break };
            emptied.push(victim.slot);
        }
        let free = (0..SLOTS).find(|&slot| self.order.records.iter().all(|record| record.slot != slot));
        let own = replaced.map(|record| record.slot);
        let Some(slot) = own.or_else(|| emptied.pop()).or(free) else { return Placement::Outdated };
        let ticket = self.draw();
        let record = Record { ticket, slot, ..offer };
        match replaced {
            // A response that replaces another has its standing.
            Some(Record { uses, is_main, is_softened, ticket, .. }) => {
                let former = if is_softened { 0 } else { ticket };
                self.order.records.push(Record { former, uses, is_main, ..record });
            }
            None => self.order.push(record),
        }
        Placement::Placed { slot, ticket, emptied }
    }

    /// Writes a use of the response with this ticket down.
    pub fn touch(&mut self, ticket: u64) {
        if let Some(record) = self.order.records.iter_mut().find(|record| record.ticket == ticket) {
            record.uses = record.uses.saturating_add(1).min(USES_MAX);
        }
    }

    /// The ticket that the next placement draws, or a later one.
    pub const fn next_ticket(&self) -> u64 {
        self.next_ticket
    }

    /// Whether the response with this ticket has its place.
    pub fn holds(&self, ticket: u64) -> bool {
        self.order.records.iter().any(|record| record.ticket == ticket)
    }

    /// Drops the response with this ticket; says the slot that is free now.
    pub fn remove(&mut self, ticket: u64) -> Option<u8> {
        let at = self.order.records.iter().position(|record| record.ticket == ticket)?;
        Some(self.order.records.remove(at).slot)
    }

    /// Drops all responses of a URL, and those that are on their way; says the slots that are free now.
    pub fn invalidate(&mut self, tag: u64) -> Vec<u8> {
        self.forget_coming(tag);
        self.order.records.extract_if(.., |record| record.tag == tag).map(|record| record.slot).collect()
    }

    /// Makes all responses of a URL stale, and drops those that are on their way.
    pub fn soften(&mut self, tag: u64) {
        self.forget_coming(tag);
        self.order.records.iter_mut().filter(|record| record.tag == tag).for_each(|record| record.is_softened = true);
    }

    /// Drops everything; says the slots that are free now.
    pub fn clear(&mut self) -> Vec<u8> {
        self.order.records.drain(..).map(|record| record.slot).collect()
    }

    fn forget_coming(&mut self, tag: u64) {
        // What is said of a URL once more is said once: others are not forgotten for it.
        let at = self.invalidated.iter().position(|(other, ticket)| *other == tag && *ticket != 0).unwrap_or(0);
        if let Some(later) = self.invalidated.get_mut(at..) {
            later.rotate_left(1);
        }
        let ticket = self.draw();
        if let Some(last) = self.invalidated.last_mut() {
            *last = (tag, ticket);
        }
    }

    fn draw(&mut self) -> u64 {
        // Tickets begin at one: zero is what an invalidation that never was has.
        self.next_ticket = self.next_ticket.max(1);
        let ticket = self.next_ticket;
        self.next_ticket = ticket.saturating_add(1);
        ticket
    }

    fn is_invalidated(&self, tag: u64, seen: u64) -> bool {
        let since = |ticket: u64| ticket != 0 && ticket >= seen;
        let forgotten = self.invalidated.first().is_some_and(|&(_, oldest)| since(oldest));
        forgotten || self.invalidated.iter().any(|&(other, ticket)| other == tag && since(ticket))
    }

    fn weight(&self, share: u32) -> u32 {
        weight(self.order.records.iter(), share)
    }
}

/// Reads what has given way lately.
fn ghosts(bytes: &[u8]) -> Option<Vec<u32>> {
    let (count, rest) = bytes.get(HEAD - 1..)?.split_first()?;
    let ghosts = rest.chunks_exact(4).take(usize::from(*count).min(GHOSTS_MAX)).filter_map(|bytes| bytes.first_chunk());
    Some(ghosts.map(|bytes| u32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests;
