//! The line of requests that wait for a rule's tokens, as all workers of a proxy share it.
//!
//! Whoever has a bucket has a line: all callers together, or each its own. The lines of the few callers whose buckets are in one
//! slot are one value of shared data, replaced by compare-and-swap. It holds a *ticket* for each request, in the order in which
//! they will be sent: higher priority first, and among equals whoever came first, on whichever worker. A request's life in it:
//!
//! 1. it *joins*, where there is room ([`Terms::max_requests`]) and the tokens before it come soon enough
//!    ([`Terms::max_wait`]). Whoever comes while others of its priority or a higher one wait joins them, even where the
//!    bucket holds a token just then: nobody overtakes;
//! 2. it is *called*: any worker that looks at the line pays for the first ticket from the rule's bucket, as soon as that
//!    holds what the ticket costs. So a line moves at the rate of its bucket, whoever holds its tickets;
//! 3. it is *collected* by the worker that holds the request, which sends it; or it has waited for `max_wait`, or its client has
//!    left, and it *leaves*. One that leaves after it was called gives its tokens back.
//!
//! A request waits for one rule at most, the only one that refuses it. Its other rules are charged when it is parked, once, and
//! get back what they gave when it leaves unsent. Where the line is full, or the wait would be too long, it is answered 429, with the
//! time after which it would pass as the line stands now.
//!
//! **When.** Every worker that holds a ticket looks when the next token is due, to the millisecond, and every 100 ms in any
//! case. A bucket that gives more than one token in a millisecond and holds only one gives no more than that to a line.
//!
//! **A fleet** ([`crate::fleet`]) has a line on each of its proxies. Any worker that looks asks Redis for the first in line, one worker
//! at a time, and Redis promises the token that comes next: so proxies whose lines are not empty take turns, and none overtakes another
//! by being nearer to Redis. All workers see the promise, and the first in line is sent when it is due. While Redis is away a line
//! moves at the pace of the proxy's share, at once, or ends with 503, as `when_unavailable` says.
//!
//! **Starvation.** Tickets of a high priority keep those of a low one waiting as long as they come. `max_wait` ends that: the
//! request is answered 429, after that time at the latest. It is not sent before others for having waited.
//!
//! **An operator** drains a line: all who wait in it are *dismissed*, and are answered 429 with the time after which they would
//! have passed, a tenth of a second later at the latest. Whoever comes then finds it empty.
//!
//! **Who falls silent.** Each worker shows every [`SHOWN_EVERY`] that its tickets are alive. Those of a worker that died, or
//! of a machine that was replaced, are dropped after [`SILENT_FOR`]; until then they may be called, and what was paid for them
//! is lost: at most what the bucket gives in that time. A worker that slept for longer finds its tickets gone and joins
//! again, behind its equals.
//!
//! **A clock that steps back** shows in a line that was written later than now: its moments are moved back by the
//! difference. On one that leaps ahead all tickets look silent; they join again.
//!
//! **Bounded**: a value has at most [`REQUESTS_MAX`] tickets of 33 bytes, of all its callers together, there are no more values than
//! slots, and a worker parks at most [`PARKED_MAX`] requests. Where there is no room, the answer is 429 at once: a flood of callers
//! that come once each fills no memory, and takes no place in the line of a caller who has one.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::Instant;
pub use policy::queue::SILENT_FOR;
use policy::queue::{self as stored, Fate};

use crate::limit::{Outcome, Standing};

/// How often a worker shows that its tickets are alive.
pub const SHOWN_EVERY: Duration = Duration::from_millis(500);

/// The most requests that may wait in one value of shared data. Each that joins writes the whole of it.
pub const REQUESTS_MAX: u32 = 1000;

/// The most requests of one worker that wait, in all lines.
pub const PARKED_MAX: usize = 2000;

/// Nobody waits for longer: Envoy itself gives a stream up on which nothing moves for five minutes.
pub const WAIT_MAX: Duration = Duration::from_mins(4);

/// The highest priority.
pub const PRIORITY_MAX: u8 = 9;

/// Who may wait, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// No request waits for longer.
    pub max_wait: Duration,
    /// No more wait at the same time.
    pub max_requests: NonZeroU32,
}

/// Whose request a ticket is for: no two requests of a proxy have the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Holder {
    /// The worker's number, drawn at random.
    pub worker: u64,
    /// The stream's context there.
    pub context: u32,
}

/// A place in the line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ticket {
    /// Whose it is.
    pub holder: Holder,
    /// In whose line it is, as [`crate::block::half`] says.
    pub caller: u64,
    /// Who has a higher one is sent first.
    pub priority: u8,
    /// What the request costs.
    pub cost: NonZeroU32,
}

/// Everybody who waits under one key, as they stand now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    now: Instant,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    ticket: Ticket,
    fate: Fate,
    /// When its worker last said that it is alive; of one that was called, when that was.
    shown: Instant,
}

/// Whether a request found a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Joined {
    /// It has one.
    Waits,
    /// There is none left.
    Full,
}

impl Line {
    /// Reads what [`Line::write`] wrote, as it is `now`; nothing, or what cannot be understood, is a line of nobody.
    pub fn read(bytes: &[u8], now: Instant) -> Self {
        let mut places = Vec::new();
        if let Some((written_at, tickets)) = stored::read(bytes) {
            let step = written_at.since(now);
            for stored::Ticket { holder: (worker, context), caller, priority, fate, cost, shown } in tickets {
                let shown = shown.before(step);
                if now.since(shown) < SILENT_FOR {
                    let ticket = Ticket { holder: Holder { worker, context }, caller, priority, cost };
                    places.push(Place { ticket, fate, shown });
                }
            }
        }
        Self { now, places }
    }

    /// Writes the line in place of what `bytes` held.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        stored::begin(bytes, self.now);
        for Place { ticket: Ticket { holder, caller, priority, cost }, fate, shown } in &self.places {
            let holder = (holder.worker, holder.context);
            let (caller, priority, fate, cost, shown) = (*caller, *priority, *fate, *cost, *shown);
            stored::Ticket { holder, caller, priority, fate, cost, shown }.write(bytes);
        }
    }

    /// How many wait, of all callers.
    pub fn len(&self) -> usize {
        self.places.iter().filter(|place| place.fate == Fate::Waits).count()
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tokens those take who would be sent before a caller's newcomer of this priority; `None` where there is nobody.
    pub fn ahead(&self, caller: u64, priority: u8) -> Option<u64> {
        let before = self.waiting(caller).filter(|ticket| ticket.priority >= priority);
        before.map(|ticket| u64::from(ticket.cost.get())).reduce(u64::saturating_add)
    }

    /// How many tokens those take who will be sent before this holder.
    pub fn before(&self, caller: u64, holder: Holder) -> u64 {
        self.waiting(caller)
            .take_while(|ticket| ticket.holder != holder)
            .map(|ticket| u64::from(ticket.cost.get()))
            .sum()
    }

    /// Takes a request in, behind its equals, where fewer than `max_requests` of its caller wait.
    pub fn join(&mut self, ticket: Ticket, max_requests: NonZeroU32) -> Joined {
        let fits = |count: usize, most: u32| u32::try_from(count).is_ok_and(|count| count < most);
        if !fits(self.waiting(ticket.caller).count(), max_requests.get()) || !fits(self.places.len(), REQUESTS_MAX) {
            return Joined::Full;
        }
        self.place(ticket);
        Joined::Waits
    }

    /// Takes a request in again whose ticket is gone. Says whether it was.
    pub fn rejoin(&mut self, ticket: Ticket) -> bool {
        let is_gone = !self.places.iter().any(|place| place.ticket.holder == ticket.holder);
        if is_gone {
            self.place(ticket);
        }
        is_gone
    }

    fn place(&mut self, ticket: Ticket) {
        let behind = self.places.iter().position(|place| place.ticket.priority < ticket.priority);
        let place = Place { ticket, fate: Fate::Waits, shown: self.now };
        self.places.insert(behind.unwrap_or(self.places.len()), place);
    }

    /// Calls the first in a caller's line, and the next, as long as `pay` says that it has paid for them.
    pub fn call(&mut self, caller: u64, pay: &mut dyn FnMut(NonZeroU32) -> bool) {
        let waits = |place: &&mut Place| place.fate == Fate::Waits && place.ticket.caller == caller;
        for place in self.places.iter_mut().filter(waits) {
            if !pay(place.ticket.cost) {
                return;
            }
            place.fate = Fate::Called;
            place.shown = self.now;
        }
    }

    /// Takes out a caller's tickets of a worker that were called, in their order, each with when that was.
    pub fn collect(&mut self, caller: u64, worker: u64) -> Vec<(u32, Instant)> {
        let mut collected = Vec::new();
        self.places.retain(|place| {
            let Ticket { holder, caller: whose, .. } = place.ticket;
            let is_its = place.fate == Fate::Called && holder.worker == worker && whose == caller;
            if is_its {
                collected.push((holder.context, place.shown));
            }
            !is_its
        });
        collected
    }

    /// Takes out one ticket; what was paid for it and when, where it was called.
    pub fn leave(&mut self, holder: Holder) -> Option<(NonZeroU32, Instant)> {
        let index = self.places.iter().position(|place| place.ticket.holder == holder)?;
        let place = self.places.remove(index);
        (place.fate == Fate::Called).then_some((place.ticket.cost, place.shown))
    }

    /// Whether an operator has sent this one away.
    pub fn is_dismissed(&self, holder: Holder) -> bool {
        self.places.iter().any(|place| place.fate == Fate::Dismissed && place.ticket.holder == holder)
    }

    /// Shows that a worker's tickets are alive. Says whether it was time to.
    pub fn show(&mut self, worker: u64) -> bool {
        let now = self.now;
        let mut any = false;
        let its = |place: &&mut Place| place.ticket.holder.worker == worker && place.fate == Fate::Waits;
        for place in self.places.iter_mut().filter(its) {
            if now.since(place.shown) >= SHOWN_EVERY {
                place.shown = now;
                any = true;
            }
        }
        any
    }

    /// Those of a caller who wait.
    fn waiting(&self, caller: u64) -> impl Iterator<Item = &Ticket> {
        let waits = move |place: &&Place| place.fate == Fate::Waits && place.ticket.caller == caller;
        self.places.iter().filter(waits).map(|place| &place.ticket)
    }
}

/// How long a request would wait to which its bucket says `outcome`, behind others that take `ahead` tokens of which one comes
/// every `pace`.
pub fn wait(outcome: &Outcome<'_>, ahead: u64, pace: Duration) -> Duration {
    let Standing { remaining, reset_in, .. } = outcome.standing();
    let tokens = |count: u64| pace.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    match outcome {
        Outcome::Deny(_) => reset_in.saturating_add(tokens(ahead)),
        Outcome::Allow(_) => tokens(ahead.saturating_sub(u64::from(*remaining))),
    }
}

#[cfg(test)]
mod tests;
