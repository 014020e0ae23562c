//! The upstream's end: the request that leaves the chain, the answer that comes back, and callouts alike.

use crate::answer::{Answer, Arrival, CallId, Failure, Step};
use crate::event::Event;
use crate::exchange::{Ending, Response};
use crate::headers::Headers;
use crate::host::Host;
use crate::passage::Data;
use crate::reply::Reply;
use crate::request::Protocol;
use crate::stream::{Side, StreamId};
use crate::vm::VmId;
use crate::world::Caller;

/// Envoy's flags of a response, as bits.
mod flag {
    pub(super) const NO_HEALTHY_UPSTREAM: u64 = 0x2;
    pub(super) const UPSTREAM_TIMEOUT: u64 = 0x4;
    pub(super) const CONNECTION_FAILURE: u64 = 0x20;
    pub(super) const CONNECTION_TERMINATION: u64 = 0x40;
}

/// What a request says about its retries is the router's to read, and goes no further.
const RETRY_HEADERS: [&str; 3] = ["x-envoy-max-retries", "x-envoy-retry-on", "x-envoy-retry-grpc-on"];

impl Failure {
    /// What the client gets where the upstream fails before it has answered.
    fn reply(self) -> (Reply, u64) {
        let (status, text, details, flag) = match self {
            Self::Reset => (
                503,
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
                "upstream_reset_before_response_started{connection_termination}",
                flag::CONNECTION_TERMINATION,
            ),
            Self::Unreachable => (
                503,
                "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
                "upstream_reset_before_response_started{remote_connection_failure}",
                flag::CONNECTION_FAILURE,
            ),
            Self::Timeout => (504, "upstream request timeout", "response_timeout", flag::UPSTREAM_TIMEOUT),
            Self::Unhealthy => (503, "no healthy upstream", "no_healthy_upstream", flag::NO_HEALTHY_UPSTREAM),
        };
        (Reply::plain(status, text, details), flag)
    }
}

impl Host {
    /// Takes in the headers that have passed the chain.
    pub(crate) fn forward_headers(&mut self, id: StreamId, end: bool) {
        let stream = self.world.stream_mut(id);
        let mut headers = stream.request.headers.clone().unwrap_or_default();
        for name in RETRY_HEADERS {
            headers.remove(name);
        }
        let missing = [":method", ":path", ":authority"].into_iter().find(|name| headers.first(name).is_none());
        if let Some(name) = missing {
            let text = format!("missing required header: {name}");
            let details = format!("filter_removed_required_request_headers{{{}}}", text.replace(' ', "_"));
            return self.reply(id, Reply::plain(503, &text, &details));
        }
        stream.upstream = Some(Arrival {
            call: CallId(0),
            cluster: stream.cluster().to_owned(),
            worker: stream.worker,
            stream: Some(id),
            headers,
            body: Vec::new(),
            trailers: None,
        });
        if end {
            self.forward(id);
        }
    }

    /// Takes in data that has passed the chain.
    pub(crate) fn forward_data(&mut self, id: StreamId, data: Vec<u8>, end: bool) {
        if let Some(arrival) = &mut self.world.stream_mut(id).upstream {
            arrival.body.extend(data);
        }
        if end {
            self.forward(id);
        }
    }

    /// Takes in the trailers, and with them the end.
    pub(crate) fn forward_trailers(&mut self, id: StreamId) {
        let stream = self.world.stream_mut(id);
        if let Some(arrival) = &mut stream.upstream {
            arrival.trailers.clone_from(&stream.request.trailers);
        }
        self.forward(id);
    }

    fn forward(&mut self, id: StreamId) {
        let stream = self.world.stream(id);
        if let (Some(arrival), None) = (stream.upstream.clone(), stream.call) {
            let call = self.world.call(Caller::Stream(id), arrival);
            let stream = self.world.stream_mut(id);
            stream.call = Some(call);
            if let Some(arrival) = &mut stream.upstream {
                arrival.call = call;
            }
        }
    }

    /// Lets the upstream say what it will answer.
    pub(crate) fn arrive(&mut self, call: CallId) {
        let Some(record) = self.world.calls.get_mut(&call) else { return };
        let arrival = record.arrival.clone();
        let answer = match self.clusters.get_mut(&arrival.cluster) {
            Some(answers) => answers(&arrival),
            None => (self.upstream)(&arrival),
        };
        self.arrivals.push(arrival);
        record.answer = answer;
        self.proceed(call);
    }

    /// Plays an answer on, up to its next wait.
    pub(crate) fn proceed(&mut self, call: CallId) {
        while let Some(record) = self.world.calls.get_mut(&call) {
            record.held = false;
            let Some(step) = record.answer.steps.pop_front() else {
                if record.started {
                    self.deliver_data(call, Vec::new(), true);
                } else {
                    self.fail(call, Failure::Reset);
                }
                return;
            };
            let last = record.answer.steps.is_empty();
            let http1 = record.answer.protocol == Protocol::Http1;
            match step {
                Step::Wait(wait) => return self.world.post_in(wait, Event::Proceed(call)),
                Step::Hold => {
                    record.held = true;
                    return;
                }
                Step::Head(headers) => self.deliver_headers(call, headers, last),
                Step::Chunk(chunk) if last && http1 => {
                    self.deliver_data(call, chunk, false);
                    return self.deliver_data(call, Vec::new(), true);
                }
                Step::Chunk(chunk) => self.deliver_data(call, chunk, last),
                Step::Trailers(trailers) => return self.deliver_trailers(call, trailers),
                Step::Fail(failure) => return self.fail(call, failure),
            }
        }
    }

    /// Continues an answer that the test has held.
    pub(crate) fn resume_answer(&mut self, call: CallId, answer: Answer) -> bool {
        let Some(record) = self.world.calls.get_mut(&call).filter(|record| record.held) else { return false };
        record.answer.protocol = answer.protocol;
        record.answer.steps.extend(answer.steps);
        self.proceed(call);
        true
    }

    fn deliver_headers(&mut self, call: CallId, headers: Headers, end: bool) {
        let Some(record) = self.world.calls.get_mut(&call) else { return };
        record.started = true;
        match record.caller {
            Caller::Stream(id) => {
                let stream = self.world.stream_mut(id);
                "via_upstream".clone_into(&mut stream.details);
                stream.response.headers = Some(headers);
                let end = end || stream.is_head;
                if end {
                    self.world.calls.remove(&call);
                }
                self.pass_headers(id, Side::Response, None, end);
            }
            Caller::Callout { .. } => {
                record.collected.headers = headers;
                record.collected.chunks = vec![Vec::new()];
                if end {
                    self.complete_callout(call);
                }
            }
        }
    }

    fn deliver_data(&mut self, call: CallId, data: Vec<u8>, end: bool) {
        let Some(record) = self.world.calls.get_mut(&call) else { return };
        match record.caller {
            Caller::Stream(id) => {
                if end {
                    self.world.calls.remove(&call);
                }
                self.pass_data(id, Side::Response, None, Data::Fresh(data), end);
            }
            Caller::Callout { .. } => {
                record.collected.chunks[0].extend(data);
                if end {
                    self.complete_callout(call);
                }
            }
        }
    }

    fn deliver_trailers(&mut self, call: CallId, trailers: Headers) {
        let Some(record) = self.world.calls.get_mut(&call) else { return };
        match record.caller {
            Caller::Stream(id) => {
                self.world.calls.remove(&call);
                self.world.stream_mut(id).response.trailers = Some(trailers);
                self.pass_trailers(id, Side::Response, None);
            }
            Caller::Callout { .. } => {
                record.collected.trailers = Some(trailers);
                self.complete_callout(call);
            }
        }
    }

    /// Gives the whole answer of a callout to the root context that made it.
    fn complete_callout(&mut self, call: CallId) {
        let Some(record) = self.world.calls.remove(&call) else { return };
        if let Caller::Callout { vm, context, token } = record.caller {
            self.answer_callout(vm, (context, token), record.collected);
        }
    }

    fn answer_callout(&mut self, vm: VmId, (context, token): (u32, u32), response: Response) {
        let length = crate::imports::length;
        let headers = length(response.headers.len());
        let body = length(response.chunks[0].len());
        let trailers = length(response.trailers.as_ref().map_or(0, Headers::len));
        let Some(machine) = self.vm(vm).filter(|vm| vm.has_context(context)) else { return };
        machine.guest().answered = Some((context, response));
        self.call(vm, "proxy_on_http_call_response", &[context, token, headers, body, trailers]);
        self.settle(vm);
    }

    /// Ends a call by a failure.
    pub(crate) fn fail(&mut self, call: CallId, failure: Failure) {
        let Some(record) = self.world.calls.remove(&call) else { return };
        match record.caller {
            Caller::Stream(id) => {
                let (reply, flag) = failure.reply();
                let stream = self.world.stream_mut(id);
                stream.flags |= flag;
                if record.started {
                    "upstream_reset_after_response_started{connection_termination}".clone_into(&mut stream.details);
                    self.end_stream(id, Ending::Reset);
                } else {
                    self.reply(id, reply);
                }
            }
            // Measured: what fails before there are headers answers a callout as it would answer a client.
            Caller::Callout { vm, context, token } if !record.started => {
                let (reply, _) = failure.reply();
                let (headers, chunks) = (reply.head(), vec![reply.body]);
                self.answer_callout(vm, (context, token), Response { headers, chunks, trailers: None });
            }
            Caller::Callout { vm, context, token } => {
                let Some(machine) = self.vm(vm).filter(|vm| vm.has_context(context)) else { return };
                machine.guest().status = (BROKEN_CONNECTION, "reset");
                self.call(vm, "proxy_on_http_call_response", &[context, token, 0, 0, 0]);
                self.settle(vm);
            }
        }
    }
}

/// The status that a filter may ask for after a failed callout.
const BROKEN_CONNECTION: u32 = 11;
