//! The host itself: what a test does with it and asks of it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::answer::{Answer, Arrival, CallId};
use crate::builder::Builder;
use crate::event::Event;
use crate::exchange::{Ending, Exchange};
use crate::fleet::{Compiled, Root};
use crate::headers::Headers;
use crate::log::Line;
use crate::metric::Metric;
use crate::passage::Data;
use crate::plugin::StartError;
use crate::reply::Reply;
use crate::request::{Protocol, Request};
use crate::stream::{Side, Stream, StreamId};
use crate::vm::{Kinship, Vm, VmId};
use crate::world::World;

/// What answers the requests to a cluster.
pub(crate) type Answers = Box<dyn FnMut(&Arrival) -> Answer + Send>;

/// Envoy's limits of a request's headers.
const HEADER_BYTES_MAX: usize = 60 * 1024;
const HEADERS_MAX: usize = 100;

/// A proxy with its workers, filters, upstreams and clock; see the [crate] for an example.
pub struct Host {
    pub(crate) world: Box<World>,
    pub(crate) vms: Vec<Option<Vm>>,
    pub(crate) compiled: Vec<Compiled>,
    /// The machine of each kinship on each worker.
    pub(crate) local: HashMap<(usize, Kinship), VmId>,
    /// Per worker and plugin.
    pub(crate) roots: Vec<Vec<Root>>,
    pub(crate) retiring: Vec<(VmId, u32)>,
    pub(crate) upstream: Answers,
    pub(crate) clusters: HashMap<String, Answers>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) reload_backoff: Duration,
    streams_opened: u64,
}

impl Host {
    /// A host with one worker, no filter, and an upstream that answers 200: change what the test needs otherwise.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn empty(
        workers: usize,
        world: World,
        upstream: Answers,
        clusters: HashMap<String, Answers>,
        reload_backoff: Duration,
    ) -> Self {
        Self {
            world: Box::new(world),
            vms: Vec::new(),
            compiled: Vec::new(),
            local: HashMap::new(),
            roots: vec![Vec::new(); workers],
            retiring: Vec::new(),
            upstream,
            clusters,
            arrivals: Vec::new(),
            reload_backoff,
            streams_opened: 0,
        }
    }

    /// Sends a request on a worker, and plays until it is answered or waits for the clock, the test or an upstream.
    pub fn send(&mut self, worker: usize, request: Request) -> Exchange {
        let stream = self.open(worker, request);
        self.poll();
        self.exchange(stream)
    }

    /// Brings a request to the filters without letting anything else happen: no upstream answers before
    /// [`poll`](Self::poll), [`advance`](Self::advance) or [`send`](Self::send).
    pub fn open(&mut self, worker: usize, request: Request) -> StreamId {
        self.streams_opened += 1;
        let id = StreamId(self.streams_opened);
        let filters = self.filters(worker);
        let mut stream = Stream::new(id, worker, request, filters);
        stream.started = self.world.clock.monotonic;
        stream.started_wall = self.world.clock.wall;
        let Request { headers, chunks, trailers, open, protocol, .. } = stream.sent.clone();
        let end = chunks.is_empty() && trailers.is_none() && !open;
        stream.received = end;
        self.world.streams.insert(id, stream);
        if let Some(reply) = refuse(&headers) {
            self.reply(id, reply);
            return id;
        }
        self.pass_headers(id, Side::Request, None, end);
        let last = chunks.len();
        for (place, chunk) in (1..).zip(chunks) {
            let ends = place == last && !open && trailers.is_none() && protocol == Protocol::Http2;
            self.receive(id, chunk, ends);
        }
        if !open && !end {
            self.finish_request(id, trailers);
        }
        id
    }

    /// Sends another chunk of an open request, and plays on.
    pub fn chunk(&mut self, stream: StreamId, chunk: impl Into<Vec<u8>>) -> Exchange {
        self.receive(stream, chunk.into(), false);
        self.poll();
        self.exchange(stream)
    }

    /// Ends an open request, with its trailers if it has any, and plays on.
    pub fn finish(&mut self, stream: StreamId, trailers: Option<Headers>) -> Exchange {
        self.finish_request(stream, trailers);
        self.poll();
        self.exchange(stream)
    }

    /// Lets everything happen that is due now.
    pub fn poll(&mut self) {
        self.advance(Duration::ZERO);
    }

    /// Moves the clocks on, and lets everything happen that becomes due, each at its time.
    pub fn advance(&mut self, step: Duration) {
        let until = self.world.clock.monotonic + step;
        while let Some((due, event)) = self.world.agenda.next_until(until) {
            self.world.clock.advance_to(due);
            self.happen(event);
        }
        self.world.clock.advance_to(until);
    }

    /// Steps the wall clock back, as a correction of the system's time does. Timers do not notice.
    pub fn step_back(&mut self, step: Duration) {
        self.world.clock.wall = self.world.clock.wall.saturating_sub(step);
    }

    /// The wall clock: time since the Unix epoch.
    pub fn now(&self) -> Duration {
        self.world.clock.wall
    }

    /// How a stream stands now.
    ///
    /// # Panics
    /// Where this host has no such stream.
    pub fn exchange(&self, stream: StreamId) -> Exchange {
        self.world.stream(stream).exchange()
    }

    /// The client leaves.
    pub fn disconnect(&mut self, stream: StreamId) -> Exchange {
        let state = self.world.stream_mut(stream);
        if !state.ended() {
            state.flags |= DOWNSTREAM_TERMINATION;
            "downstream_remote_disconnect".clone_into(&mut state.details);
        }
        self.end_stream(stream, Ending::Disconnected);
        self.poll();
        self.exchange(stream)
    }

    /// Every request that an upstream has received, callouts included, in order.
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// The requests whose answers the test holds, in order.
    pub fn held(&self) -> Vec<Arrival> {
        self.world.calls.values().filter(|call| call.held).map(|call| call.arrival.clone()).collect()
    }

    /// Continues an answer that was held, and plays on.
    ///
    /// # Panics
    /// Where no answer to this call is held: it was released before, or its stream is gone.
    pub fn release(&mut self, call: CallId, answer: Answer) {
        assert!(self.resume_answer(call, answer), "no answer is held for {call:?}");
        self.poll();
    }

    /// Crashes the machine that runs a plugin on a worker; plugins that share it crash with it.
    ///
    /// # Panics
    /// Where there is no such plugin.
    pub fn crash(&mut self, worker: usize, plugin: &str) {
        let plugin = self.plugin_named(plugin);
        self.crash_machine(worker, plugin);
    }

    /// Gives a plugin another configuration, as an update of the proxy's configuration does. Where it is refused, the
    /// old one stays.
    ///
    /// # Panics
    /// Where there is no such plugin.
    pub fn reload(&mut self, plugin: &str, configuration: impl Into<Vec<u8>>) -> Result<(), StartError> {
        let plugin = self.plugin_named(plugin);
        self.reconfigure(plugin, configuration.into())?;
        self.poll();
        Ok(())
    }

    /// Drops what is over: ended streams, the arrivals, the log. For tests that send so much that keeping it would hurt.
    pub fn forget(&mut self) {
        self.world.streams.retain(|_, stream| !stream.ended());
        self.arrivals.clear();
        self.world.log.clear();
    }

    /// The log so far.
    pub fn log(&self) -> &[Line] {
        &self.world.log
    }

    /// A counter's or gauge's value, or how many values a histogram has; `None` where there is no such metric.
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.world.metrics.find(name).map(Metric::value)
    }

    /// Every metric by its full name.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        self.world.metrics.all()
    }

    /// The value of a key of shared data.
    pub fn shared_data(&self, vm_id: &str, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.world.shared.read(vm_id, key.as_ref()).map(|(value, _)| value.as_slice())
    }

    /// Overwrites a key of shared data.
    pub fn set_shared_data(&mut self, vm_id: &str, key: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) {
        let written = self.world.shared.write(vm_id, key.as_ref(), value.into(), 0);
        debug_assert!(written.is_ok(), "a write without a version succeeds");
    }

    /// Has shared data fail for filters from here on, or answer again.
    pub fn fail_shared_data(&mut self, fails: bool) {
        self.world.shared.is_away = fails;
    }

    /// Has shared data take so many more changes of filters, and then no other; reading goes on.
    pub fn limit_shared_changes(&mut self, changes: usize) {
        self.world.shared.writes_left = Some(changes);
    }

    /// Has another worker be faster than the next filter that changes `key`: right before, these keys have these values.
    pub fn overtake_shared_change(&mut self, key: impl Into<Vec<u8>>, faster: Vec<(Vec<u8>, Vec<u8>)>) {
        self.world.shared.faster = Some((key.into(), faster));
    }

    /// The keys of shared data, sorted.
    pub fn shared_keys(&self, vm_id: &str) -> Vec<Vec<u8>> {
        self.world.shared.keys(vm_id)
    }

    /// The bytes of all keys and values of shared data.
    pub fn shared_bytes(&self, vm_id: &str) -> usize {
        self.world.shared.bytes(vm_id)
    }

    /// What a stream's filter state holds under a full key: `wasm.request_id` for what a filter has set as `request_id`.
    pub fn filter_state(&self, stream: StreamId, key: &str) -> Option<&[u8]> {
        self.world.stream(stream).filter_state.get(key.as_bytes()).map(Vec::as_slice)
    }

    /// The bytes of memory of the machine that runs a plugin on a worker; none where it has crashed.
    ///
    /// # Panics
    /// Where there is no such plugin.
    pub fn memory_bytes(&self, worker: usize, plugin: &str) -> usize {
        let root = self.roots[worker][self.plugin_named(plugin)];
        root.at.and_then(|(vm, _)| self.vms[vm.0].as_ref()).map_or(0, Vm::memory_bytes)
    }

    fn plugin_named(&self, name: &str) -> usize {
        let place = self.world.plugins.iter().position(|plugin| plugin.name == name);
        place.unwrap_or_else(|| panic!("there is no plugin {name:?}"))
    }

    fn receive(&mut self, id: StreamId, chunk: Vec<u8>, end: bool) {
        let stream = self.world.stream_mut(id);
        if !stream.ended() {
            stream.received = end;
            self.pass_data(id, Side::Request, None, Data::Fresh(chunk), end);
        }
    }

    fn finish_request(&mut self, id: StreamId, trailers: Option<Headers>) {
        let stream = self.world.stream_mut(id);
        if stream.ended() || stream.received {
            return;
        }
        stream.received = true;
        match trailers {
            Some(trailers) => {
                stream.request.trailers = Some(trailers);
                self.pass_trailers(id, Side::Request, None);
            }
            None => self.pass_data(id, Side::Request, None, Data::Fresh(Vec::new()), true),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(call) => self.arrive(call),
            Event::Proceed(call) => self.proceed(call),
            Event::Expire(call) => self.fail(call, crate::answer::Failure::Timeout),
            Event::Tick { vm, context, armed } => self.tick(vm, context, armed),
            Event::QueueReady { listener, token } => {
                let vm = listener.worker.and_then(|worker| self.local.get(&(worker, listener.kinship))).copied();
                if let Some(vm) = vm
                    && self.vm(vm).is_some_and(|vm| vm.has_context(listener.context))
                {
                    self.call(vm, "proxy_on_queue_ready", &[listener.context, token]);
                    self.settle(vm);
                }
            }
        }
    }

    fn tick(&mut self, id: VmId, context: u32, armed: u64) {
        let timer = |host: &mut Self| {
            let timer = host.vm(id).and_then(|vm| vm.guest().timers.get(&context).copied());
            timer.filter(|timer| timer.armed == armed)
        };
        if timer(self).is_none() {
            return;
        }
        self.call(id, "proxy_on_tick", &[context]);
        self.settle(id);
        if let Some(timer) = timer(self) {
            self.world.post_in(timer.period, Event::Tick { vm: id, context, armed });
        }
    }
}

/// Envoy's flag of a client that has left.
const DOWNSTREAM_TERMINATION: u64 = 0x4000;

/// What Envoy's codec answers before any filter sees the request.
fn refuse(headers: &Headers) -> Option<Reply> {
    let broken = |value: &[u8]| value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
    if headers.iter().any(|(_, value)| broken(value)) {
        return Some(Reply::plain(400, "Bad Request", "http1.codec_error"));
    }
    let too_large = headers.bytes() > HEADER_BYTES_MAX || headers.len() > HEADERS_MAX;
    too_large.then(|| Reply::plain(431, "Request Header Fields Too Large", "http1.headers_too_large"))
}
