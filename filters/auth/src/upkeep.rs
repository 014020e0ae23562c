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

use policy::Instant;

use crate::fetch::Fetch;

/// The pause after the first failure.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause between two attempts while the issuer is down.
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
    /// How often the document has changed; 0 as long as there is none.
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
        self.begun = self.begun.max(self.ended) + 1;
        (self.tried, self.wanted) = (now, false);
    }

    /// It brought a good document, which is another than before where `changed`, and which the issuer calls fresh for
    /// `max_age`. `spread` is randomness: proxies that started together do not go on together.
    pub fn succeed(&mut self, fetch: &Fetch, now: Instant, changed: bool, max_age: Option<Duration>, spread: u8) {
        let length = max_age.map_or(fetch.refresh, |age| age.max(REFRESH_MIN).min(fetch.refresh));
        self.version += u64::from(changed || self.version == 0);
        (self.fetched, self.failures) = (now, 0);
        // The last tenth of the time is drawn.
        self.end(now, length - length / 10 * u32::from(spread) / 255);
    }

    /// It brought nothing that can be used.
    pub fn fail(&mut self, now: Instant, spread: u8) {
        self.failures = self.failures.saturating_add(1);
        let doublings = u32::try_from(self.failures - 1).unwrap_or(u32::MAX).min(16);
        let pause = PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_MAX);
        // The last half of the pause is drawn.
        self.end(now, pause - pause / 2 * u32::from(spread) / 255);
    }

    fn end(&mut self, now: Instant, pause: Duration) {
        self.ended = self.begun;
        self.due = now + pause;
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

/// What `Cache-Control` says in `max-age` (RFC 9111 §5.2.2.1); the shortest, where it says several.
pub fn max_age(value: &[u8]) -> Option<Duration> {
    let ages = std::str::from_utf8(value).ok()?.split(',').filter_map(|directive| {
        let (name, age) = directive.split_once('=')?;
        let age = age.trim().trim_matches('"').parse().ok()?;
        name.trim().eq_ignore_ascii_case("max-age").then_some(Duration::from_secs(age))
    });
    ages.min()
}

#[cfg(test)]
mod tests;
