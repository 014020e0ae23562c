//! How a breaker's state is written down in shared data.
//!
//! ```text
//! byte 0      1     2      3      4           8
//!      format mode  order  trips  generation  closed:    failures u32, window
//!                                             open:      since u64, length u64
//!                                             half-open: successes u32, next u32, then per probe: number u32, since u64
//! ```
//! Numbers are little-endian, moments are nanoseconds since the Unix epoch, lengths nanoseconds. The first byte is the
//! format's number, which changes when the layout does; the mode, the order and the generation stay where they are in every
//! format, for whoever only wants to know those. The mode is what the breaker is by itself (0 closed, 1 open, 2 half-open),
//! and an order goes before it (0 none, 1 automatic, 2 disabled, 3 forced open, 4 metrics only).

use std::time::Duration;

use policy::Instant;

use crate::limits::Order;
use crate::state::{Mode, Phase, Probe, State};
use crate::window::Window;

const FORMAT: u8 = 2;
const PROBE_BYTES: usize = 12;

impl State {
    /// Writes the state over whatever `bytes` held.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        let mode = match self.phase {
            Phase::Closed { .. } => Mode::Closed,
            Phase::Open { .. } => Mode::Open,
            Phase::HalfOpen { .. } => Mode::HalfOpen,
        };
        bytes.extend([FORMAT, mode as u8, self.order.map_or(0, |order| order as u8), self.trips]);
        bytes.extend(self.generation.to_le_bytes());
        match &self.phase {
            Phase::Closed { failures, window } => {
                bytes.extend(failures.to_le_bytes());
                window.write(bytes);
            }
            Phase::Open { since, length } => {
                bytes.extend(since.as_nanos().to_le_bytes());
                bytes.extend(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
            }
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
    let ([format, mode, order, trips], rest) = bytes.split_first_chunk()?;
    let order = match order {
        0 => None,
        1 => Some(Order::Automatic),
        2 => Some(Order::Disabled),
        3 => Some(Order::ForcedOpen),
        4 => Some(Order::MetricsOnly),
        _ => return None,
    };
    let (generation, rest) = number(rest)?;
    let phase = match (*format, *mode) {
        (FORMAT, mode) if mode == Mode::Closed as u8 => {
            let (failures, rest) = number(rest)?;
            Phase::Closed { failures, window: Window::read(rest)? }
        }
        (FORMAT, mode) if mode == Mode::Open as u8 => {
            let (since, length) = rest.split_first_chunk::<8>()?;
            let length = length.try_into().ok().map(u64::from_le_bytes)?;
            Phase::Open { since: moment(since)?, length: Duration::from_nanos(length) }
        }
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
    Some(State { generation, order, trips: *trips, phase })
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
    use crate::state::{Decision, End, Outcome};
    use crate::stories::limits;
    use crate::window::{Mark, Span};
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn samples() -> Vec<State> {
        let now = Instant::from_unix_seconds(1_800_000_000);
        let (mut calls, mut seconds) = (Window::default(), Window::default());
        for call in 0..100 {
            let mark = Mark { failed: call % 3 == 0, slow: call % 5 == 0 };
            calls.push(Span::Calls(100), now, mark);
            seconds.push(Span::Seconds { step: 1, buckets: 60 }, now + Duration::from_secs(call), mark);
        }
        let probe = |number| Probe { number, since: Instant::from_nanos(u64::MAX - u64::from(number)) };
        let phases = [
            Phase::default(),
            Phase::Closed { failures: 7, window: calls },
            Phase::Closed { failures: 0, window: seconds },
            Phase::Open { since: now, length: Duration::from_millis(7500) },
            Phase::HalfOpen { successes: 0, next: 0, probes: Vec::new() },
            Phase::HalfOpen { successes: 1, next: u32::MAX, probes: (0..100).map(probe).collect() },
        ];
        let orders = [Order::Automatic, Order::Disabled, Order::ForcedOpen, Order::MetricsOnly];
        let orders = std::iter::once(None).chain(orders.map(Some)).chain([None]);
        let numbers = [0, 1, 2, 3, 4, u32::MAX].into_iter().zip([0, 1, 9, 200, 255, 3]);
        let heads = orders.zip(numbers);
        let state = |(phase, (order, (generation, trips)))| State { generation, order, trips, phase };
        phases.into_iter().zip(heads).map(state).collect()
    }

    #[test]
    fn what_was_written_is_read_back() {
        for state in samples() {
            let mut bytes = b"something longer that was here before".to_vec();
            state.write(&mut bytes);
            assert_eq!(State::read(&bytes), state);
            let generation = bytes[4..8].try_into().map(u32::from_le_bytes).unwrap();
            let by_itself = State { order: Some(Order::Automatic), ..state.clone() };
            let mode = by_itself.mode(&limits("{}")) as u8;
            let order = state.order.map_or(0, |order| order as u8);
            assert_eq!((bytes[1], bytes[2], generation), (mode, order, state.generation));
        }
    }

    #[test]
    fn nothing_is_a_breaker_that_has_seen_no_call() {
        assert_eq!(State::read(b""), State::default());
        assert_eq!(State::default().mode(&limits("{}")), Mode::Closed);
    }

    #[test]
    fn what_cannot_be_read_is_a_breaker_that_has_seen_no_call() {
        for state in samples() {
            let mut bytes = Vec::new();
            state.write(&mut bytes);
            // What is cut between two probes, or between two seconds of a window, is a valid state with fewer.
            let whole = |end: usize| match bytes[1] {
                2 => end >= 16 && (end - 16).is_multiple_of(PROBE_BYTES),
                0 if matches!(&state.phase, Phase::Closed { window: Window::Seconds(_), .. }) => {
                    end >= 17 && (end - 17).is_multiple_of(16)
                }
                _ => false,
            };
            for end in (0..bytes.len()).filter(|end| !whole(*end)) {
                assert_eq!(State::read(&bytes[..end]), State::default(), "{state:?} cut at {end}");
            }
            for (place, value) in [(0, 1), (0, 3), (1, 3), (2, 5), (0, 0xff), (1, 0xff), (2, 0xff)] {
                let mut other = bytes.clone();
                other[place] = value;
                assert_eq!(State::read(&other), State::default());
            }
        }
    }

    #[test]
    fn whatever_stands_in_shared_data_a_breaker_goes_on() {
        let limits = limits(
            r#"{"consecutive_failures": 3, "failure_rate": 50, "slow_rate": 50, "slow_after": "1s", "window": "60s",
                "open_for_max": "1h", "open_jitter": 90, "half_open_requests": 100, "close_after": 100}"#,
        );
        let now = Instant::from_unix_seconds(1_800_000_000);
        let mut seed = 7_u64;
        let mut roll = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        let mut understood = 0;
        for round in 0..20_000 {
            let samples = samples();
            let mut bytes = Vec::new();
            samples[round % samples.len()].write(&mut bytes);
            for _ in 0..=roll(4) {
                let place = roll(bytes.len());
                bytes[place] = [0, 1, 2, 0x7f, 0x80, 0xff][roll(6)];
            }
            let mut state = State::read(&bytes);
            understood += usize::from(state != State::default());
            let outcome = [Outcome::Success, Outcome::Failure, Outcome::Abandoned][roll(3)];
            let end = End { outcome, took: Duration::from_secs(roll(3) as u64), retry_after: Duration::MAX };
            if let Decision::Pass(permit) = state.admit(&limits, now) {
                state.record(&limits, now, permit, &end, || [0xff; 4]);
            }
            state.write(&mut bytes);
            assert!(bytes.len() < 2000, "round {round}");
            assert_eq!(State::read(&bytes), state, "round {round}");
        }
        assert!(understood > 10_000, "only {understood} were more than noise");
    }
}
