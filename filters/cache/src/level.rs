//! What a proxy knows of the second level while it is away, and what it owes it: small values of shared data.

use std::time::Duration;

use policy::Instant;

use policy::stored::{cut, take};

/// So many failures in a row, and the level is left alone.
const FAILURES_MAX: u8 = 3;
/// For so long.
const PAUSE: Duration = Duration::from_secs(5);
/// More orders than this become one to purge everything.
const ORDERS_MAX: usize = 64;
/// More URLs than this become an order to purge everything.
pub const FORGOTTEN_MAX: usize = 512;

/// Whether requests may ask the second level, as all workers have found it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Availability {
    failures: u8,
    until: Instant,
}

impl Availability {
    /// Reads what [`Availability::to_bytes`] wrote; anything else is a level that has never failed.
    pub fn from_bytes(mut bytes: &[u8]) -> Self {
        let mut read = || {
            let [failures] = take(&mut bytes)?;
            Some(Self { failures, until: Instant::from_nanos(u64::from_le_bytes(take(&mut bytes)?)) })
        };
        read().unwrap_or_default()
    }

    /// As it is stored.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.failures];
        bytes.extend(self.until.as_nanos().to_le_bytes());
        bytes
    }

    /// Whether it may be asked. A clock that stepped back ends a pause.
    pub fn is_open(self, now: Instant) -> bool {
        now >= self.until || self.until.since(now) > PAUSE
    }

    /// Takes a failure in; whether an outage begins with it.
    pub fn fail(&mut self, now: Instant) -> bool {
        let was_good = self.failures < FAILURES_MAX;
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            self.until = now + PAUSE;
        }
        was_good && self.failures >= FAILURES_MAX
    }

    /// Takes an answer in; whether an outage ends with it.
    pub fn succeed(&mut self) -> bool {
        std::mem::take(self).failures >= FAILURES_MAX
    }
}

/// Orders that the fleet has not been told yet, oldest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Backlog {
    /// How many orders there were before the first.
    before: u64,
    /// Their texts.
    pub orders: Vec<Vec<u8>>,
}

impl Backlog {
    /// Reads what [`Backlog::to_bytes`] wrote; anything else is an empty one.
    pub fn from_bytes(mut bytes: &[u8]) -> Self {
        let Some(before) = take(&mut bytes).map(u64::from_le_bytes) else { return Self::default() };
        let mut orders = Vec::new();
        while let Some(length) = take(&mut bytes).map(u32::from_le_bytes) {
            let Some(order) = cut(&mut bytes, length as usize) else { break };
            orders.push(order.to_vec());
        }
        Self { before, orders }
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.before.to_le_bytes().to_vec();
        for order in &self.orders {
            bytes.extend(u32::try_from(order.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(order);
        }
        bytes
    }

    /// Whether there are orders in what [`Backlog::to_bytes`] wrote.
    pub const fn has_orders(bytes: &[u8]) -> bool {
        bytes.len() > 8
    }

    /// Adds an order.
    pub fn push(&mut self, order: &[u8]) {
        if self.orders.len() >= ORDERS_MAX {
            self.before += self.orders.len() as u64;
            self.orders = vec![b"everything".to_vec()];
        } else {
            self.orders.push(order.to_vec());
        }
    }

    /// The number of the last order.
    pub fn end(&self) -> u64 {
        self.before + self.orders.len() as u64
    }

    /// Takes out what the fleet has been told: all orders up to this number.
    pub fn settle(&mut self, end: u64) {
        let told = usize::try_from(end.saturating_sub(self.before)).unwrap_or(usize::MAX).min(self.orders.len());
        self.orders.drain(..told);
        self.before += told as u64;
    }
}

/// Fingerprints, sixteen bytes each, of URLs that are yet to be taken from the second level. Adds one; `false` where there
/// is no room for it.
pub fn forget(stored: &mut Vec<u8>, print: [u8; 16]) -> bool {
    if is_forgotten(stored, print) {
        return true;
    }
    let has_room = stored.len() < FORGOTTEN_MAX * 16;
    if has_room {
        stored.extend(print);
    }
    has_room
}

/// Whether a URL is among them.
pub fn is_forgotten(stored: &[u8], print: [u8; 16]) -> bool {
    stored.chunks_exact(16).any(|other| other == print)
}

/// Takes out those that are gone now.
pub fn settle(stored: &mut Vec<u8>, gone: &[u8]) {
    let is_left = |chunk: &&[u8]| gone.chunks_exact(16).all(|other| other != *chunk);
    *stored = stored.chunks_exact(16).filter(is_left).flatten().copied().collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn at(second: u64) -> Instant {
        Instant::from_unix_seconds(second)
    }

    #[test]
    fn failures_in_a_row_begin_an_outage_and_an_answer_ends_it() {
        let mut level = Availability::default();
        assert!(!level.fail(at(100)) && !level.succeed());
        assert!(!level.fail(at(100)) && !level.fail(at(100)) && level.is_open(at(100)));
        assert!(level.fail(at(100)));
        assert!(!level.is_open(at(100)) && !level.is_open(at(104)) && level.is_open(at(105)));
        // One that still fails is left alone again, and is no news.
        assert!(!level.fail(at(105)));
        assert!(!level.is_open(at(109)));
        assert_eq!(Availability::from_bytes(&level.to_bytes()), level);
        assert!(level.succeed() && level.is_open(at(106)) && !level.succeed());
        assert_eq!(Availability::from_bytes(b"x"), Availability::default());
    }

    #[test]
    fn a_clock_that_steps_back_ends_a_pause() {
        let mut level = Availability::default();
        for _ in 0..3 {
            level.fail(at(1000));
        }
        assert!(!level.is_open(at(1000)) && level.is_open(at(10)));
    }

    #[test]
    fn orders_wait_until_the_fleet_has_been_told() {
        let mut backlog = Backlog::default();
        backlog.push(b"tag=a");
        backlog.push(b"tag=b");
        let told = backlog.end();
        backlog.push(b"tag=c");
        assert_eq!(Backlog::from_bytes(&backlog.to_bytes()), backlog);
        assert!(Backlog::has_orders(&backlog.to_bytes()));
        backlog.settle(told);
        assert_eq!(backlog.orders, [b"tag=c"]);
        backlog.settle(told);
        assert_eq!(backlog.orders.len(), 1);
        for _ in 0..ORDERS_MAX {
            backlog.push(b"tag=d");
        }
        assert_eq!(backlog.orders, [b"everything"]);
        backlog.settle(backlog.end());
        assert!(backlog.orders.is_empty());
        assert!(!Backlog::has_orders(&backlog.to_bytes()) && !Backlog::has_orders(b""));
        assert_eq!(Backlog::from_bytes(b"").orders.len(), 0);
    }

    #[test]
    fn urls_are_forgotten_once_and_in_bounds() {
        let mut stored = Vec::new();
        assert!(forget(&mut stored, [1; 16]) && forget(&mut stored, [2; 16]) && forget(&mut stored, [1; 16]));
        assert_eq!(stored.len(), 32);
        settle(&mut stored, &[1; 16]);
        assert!(!is_forgotten(&stored, [1; 16]) && is_forgotten(&stored, [2; 16]));
        let added = (0..1000_u128).filter(|number| forget(&mut stored, number.to_le_bytes())).count();
        assert_eq!((added, stored.len()), (FORGOTTEN_MAX - 1, FORGOTTEN_MAX * 16));
    }
}
