//! What one filter is asked and what its answer means, after Envoy's Wasm context.

use crate::host::Host;
use crate::passage::{Data, DataStatus};
use crate::plugin::FailurePolicy;
use crate::reply::Reply;
use crate::stream::{Body, Iteration, Side, StreamId};
use crate::vm::{Called, Deferred, Place, VmId};

/// What came of a question to a filter.
enum Verdict {
    /// It has no such callback, or it has failed and is passed over.
    Passed,
    /// It said this.
    Said(u32),
    /// It has answered the stream or has failed: nothing goes on.
    Stopped,
}

impl Host {
    /// Shows headers to the filter at a place.
    pub(crate) fn ask_headers(&mut self, id: StreamId, side: Side, place: usize, end: bool) -> Iteration {
        let at = self.world.stream(id).filter_at(side, place);
        if side == Side::Request {
            self.create_context(id, at);
        }
        let stream = self.world.stream_mut(id);
        let count = stream.way(side).headers.as_ref().map_or(0, crate::Headers::len);
        let filter = &mut stream.filters[at];
        // Who has not seen the request does not see the response; nor who has failed this stream.
        if side == Side::Response && (!filter.created || filter.failed) {
            return Iteration::Continue;
        }
        filter.view_mut(side).headers = true;
        filter.end_of_stream = end;
        let plugin = filter.plugin;
        let callback = match side {
            Side::Request => "proxy_on_request_headers",
            Side::Response => "proxy_on_response_headers",
        };
        let single = self.world.plugins[plugin].allow_on_headers_stop_iteration;
        let status = match self.ask(id, at, callback, &[crate::imports::length(count), end.into()]) {
            Verdict::Passed | Verdict::Said(0 | 2) => Iteration::Continue,
            Verdict::Said(1) if single => Iteration::StopSingle,
            Verdict::Said(3) => Iteration::StopAll { streaming: false },
            Verdict::Said(_) | Verdict::Stopped => Iteration::StopAll { streaming: true },
        };
        if status == Iteration::Continue {
            self.world.stream_mut(id).filters[at].view_mut(side).headers = false;
        }
        status
    }

    /// Shows data to the filter at a place: the chunk, or all that it has asked to collect.
    pub(crate) fn ask_data(
        &mut self,
        id: StreamId,
        side: Side,
        place: usize,
        data: &mut Data,
        end: bool,
    ) -> DataStatus {
        let stream = self.world.stream_mut(id);
        let at = stream.filter_at(side, place);
        let filter = &stream.filters[at];
        if !filter.created || (side == Side::Response && filter.failed) {
            return DataStatus::Continue;
        }
        if filter.view(side).buffering {
            stream.way_mut(side).streaming = false;
            let fresh = std::mem::replace(data, Data::Fresh(Vec::new()));
            self.hold(id, side, fresh);
            if self.world.stream(id).ended() {
                return DataStatus::Buffer;
            }
        }
        let stream = self.world.stream_mut(id);
        let buffered = stream.way(side).buffered.as_ref().map_or(0, Vec::len);
        let filter = &mut stream.filters[at];
        filter.end_of_stream = end;
        let view = filter.view_mut(side);
        let length = match data {
            Data::Fresh(bytes) if !view.buffering => {
                view.body = Body::Passing;
                view.passing = std::mem::take(bytes);
                view.passing.len()
            }
            Data::Fresh(_) | Data::Buffered => {
                view.body = Body::Buffered;
                buffered
            }
        };
        let callback = match side {
            Side::Request => "proxy_on_request_body",
            Side::Response => "proxy_on_response_body",
        };
        let verdict = self.ask(id, at, callback, &[crate::imports::length(length), end.into()]);
        let status = match verdict {
            Verdict::Passed | Verdict::Said(0) => DataStatus::Continue,
            Verdict::Said(1) => DataStatus::Buffer,
            Verdict::Said(2) => DataStatus::Watermark,
            Verdict::Said(_) | Verdict::Stopped => DataStatus::Discard,
        };
        let view = self.world.stream_mut(id).filters[at].view_mut(side);
        let passed = std::mem::take(&mut view.passing);
        if let Data::Fresh(bytes) = data
            && !view.buffering
        {
            *bytes = passed;
        }
        view.buffering = status == DataStatus::Buffer;
        view.body = if view.buffering { Body::Buffered } else { Body::Absent };
        status
    }

    /// Shows trailers to the filter at a place; `true` where it holds them.
    pub(crate) fn ask_trailers(&mut self, id: StreamId, side: Side, place: usize) -> bool {
        let stream = self.world.stream_mut(id);
        let at = stream.filter_at(side, place);
        let count = stream.way(side).trailers.as_ref().map_or(0, crate::Headers::len);
        let filter = &mut stream.filters[at];
        if !filter.created || (side == Side::Response && filter.failed) {
            return false;
        }
        filter.view_mut(side).trailers = true;
        let callback = match side {
            Side::Request => "proxy_on_request_trailers",
            Side::Response => "proxy_on_response_trailers",
        };
        let holds = match self.ask(id, at, callback, &[crate::imports::length(count)]) {
            Verdict::Passed | Verdict::Said(0) => false,
            Verdict::Said(_) | Verdict::Stopped => true,
        };
        if !holds {
            self.world.stream_mut(id).filters[at].view_mut(side).trailers = false;
        }
        holds
    }

    /// Asks a filter, and does what it has put off. A filter whose machine has failed answers its stream with 503.
    fn ask(&mut self, id: StreamId, at: usize, callback: &'static str, rest: &[u32]) -> Verdict {
        let filter = &self.world.stream(id).filters[at];
        let (root, context) = (filter.root, filter.context);
        let arguments = [&[context], rest].concat();
        let called = root.map_or(Called::Failed, |(vm, _)| self.call(vm, callback, &arguments));
        let Some((vm, _)) = root.filter(|_| called != Called::Failed) else {
            return self.fail_stream(id, at);
        };
        let stopped = self.vm(vm).is_some_and(|vm| vm.guest().stopped);
        let verdict = match called {
            Called::Returned(_) if stopped => Verdict::Stopped,
            Called::Returned(said) => Verdict::Said(said),
            Called::Absent | Called::Failed => Verdict::Passed,
        };
        self.settle(vm);
        verdict
    }

    fn fail_stream(&mut self, id: StreamId, at: usize) -> Verdict {
        let filter = &mut self.world.stream_mut(id).filters[at];
        let first = !std::mem::replace(&mut filter.failed, true);
        let plugin = filter.plugin;
        if self.world.plugins[plugin].failure_policy == FailurePolicy::Open {
            return Verdict::Passed;
        }
        if first {
            self.reply(id, Reply::plain(503, "", "wasm_fail_stream"));
        }
        Verdict::Stopped
    }

    /// Tells a filter something that it has no say in.
    pub(crate) fn tell(&mut self, id: StreamId, at: usize, callback: &'static str) {
        let filter = &self.world.stream(id).filters[at];
        if let Some((vm, _)) = filter.root.filter(|_| filter.created) {
            let context = filter.context;
            self.call(vm, callback, &[context]);
            self.settle(vm);
        }
    }

    /// Makes the filter's context, if it has none.
    pub(crate) fn create_context(&mut self, id: StreamId, at: usize) {
        let filter = &mut self.world.stream_mut(id).filters[at];
        if std::mem::replace(&mut filter.created, true) {
            return;
        }
        let Some((vm, root)) = filter.root else { return };
        let place = Place::Filter { stream: id, filter: at, root };
        let Some(context) = self.vm(vm).map(|vm| vm.guest().open_context(place)) else { return };
        self.world.stream_mut(id).filters[at].context = context;
        self.call(vm, "proxy_on_context_create", &[context, root]);
        self.settle(vm);
    }

    /// Forgets the filter's context.
    pub(crate) fn close_context(&mut self, id: StreamId, at: usize) {
        let filter = &mut self.world.stream_mut(id).filters[at];
        filter.destroyed = true;
        let (root, context) = (filter.root, filter.context);
        if let Some(vm) = root.and_then(|(vm, _)| self.vm(vm)) {
            vm.guest().contexts.remove(&context);
        }
    }

    /// Does what the callbacks of a machine have put off.
    pub(crate) fn settle(&mut self, id: VmId) {
        if let Some(vm) = self.vm(id) {
            let guest = vm.guest();
            guest.stopped = false;
            guest.answered = None;
            guest.status.1 = "";
        }
        while let Some(deferred) = self.vm(id).and_then(|vm| vm.guest().deferred.pop_front()) {
            match deferred {
                Deferred::Continue { stream, filter, side } => {
                    if !self.world.stream(stream).filters[filter].destroyed {
                        let place = self.world.stream(stream).filter_at(side, filter);
                        self.continue_from(stream, side, place);
                    }
                }
                Deferred::Reset { stream } => self.end_stream(stream, crate::Ending::Reset),
                Deferred::Reply { stream, reply } => self.reply(stream, reply),
                Deferred::Leave { context } => self.delete_root(id, context),
            }
        }
    }
}
