//! A bulkhead: how many calls are under way to one upstream, over all workers, and no more than so many.
//!
//! A slow upstream ties up whatever waits for it: connections, memory, the patience of clients. Past a number of calls,
//! one more makes none of them faster, so it is refused at once.
//!
//! All workers share one state, in which each has written how many of the calls are its own, and when. A worker knows its
//! own calls, so what it writes is no difference but the whole number: a write that was lost is made good by the next.
//!
//! **A worker that dies** takes its calls with it and tells nobody. While a worker has calls, it says so again every
//! [`BEAT`]; what has not been said for [`LAPSE`] does not count any more, and is forgotten by whoever writes next.
//!
//! **A clock that steps back** leaves moments behind that lie in the future. They are replaced by the present, so a dead
//! worker's calls count for at most [`LAPSE`] more. A clock that steps forward makes the others' calls lapse until their
//! next beat: for so long, more may pass.
//!
//! ```text
//! byte 0       1         then, for each worker with calls
//!      format  (7 zeros) worker u64, calls u64, said u64
//! ```
//! A call costs two changes of it, and is under way until its stream has ended, whatever way. Numbers are little-endian, the
//! moment is nanoseconds since the Unix epoch.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::{ConfigError, Instant};

/// How often a worker with calls under way says so.
pub const BEAT: Duration = Duration::from_secs(1);
/// What was said so long ago does not count any more.
pub const LAPSE: Duration = Duration::from_secs(5);
/// A proxy has no more workers than this, those included that a change of configuration has replaced.
const WORKERS_MAX: usize = 512;

const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 8;
const SHARE_BYTES: usize = 24;

/// How many calls one upstream gets.
#[derive(Debug)]
pub struct Limit {
    /// Where those under way are counted in shared data.
    pub key: String,
    /// So many at the same time.
    pub most: NonZeroU32,
}

impl Limit {
    /// Of the upstream of this name.
    ///
    /// # Errors
    /// None at all are too few.
    pub fn new(name: &str, most: u32) -> Result<Self, ConfigError> {
        let most = NonZeroU32::new(most).ok_or_else(|| ConfigError::at("bulkhead", "must be at least 1"))?;
        // No breaker's key begins so.
        Ok(Self { key: format!("weir.breaker/calls/{name}"), most })
    }
}

/// Who has how many calls under way to one upstream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Bulkhead(Vec<Share>);

/// One worker's calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Share {
    worker: u64,
    calls: u32,
    said: Instant,
}

/// Whether one more call may begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry {
    /// It may, and is counted.
    Free,
    /// There are too many already.
    Full,
}

impl Bulkhead {
    /// Lets a worker that has `calls` under way begin one more where there are fewer than `most` in all.
    pub fn enter(&mut self, worker: u64, calls: u32, most: NonZeroU32, now: Instant) -> Entry {
        self.forget_lapsed(now);
        let others: u32 = self.others(worker).map(|share| share.calls).fold(0, u32::saturating_add);
        let is_known = self.0.iter().any(|share| share.worker == worker);
        if others.saturating_add(calls) >= most.get() || (!is_known && self.0.len() >= WORKERS_MAX) {
            return Entry::Full;
        }
        self.say(worker, calls.saturating_add(1), now);
        Entry::Free
    }

    /// Writes down that a worker has `calls` under way: when one has ended, and at each beat.
    pub fn settle(&mut self, worker: u64, calls: u32, now: Instant) {
        self.forget_lapsed(now);
        self.say(worker, calls, now);
    }

    /// How many calls are under way.
    pub fn calls(&self) -> u32 {
        self.0.iter().map(|share| share.calls).fold(0, u32::saturating_add)
    }

    /// Reads what [`Bulkhead::write`] wrote. What cannot be read is empty: whoever has calls says so within a [`BEAT`].
    pub fn read(bytes: &[u8]) -> Self {
        let Some(([FORMAT, ..], shares)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Self::default() };
        let (shares, _) = shares.as_chunks::<SHARE_BYTES>();
        Self(shares.iter().filter_map(Share::read).collect())
    }

    /// Writes it over whatever `bytes` held.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend([FORMAT, 0, 0, 0, 0, 0, 0, 0]);
        for share in &self.0 {
            bytes.extend(share.worker.to_le_bytes());
            bytes.extend(u64::from(share.calls).to_le_bytes());
            bytes.extend(share.said.as_nanos().to_le_bytes());
        }
    }

    fn others(&self, worker: u64) -> impl Iterator<Item = &Share> {
        self.0.iter().filter(move |share| share.worker != worker)
    }

    fn forget_lapsed(&mut self, now: Instant) {
        for share in &mut self.0 {
            share.said = share.said.min(now);
        }
        self.0.retain(|share| now.since(share.said) < LAPSE);
    }

    fn say(&mut self, worker: u64, calls: u32, now: Instant) {
        self.0.retain(|share| share.worker != worker);
        if calls > 0 && self.0.len() < WORKERS_MAX {
            self.0.push(Share { worker, calls, said: now });
        }
    }
}

impl Share {
    fn read(bytes: &[u8; SHARE_BYTES]) -> Option<Self> {
        let ([worker, calls, said], _) = bytes.as_chunks::<8>().0.split_first_chunk()?;
        let calls = u32::try_from(u64::from_le_bytes(*calls)).ok()?;
        Some(Self { worker: u64::from_le_bytes(*worker), calls, said: Instant::from_nanos(u64::from_le_bytes(*said)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const MOST: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);

    /// What a worker does, at which second, and how many calls are then under way; workers know their own calls.
    enum Does {
        Enter(Entry),
        Leave,
        Beat,
        Die,
    }
    use Does::{Beat, Die, Enter, Leave};
    use Entry::{Free, Full};

    fn check(rows: &[(u64, u64, Does, u32)]) {
        let mut stored = Vec::new();
        let mut own = [0_u32; 4];
        for (row, (second, worker, does, expected)) in rows.iter().enumerate() {
            let now = Instant::from_unix_seconds(*second);
            let mut bulkhead = Bulkhead::read(&stored);
            let calls = &mut own[usize::try_from(*worker).unwrap()];
            match does {
                Enter(entry) => {
                    assert_eq!(bulkhead.enter(*worker, *calls, MOST, now), *entry, "row {row}");
                    *calls += u32::from(*entry == Free);
                }
                Leave => {
                    *calls -= 1;
                    bulkhead.settle(*worker, *calls, now);
                }
                Beat => bulkhead.settle(*worker, *calls, now),
                Die => *calls = 0,
            }
            assert_eq!(bulkhead.calls(), *expected, "row {row}");
            bulkhead.write(&mut stored);
            assert_eq!(Bulkhead::read(&stored), bulkhead, "row {row}");
        }
    }

    #[test]
    fn all_workers_together_have_no_more_calls_than_the_most() {
        check(&[
            (100, 1, Enter(Free), 1),
            (100, 2, Enter(Free), 2),
            (100, 1, Enter(Free), 3),
            (100, 1, Enter(Full), 3),
            (100, 2, Enter(Full), 3),
            (101, 1, Leave, 2),
            (101, 2, Enter(Free), 3),
            (101, 3, Enter(Full), 3),
            (102, 1, Leave, 2),
            (102, 2, Leave, 1),
            (102, 2, Leave, 0),
        ]);
    }

    #[test]
    fn the_calls_of_a_worker_that_dies_lapse() {
        check(&[
            (100, 1, Enter(Free), 1),
            (100, 1, Enter(Free), 2),
            (100, 2, Enter(Free), 3),
            (101, 1, Die, 3),
            (103, 2, Beat, 3),
            (104, 2, Enter(Full), 3),
            (105, 2, Beat, 1),
            (105, 2, Enter(Free), 2),
        ]);
    }

    #[test]
    fn a_worker_that_goes_on_saying_so_keeps_its_calls() {
        check(&[
            (100, 1, Enter(Free), 1),
            (104, 1, Beat, 1),
            (108, 1, Beat, 1),
            (112, 2, Enter(Free), 2),
            (113, 2, Beat, 1),
            (114, 1, Beat, 2),
        ]);
    }

    #[test]
    fn a_clock_that_steps_back_leaves_no_calls_of_the_dead_behind() {
        check(&[
            (5000, 1, Enter(Free), 1),
            (5000, 1, Enter(Free), 2),
            (5000, 1, Die, 2),
            (100, 2, Enter(Free), 3),
            (104, 2, Beat, 3),
            (105, 2, Beat, 1),
        ]);
    }

    #[test]
    fn what_cannot_be_read_is_empty() {
        let mut bytes = Vec::new();
        let mut one = Bulkhead::default();
        one.settle(1, 3, Instant::from_unix_seconds(100));
        one.write(&mut bytes);
        for broken in [&b""[..], b"\x01", b"\x02\0\0\0\0\0\0\0", &bytes[..bytes.len() - 1], &[0xff; 64]] {
            assert_eq!(Bulkhead::read(broken), Bulkhead::default(), "{broken:?}");
        }
    }

    #[test]
    fn there_is_room_for_so_many_workers_and_no_more() {
        let now = Instant::from_unix_seconds(100);
        let most = NonZeroU32::MAX;
        let mut bulkhead = Bulkhead::default();
        for worker in 0..600 {
            let entry = bulkhead.enter(worker, 0, most, now);
            assert_eq!(entry, if worker < 512 { Free } else { Full }, "{worker}");
        }
        bulkhead.settle(600, 1, now);
        assert_eq!(bulkhead.calls(), 512);
        assert_eq!(bulkhead.enter(511, 1, most, now), Free);
    }
}
