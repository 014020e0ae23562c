//! Everything that outlives a call into a virtual machine and that a filter may touch meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::answer::{Answer, Arrival, CallId};
use crate::clock::{self, Clock};
use crate::event::{Agenda, Event};
use crate::exchange::Response;
use crate::log::{Level, Line};
use crate::metric::Metrics;
use crate::plugin::Plugin;
use crate::queue::Queues;
use crate::shared::SharedData;
use crate::stream::{Stream, StreamId};
use crate::vm::VmId;

/// Who waits for an upstream's answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Caller {
    /// A client's stream.
    Stream(StreamId),
    /// A root context, by a callout of this token.
    Callout { vm: VmId, context: u32, token: u32 },
}

/// A request that is with an upstream.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) arrival: Arrival,
    pub(crate) answer: Answer,
    /// Whether the test is to say how it goes on.
    pub(crate) held: bool,
    /// Whether the headers of the answer have been delivered.
    pub(crate) started: bool,
    /// What a callout collects until its answer is complete.
    pub(crate) collected: Response,
}

/// The state of the host. It travels into the virtual machine for the time of a call.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) agenda: Agenda,
    pub(crate) shared: SharedData,
    pub(crate) queues: Queues,
    pub(crate) metrics: Metrics,
    pub(crate) log: Vec<Line>,
    pub(crate) log_level: Level,
    pub(crate) random: u64,
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) calls: BTreeMap<CallId, Call>,
    pub(crate) calls_made: u64,
    /// The clusters by name, and whether each has a host.
    pub(crate) clusters: BTreeMap<String, bool>,
    pub(crate) foreign_functions: bool,
    pub(crate) buffer_limit: usize,
}

impl Default for World {
    fn default() -> Self {
        Self {
            clock: Clock::starting_at(clock::START),
            agenda: Agenda::default(),
            shared: SharedData::default(),
            queues: Queues::default(),
            metrics: Metrics::default(),
            log: Vec::new(),
            log_level: Level::Trace,
            random: 1,
            plugins: Vec::new(),
            streams: BTreeMap::new(),
            calls: BTreeMap::new(),
            calls_made: 0,
            clusters: BTreeMap::new(),
            foreign_functions: true,
            buffer_limit: 1024 * 1024,
        }
    }
}

impl World {
    /// The stream of this number.
    pub(crate) fn stream(&self, id: StreamId) -> &Stream {
        &self.streams[&id]
    }

    /// The stream of this number.
    pub(crate) fn stream_mut(&mut self, id: StreamId) -> &mut Stream {
        self.streams.get_mut(&id).expect("a stream's number comes from the host")
    }

    /// Plans an event for now: it happens when nothing else is being called.
    pub(crate) fn post(&mut self, event: Event) {
        self.agenda.plan(self.clock.monotonic, event);
    }

    /// Plans an event for later.
    pub(crate) fn post_in(&mut self, wait: Duration, event: Event) {
        self.agenda.plan(self.clock.monotonic.saturating_add(wait), event);
    }

    /// Sends a request to an upstream, which answers when the host is let run.
    pub(crate) fn call(&mut self, caller: Caller, mut arrival: Arrival) -> CallId {
        self.calls_made += 1;
        arrival.call = CallId(self.calls_made);
        let call = arrival.call;
        let record = Call {
            caller,
            arrival,
            answer: Answer::default(),
            held: false,
            started: false,
            collected: Response::default(),
        };
        self.calls.insert(call, record);
        self.post(Event::Arrive(call));
        call
    }

    /// Writes a line where its level is worth it.
    pub(crate) fn write_log(&mut self, level: Level, worker: Option<usize>, plugin: &str, text: &[u8]) {
        if level >= self.log_level {
            let text = String::from_utf8_lossy(text).into_owned();
            self.log.push(Line { level, plugin: plugin.to_owned(), worker, text });
        }
    }

    /// The next bytes of the random sequence (`SplitMix64`), the same for the same seed.
    pub(crate) fn random_bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.random;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((word ^ (word >> 31)).to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}
