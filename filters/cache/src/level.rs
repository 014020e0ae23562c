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
/// What stands of one of them: its fingerprint and a moment.
const FORGOTTEN: usize = 24;
/// The last moment that is written with sixteen digits: whoever reads it takes the present one.
pub const MOMENT_MAX: u64 = 9_999_999_999_999_999;

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

/// The clock of the store, which is the fleet's: all that proxies know of each other's moments. A question was sent, the store
/// looked at its clock, an answer came; so a moment of this proxy was there between the [earliest](Clock::earliest) and the
/// [latest](Clock::latest) that these allow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Clock {
    /// What the store's clock said, in microseconds since the epoch.
    pub told: u64,
    /// When it was asked, by this proxy's.
    pub sent: Instant,
    /// When its answer came.
    pub heard: Instant,
}

impl Clock {
    /// Reads what [`Clock::to_bytes`] wrote; `None` for anything else, no bytes included.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut read = || take(&mut bytes).map(u64::from_le_bytes);
        Some(Self { told: read()?, sent: Instant::from_nanos(read()?), heard: Instant::from_nanos(read()?) })
    }

    /// As it is stored.
    pub fn to_bytes(self) -> Vec<u8> {
        [self.told, self.sent.as_nanos(), self.heard.as_nanos()]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }

    /// A moment of this proxy in microseconds of the store's clock, or up to a round trip too early.
    pub fn earliest(self, at: Instant) -> u64 {
        self.nanos(at, self.heard) / 1000
    }

    /// A moment of this proxy in microseconds of the store's clock, or up to a round trip too late.
    pub fn latest(self, at: Instant) -> u64 {
        // What was told is rounded down.
        (self.nanos(at, self.sent) / 1000 + 2).min(MOMENT_MAX)
    }

    fn nanos(self, at: Instant, told: Instant) -> u64 {
        (Instant::from_nanos(self.told.saturating_mul(1000)) + at.since(told)).before(told.since(at)).as_nanos()
    }
}

/// URLs that are yet to be taken from the second level: fingerprints, each with the moment of the store's clock before which a
/// response must have been asked for to be meant. Adds one; `false` where there is no room for it.
pub fn forget(stored: &mut Vec<u8>, print: [u8; 16], moment: u64) -> bool {
    let known = stored.chunks_exact_mut(FORGOTTEN).find(|url| url.starts_with(&print));
    if let Some((_, place)) = known.and_then(|url| url.split_last_chunk_mut::<8>()) {
        // It becomes another one, so that what is under way now does not settle it.
        *place = moment.max(u64::from_le_bytes(*place).saturating_add(1)).min(MOMENT_MAX).to_le_bytes();
        return true;
    }
    let has_room = stored.len() < FORGOTTEN_MAX * FORGOTTEN;
    if has_room {
        stored.extend(print);
        stored.extend(moment.min(MOMENT_MAX).to_le_bytes());
    }
    has_room
}

/// The moment of a URL, where it is among them.
pub fn forgotten_at(stored: &[u8], print: [u8; 16]) -> Option<u64> {
    forgotten(stored).find(|(other, _)| *other == print).map(|(_, moment)| moment)
}

/// The URLs and their moments.
pub fn forgotten(mut stored: &[u8]) -> impl Iterator<Item = ([u8; 16], u64)> {
    std::iter::from_fn(move || Some((take(&mut stored)?, u64::from_le_bytes(take(&mut stored)?))))
}

/// Takes out those that are gone now, and have not been forgotten once more since.
pub fn settle(stored: &mut Vec<u8>, gone: &[u8]) {
    let is_left = |url: &&[u8]| gone.chunks_exact(FORGOTTEN).all(|other| other != *url);
    *stored = stored.chunks_exact(FORGOTTEN).filter(is_left).flatten().copied().collect();
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
        assert!(forget(&mut stored, [1; 16], 7) && forget(&mut stored, [2; 16], 8) && forget(&mut stored, [1; 16], 9));
        assert_eq!(forgotten(&stored).collect::<Vec<_>>(), [([1; 16], 9), ([2; 16], 8)]);
        let one = stored[..FORGOTTEN].to_vec();
        settle(&mut stored, &one);
        assert_eq!((forgotten_at(&stored, [1; 16]), forgotten_at(&stored, [2; 16])), (None, Some(8)));
        let added = (0..1000_u128).filter(|number| forget(&mut stored, number.to_le_bytes(), 1)).count();
        assert_eq!((added, forgotten(&stored).count()), (FORGOTTEN_MAX - 1, FORGOTTEN_MAX));
    }

    #[test]
    fn what_is_forgotten_once_more_meanwhile_is_not_settled() {
        for (again, stands) in [(9, 9), (7, 8), (3, 8), (u64::MAX, MOMENT_MAX)] {
            let mut stored = Vec::new();
            assert!(forget(&mut stored, [1; 16], 7));
            let under_way = stored.clone();
            assert!(forget(&mut stored, [1; 16], again));
            settle(&mut stored, &under_way);
            assert_eq!(forgotten(&stored).collect::<Vec<_>>(), [([1; 16], stands)], "{again}");
        }
    }

    #[test]
    fn a_moment_lies_between_the_bounds_that_a_round_trip_allows() {
        let clock = Clock { told: 5_000_000_000, sent: at(100), heard: at(103) };
        assert_eq!(Clock::from_bytes(&clock.to_bytes()), Some(clock));
        assert_eq!(Clock::from_bytes(b""), None);
        // The store looked at its clock at some second between 100 and 103.
        for (moment, earliest, latest) in [(100, 4997, 5000), (103, 5000, 5003), (200, 5097, 5100), (90, 4987, 4990)] {
            let bounds = (clock.earliest(at(moment)), clock.latest(at(moment)));
            assert_eq!(bounds, (earliest * 1_000_000, latest * 1_000_000 + 2), "{moment}");
        }
        assert_eq!(Clock { told: u64::MAX, ..clock }.latest(at(1)), MOMENT_MAX);
        assert_eq!(Clock { told: 0, ..clock }.earliest(at(1)), 0);
    }
}
