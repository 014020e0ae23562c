//! How often keys are guessed: a few wrong ones of an address, and then one in a while.
//!
//! A table of [`SLOTS`] moments in one value of shared data, for all workers. An address has one slot, which it may share with others:
//! whoever has many addresses makes no more guesses than there are slots for, and memory is what it is. In a slot stands when all
//! of its wrong guesses will be forgotten (GCRA). While it is spent, no key is looked at, right or wrong: a guess that is
//! answered says nothing. Operators at other addresses, and those who have a role, notice nothing.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::Instant;

/// The key.
pub const KEY: &str = "weir.admin/guesses";
/// How many addresses are told apart.
pub const SLOTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);
/// A wrong guess is forgotten after so long, one after the other.
const EACH: Duration = Duration::from_secs(1);
/// So many may be wrong at once, and all of them are forgotten after so long.
const BURST: Duration = Duration::from_secs(10);
const BYTES: usize = 8;

/// For how long no key is looked at that comes from this slot; `None` where one is.
pub fn wait(table: &[u8], slot: u32, now: Instant) -> Option<Duration> {
    let ahead = ahead(table, slot, now) + EACH;
    ahead.checked_sub(BURST).filter(|wait| !wait.is_zero())
}

/// Notes a wrong guess.
pub fn charge(table: &mut Vec<u8>, slot: u32, now: Instant) {
    // A worker that was faster may have filled it; there is never more than that.
    let full_at = now + (ahead(table, slot, now) + EACH).min(BURST);
    table.resize(SLOTS.get() as usize * BYTES, 0);
    if let Some(place) = table.as_chunks_mut::<BYTES>().0.get_mut(slot as usize) {
        *place = full_at.as_nanos().to_le_bytes();
    }
}

/// How far ahead the moment is at which all guesses will be forgotten. What is further than it can be was written before the clock
/// stepped back.
fn ahead(table: &[u8], slot: u32, now: Instant) -> Duration {
    let place = table.as_chunks::<BYTES>().0.get(slot as usize);
    let ahead = place.map_or(Duration::ZERO, |place| Instant::from_nanos(u64::from_le_bytes(*place)).since(now));
    if ahead > BURST { Duration::ZERO } else { ahead }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const MS: Duration = Duration::from_millis(1);

    fn at(millis: u32) -> Instant {
        Instant::from_unix_seconds(1000) + MS * millis
    }

    #[test]
    fn ten_may_be_wrong_at_once_and_then_one_in_a_second() {
        let mut table = Vec::new();
        for guess in 0..10 {
            assert_eq!(wait(&table, 7, at(guess)), None, "{guess}");
            charge(&mut table, 7, at(guess));
        }
        assert_eq!(wait(&table, 7, at(9)), Some(MS * 991));
        assert_eq!((wait(&table, 8, at(9)), wait(&table, 7, at(1000))), (None, None));
        charge(&mut table, 7, at(1000));
        assert_eq!(wait(&table, 7, at(1000)), Some(MS * 1000));
        assert_eq!(table.len(), 2048, "however many guess");
    }

    #[test]
    fn workers_at_once_owe_no_more_than_all() {
        let mut table = Vec::new();
        (0..100).for_each(|_| charge(&mut table, 0, at(0)));
        assert_eq!((wait(&table, 0, at(0)), wait(&table, 0, at(1000))), (Some(EACH), None));
    }

    #[test]
    fn a_clock_that_steps_back_and_foreign_bytes_keep_nobody_out() {
        let mut table = Vec::new();
        (0..10).for_each(|_| charge(&mut table, 255, at(60_000)));
        assert_eq!(wait(&table, 255, at(0)), None);
        for bytes in [&b""[..], b"x", &[0xff; 2048]] {
            assert_eq!(wait(bytes, 255, at(0)), None);
        }
    }
}
