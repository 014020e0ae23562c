//! The life of a fetched key set, as all workers of a proxy see it: when it is fetched again, how long it holds.
//!
//! ```text
//!            due, or asked for                         good document: due after `refresh`
//!   at rest ──────────────────► in flight ───────┬────────────────────────────────────► at rest
//!                    ▲              │ its leader │ anything else: due after a pause that doubles
//!                    └──────────────┘ died       └────────────────────────────────────► at rest
//! ```
//!
//! This state is a few numbers under one key of shared data, read by every worker now and then; the document is under
//! another key, and is read when `version` has changed. Only the worker that holds the lease begins a fetch. Whatever
//! happens, the last good document stays; it holds until it is older than `keep`.
//!
//! A token of an unknown key *asks* for a fetch: at most once per `cooldown`, counted from one such fetch to the next, so
//! that a flood of them costs the issuer one request per `cooldown`, and a rotation right after a fetch is still seen
//! at once.
//!
//! The clock may step back. A moment that lies in the future, further than anything here plans ahead, was written before
//! the step, and holds nothing up.

use std::time::Duration;

use policy::{Instant, Seed};

use crate::fetch::Fetch;

/// The longest pause between two attempts while the issuer is down; the first is a second.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// However short the issuer's `max-age`, it is asked no more often than this.
const REFRESH_MIN: Duration = Duration::from_secs(30);
/// An answer arrives at the latest so long after its timeout.
const GRACE: Duration = Duration::from_secs(1);
/// How many numbers are stored.
const NUMBERS: usize = 9;

/// What is known of a fetched set beside the set itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Upkeep {
    /// Which document it is, by its content; 0 as long as there is none.
    pub version: u64,
    /// How many attempts have ended.
    pub ended: u64,
    /// When the issuer last gave a good document.
    fetched: Instant,
    /// When the next attempt is planned.
    due: Instant,
    /// When the last attempt began.
    tried: Instant,
    /// When a fetch was last asked for.
    asked: Instant,
    /// How many attempts have begun.
    begun: u64,
    /// How many have failed since the last good document.
    failures: u64,
    /// Whether the fetch that was asked for is still to begin.
    wanted: bool,
}

impl Upkeep {
    /// What was stored; a set that has never been tried where nothing was, or nothing that can be read.
    pub fn read(stored: &[u8]) -> Self {
        let mut numbers = [0; NUMBERS];
        if stored.len() == NUMBERS * 8 {
            for (number, bytes) in numbers.iter_mut().zip(stored.chunks_exact(8)) {
                *number = bytes.try_into().map_or(0, u64::from_le_bytes);
            }
        }
        let [version, ended, fetched, due, tried, asked, begun, failures, wanted] = numbers;
        let [fetched, due, tried, asked] = [fetched, due, tried, asked].map(Instant::from_nanos);
        Self { version, ended, fetched, due, tried, asked, begun, failures, wanted: wanted == 1 }
    }

    /// What is to be stored.
    pub fn write(&self, stored: &mut Vec<u8>) {
        let [fetched, due, tried, asked] = [self.fetched, self.due, self.tried, self.asked].map(Instant::as_nanos);
        let wanted = u64::from(self.wanted);
        stored.clear();
        for number in [self.version, self.ended, fetched, due, tried, asked, self.begun, self.failures, wanted] {
            stored.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// How long the lease must be under which a fetch is made.
    pub fn lease(fetch: &Fetch) -> Duration {
        fetch.timeout + GRACE
    }

    /// Whether there is a document that still holds.
    pub fn is_usable(&self, fetch: &Fetch, now: Instant) -> bool {
        self.version > 0 && now.since(self.fetched) < fetch.keep
    }

    /// Whether a fetch should begin now.
    pub fn is_due(&self, fetch: &Fetch, now: Instant) -> bool {
        let is_pending = self.wanted || self.begun != self.ended;
        self.is_idle(fetch, now) && (is_pending || self.planned(fetch, now) <= now)
    }

    /// When the attempt begins whose end is worth waiting for; where the one who waits may `ask` for it. Now, where it has
    /// begun.
    pub fn next(&self, fetch: &Fetch, now: Instant, ask: bool) -> Instant {
        if self.wanted || self.begun != self.ended {
            return now;
        }
        let planned = self.planned(fetch, now);
        if ask { planned.min(self.cooled(fetch, now)) } else { planned }
    }

    /// Asks for a fetch; whether that changed anything.
    pub fn ask(&mut self, fetch: &Fetch, now: Instant) -> bool {
        if self.wanted || !self.is_idle(fetch, now) || self.cooled(fetch, now) > now {
            return false;
        }
        (self.wanted, self.asked) = (true, now);
        true
    }

    /// A fetch begins.
    pub fn begin(&mut self, now: Instant) {
        self.begun = self.begun.max(self.ended).saturating_add(1);
        (self.tried, self.wanted) = (now, false);
    }

    /// It brought a good document, which the issuer calls fresh for `max_age`. `spread` is randomness: proxies that started
    /// together do not go on together.
    pub fn succeed(&mut self, fetch: &Fetch, now: Instant, version: u64, max_age: Option<Duration>, spread: u8) {
        let length = max_age.map_or(fetch.refresh, |age| age.max(REFRESH_MIN).min(fetch.refresh));
        (self.version, self.fetched, self.failures) = (version, now, 0);
        self.end(now + drawn(length, 10, spread));
    }

    /// It brought nothing that can be used.
    pub fn fail(&mut self, now: Instant, spread: u8) {
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_secs(1 << (self.failures - 1).min(16)).min(PAUSE_MAX);
        self.end(now + drawn(pause, 2, spread));
    }

    fn end(&mut self, due: Instant) {
        (self.ended, self.due) = (self.begun, due);
    }

    /// Whether no attempt is in flight, as far as anybody can know.
    fn is_idle(&self, fetch: &Fetch, now: Instant) -> bool {
        // One that goes on for longer than its lease was made by a worker that is dead.
        self.begun == self.ended || self.tried > now || now.since(self.tried) >= Self::lease(fetch)
    }

    /// When the next attempt is planned, now at the earliest.
    fn planned(&self, fetch: &Fetch, now: Instant) -> Instant {
        if self.due.since(now) > fetch.refresh.max(PAUSE_MAX) { now } else { self.due.max(now) }
    }

    /// When a fetch may be asked for again.
    fn cooled(&self, fetch: &Fetch, now: Instant) -> Instant {
        if self.asked > now { now } else { now.max(self.asked + fetch.cooldown) }
    }
}

/// This length without a random share of one `part`-th of it.
fn drawn(length: Duration, part: u32, spread: u8) -> Duration {
    length.saturating_sub(length / (part * 255) * u32::from(spread))
}

/// The version of a document: a print of its content, never 0. Whoever dies between sharing the document and its version
/// leaves a version that differs from the next fetch's, so no worker misses the change.
pub fn version(document: &[u8]) -> u64 {
    let print = Seed::from_random([0; 16]).fingerprint([document]).to_bytes();
    print.first_chunk().map_or(1, |bytes| u64::from_le_bytes(*bytes).max(1))
}

/// What `Cache-Control` says in `max-age`, in seconds (RFC 9111 §5.2.2.1).
pub fn max_age(value: &[u8]) -> Option<Duration> {
    const NAME: &[u8] = b"max-age=";
    let at = value.windows(NAME.len()).position(|name| name.eq_ignore_ascii_case(NAME))? + NAME.len();
    let digits = value.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit());
    let age = digits.fold(None, |age: Option<u64>, byte| {
        Some(age.unwrap_or(0).saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    });
    age.map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
