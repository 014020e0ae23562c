//! How the latest calls ended: the last so many of them, or those of the last so many seconds.
//!
//! Both kinds hold sums, of failed and of slow calls, and neither knows when a sum is too much.

pub mod calls;
pub mod seconds;

use policy::Instant;

use calls::Calls;
use seconds::Seconds;

/// Which calls are the latest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Span {
    /// The last so many, [`calls::SIZE_MAX`] at most.
    Calls(usize),
    /// Those of the last `step * buckets` seconds, the present one included.
    Seconds {
        /// How many seconds are summed up in one.
        step: u32,
        /// How many such sums there are, [`seconds::BUCKETS_MAX`] at most.
        buckets: u32,
    },
}

/// What is remembered of one call.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Mark {
    /// It failed.
    pub failed: bool,
    /// It took too long, whether or not it failed.
    pub slow: bool,
}

/// The calls of a window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// How many there are.
    pub calls: u32,
    /// How many of them failed.
    pub failures: u32,
    /// How many of them were slow.
    pub slow: u32,
}

/// The latest calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Window {
    /// The last so many.
    Calls(Calls),
    /// Those of the last so many seconds.
    Seconds(Seconds),
}

const CALLS: u8 = 1;
const SECONDS: u8 = 2;

impl Window {
    /// Records one more call, and forgets what `span` no longer holds. A window of the other kind begins anew.
    pub fn push(&mut self, span: Span, now: Instant, mark: Mark) {
        match (&mut *self, span) {
            (Self::Calls(calls), Span::Calls(size)) => calls.push(size, mark),
            (Self::Seconds(seconds), Span::Seconds { step, buckets }) => seconds.push(step, buckets, now, mark),
            (_, Span::Calls(size)) => {
                let mut calls = Calls::default();
                calls.push(size, mark);
                *self = Self::Calls(calls);
            }
            (_, Span::Seconds { step, buckets }) => {
                let mut seconds = Seconds::default();
                seconds.push(step, buckets, now, mark);
                *self = Self::Seconds(seconds);
            }
        }
    }

    /// The sums of all calls that the last [`Window::push`] left.
    pub fn totals(&self) -> Totals {
        match self {
            Self::Calls(calls) => calls.totals(),
            Self::Seconds(seconds) => seconds.totals(),
        }
    }

    /// Writes the window at the end of `bytes`.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Calls(calls) => {
                bytes.push(CALLS);
                calls.write(bytes);
            }
            Self::Seconds(seconds) => {
                bytes.push(SECONDS);
                seconds.write(bytes);
            }
        }
    }

    /// Reads what [`Window::write`] wrote, to the last byte.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&CALLS, rest) => Calls::read(rest).map(Self::Calls),
            (&SECONDS, rest) => Seconds::read(rest).map(Self::Seconds),
            _ => None,
        }
    }
}

impl Default for Window {
    /// Without calls.
    fn default() -> Self {
        Self::Calls(Calls::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const NOW: Instant = Instant::from_unix_seconds(1_800_000_000);
    const FAILED: Mark = Mark { failed: true, slow: false };
    const MINUTE: Span = Span::Seconds { step: 1, buckets: 60 };

    #[test]
    fn a_window_of_another_kind_begins_anew() {
        let mut window = Window::default();
        for (span, calls) in [(Span::Calls(9), 1), (Span::Calls(9), 2), (MINUTE, 1), (MINUTE, 2), (Span::Calls(9), 1)] {
            window.push(span, NOW, FAILED);
            assert_eq!(window.totals(), Totals { calls, failures: calls, slow: 0 }, "{span:?}");
        }
    }

    #[test]
    fn what_was_written_is_read_back_as_what_it_was() {
        for span in [Span::Calls(9), MINUTE] {
            let (mut window, mut bytes) = (Window::default(), Vec::new());
            window.push(span, NOW, FAILED);
            window.write(&mut bytes);
            assert_eq!(Window::read(&bytes), Some(window));
            bytes[0] = 7;
            assert_eq!(Window::read(&bytes), None);
        }
        assert_eq!(Window::read(b""), None);
    }
}
