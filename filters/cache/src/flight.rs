//! Flights: of the requests that miss the same response at once, one asks the upstream, and the others wait for its answer.
//!
//! A flight is a line in shared data, so that all workers of a proxy know of it. A request's life in it:
//!
//! 1. it *boards*. The first *leads*: it goes to the upstream. Those that come while it is under way *wait*, held by their own
//!    workers, for as long as the configuration allows and no longer;
//! 2. the leader *lands*: its answer has its place in the store, and its line says for [`LANDED_FOR`] that it has. Who waited is
//!    answered from the store. Where the leader's client left, nothing is stored; where its machine died, the line has lapsed:
//!    the first of those who waited leads the next flight, the others wait for it, [`ROUNDS_MAX`] times at most. Whoever looked
//!    into the store just before the landing and boards after it *follows*: it leads, but looks once more before it asks;
//! 3. or its answer is stored, but was stale when it came: whoever waited goes on alone, and where a stale answer was to be
//!    replaced so, it is marked as below. What can be fresh for nobody, nobody waits for (`Known::may_answer_others`);
//! 4. or it lands with a *mark*: its answer cannot be stored, or is an error. Whoever waited goes on alone, all at once, and so
//!    does whoever comes before the mark has ended. A mark keeps nobody's answer from being stored: it only says that to wait
//!    is of no use.
//!
//! **Who falls silent.** A leader's worker renews the line every [`RENEWED_EVERY`]; a line that was not renewed for [`LEASE`]
//! is of nobody. One that would last longer was written before the clock stepped back, and is of nobody either; but for
//! [`TOLERANCE`], since another worker may have read the clock after this one and written before it reads.
//!
//! **Whom to wait for.** A flight has the number of what is asked for: the URL, and what the request says in the varied fields
//! where these are known. Two that share a number by chance wait for each other and are then answered apart: what is stored is
//! compared in full. A request whose answer is its caller's own, or which wants one that is not everybody's, does not board; one
//! that is told whether its client has the answer already waits, and leads where its own condition is not what is sent ([`Role`]).
//!
//! **Bounded**: [`TABLES`] keys with at most [`LINES_MAX`] lines each. Where a table is full of flights, further requests
//! are no part of any, and go on alone.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::{Fingerprint, Instant};

use crate::config::Route;
use crate::key;
use crate::request::Inquiry;
use policy::stored::take;

/// How many tables there are.
pub const TABLES: NonZeroU32 = NonZeroU32::MIN.saturating_add(127);
/// How many lines one has.
pub const LINES_MAX: usize = 32;
/// A line's bytes.
const LINE: usize = 24;
/// The holder of a line that has landed.
const LANDED: u64 = u64::MAX;
/// For how long a leader that says nothing is believed to be alive.
pub const LEASE: Duration = Duration::from_secs(3);
/// How much longer than it may a line seems to last that was written by a later moment than it is read by.
const TOLERANCE: Duration = Duration::from_secs(2);
/// How often it says that it is.
pub const RENEWED_EVERY: Duration = Duration::from_secs(1);
/// Who has waited for so many leaders in vain goes on alone.
pub const ROUNDS_MAX: u8 = 3;

/// How long it is known that a flight has landed: longer than a request takes from its look into the store to its boarding.
pub const LANDED_FOR: Duration = Duration::from_millis(500);
/// How long it is known that an answer could not be stored.
pub const UNSTORED_FOR: Duration = Duration::from_mins(1);
/// How long it is known that the upstream failed: those that come then find out for themselves.
pub const FAILED_FOR: Duration = Duration::from_secs(1);
/// How long a refresh that brought nothing to be stored is not repeated.
pub const UNREFRESHED_FOR: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Id {
    /// Its table.
    pub table: u32,
    /// Its number there.
    pub number: u64,
}

impl Id {
    /// That of a URL and of what a request says in the varied fields (zero where nothing is known of them).
    pub fn of(print: Fingerprint, variant: u64) -> Self {
        Self { table: print.slot(TABLES), number: key::tag(print) ^ variant }
    }
}

/// What a request does that boards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Boarding {
    /// It asks the upstream, and others wait for it.
    Leads,
    /// It does so where the store has nothing for it when it looks once more: another has landed meanwhile.
    Follows,
    /// It waits for one that does.
    Waits,
    /// It asks the upstream by itself.
    Alone,
}

/// How a flight stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Its leader is under way.
    Flying,
    /// There is none.
    Ended,
}

/// One line: a flight, a mark, whose holder is zero, or a landing, whose holder is [`LANDED`].
#[derive(Clone, Copy)]
struct Line {
    number: u64,
    holder: u64,
    until: Instant,
}

impl Line {
    /// Whether it still counts.
    fn is_alive(&self, now: Instant) -> bool {
        let longest = if self.is_mark() { UNSTORED_FOR } else { LEASE };
        !self.until.since(now).is_zero() && self.until.since(now) <= longest + TOLERANCE
    }

    const fn is_mark(&self) -> bool {
        self.holder == 0
    }

    /// Whether somebody is under way.
    const fn is_flight(&self) -> bool {
        !self.is_mark() && self.holder != LANDED
    }
}

/// The lines of a table that count; what is no line is none.
fn read(table: &[u8], now: Instant) -> Vec<Line> {
    let mut lines = Vec::new();
    for mut bytes in table.chunks_exact(LINE) {
        let mut next = || take(&mut bytes).map_or(0, u64::from_le_bytes);
        let line = Line { number: next(), holder: next(), until: Instant::from_nanos(next()) };
        if line.is_alive(now) && lines.len() < LINES_MAX {
            lines.push(line);
        }
    }
    lines
}

fn write(table: &mut Vec<u8>, lines: &[Line]) {
    table.clear();
    for line in lines {
        for number in [line.number, line.holder, line.until.as_nanos()] {
            table.extend_from_slice(&number.to_le_bytes());
        }
    }
}

/// Takes a request in; the table has changed where it [leads](Boarding::Leads) or [follows](Boarding::Follows). `holder` is its
/// own number, neither the lowest nor the highest.
pub fn board(table: &mut Vec<u8>, number: u64, holder: u64, now: Instant) -> Boarding {
    let mut lines = read(table, now);
    let mut boarding = Boarding::Leads;
    match lines.iter().position(|line| line.number == number).and_then(|at| Some((at, lines.get(at)?))) {
        Some((_, line)) if line.is_flight() => return Boarding::Waits,
        Some((_, line)) if line.is_mark() => return Boarding::Alone,
        Some((at, _)) => {
            lines.swap_remove(at);
            boarding = Boarding::Follows;
        }
        None => {}
    }
    if lines.len() >= LINES_MAX {
        // A flight has more need of the place than what is known about those that have ended.
        let ended = lines.iter().enumerate().filter(|(_, line)| !line.is_flight());
        let Some((first, _)) = ended.min_by_key(|(_, line)| line.until) else { return Boarding::Alone };
        lines.swap_remove(first);
    }
    lines.push(Line { number, holder, until: now + LEASE });
    write(table, &lines);
    boarding
}

/// What becomes of a flight, by the word of who leads it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Report {
    /// The leader is alive.
    Flies,
    /// It has landed; whoever waited finds out what came of it.
    Lands,
    /// It has landed, and for so long it is of no use to wait for another.
    Marks(Duration),
}

/// Takes a leader's report in; `false` where the flight is not its own any more, and nothing has changed.
pub fn report(table: &mut Vec<u8>, number: u64, holder: u64, report: Report, now: Instant) -> bool {
    let mut lines = read(table, now);
    let Some(at) = lines.iter().position(|line| (line.number, line.holder) == (number, holder)) else { return false };
    lines.swap_remove(at);
    let (holder, length) = match report {
        Report::Flies => (holder, LEASE),
        Report::Lands => (LANDED, LANDED_FOR),
        Report::Marks(length) => (0, length),
    };
    lines.push(Line { number, holder, until: now + length });
    write(table, &lines);
    true
}

/// How a flight stands now.
pub fn standing(table: &[u8], number: u64, now: Instant) -> Standing {
    let is_flying = |line: &Line| line.number == number && line.is_flight();
    if read(table, now).iter().any(is_flying) { Standing::Flying } else { Standing::Ended }
}

/// What part a request may have in a flight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Any: it asks for the whole, on no condition, and of any age.
    Leader,
    /// It may wait: from what another's answer leaves stored it is told whether that is what its client has. It leads where
    /// the upstream is asked about what is stored, in the place of its own condition.
    Follower,
    /// None: what it wants is not everybody's.
    None,
}

impl Role {
    /// That of a request.
    pub fn of(inquiry: &Inquiry, route: &Route) -> Self {
        let said = &inquiry.said;
        let is_choosy =
            said.no_cache || said.no_store || said.only_if_cached || said.max_age.is_some() || said.min_fresh.is_some();
        let has = |name| inquiry.headers.first(name).is_some();
        if is_choosy
            || inquiry.is_head
            || inquiry.caller.is_particular(route)
            || ["range", "if-range"].into_iter().any(has)
        {
            Self::None
        } else if inquiry.wants_whole {
            Self::Leader
        } else {
            Self::Follower
        }
    }
}

#[cfg(test)]
mod tests;
