//! The requests of a worker that wait in lines, and when each line is to be looked at.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use policy::{Fingerprint, Instant};

use super::receipt::{Receipt, SentAt};
use super::seat::Seat;
use crate::queue::{SILENT_FOR, Terms, Ticket};

/// What of this worker waits.
pub(super) struct Lobby {
    /// The worker's number, drawn at random.
    pub(super) worker: u64,
    pub(super) waiting: RefCell<Vec<Waiting>>,
    /// When they were last looked at.
    pub(super) seen: Cell<Instant>,
}

/// A request that waits.
pub(super) struct Waiting {
    pub(super) seat: Seat,
    pub(super) terms: Terms,
    pub(super) ticket: Ticket,
    /// When it came.
    pub(super) since: Instant,
    /// When its line is to be looked at.
    pub(super) look_at: Instant,
    /// What its other rules have taken.
    pub(super) paid: Vec<Receipt>,
    /// When they have.
    pub(super) paid_at: Instant,
    pub(super) sent_at: SentAt,
}

impl Lobby {
    pub(super) fn new() -> Self {
        let worker = u64::from_le_bytes(shell::random());
        Self { worker, waiting: RefCell::default(), seen: Cell::new(Instant::EPOCH) }
    }

    /// Whether this stream's request waits: its body waits with it.
    pub(super) fn has(&self, context: u32) -> bool {
        self.waiting.borrow().iter().any(|waiting| waiting.ticket.holder.context == context)
    }

    /// Takes out the request of a stream.
    pub(super) fn take(&self, context: u32) -> Option<Waiting> {
        let mut waiting = self.waiting.borrow_mut();
        let index = waiting.iter().position(|waiting| waiting.ticket.holder.context == context)?;
        Some(waiting.remove(index))
    }

    /// Moves the moments with a clock that steps back, or leaps ahead.
    pub(super) fn follow_clock(&self, now: Instant) {
        let seen = self.seen.replace(now);
        let (ahead, back) = (now.since(seen), seen.since(now));
        if ahead > SILENT_FOR || !back.is_zero() {
            for waiting in self.waiting.borrow_mut().iter_mut() {
                waiting.since = if back.is_zero() { waiting.since + ahead } else { waiting.since.before(back) };
                waiting.look_at = now;
            }
        }
    }

    /// Has the lines looked at now in which these callers wait.
    pub(super) fn hurry(&self, callers: &[Fingerprint], now: Instant) {
        for waiting in self.waiting.borrow_mut().iter_mut().filter(|waiting| callers.contains(&waiting.seat.print)) {
            waiting.look_at = now;
        }
    }

    /// A line that is to be looked at.
    pub(super) fn due(&self, now: Instant) -> Option<(Seat, Terms)> {
        let waiting = self.waiting.borrow();
        let due = waiting.iter().find(|waiting| waiting.look_at <= now)?;
        Some((due.seat.clone(), due.terms))
    }

    /// Has it looked at again then.
    pub(super) fn look_again(&self, seat: &Seat, at: Instant) {
        for waiting in self.waiting.borrow_mut().iter_mut().filter(|waiting| waiting.seat == *seat) {
            waiting.look_at = at;
        }
    }

    /// In what time the next line is to be looked at.
    pub(super) fn next(&self, now: Instant) -> Option<Duration> {
        self.waiting.borrow().iter().map(|waiting| waiting.look_at.since(now)).min()
    }
}
