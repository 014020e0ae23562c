//! What an upstream's breakers are, all together, and for how long: what [`policy::health`] says of them.
//!
//! Breakers in a table are many, so that a share of the table is counted at a time: [`SLOTS_AT_ONCE`] of its slots. What has
//! been counted of a round that is not over yet says nothing, and the last whole round stands.

use policy::Instant;
use policy::health::{self, Health};
use std::time::Duration;

use crate::limits::{Limits, Order};
use crate::set;
use crate::state::{Mode, State};

/// How often stock is taken.
pub const STOCK: Duration = Duration::from_secs(1);
/// So many slots of a table are counted at once.
pub const SLOTS_AT_ONCE: u32 = 128;
/// A longer time between two lines of an upstream was nobody's: the proxy stood still, or the clock stepped.
const GAP_SECONDS: u64 = 60;

/// How many of an upstream's breakers are what.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// So many refuse.
    pub open: u32,
    /// So many are probing.
    pub half_open: u32,
    /// What is ordered of them all.
    ordered: Option<Mode>,
}

impl Tally {
    /// Counts one breaker.
    pub fn count(&mut self, state: &State, limits: &Limits) {
        match state.mode(limits) {
            Mode::Closed => {}
            Mode::Open => self.open = self.open.saturating_add(1),
            Mode::HalfOpen => self.half_open = self.half_open.saturating_add(1),
            mode => self.ordered = Some(mode),
        }
    }

    /// Counts the breakers in one slot of a table, of which all this is ordered.
    pub fn count_slot(&mut self, bytes: &[u8], order: Option<Order>, limits: &Limits) {
        for state in set::all(bytes) {
            self.count(&State { order, ..state }, limits);
        }
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: Self) {
        self.open = self.open.saturating_add(other.open);
        self.half_open = self.half_open.saturating_add(other.half_open);
    }

    /// What the worst of them is.
    pub fn mode(&self) -> Mode {
        match self {
            Self { ordered: Some(mode), .. } => *mode,
            Self { open: 1.., .. } => Mode::Open,
            Self { half_open: 1.., .. } => Mode::HalfOpen,
            _ => Mode::Closed,
        }
    }
}

/// A round through the slots of a table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Round {
    next: u32,
    /// What this round has found so far.
    pub found: Tally,
    /// What the last whole one has found.
    pub last: Tally,
}

impl Round {
    /// Which of so many slots are to be counted now.
    pub fn slots(&self, slots: u32) -> std::ops::Range<u32> {
        self.next..slots.min(self.next.saturating_add(SLOTS_AT_ONCE))
    }

    /// Says that they were.
    pub fn counted(&mut self, slots: u32) {
        self.next = self.slots(slots).end;
        if self.next >= slots {
            *self = Self { last: self.found, ..Self::default() };
        }
    }
}

/// Puts the present of some upstreams into what was written before, and answers for how many seconds each has been what it was
/// since. Lines of upstreams that nobody writes any more go when they have lapsed.
pub fn write(bytes: &mut Vec<u8>, now: Instant, upstreams: &[(&str, Tally)]) -> Vec<u32> {
    let now = now.unix_seconds();
    let mut text = String::new();
    let mut passed = Vec::with_capacity(upstreams.len());
    for (name, tally) in upstreams {
        let mode = tally.mode().as_str();
        let before = health::read(bytes).find(|line| line.name == *name);
        let since = before.as_ref().map(|line| now.saturating_sub(line.at)).filter(|gap| *gap <= GAP_SECONDS);
        let since = since.unwrap_or_default();
        let seconds = match &before {
            Some(line) if line.mode == mode => line.seconds.saturating_add(since),
            _ => 0,
        };
        Health { at: now, name, mode, seconds, open: tally.open, half_open: tally.half_open }.write(&mut text);
        passed.push(u32::try_from(since).unwrap_or_default());
    }
    for other in health::read(bytes).filter(|line| line.is_current(now)) {
        if !upstreams.iter().any(|(name, _)| *name == other.name) {
            other.write(&mut text);
        }
    }
    *bytes = text.into_bytes();
    passed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Phase;
    use crate::stories::limits;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn tally(states: &[State]) -> Tally {
        let mut tally = Tally::default();
        for state in states {
            tally.count(state, &limits("{}"));
        }
        tally
    }

    fn open() -> State {
        State { phase: Phase::Open { since: Instant::EPOCH, length: Duration::from_secs(9) }, ..State::default() }
    }

    fn half_open() -> State {
        State { phase: Phase::HalfOpen { successes: 0, next: 0, probes: Vec::new() }, ..State::default() }
    }

    #[test]
    fn an_upstream_is_what_the_worst_of_its_breakers_is() {
        let closed = State::default;
        let forced = || State { order: Some(Order::ForcedOpen), ..open() };
        for (states, expected) in [
            (vec![], (Mode::Closed, 0, 0)),
            (vec![closed(), closed()], (Mode::Closed, 0, 0)),
            (vec![closed(), half_open()], (Mode::HalfOpen, 0, 1)),
            (vec![half_open(), open(), open()], (Mode::Open, 2, 1)),
            (vec![open(), forced(), closed()], (Mode::ForcedOpen, 1, 0)),
        ] {
            let tally = tally(&states);
            assert_eq!((tally.mode(), tally.open, tally.half_open), expected);
        }
    }

    #[test]
    fn time_passes_for_what_an_upstream_was() {
        let (closed, open) = (Tally::default(), tally(&[open()]));
        let mut bytes = Vec::new();
        for (second, tally, passed, seconds) in [
            (100, closed, 0, 0),
            (101, closed, 1, 1),
            (101, closed, 0, 1),
            (104, open, 3, 0),
            (105, open, 1, 1),
            (50, open, 0, 1),
            (51, open, 1, 2),
            (5000, open, 0, 2),
        ] {
            assert_eq!(write(&mut bytes, Instant::from_unix_seconds(second), &[("a", tally)]), [passed], "{second}");
            let lines: Vec<_> = health::read(&bytes).collect();
            assert_eq!((lines.len(), lines[0].seconds, lines[0].at), (1, seconds, second), "{second}");
        }
    }

    #[test]
    fn what_another_configuration_writes_stays_for_as_long_as_it_is_written() {
        let mut bytes = Vec::new();
        let tally = Tally::default();
        write(&mut bytes, Instant::from_unix_seconds(100), &[("old", tally), ("both", tally)]);
        let names = |bytes: &[u8]| health::read(bytes).map(|line| line.name.to_owned()).collect::<Vec<_>>();
        write(&mut bytes, Instant::from_unix_seconds(110), &[("new", tally), ("both", tally)]);
        assert_eq!(names(&bytes), ["new", "both", "old"]);
        write(&mut bytes, Instant::from_unix_seconds(111), &[("new", tally)]);
        assert_eq!(names(&bytes), ["new", "both"]);
    }

    #[test]
    fn a_table_is_counted_in_rounds() {
        let mut round = Round::default();
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(round.slots(300));
            round.found.open += 1;
            round.counted(300);
        }
        assert_eq!(seen, [0..128, 128..256, 256..300]);
        assert_eq!((round.last.open, round.found.open, round.slots(300)), (3, 0, 0..128));
        round.counted(1);
        assert_eq!(round, Round::default());
    }

    #[test]
    fn a_slot_counts_for_each_of_its_breakers() {
        let mut bytes = Vec::new();
        for number in 0..4 {
            let state = if number < 3 { open() } else { half_open() };
            set::write(&mut bytes, policy::Fingerprint::from_bytes([number; 16]), &state);
        }
        let mut tally = Tally::default();
        tally.count_slot(&bytes, None, &limits("{}"));
        assert_eq!((tally.open, tally.half_open), (3, 1));
    }
}
