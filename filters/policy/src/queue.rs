//! The line of requests that wait for the tokens of a bucket, as it stands in shared data under [`key`].
//!
//! ```text
//! format:1 written:8, and for each ticket: worker:8 context:4 caller:8 mark:1 cost:4 shown:8
//! ```
//! Numbers are little-endian. What is in one slot of a table of buckets waits under one key, whosever line it is. A ticket's mark is
//! its priority with two bits: it was *called*, and its request is sent as soon as its worker looks; or it was *dismissed* by an
//! operator, who drains the line, and its request is answered as one that has waited for too long. Workers look every tenth of
//! a second.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::Instant;

/// A ticket that its worker has not shown to be alive for so long is of nobody any more.
pub const SILENT_FOR: Duration = Duration::from_secs(2);

/// The first byte of a stored line; what begins otherwise was written by another version, and is not understood.
const FORMAT: u8 = 3;
/// The bits of a mark beside its priority.
const CALLED: u8 = 0x80;
const DISMISSED: u8 = 0x40;
/// Where the mark is in a ticket's bytes, and how many those are.
const MARK_AT: usize = 20;
const TICKET: usize = 33;
const HEAD: usize = 9;

/// A ticket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ticket {
    /// The number of the worker that holds its request, and of the stream there.
    pub holder: (u64, u32),
    /// In whose line it is.
    pub caller: u64,
    /// Its priority.
    pub priority: u8,
    /// What has become of it.
    pub fate: Fate,
    /// What its request costs.
    pub cost: NonZeroU32,
    /// When its worker last said that it is alive; of one that was called, when that was.
    pub shown: Instant,
}

/// What has become of a ticket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It waits.
    Waits,
    /// It is paid for.
    Called,
    /// An operator has sent it away.
    Dismissed,
}

/// The key of shared data where those wait whose bucket is under `bucket`.
pub fn key(bucket: &str) -> String {
    [bucket, " line"].concat()
}

/// Begins to write a line, as it is `now`, in place of what `bytes` held.
pub fn begin(bytes: &mut Vec<u8>, now: Instant) {
    bytes.clear();
    bytes.push(FORMAT);
    bytes.extend(now.as_nanos().to_le_bytes());
}

/// When a line was written, and its tickets; `None` where it is none.
pub fn read(bytes: &[u8]) -> Option<(Instant, impl Iterator<Item = Ticket>)> {
    let mut rest = bytes;
    if take::<1>(&mut rest)? != [FORMAT] {
        return None;
    }
    let written_at = Instant::from_nanos(u64::from_le_bytes(take(&mut rest)?));
    Some((written_at, std::iter::from_fn(move || Ticket::read(&mut rest))))
}

impl Ticket {
    /// Writes it behind those that are before it.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let fate = match self.fate {
            Fate::Waits => 0,
            Fate::Called => CALLED,
            Fate::Dismissed => DISMISSED,
        };
        bytes.extend(self.holder.0.to_le_bytes());
        bytes.extend(self.holder.1.to_le_bytes());
        bytes.extend(self.caller.to_le_bytes());
        bytes.push(self.priority | fate);
        bytes.extend(self.cost.get().to_le_bytes());
        bytes.extend(self.shown.as_nanos().to_le_bytes());
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let holder = (u64::from_le_bytes(take(rest)?), u32::from_le_bytes(take(rest)?));
        let caller = u64::from_le_bytes(take(rest)?);
        let [mark] = take(rest)?;
        let cost = NonZeroU32::new(u32::from_le_bytes(take(rest)?))?;
        let shown = Instant::from_nanos(u64::from_le_bytes(take(rest)?));
        let fate = match mark & (CALLED | DISMISSED) {
            0 => Fate::Waits,
            DISMISSED => Fate::Dismissed,
            _ => Fate::Called,
        };
        Some(Self { holder, caller, priority: mark & !(CALLED | DISMISSED), fate, cost, shown })
    }
}

/// Who waits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Crowd {
    /// So many requests.
    pub requests: u32,
    /// Of so many callers.
    pub callers: u32,
    /// So many in the longest line of one of them.
    pub longest: u32,
}

impl Crowd {
    /// Adds those of one stored line, as it is `now`.
    pub fn add(&mut self, bytes: &[u8], now: Instant) {
        let mut lines: Vec<(u64, u32)> = Vec::new();
        let Some((written_at, tickets)) = read(bytes) else { return };
        for Ticket { caller, .. } in tickets.filter(|ticket| ticket.waits(written_at, now)) {
            match lines.iter_mut().find(|(whose, _)| *whose == caller) {
                Some((_, length)) => *length += 1,
                None => lines.push((caller, 1)),
            }
        }
        for (_, length) in lines {
            self.callers = self.callers.saturating_add(1);
            self.requests = self.requests.saturating_add(length);
            self.longest = self.longest.max(length);
        }
    }
}

impl Ticket {
    /// Whether its request still waits, as far as its worker has shown; the line was written then.
    fn waits(&self, written_at: Instant, now: Instant) -> bool {
        let shown = self.shown.before(written_at.since(now));
        self.fate == Fate::Waits && now.since(shown) < SILENT_FOR
    }
}

/// Sends away all who wait in a line; says how many those are.
pub fn dismiss(bytes: &mut [u8]) -> u32 {
    if bytes.first() != Some(&FORMAT) {
        return 0;
    }
    let mut dismissed = 0;
    for ticket in bytes.get_mut(HEAD..).unwrap_or_default().chunks_exact_mut(TICKET) {
        if let Some(mark) = ticket.get_mut(MARK_AT).filter(|mark| **mark & (CALLED | DISMISSED) == 0) {
            *mark |= DISMISSED;
            dismissed += 1;
        }
    }
    dismissed
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn ticket(context: u32, caller: u64, fate: Fate, second: u64) -> Ticket {
        let shown = Instant::from_unix_seconds(second);
        Ticket { holder: (7, context), caller, priority: 9, fate, cost: NonZeroU32::MIN, shown }
    }

    fn line(written: u64, tickets: &[Ticket]) -> Vec<u8> {
        let mut bytes = b"before".to_vec();
        begin(&mut bytes, Instant::from_unix_seconds(written));
        for ticket in tickets {
            ticket.write(&mut bytes);
        }
        bytes
    }

    #[test]
    fn what_was_written_is_read_back() {
        let tickets = [
            ticket(1, 2, Fate::Waits, 100),
            ticket(u32::MAX, u64::MAX, Fate::Called, 99),
            ticket(3, 2, Fate::Dismissed, 98),
        ];
        let bytes = line(100, &tickets);
        let (written, read) = read(&bytes).unwrap();
        assert_eq!((written, read.collect::<Vec<_>>()), (Instant::from_unix_seconds(100), tickets.to_vec()));
        assert_eq!(bytes.len(), HEAD + 3 * TICKET);
    }

    #[test]
    fn who_waits_is_counted_by_caller_and_the_silent_are_not() {
        let tickets = [
            ticket(1, 2, Fate::Waits, 100),
            ticket(2, 2, Fate::Waits, 100),
            ticket(3, 5, Fate::Waits, 100),
            ticket(4, 5, Fate::Called, 100),
            ticket(5, 5, Fate::Dismissed, 100),
            ticket(6, 6, Fate::Waits, 97),
        ];
        let bytes = line(100, &tickets);
        // A clock that has stepped back to 50 makes none of them silent.
        for (now, expected) in [(100, [3, 2, 2]), (101, [3, 2, 2]), (102, [0, 0, 0]), (50, [3, 2, 2])] {
            let mut crowd = Crowd::default();
            crowd.add(&bytes, Instant::from_unix_seconds(now));
            assert_eq!([crowd.requests, crowd.callers, crowd.longest], expected, "{now}");
            crowd.add(&bytes, Instant::from_unix_seconds(now));
            assert_eq!([crowd.requests, crowd.longest], [expected[0] * 2, expected[2]], "two slots");
        }
    }

    #[test]
    fn whoever_waits_is_dismissed_once() {
        let fates = [Fate::Waits, Fate::Called, Fate::Dismissed, Fate::Waits];
        let tickets: Vec<_> = fates.iter().zip(0..).map(|(fate, at)| ticket(at, 1, *fate, 100)).collect();
        let mut bytes = line(100, &tickets);
        assert_eq!((dismiss(&mut bytes), dismiss(&mut bytes)), (2, 0));
        let fates: Vec<_> = read(&bytes).unwrap().1.map(|ticket| ticket.fate).collect();
        assert_eq!(fates, [Fate::Dismissed, Fate::Called, Fate::Dismissed, Fate::Dismissed]);
    }

    #[test]
    fn what_is_no_line_has_nobody() {
        let whole = line(100, &[ticket(1, 2, Fate::Waits, 100)]);
        for length in 0..whole.len() {
            let mut bytes = whole[..length].to_vec();
            assert_eq!(read(&bytes).map_or(0, |(_, tickets)| tickets.count()), 0, "{length}");
            assert_eq!(dismiss(&mut bytes), 0, "{length}");
        }
        let mut other = whole;
        other[0] = FORMAT - 1;
        assert!(read(&other).is_none());
        assert_eq!(dismiss(&mut other), 0);
    }
}
