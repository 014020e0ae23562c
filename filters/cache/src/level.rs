//! What a proxy knows of the second level while it is away, and what it owes it: small values of shared data.

use std::time::Duration;

use policy::Instant;

use policy::stored::{cut, take};

use crate::key;
use crate::purge::{Order, Scope};

/// So many failures in a row, and the level is left alone.
const FAILURES_MAX: u8 = 3;
/// For so long.
const PAUSE: Duration = Duration::from_secs(5);
/// More orders than this, or longer ones, become one to purge everything.
const ORDERS_MAX: usize = 512;
const ORDERS_BYTES_MAX: usize = 256 << 10;
/// Where so many wait, or so long ones, a URL that a client has ended is told by its cell: who ends many leaves room for others.
const NAMED_MAX: usize = 64;
const NAMED_BYTES_MAX: usize = 32 << 10;
/// How an order of cells begins, and when there is room for no more of them in it.
const CELLS: &[u8] = b"cell=";
const CELLS_BYTES_MAX: usize = 2048;
/// More URLs than this are told by their cells.
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

    /// Adds an operator's order.
    pub fn push(&mut self, order: &[u8]) {
        let known = self.orders.iter().position(|other| other == order);
        known.map(|at| self.take_out(at));
        if self.orders.len() >= ORDERS_MAX || self.bytes() + order.len() > ORDERS_BYTES_MAX {
            self.before = self.end();
            self.orders = vec![b"everything".to_vec()];
        } else {
            self.orders.push(order.to_vec());
        }
    }

    /// Adds that a client has ended what has this primary key: an `order` for that URL, as long as there is room, or else its
    /// cell.
    pub fn push_ended(&mut self, key: &[u8], order: &[u8]) {
        let has_room = self.orders.len() < NAMED_MAX && self.bytes() + order.len() <= NAMED_BYTES_MAX;
        let is_known = self.orders.iter().any(|other| other == order);
        if is_known || has_room && names(order, key) {
            self.push(order);
        } else {
            self.push_cell(key::cell(key));
        }
    }

    /// Adds a cell to an order of cells. There is a bounded number of them, so that there is always room.
    pub fn push_cell(&mut self, cell: u16) {
        let cell = cell.to_string();
        let has = |order: &[u8]| {
            let mut cells = order.strip_prefix(CELLS).unwrap_or_default().split(|&byte| byte == b',');
            cells.any(|other| other == cell.as_bytes())
        };
        let has_room = |order: &Vec<u8>| order.starts_with(CELLS) && order.len() < CELLS_BYTES_MAX;
        let known = self.orders.iter().position(|order| has(order));
        let at = known.or_else(|| self.orders.iter().position(has_room));
        let mut order = at.map_or_else(|| CELLS.to_vec(), |at| self.take_out(at));
        if known.is_none() {
            if order.len() > CELLS.len() {
                order.push(b',');
            }
            order.extend(cell.as_bytes());
        }
        self.orders.push(order);
    }

    /// Takes an order out that is to be added again: it may be on its way to the fleet now, which says nothing of what comes
    /// after.
    fn take_out(&mut self, at: usize) -> Vec<u8> {
        // Those behind it keep their numbers, and what is settled with it is no more than was told.
        self.before = self.before.saturating_add(1);
        self.orders.remove(at)
    }

    fn bytes(&self) -> usize {
        self.orders.iter().map(Vec::len).sum()
    }

    /// The number of the last order.
    pub fn end(&self) -> u64 {
        self.before.saturating_add(self.orders.len() as u64)
    }

    /// Takes out what the fleet has been told: all orders up to this number.
    pub fn settle(&mut self, end: u64) {
        let told = usize::try_from(end.saturating_sub(self.before)).unwrap_or(usize::MAX).min(self.orders.len());
        self.orders.drain(..told);
        self.before = self.before.saturating_add(told as u64);
    }
}

/// Whether that is what whoever reads an order takes it for.
fn names(order: &[u8], key: &[u8]) -> bool {
    Order::parse(order).is_ok_and(|order| matches!(order.scope, Scope::Url(read) if read == key))
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
mod tests;
