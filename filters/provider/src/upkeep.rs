//! The life of a provider's token, as all workers of a proxy see it: when it may be shown, when the next one is fetched.
//!
//! ```text
//!            due, or the last one is refused          token: due some time before its end
//!   at rest ─────────────────────────► in flight ───────┬──────────────────────────────► at rest
//!                         ▲                │ its leader │ anything else: due after a pause that doubles
//!                         └────────────────┘ died       └──────────────────────────────► at rest
//! ```
//!
//! The state is a few numbers and the token behind them, as one value under one key of shared data. Only the worker that
//! holds the lease begins a fetch; whatever comes of it, the token stays until its end. It is counted from the moment at which it
//! was asked for, so it is never thought to hold for longer than it does.
//!
//! **A refused token.** Each token has a *generation*. Whoever is refused with one says which; only that one is dropped, and
//! only once: a newer one stays, be it refused by a straggler. A provider that refuses every token cannot have one
//! fetched more often than every [`COOLDOWN`].
//!
//! **The clock may step back.** A token that was asked for in what is the future now is not shown. Where the step was shorter than
//! that, the workers notice it themselves, and *doubt* the token that they had: nobody knows any more when it ends.

use std::time::Duration;

use policy::Instant;

use crate::grant::Grant;

/// The longest pause between two attempts; the first is a second. An endpoint that says when to come again is heeded up to
/// [`PAUSE_TOLD_MAX`].
const PAUSE_MAX: Duration = Duration::from_mins(1);
const PAUSE_TOLD_MAX: Duration = Duration::from_mins(10);
/// However short a token's life, the next is not fetched sooner.
const GAP: Duration = Duration::from_secs(1);
/// The least time between two tokens that are dropped because they were refused.
const COOLDOWN: Duration = Duration::from_secs(10);
/// An answer arrives at the latest so long after its timeout.
const GRACE: Duration = Duration::from_secs(1);
/// A token is replaced, and taken to end, earlier than it says by one of so many parts of its life at most.
const PARTS: u32 = 4;
/// No proxy lives for so long; what counts further was not written here.
const COUNT_MAX: u64 = u64::MAX >> 16;
/// How many numbers are stored in front of the token.
const NUMBERS: usize = 10;

/// What is known of a token beside itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Upkeep {
    /// The number of the last token; 0 as long as there is none.
    pub generation: u64,
    /// The generation that was refused last, or is doubted.
    refused: u64,
    /// When it was asked for.
    issued: Instant,
    /// When it ends.
    expires: Instant,
    /// When the next attempt is planned.
    due: Instant,
    /// When the last attempt began.
    tried: Instant,
    /// When a token was last dropped because it was refused.
    dropped: Instant,
    /// How many attempts have begun.
    begun: u64,
    /// How many have ended.
    ended: u64,
    /// How many have failed since the last token.
    failures: u64,
}

/// What becomes of a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The token is dropped, and another one will come.
    Dropped,
    /// Somebody else has said so before.
    Known,
    /// The last one was dropped just now: this provider refuses whatever it is shown.
    Kept,
}

/// When there may be a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prospect {
    /// There is one.
    Now,
    /// As long as a request may wait.
    Soon,
    /// Not before this much time has passed, at the earliest.
    In(Duration),
}

impl Upkeep {
    /// What was stored; a token that has never been asked for where nothing was, or nothing that can be read.
    pub fn read(stored: &[u8]) -> Self {
        let mut numbers = [0; NUMBERS];
        if let Some(head) = stored.get(..NUMBERS * 8) {
            for (number, bytes) in numbers.iter_mut().zip(head.chunks_exact(8)) {
                *number = bytes.try_into().map_or(0, u64::from_le_bytes);
            }
        }
        let [generation, refused, issued, expires, due, tried, dropped, begun, ended, failures] = numbers;
        if generation.max(begun).max(ended) > COUNT_MAX {
            return Self::default();
        }
        let [issued, expires, due, tried, dropped] = [issued, expires, due, tried, dropped].map(Instant::from_nanos);
        Self { generation, refused, issued, expires, due, tried, dropped, begun, ended, failures }
    }

    /// The token that was stored.
    pub fn token(stored: &[u8]) -> &[u8] {
        stored.get(NUMBERS * 8..).unwrap_or_default()
    }

    /// What is to be stored in the place of `stored`, with the same token or with another.
    pub fn write(&self, stored: &mut Vec<u8>, token: Option<&[u8]>) {
        let Self { generation, refused, begun, ended, failures, .. } = *self;
        let [issued, expires, due, tried, dropped] =
            [self.issued, self.expires, self.due, self.tried, self.dropped].map(Instant::as_nanos);
        let mut bytes = Vec::with_capacity(NUMBERS * 8 + stored.len());
        for number in [generation, refused, issued, expires, due, tried, dropped, begun, ended, failures] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(token.unwrap_or_else(|| Self::token(stored)));
        *stored = bytes;
    }

    /// How long the lease must be under which a token is fetched.
    pub fn lease(grant: &Grant) -> Duration {
        grant.timeout + GRACE
    }

    /// Whether the last token may be shown.
    pub fn is_usable(&self, now: Instant) -> bool {
        self.generation > 0 && self.generation != self.refused && self.issued <= now && now < self.expires
    }

    /// Whether the last token lives for so short a time that it is not taken to end earlier by the whole leeway: what is
    /// sent with it once may be too late the second time.
    pub fn is_brief(&self, grant: &Grant) -> bool {
        self.expires.since(self.issued) < grant.leeway * (PARTS - 1)
    }

    /// Whether a fetch should begin now.
    pub fn is_due(&self, grant: &Grant, now: Instant) -> bool {
        // One that goes on for longer than its lease was made by a worker that is dead.
        let is_dead = self.tried > now || now.since(self.tried) >= Self::lease(grant);
        if self.is_in_flight() { is_dead } else { self.planned(now) <= now }
    }

    /// When there may be a token for a request that came `since` then and has none.
    pub fn prospect(&self, grant: &Grant, since: Instant, now: Instant) -> Prospect {
        let next = if self.is_in_flight() { now } else { self.planned(now) };
        // Where the clock has stepped back, it has waited for long enough.
        let is_late = since > now || now.since(since) >= grant.wait;
        match () {
            () if self.is_usable(now) => Prospect::Now,
            () if !is_late && next <= since + grant.wait => Prospect::Soon,
            () => Prospect::In(next.since(now)),
        }
    }

    /// A fetch begins.
    pub fn begin(&mut self, now: Instant) {
        self.begun = self.begun.max(self.ended).saturating_add(1);
        self.tried = now;
    }

    /// It brought a token that holds for `life`. `spread` is randomness: proxies that started together do not go on together.
    pub fn succeed(&mut self, grant: &Grant, now: Instant, life: Duration, spread: u8) {
        let part = life / PARTS;
        self.generation = self.generation.saturating_add(1);
        self.issued = self.tried.min(now);
        self.expires = self.issued + life.saturating_sub(grant.leeway.min(part));
        self.failures = 0;
        let early = grant.refresh_before.min(part);
        let due = self.expires.before(early).before(shared_out(early, spread));
        self.end(due.max(now + GAP));
    }

    /// It brought none; `told` is when the endpoint wants to be asked again.
    pub fn fail(&mut self, now: Instant, told: Option<Duration>, spread: u8) {
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_secs(1 << (self.failures - 1).min(16)).min(PAUSE_MAX);
        let pause = pause.saturating_sub(shared_out(pause / 2, spread));
        self.end(now + pause.max(told.unwrap_or_default().min(PAUSE_TOLD_MAX)));
    }

    /// The provider has refused the token of this generation.
    pub fn refuse(&mut self, generation: u64, now: Instant) -> Refused {
        if generation != self.generation || generation == self.refused {
            return Refused::Known;
        }
        if self.dropped <= now && now.since(self.dropped) < COOLDOWN {
            return Refused::Kept;
        }
        self.dropped = now;
        self.drop(generation, now);
        Refused::Dropped
    }

    /// The clock has stepped back while a worker had the token of this generation; whether that changes anything.
    pub fn doubt(&mut self, generation: u64, now: Instant) -> bool {
        let is_last = generation == self.generation && generation != self.refused;
        if is_last {
            self.drop(generation, now);
        }
        is_last
    }

    fn drop(&mut self, generation: u64, now: Instant) {
        self.refused = generation;
        // While the endpoint is down, it is not asked more often for that.
        if self.failures == 0 {
            self.due = now;
        }
    }

    fn end(&mut self, due: Instant) {
        (self.ended, self.due) = (self.begun, due);
    }

    const fn is_in_flight(&self) -> bool {
        self.begun != self.ended
    }

    /// When the next attempt is planned, now at the earliest. Nothing is planned for later than a token's end, or than the
    /// longest pause: such a moment was written before the clock stepped back.
    fn planned(&self, now: Instant) -> Instant {
        let longest = if self.is_usable(now) { self.expires.since(now).max(PAUSE_TOLD_MAX) } else { PAUSE_TOLD_MAX };
        if self.due.since(now) > longest { now } else { self.due.max(now) }
    }
}

/// A random share of this length.
fn shared_out(length: Duration, spread: u8) -> Duration {
    length / 255 * u32::from(spread)
}

#[cfg(test)]
mod tests;
