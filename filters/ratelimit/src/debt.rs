//! What one caller owes under all of its limits, and how that is stored.

use std::time::Duration;

use policy::Instant;

use crate::bucket::{Bucket, nanos};
use crate::window::{COUNTS_MAX, Log, Spent};

/// Under which mark a caller's state under one limit is stored: its algorithm, the unit of time, and which one it is of
/// several that have these in common. A limit that keeps them keeps the state when anything else is reconfigured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place(u8);

impl Place {
    /// The mark as it is stored.
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    /// A stored mark.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// Whether it is a token bucket that is stored there.
    pub const fn is_bucket(self) -> bool {
        self.0 < 0x40
    }
}

/// What a caller owes under one limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Owed {
    /// To a token bucket.
    Bucket(Bucket),
    /// In a window.
    Log(Log),
}

impl Owed {
    /// When nothing is owed any more.
    pub fn until(&self) -> Instant {
        match self {
            Self::Bucket(bucket) => bucket.full_at,
            Self::Log(log) => log.until(),
        }
    }

    /// Lets nothing be owed beyond `latest`. Says whether anything was.
    fn clamp(&mut self, latest: Instant) -> bool {
        match self {
            Self::Bucket(bucket) => {
                let late = bucket.full_at > latest;
                bucket.full_at = bucket.full_at.min(latest);
                late
            }
            Self::Log(log) => log.clamp(latest),
        }
    }
}

/// What a caller owes under each of its limits; nothing, where there is no entry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Buckets(pub(crate) Vec<(Place, Owed)>);

/// The longest windows that any caller of a rule has, by the limit's place.
pub type Longest = Vec<(Place, Duration)>;

impl Buckets {
    /// The token bucket in one place.
    pub(crate) fn bucket(&self, place: Place) -> Bucket {
        match self.at(place) {
            Some(Owed::Bucket(bucket)) => *bucket,
            _ => Bucket::FULL,
        }
    }

    /// What is owed in one place.
    pub(crate) fn at(&self, place: Place) -> Option<&Owed> {
        self.0.iter().find(|(other, _)| *other == place).map(|(_, owed)| owed)
    }

    /// Replaces what is owed in one place.
    pub(crate) fn put(&mut self, place: Place, owed: Owed) {
        match self.0.iter_mut().find(|(other, _)| *other == place) {
            Some((_, old)) => *old = owed,
            None => self.0.push((place, owed)),
        }
    }

    /// The log in one place, an empty one where there is nothing.
    pub(crate) fn log_mut(&mut self, place: Place) -> Option<&mut Log> {
        let index = self.0.iter().position(|(other, _)| *other == place).unwrap_or(self.0.len());
        if index == self.0.len() {
            self.0.push((place, Owed::Log(Log::default())));
        }
        match self.0.get_mut(index) {
            Some((_, Owed::Log(log))) => Some(log),
            _ => None,
        }
    }

    /// Changes what is owed in one place, where anything is.
    pub(crate) fn change(&mut self, place: Place, act: impl FnOnce(&mut Owed)) {
        if let Some((_, owed)) = self.0.iter_mut().find(|(other, _)| *other == place) {
            act(owed);
        }
    }

    /// When nothing is owed anywhere.
    pub(crate) fn until(&self) -> Instant {
        self.0.iter().map(|(_, owed)| owed.until()).max().unwrap_or_default()
    }

    /// How much counts in windows.
    pub(crate) fn spent(&self, now: Instant) -> u64 {
        let spent = |(_, owed): &(Place, Owed)| match owed {
            Owed::Bucket(_) => 0,
            Owed::Log(log) => u64::from(log.spent(now)),
        };
        self.0.iter().map(spent).sum()
    }

    /// Owes from now on at least what `other` does, at any time.
    pub(crate) fn raise(&mut self, other: &Self) {
        for (place, owed) in &other.0 {
            match owed {
                // No window is named: the debt is handed on as time.
                Owed::Bucket(bucket) => {
                    let full_at = self.bucket(*place).full_at.max(bucket.full_at);
                    self.put(*place, Owed::Bucket(Bucket { full_at, window: Duration::ZERO }));
                }
                Owed::Log(log) => {
                    if let Some(ours) = self.log_mut(*place) {
                        ours.raise(log);
                    }
                }
            }
        }
    }

    /// Lets nothing be owed for longer than the longest window, and nothing where there is no limit. Says whether anything
    /// was owed for longer.
    pub(crate) fn clamp(&mut self, longest: &Longest, now: Instant) -> bool {
        let mut late = false;
        self.0.retain_mut(|(place, owed)| {
            let Some((_, length)) = longest.iter().find(|(other, _)| other == place) else { return false };
            late |= owed.clamp(now + *length);
            true
        });
        late
    }
}

/// How it is stored.
///
/// Moments are lengths of time before the moment at which nothing is owed any more, so that a set whose clock stepped back
/// moves one number for each caller. A token bucket takes at most 17 bytes, a log 2 and at most 13 for each of its counts.
impl Buckets {
    /// Appends what is still owed to `bytes`; `until` is [`Buckets::until`].
    pub(crate) fn write(&self, now: Instant, until: Instant, bytes: &mut Vec<u8>) {
        for (place, owed) in self.0.iter().filter(|(_, owed)| owed.until() > now) {
            bytes.push(place.0);
            match owed {
                Owed::Bucket(bucket) => {
                    put(bytes, nanos(until.since(bucket.full_at)));
                    put(bytes, nanos(bucket.window));
                }
                Owed::Log(log) => {
                    put(bytes, log.counts(now).count() as u64);
                    for spent in log.counts(now) {
                        put(bytes, nanos(until.since(spent.until)));
                        put(bytes, u64::from(spent.count));
                    }
                }
            }
        }
    }

    /// Reads what [`Buckets::write`] wrote; `None` where that is not what it is.
    pub(crate) fn read(mut bytes: &[u8], until: Instant) -> Option<Self> {
        let rest = &mut bytes;
        let mut buckets = Self::default();
        while let Some((&byte, after)) = rest.split_first() {
            *rest = after;
            let place = Place(byte);
            let owed = if place.is_bucket() {
                let full_at = until.before(Duration::from_nanos(number(rest)?));
                Owed::Bucket(Bucket { full_at, window: Duration::from_nanos(number(rest)?) })
            } else {
                let count = usize::try_from(number(rest)?).ok().filter(|count| *count <= COUNTS_MAX)?;
                let mut counts = Vec::with_capacity(count + 1);
                for _ in 0..count {
                    let until = until.before(Duration::from_nanos(number(rest)?));
                    counts.push(Spent { until, count: u32::try_from(number(rest)?).ok()? });
                }
                Owed::Log(Log::new(counts))
            };
            buckets.0.push((place, owed));
        }
        Some(buckets)
    }
}

/// Seven bits a byte, the lowest first; the last byte's highest bit is clear.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
