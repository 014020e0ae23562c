//! How a breaker's state is written down in shared data.
//!
//! ```text
//! byte 0      1     2        4           8
//!      format mode  (zero)   generation  closed:    failures u32, window
//!                                        open:      since u64
//!                                        half-open: successes u32, next u32, then per probe: number u32, since u64
//! ```
//! Numbers are little-endian, moments are nanoseconds since the Unix epoch. The first byte is the format's number, which
//! changes when the layout does; the mode and the generation stay where they are in every format, for whoever only wants
//! to know those.

use policy::Instant;

use crate::state::{Mode, Phase, Probe, State};
use crate::window::Window;

const FORMAT: u8 = 1;
const PROBE_BYTES: usize = 12;

impl State {
    /// Writes the state over whatever `bytes` held.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend([FORMAT, self.mode() as u8, 0, 0]);
        bytes.extend(self.generation.to_le_bytes());
        match &self.phase {
            Phase::Closed { failures, window } => {
                bytes.extend(failures.to_le_bytes());
                window.write(bytes);
            }
            Phase::Open { since } => bytes.extend(since.as_nanos().to_le_bytes()),
            Phase::HalfOpen { successes, next, probes } => {
                bytes.extend(successes.to_le_bytes());
                bytes.extend(next.to_le_bytes());
                for probe in probes {
                    bytes.extend(probe.number.to_le_bytes());
                    bytes.extend(probe.since.as_nanos().to_le_bytes());
                }
            }
        }
    }

    /// Reads what [`State::write`] wrote; nothing at all is a breaker that has seen no call, and so is what cannot be
    /// read: another version of this filter wrote it, and a closed breaker learns soon enough.
    pub fn read(bytes: &[u8]) -> Self {
        parse(bytes).unwrap_or_default()
    }
}

fn parse(bytes: &[u8]) -> Option<State> {
    let ([format, mode, _, _], rest) = bytes.split_first_chunk()?;
    let (generation, rest) = number(rest)?;
    let phase = match (*format, *mode) {
        (FORMAT, mode) if mode == Mode::Closed as u8 => {
            let (failures, rest) = number(rest)?;
            Phase::Closed { failures, window: Window::read(rest)? }
        }
        (FORMAT, mode) if mode == Mode::Open as u8 => Phase::Open { since: moment(rest)? },
        (FORMAT, mode) if mode == Mode::HalfOpen as u8 => {
            let (successes, rest) = number(rest)?;
            let (next, rest) = number(rest)?;
            let (probes, rest) = rest.as_chunks::<PROBE_BYTES>();
            if !rest.is_empty() {
                return None;
            }
            Phase::HalfOpen { successes, next, probes: probes.iter().map(probe).collect::<Option<_>>()? }
        }
        _ => return None,
    };
    Some(State { generation, phase })
}

fn probe(bytes: &[u8; PROBE_BYTES]) -> Option<Probe> {
    let (number, rest) = number(bytes)?;
    Some(Probe { number, since: moment(rest)? })
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

fn moment(bytes: &[u8]) -> Option<Instant> {
    bytes.try_into().ok().map(u64::from_le_bytes).map(Instant::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn samples() -> Vec<State> {
        let mut window = Window::default();
        for call in 0..100 {
            window.push(100, call % 3 == 0);
        }
        let probe = |number| Probe { number, since: Instant::from_nanos(u64::MAX - u64::from(number)) };
        let phases = [
            Phase::default(),
            Phase::Closed { failures: 7, window },
            Phase::Open { since: Instant::from_unix_seconds(1_800_000_000) },
            Phase::HalfOpen { successes: 0, next: 0, probes: Vec::new() },
            Phase::HalfOpen { successes: 1, next: u32::MAX, probes: (0..100).map(probe).collect() },
        ];
        phases.into_iter().zip([0, 1, 2, 3, u32::MAX]).map(|(phase, generation)| State { generation, phase }).collect()
    }

    #[test]
    fn what_was_written_is_read_back() {
        for state in samples() {
            let mut bytes = b"something longer that was here before".to_vec();
            state.write(&mut bytes);
            assert_eq!(State::read(&bytes), state);
            let generation = bytes[4..8].try_into().map(u32::from_le_bytes).unwrap();
            assert_eq!((bytes[1], generation), (state.mode() as u8, state.generation));
        }
    }

    #[test]
    fn nothing_is_a_breaker_that_has_seen_no_call() {
        assert_eq!(State::read(b""), State::default());
        assert_eq!(State::default().mode(), Mode::Closed);
    }

    #[test]
    fn what_cannot_be_read_is_a_breaker_that_has_seen_no_call() {
        for state in samples() {
            let mut bytes = Vec::new();
            state.write(&mut bytes);
            // A half-open state that is cut between two probes is a valid one with fewer.
            for end in (0..bytes.len()).filter(|end| bytes[1] != 2 || *end < 16 || (end - 16) % PROBE_BYTES != 0) {
                assert_eq!(State::read(&bytes[..end]), State::default(), "{state:?} cut at {end}");
            }
            for (place, value) in [(0, 2), (1, 3), (0, 0xff), (1, 0xff)] {
                let mut other = bytes.clone();
                other[place] = value;
                assert_eq!(State::read(&other), State::default());
            }
        }
    }
}
