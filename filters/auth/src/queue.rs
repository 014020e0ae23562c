//! Requests of one worker that wait for keys: bounded in number for each issuer, and each in time.

use policy::Instant;

use crate::config::Config;
use crate::issuer::Issuer;
use crate::keyring::{self, Keyring, Lack};

/// A request that waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// Its stream's context.
    pub context: u32,
    /// What it lacks.
    pub lack: Lack,
    /// When it came.
    pub since: Instant,
    /// How many attempts to fetch the keys had ended when it was last judged.
    pub ended: u64,
}

/// All that wait, in the order in which they came.
#[derive(Debug, Default)]
pub struct Queue(Vec<Waiting>);

impl Queue {
    /// Takes a request in, where there is room for it.
    pub fn admit(&mut self, waiting: Waiting, waiting_max: usize) -> bool {
        let same = |other: &&Waiting| other.lack.issuer() == waiting.lack.issuer();
        let has_room = self.0.iter().filter(same).count() < waiting_max;
        if has_room {
            self.0.push(waiting);
        }
        has_room
    }

    /// Whether this stream's request waits.
    pub fn has(&self, context: u32) -> bool {
        self.0.iter().any(|waiting| waiting.context == context)
    }

    /// Whether a request waits for a key that this issuer is yet to show.
    pub fn lacks_key(&self, issuer: usize) -> bool {
        self.0.iter().any(|waiting| waiting.lack == Lack::Key(issuer))
    }

    /// Takes out the requests that can be judged now, or have waited for long enough.
    pub fn ready(&mut self, config: &Config, keyring: &Keyring, now: Instant) -> Vec<Waiting> {
        let is_ready = |waiting: &Waiting| {
            let (ended, has_keys) = keyring.progress(waiting.lack.issuer());
            let fetch = config.issuers.get(waiting.lack.issuer()).and_then(Issuer::fetch);
            ended != waiting.ended
                || (has_keys && matches!(waiting.lack, Lack::Keys(_)))
                || fetch.is_none_or(|fetch| keyring::is_late(fetch, waiting.since, now))
        };
        let (ready, waiting) = self.0.iter().partition(|waiting| is_ready(waiting));
        self.0 = waiting;
        ready
    }

    /// Keeps only the requests whose streams are still there.
    pub fn retain(&mut self, mut is_there: impl FnMut(u32) -> bool) {
        self.0.retain(|waiting| is_there(waiting.context));
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
