//! Randomness, drawn from the host by the block and spent by the request.

/// How much is drawn at once: enough for a hundred requests, so that one host call serves them all.
pub const BLOCK: usize = 4096;

/// Random bytes not yet spent. A byte is given out once.
///
/// Filled when the first request needs it, never at start: a host that clones a VM after its start would otherwise give
/// the same ids on every worker.
pub struct Pool {
    bytes: [u8; BLOCK],
    spent: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self { bytes: [0; BLOCK], spent: BLOCK }
    }
}

impl Pool {
    /// The next `N` bytes; `refill` draws a new block where fewer are left. `N` is at most [`BLOCK`].
    pub fn take<const N: usize>(&mut self, refill: impl FnOnce() -> [u8; BLOCK]) -> [u8; N] {
        const { assert!(N <= BLOCK) };
        if BLOCK - self.spent < N {
            self.bytes = refill();
            self.spent = 0;
        }
        let taken = self.bytes.get(self.spent..).and_then(|rest| rest.first_chunk::<N>());
        self.spent += N;
        // There always are `N` bytes left here.
        taken.copied().unwrap_or([0; N])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_byte_is_given_out_once() {
        let mut pool = Pool::default();
        let mut draws = 0;
        let mut seen = Vec::new();
        for _ in 0..BLOCK / 40 * 2 {
            let taken: [u8; 40] = pool.take(|| {
                draws += 1;
                std::array::from_fn(|at| u8::try_from((at / 40) % 251).unwrap())
            });
            assert!(taken.iter().all(|&byte| byte == taken[0]));
            seen.push(taken[0]);
        }
        assert_eq!(draws, 2);
        let block: Vec<u8> = (0..102).collect();
        assert_eq!(seen, [block.clone(), block].concat());
    }
}
