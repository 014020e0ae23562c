//! How many lines a second may go to the log.

use policy::Instant;

/// So many a second.
pub(crate) const LINES_MAX: u32 = 10;

/// Counts the lines of a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Throttle {
    second: u64,
    said: u32,
}

impl Throttle {
    /// Whether there is room for one more line, which is counted.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        let second = now.unix_seconds();
        if second != self.second {
            *self = Self { second, said: 0 };
        }
        self.said = self.said.saturating_add(1);
        self.said <= LINES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_second_has_room_for_so_many_lines() {
        let mut throttle = Throttle::default();
        let mut said = |seconds| (0..1000).filter(|_| throttle.admits(Instant::from_unix_seconds(seconds))).count();
        // The last one is a clock that stepped back.
        for second in [0, 7, 8, 7] {
            assert_eq!(said(second), LINES_MAX as usize, "{second}");
            assert_eq!(said(second), 0, "{second}");
        }
    }
}
