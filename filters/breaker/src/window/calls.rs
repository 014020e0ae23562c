//! The last so many calls.
//!
//! A number whose bit *i* tells whether the *i*-th last call failed, and another for whether it was slow. To record a call
//! is to shift the numbers by one, so there is no place to remember and nothing to move when the configuration makes the
//! window larger or smaller. And a full window of fast successes is one value, that another one leaves as it is: a healthy
//! upstream costs no write.

use super::{Mark, Totals};

/// The largest window.
pub const SIZE_MAX: usize = 1024;

const WORD_BITS: usize = u64::BITS as usize;

/// The latest calls, [`SIZE_MAX`] of them at most.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Calls {
    /// How many there are.
    count: usize,
    failed: Bits,
    slow: Bits,
}

/// A number of any size, lowest word first and without zeros at its top.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Bits(Vec<u64>);

impl Calls {
    /// Records one more call, and forgets what `size` calls no longer hold.
    pub fn push(&mut self, size: usize, mark: Mark) {
        self.count = (self.count + 1).min(size).min(SIZE_MAX);
        self.failed.push(mark.failed, self.count);
        self.slow.push(mark.slow, self.count);
    }

    /// The sums of all calls.
    pub fn totals(&self) -> Totals {
        let calls = u32::try_from(self.count).unwrap_or(u32::MAX);
        Totals { calls, failures: self.failed.ones(), slow: self.slow.ones() }
    }

    /// Writes the calls at the end of `bytes`: how many, then for the failed and for the slow ones the number of words and
    /// the words.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let calls = u16::try_from(self.count).unwrap_or(u16::MAX);
        bytes.extend(calls.to_le_bytes());
        self.failed.write(bytes);
        self.slow.write(bytes);
    }

    /// Reads what [`Calls::write`] wrote, to the last byte.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let count = usize::from(u16::from_le_bytes(*count));
        let (failed, rest) = Bits::read(rest, count)?;
        let (slow, rest) = Bits::read(rest, count)?;
        (count <= SIZE_MAX && rest.is_empty()).then_some(Self { count, failed, slow })
    }
}

impl Bits {
    /// Shifts a bit in from below, and forgets all but the lowest `kept`.
    fn push(&mut self, bit: bool, kept: usize) {
        let mut carry = u64::from(bit);
        for word in &mut self.0 {
            let out = *word >> (WORD_BITS - 1);
            *word = *word << 1 | carry;
            carry = out;
        }
        if carry == 1 {
            self.0.push(carry);
        }
        self.keep(kept);
    }

    fn keep(&mut self, kept: usize) {
        self.0.truncate(kept.div_ceil(WORD_BITS));
        if let Some(word) = self.0.get_mut(kept / WORD_BITS) {
            *word &= (1 << (kept % WORD_BITS)) - 1;
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn ones(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::try_from(self.0.len()).unwrap_or(u8::MAX));
        for word in &self.0 {
            bytes.extend(word.to_le_bytes());
        }
    }

    /// Reads a number of at most so many bits.
    fn read(bytes: &[u8], most: usize) -> Option<(Self, &[u8])> {
        let (&words, rest) = bytes.split_first()?;
        let (words, rest) = rest.split_at_checked(usize::from(words) * 8)?;
        let read = Self(words.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect());
        let mut kept = read.clone();
        kept.keep(most);
        (kept == read).then_some((read, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const OK: Mark = Mark { failed: false, slow: false };

    /// Records calls (`+`, `-`, and `s` and `f` for slow ones) in a window of `size`, and compares the totals after each.
    fn check(size: usize, rows: &[(char, u32, u32, u32)]) {
        let mut window = Calls::default();
        for (index, &(call, calls, failures, slow)) in rows.iter().enumerate() {
            window.push(size, Mark { failed: matches!(call, '-' | 'f'), slow: matches!(call, 's' | 'f') });
            assert_eq!(window.totals(), Totals { calls, failures, slow }, "row {index}");
        }
    }

    #[test]
    fn the_oldest_call_makes_room_for_the_latest() {
        // resilience4j@af9e7c9, FixedSizeSlidingWindowMetricsTest, testSlidingWindowMetrics.
        check(4, &[('-', 1, 1, 0), ('+', 2, 1, 0), ('+', 3, 1, 0), ('+', 4, 1, 0), ('+', 4, 0, 0)]);
        // testSlowCallsPercentage
        check(5, &[('s', 1, 0, 1), ('f', 2, 1, 2), ('+', 3, 1, 2), ('+', 4, 1, 2), ('+', 5, 1, 2), ('+', 5, 1, 1)]);
    }

    #[test]
    fn a_window_of_any_size_counts_what_it_holds() {
        for size in [1, 2, 63, 64, 65, 127, 128, 1000, SIZE_MAX] {
            let mut window = Calls::default();
            let mut model = std::collections::VecDeque::new();
            for call in 0..3 * size + 10 {
                let mark = Mark { failed: call * call % 7 < 3, slow: call * call % 11 < 2 };
                window.push(size, mark);
                model.push_back(mark);
                if model.len() > size {
                    model.pop_front();
                }
                let count = |is: fn(&Mark) -> bool| model.iter().map(|mark| u32::from(is(mark))).sum();
                let expected =
                    Totals { calls: count(|_| true), failures: count(|m| m.failed), slow: count(|m| m.slow) };
                assert_eq!(window.totals(), expected, "{size}, {call}");
            }
        }
    }

    #[test]
    fn another_fast_success_leaves_a_full_window_of_them_as_it_is() {
        let mut window = Calls::default();
        for call in 0..164 {
            window.push(100, Mark { failed: call < 64, slow: call < 30 });
        }
        let before = window.clone();
        window.push(100, OK);
        assert_eq!(window, before);
        let mut bytes = Vec::new();
        window.write(&mut bytes);
        assert_eq!(bytes, [100, 0, 0, 0]);
    }

    #[test]
    fn another_size_keeps_the_latest_calls() {
        let mut window = Calls::default();
        for call in 0..200 {
            window.push(200, Mark { failed: call >= 190, slow: false });
        }
        window.push(20, Mark { failed: true, slow: false });
        assert_eq!(window.totals(), Totals { calls: 20, failures: 11, slow: 0 });
        window.push(1000, OK);
        assert_eq!(window.totals(), Totals { calls: 21, failures: 11, slow: 0 });
    }

    #[test]
    fn what_was_written_is_read_back_and_nothing_else_is() {
        for calls in [0, 1, 63, 64, 65, SIZE_MAX] {
            let mut window = Calls::default();
            for call in 0..calls {
                window.push(SIZE_MAX, Mark { failed: call % 3 == 0, slow: call % 5 == 0 });
            }
            let mut bytes = Vec::new();
            window.write(&mut bytes);
            assert_eq!(Calls::read(&bytes), Some(window));
            for end in 0..bytes.len() {
                assert_eq!(Calls::read(&bytes[..end]), None);
            }
            bytes.push(0);
            assert_eq!(Calls::read(&bytes), None);
        }
        for (bytes, why) in [
            ([1, 4, 0, 0].as_slice(), "more calls than there may be"),
            (&[1, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0], "a failure of a call that is none"),
            (&[1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], "a word of zeros"),
            (&[1, 0, 255, 1], "words that are not there"),
        ] {
            assert_eq!(Calls::read(bytes), None, "{why}");
        }
    }
}
