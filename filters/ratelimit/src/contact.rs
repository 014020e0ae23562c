//! What a proxy knows of its fleet: whether Redis answers, how many proxies there are, under which seed callers are known.
//!
//! It is one value of shared data, written by whichever worker asked last and read by all at each tick.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::{Instant, Seed};

use crate::script::{Answer, PROXY_LIFETIME};

/// The first byte of a stored contact.
const FORMAT: u8 = 1;
/// How often a proxy that has nothing to ask makes itself heard.
const IDLE: Duration = Duration::from_secs(1);
/// How often Redis is asked whether it is there again.
const PROBE: Duration = Duration::from_millis(250);

/// The state of a fleet as one proxy knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Contact {
    /// When Redis last answered.
    pub heard: Instant,
    /// Whether it did not when it was last asked.
    pub is_away: bool,
    /// The fleet's seed, or what it becomes where there is none yet.
    pub seed: [u8; 16],
    is_seed_known: bool,
    proxies: u32,
    counted: Instant,
}

impl Contact {
    /// That of a proxy which has not heard of its fleet, and would know callers under this seed.
    pub const fn new(seed: [u8; 16]) -> Self {
        let never = Instant::EPOCH;
        Self { heard: never, is_away: false, seed, is_seed_known: false, proxies: 1, counted: never }
    }

    /// Takes an answer in. Fewer proxies than before are believed when none can be alive any more that is not counted: a Redis
    /// that has lost its data hears of them one by one.
    pub fn answered(&mut self, answer: &Answer, now: Instant) {
        (self.heard, self.is_away) = (now, false);
        (self.seed, self.is_seed_known) = (answer.seed, true);
        let is_old = now.since(self.counted) >= PROXY_LIFETIME || self.counted > now;
        if answer.proxies >= self.proxies || is_old {
            (self.proxies, self.counted) = (answer.proxies, now);
        }
    }

    /// How many proxies share the limits.
    pub fn proxies(&self) -> NonZeroU32 {
        NonZeroU32::new(self.proxies).unwrap_or(NonZeroU32::MIN)
    }

    /// The seed under which the fleet knows callers, once it is known.
    pub fn seed(&self) -> Option<Seed> {
        self.is_seed_known.then(|| Seed::from_random(self.seed))
    }

    /// Whether Redis should hear of this proxy, whose worker has last asked for nothing at `asked`.
    pub fn is_due(&self, asked: Instant, now: Instant) -> bool {
        let (last, wait) = if self.is_away { (asked, PROBE) } else { (self.heard.max(asked), IDLE) };
        now.since(last) >= wait || last > now || last == Instant::EPOCH
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT, u8::from(self.is_away)];
        bytes.extend(self.heard.as_nanos().to_le_bytes());
        bytes.extend(self.counted.as_nanos().to_le_bytes());
        bytes.extend(self.proxies.to_le_bytes());
        if self.is_seed_known {
            bytes.extend(self.seed);
        }
        bytes
    }

    /// Takes over what another worker stored; what is no contact changes nothing.
    pub fn take_over(&mut self, bytes: &[u8]) {
        let Some(([FORMAT, is_away], rest)) = bytes.split_first_chunk() else { return };
        let Some((heard, rest)) = rest.split_first_chunk() else { return };
        let Some((counted, rest)) = rest.split_first_chunk() else { return };
        let Some((proxies, seed)) = rest.split_first_chunk() else { return };
        self.is_away = *is_away != 0;
        self.heard = Instant::from_nanos(u64::from_le_bytes(*heard));
        self.counted = Instant::from_nanos(u64::from_le_bytes(*counted));
        self.proxies = u32::from_le_bytes(*proxies);
        if let Some(seed) = seed.first_chunk() {
            (self.seed, self.is_seed_known) = (*seed, true);
        }
    }
}

#[cfg(test)]
mod tests;
