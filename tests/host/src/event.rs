//! What is going to happen, in the order of time and, within one moment, of planning.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::answer::CallId;
use crate::queue::Listener;
use crate::vm::VmId;

/// Something planned.
#[derive(Debug)]
pub(crate) enum Event {
    /// A root context's timer; `armed` tells a timer from those that it replaced.
    Tick { vm: VmId, context: u32, armed: u64 },
    /// A queue has a message.
    QueueReady { listener: Listener, token: u32 },
    /// A request has arrived at an upstream, which says now what it will answer.
    Arrive(CallId),
    /// The next step of an answer.
    Proceed(CallId),
    /// A callout's time is up.
    Expire(CallId),
}

/// All events to come.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    events: BTreeMap<(Duration, u64), Event>,
    planned: u64,
}

impl Agenda {
    /// Plans an event for a moment of the monotonic clock.
    pub(crate) fn plan(&mut self, moment: Duration, event: Event) {
        self.planned += 1;
        self.events.insert((moment, self.planned), event);
    }

    /// The next event up to a moment, and when it is due.
    pub(crate) fn next_until(&mut self, moment: Duration) -> Option<(Duration, Event)> {
        let entry = self.events.first_entry().filter(|entry| entry.key().0 <= moment)?;
        let (due, _) = *entry.key();
        Some((due, entry.remove()))
    }
}
