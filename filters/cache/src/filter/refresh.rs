//! Who refreshes a stale response while others are answered with it (RFC 5861 §3).

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use policy::{Fingerprint, Instant};

use super::Plugin;
use super::store::Known;
use crate::request::Inquiry;

/// A refresh that has not ended by then is given up for lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// A worker refreshes so many responses at a time; further ones stay stale as long as they may.
const REFRESHES_MAX: usize = 256;

/// How a stale response comes to be refreshed.
pub(super) enum Refreshing {
    /// Without this request, which is answered at once.
    Beside,
    /// By this request, which waits for the upstream.
    ByThisRequest(Claim),
}

/// The refreshes of one worker: what is refreshed, by its key and ticket, and since when.
#[derive(Clone, Default)]
pub(super) struct Claims(Rc<Cell<Vec<Claimed>>>);

type Claimed = (Fingerprint, u64, Instant);

/// The right to refresh one response; given back when this is dropped, whatever became of its request.
pub(super) struct Claim {
    claims: Claims,
    print: Fingerprint,
    ticket: u64,
}

impl Plugin {
    /// Sees to it that a stale response is refreshed, once per worker at a time: the first request that finds it stale
    /// asks the upstream itself, and those that come meanwhile are answered with it.
    pub(super) fn refresh(&self, inquiry: &Inquiry, known: &Known, now: Instant) -> Refreshing {
        let Known::Object(found) = known else { return Refreshing::Beside };
        if inquiry.said.only_if_cached {
            return Refreshing::Beside;
        }
        self.claims.take(inquiry.print, found.ticket, now).map_or(Refreshing::Beside, Refreshing::ByThisRequest)
    }
}

impl Claims {
    fn take(&self, print: Fingerprint, ticket: u64, now: Instant) -> Option<Claim> {
        let mut claimed = self.0.take();
        // A clock that stepped back makes no claim eternal.
        claimed.retain(|(.., since)| *since <= now && now.since(*since) < PATIENCE);
        let is_free = claimed.len() < REFRESHES_MAX
            && claimed.iter().all(|(other, number, _)| (*other, *number) != (print, ticket));
        if is_free {
            claimed.push((print, ticket, now));
        }
        self.0.set(claimed);
        is_free.then(|| Claim { claims: self.clone(), print, ticket })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.claims.0.take();
        claimed.retain(|(print, ticket, _)| (*print, *ticket) != (self.print, self.ticket));
        self.claims.0.set(claimed);
    }
}
