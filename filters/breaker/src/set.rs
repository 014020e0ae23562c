//! One slot of a breaker's table: the states of a few hosts, or of a few values of a header, in one value of shared data.
//!
//! Shared data has no eviction, and clients choose their headers. So a table has a fixed number of slots, a keyed fingerprint
//! says which one is whose, and a slot holds at most [`WAYS`] states. A state that knows nothing is not kept. When a slot is
//! full, the closed breaker that was written longest ago makes room: it loses what it has counted, and begins anew. Only where
//! none is closed an open one has to go, again that of longest ago, and its upstream is then seen as healthy until it
//! fails again. (A call that is on its way then may count for the one that begins anew.) That takes more than [`WAYS`] open
//! breakers in one slot, and nobody can aim at a slot without the proxy's seed.
//!
//! ```text
//! byte 0       then per state, that which was written last first
//!      format  print (8 bytes)  length u16  state
//! ```

use policy::Fingerprint;

use crate::state::{Phase, State};

/// How many states one slot holds.
pub const WAYS: u32 = 8;

const FORMAT: u8 = 1;
const PRINT_BYTES: usize = 8;

/// What a slot keeps of a fingerprint. The other half has chosen the slot.
type Print = [u8; PRINT_BYTES];

/// The state under a fingerprint; a breaker that has seen no call where there is none.
pub fn read(bytes: &[u8], print: Fingerprint) -> State {
    let print = stored(print);
    entries(bytes).find(|(found, _)| *found == print).map(|(_, state)| State::read(state)).unwrap_or_default()
}

/// All states of a slot.
pub fn all(bytes: &[u8]) -> impl Iterator<Item = State> {
    entries(bytes).map(|(_, state)| State::read(state))
}

/// Puts a state under a fingerprint, before all others.
pub fn write(bytes: &mut Vec<u8>, print: Fingerprint, state: &State) {
    let print = stored(print);
    let mut kept: Vec<(Print, &[u8])> = entries(bytes).filter(|(found, _)| *found != print).collect();
    let mut written = Vec::new();
    if *state != State::default() {
        state.write(&mut written);
        if kept.len() >= WAYS as usize {
            let closed = kept.iter().rposition(|(_, state)| is_closed(state));
            kept.remove(closed.unwrap_or(kept.len() - 1));
        }
        kept.insert(0, (print, &written));
    }
    let mut all = vec![FORMAT];
    for (print, state) in kept {
        all.extend(print);
        all.extend(u16::try_from(state.len()).unwrap_or(0).to_le_bytes());
        all.extend(state);
    }
    *bytes = all;
}

fn is_closed(state: &[u8]) -> bool {
    matches!(State::read(state).phase, Phase::Closed { .. })
}

/// Every state with its print. What cannot be read ends the slot: another version wrote it.
fn entries(bytes: &[u8]) -> impl Iterator<Item = (Print, &[u8])> {
    let mut rest = bytes.strip_prefix(&[FORMAT]).unwrap_or_default();
    let next = move || {
        let (print, after) = rest.split_first_chunk()?;
        let (length, after) = after.split_first_chunk()?;
        let (state, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        rest = after;
        Some((*print, state))
    };
    std::iter::from_fn(next).take(WAYS as usize)
}

/// The half of a fingerprint that does not choose the slot.
fn stored(print: Fingerprint) -> Print {
    print.to_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::Instant;
    use std::time::Duration;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const NOW: Instant = Instant::from_unix_seconds(1_800_000_000);

    fn print(number: u8) -> Fingerprint {
        Fingerprint::from_bytes([number; 16])
    }

    fn open() -> State {
        State { generation: 1, phase: Phase::Open { since: NOW, length: Duration::from_secs(9) }, ..State::default() }
    }

    fn closed() -> State {
        State { generation: 2, ..State::default() }
    }

    /// The prints that a slot holds, in order.
    fn held(bytes: &[u8]) -> Vec<u8> {
        entries(bytes).map(|(print, _)| print[0]).collect()
    }

    #[test]
    fn each_has_a_state_of_its_own() {
        let mut bytes = Vec::new();
        write(&mut bytes, print(1), &open());
        write(&mut bytes, print(2), &closed());
        assert_eq!((read(&bytes, print(1)), read(&bytes, print(2))), (open(), closed()));
        assert_eq!(read(&bytes, print(3)), State::default());
        write(&mut bytes, print(1), &closed());
        assert_eq!((read(&bytes, print(1)), held(&bytes)), (closed(), vec![1, 2]));
    }

    #[test]
    fn a_state_that_knows_nothing_is_not_kept() {
        let mut bytes = Vec::new();
        write(&mut bytes, print(1), &open());
        write(&mut bytes, print(1), &State::default());
        write(&mut bytes, print(2), &State::default());
        assert_eq!(bytes, [FORMAT]);
    }

    #[test]
    fn closed_ones_make_room_first_and_of_these_the_oldest() {
        let mut bytes = Vec::new();
        for number in 1..=8 {
            write(&mut bytes, print(number), &if number % 2 == 0 { closed() } else { open() });
        }
        for (newcomer, expected) in [
            (20, [20, 8, 7, 6, 5, 4, 3, 1]),
            (21, [21, 20, 8, 7, 6, 5, 3, 1]),
            (22, [22, 21, 20, 8, 7, 5, 3, 1]),
            (23, [23, 22, 21, 20, 7, 5, 3, 1]),
            (24, [24, 23, 22, 21, 20, 7, 5, 3]),
        ] {
            write(&mut bytes, print(newcomer), &open());
            assert_eq!(held(&bytes), expected, "{newcomer}");
        }
    }

    #[test]
    fn a_flood_never_fills_more_than_the_slot() {
        let mut bytes = Vec::new();
        for number in 0..=255 {
            write(&mut bytes, print(number), &open());
            assert!(held(&bytes).len() <= WAYS as usize);
        }
        assert_eq!(bytes.len(), 1 + WAYS as usize * (PRINT_BYTES + 2 + 24));
    }

    #[test]
    fn what_cannot_be_read_is_nobody_s() {
        let mut bytes = Vec::new();
        write(&mut bytes, print(1), &open());
        write(&mut bytes, print(2), &open());
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end], print(1)), State::default(), "cut at {end}");
        }
        bytes[0] = 7;
        assert_eq!(read(&bytes, print(2)), State::default());
        write(&mut bytes, print(3), &open());
        assert_eq!(held(&bytes), [3]);
    }
}
