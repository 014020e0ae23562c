//! How the latest calls ended.
//!
//! A number whose bit *i* tells whether the *i*-th last call failed. To record a call is to shift the number by one, so
//! there is no place to remember and nothing to move when the configuration makes the window larger or smaller. And a
//! full window of successes is one value: another success leaves it as it is, so a healthy upstream costs no write.

/// The largest window.
pub const SIZE_MAX: usize = WORDS * WORD_BITS;

const WORDS: usize = 16;
const WORD_BITS: usize = u64::BITS as usize;

/// The latest calls, [`SIZE_MAX`] of them at most.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Window {
    /// How many calls there are.
    calls: usize,
    /// The latest call is the lowest bit of the first word; bits beyond `calls` are zero.
    failed: [u64; WORDS],
}

impl Window {
    /// Records one more call, and forgets what `size` calls no longer hold.
    pub fn push(&mut self, size: usize, failed: bool) {
        let mut carry = u64::from(failed);
        for word in &mut self.failed {
            let out = *word >> (WORD_BITS - 1);
            *word = *word << 1 | carry;
            carry = out;
        }
        self.calls = (self.calls + 1).min(size).min(SIZE_MAX);
        self.forget_beyond(self.calls);
    }

    /// How many calls there are.
    pub const fn calls(&self) -> usize {
        self.calls
    }

    /// How many of them failed.
    pub fn failures(&self) -> usize {
        self.failed.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Writes the window at the end of `bytes`: the number of calls, then as many words as those fill.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let calls = u32::try_from(self.calls).unwrap_or(u32::MAX);
        bytes.extend(calls.to_le_bytes());
        for word in self.failed.iter().take(self.calls.div_ceil(WORD_BITS)) {
            bytes.extend(word.to_le_bytes());
        }
    }

    /// Reads what [`Window::write`] wrote, to the last byte.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (calls, words) = bytes.split_first_chunk()?;
        let calls = u32::from_le_bytes(*calls) as usize;
        let (words, rest) = words.as_chunks::<8>();
        if calls > SIZE_MAX || words.len() != calls.div_ceil(WORD_BITS) || !rest.is_empty() {
            return None;
        }
        let mut window = Self { calls, ..Self::default() };
        for (word, bytes) in window.failed.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        window.forget_beyond(calls);
        Some(window)
    }

    fn forget_beyond(&mut self, calls: usize) {
        for (index, word) in self.failed.iter_mut().enumerate() {
            let kept = calls.saturating_sub(index * WORD_BITS);
            if kept < WORD_BITS {
                *word &= (1 << kept) - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Records calls (`+` or `-`) in a window of `size` and compares calls, failures and percentage after each.
    fn check(size: usize, rows: &[(char, usize, usize, f64)]) {
        let mut window = Window::default();
        for (index, (call, calls, failures, percent)) in rows.iter().enumerate() {
            window.push(size, *call == '-');
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let share = window.failures() as f64 * 100.0 / window.calls() as f64;
            assert_eq!((window.calls(), window.failures()), (*calls, *failures), "row {index}");
            assert!((share - percent).abs() < 0.001, "row {index}: {share}");
        }
    }

    #[test]
    fn the_oldest_call_makes_room_for_the_latest() {
        // resilience4j@af9e7c9, FixedSizeSlidingWindowMetricsTest, testSlidingWindowMetrics.
        check(
            4,
            &[('-', 1, 1, 100.0), ('+', 2, 1, 50.0), ('+', 3, 1, 33.333_332), ('+', 4, 1, 25.0), ('+', 4, 0, 0.0)],
        );
    }

    #[test]
    fn a_window_of_any_size_counts_what_it_holds() {
        for size in [1, 2, 63, 64, 65, 127, 128, 1000, SIZE_MAX] {
            let mut window = Window::default();
            let mut model = std::collections::VecDeque::new();
            for call in 0..3 * size + 10 {
                let failed = call * call % 7 < 3;
                window.push(size, failed);
                model.push_back(failed);
                if model.len() > size {
                    model.pop_front();
                }
                assert_eq!(window.calls(), model.len());
                assert_eq!(window.failures(), model.iter().filter(|&&failed| failed).count(), "{size}, {call}");
            }
        }
    }

    #[test]
    fn another_success_leaves_a_full_window_of_successes_as_it_is() {
        let mut window = Window::default();
        for _ in 0..100 {
            window.push(100, false);
        }
        let before = window.clone();
        window.push(100, false);
        assert_eq!(window, before);
    }

    #[test]
    fn another_size_keeps_the_latest_calls() {
        let mut window = Window::default();
        for call in 0..200 {
            window.push(200, call >= 190);
        }
        window.push(20, true);
        assert_eq!((window.calls(), window.failures()), (20, 11));
        window.push(1000, false);
        assert_eq!((window.calls(), window.failures()), (21, 11));
    }

    #[test]
    fn what_was_written_is_read_back_and_nothing_else_is() {
        for calls in [0, 1, 63, 64, 65, SIZE_MAX] {
            let mut window = Window::default();
            for call in 0..calls {
                window.push(SIZE_MAX, call % 3 == 0);
            }
            let mut bytes = Vec::new();
            window.write(&mut bytes);
            assert_eq!(Window::read(&bytes), Some(window));
            for end in 0..bytes.len() {
                assert_eq!(Window::read(&bytes[..end]), None);
            }
            bytes.push(0);
            assert_eq!(Window::read(&bytes), None);
        }
        assert_eq!(Window::read(&u32::MAX.to_le_bytes()), None);
    }
}
