//! One client's stream: the messages, where each filter stands, and what the client has seen.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::answer::{Arrival, CallId};
use crate::exchange::{Ending, Exchange, Response};
use crate::headers::Headers;
use crate::reply::Reply;
use crate::request::Request;
use crate::vm::VmId;

/// A stream's number, for asking after a request that waits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(pub(crate) u64);

/// A direction through the chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// From client to upstream, filters in their order.
    Request,
    /// From upstream to client, filters in reverse.
    Response,
}

/// Why a filter's position in the chain is not passed now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Iteration {
    /// It is passed.
    #[default]
    Continue,
    /// Headers or data are held; the filter still sees what comes.
    StopSingle,
    /// Everything is held, the filter sees nothing more until it continues. The sender is held back (`streaming`), or
    /// the body is collected up to the buffer limit.
    StopAll { streaming: bool },
}

/// How far one direction has got at one filter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    pub(crate) iteration: Iteration,
    pub(crate) headers_continued: bool,
    pub(crate) from_current: bool,
    pub(crate) end_stream: bool,
}

/// One direction of the stream.
#[derive(Debug, Default)]
pub(crate) struct Way {
    pub(crate) headers: Option<Headers>,
    pub(crate) trailers: Option<Headers>,
    /// By place in the order of this direction.
    pub(crate) positions: Vec<Position>,
    /// What the filters hold of the body; `Some` from the first time that any was held.
    pub(crate) buffered: Option<Vec<u8>>,
    /// Whether what is held is held back from the sender rather than collected.
    pub(crate) streaming: bool,
    /// Whether a callback of this direction is running.
    pub(crate) calling: bool,
    /// Whether a local reply or a reset has ended the running iteration.
    pub(crate) aborted: bool,
}

/// What a filter may see of a body.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Body {
    /// Nothing.
    #[default]
    Absent,
    /// The chunk that passes.
    Passing,
    /// What the chain has collected.
    Buffered,
}

/// What one filter sees of one direction.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) headers: bool,
    pub(crate) trailers: bool,
    pub(crate) body: Body,
    /// The chunk that passes, for the time of the callback.
    pub(crate) passing: Vec<u8>,
    /// Whether the filter has asked for the body to be collected.
    pub(crate) buffering: bool,
}

/// A plugin's context for this stream.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what Envoy keeps of a filter is this many independent facts")]
pub(crate) struct Filter {
    pub(crate) plugin: usize,
    /// Its machine and root context; `None` where the machine has failed and was not replaced.
    pub(crate) root: Option<(VmId, u32)>,
    /// Its number in the machine.
    pub(crate) context: u32,
    pub(crate) created: bool,
    pub(crate) destroyed: bool,
    pub(crate) failed: bool,
    pub(crate) end_of_stream: bool,
    pub(crate) logging: bool,
    pub(crate) request: View,
    pub(crate) response: View,
}

impl Filter {
    pub(crate) fn new(plugin: usize, root: Option<(VmId, u32)>) -> Self {
        Self {
            plugin,
            root,
            context: 0,
            created: false,
            destroyed: false,
            failed: false,
            end_of_stream: false,
            logging: false,
            request: View::default(),
            response: View::default(),
        }
    }

    pub(crate) const fn view(&self, side: Side) -> &View {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    pub(crate) const fn view_mut(&mut self, side: Side) -> &mut View {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }
}

/// A stream.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what Envoy keeps of a stream is this many independent facts")]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) worker: usize,
    pub(crate) sent: Request,
    pub(crate) started: Duration,
    pub(crate) started_wall: Duration,
    pub(crate) is_head: bool,
    /// The client calls by gRPC, which has replies of its own kind.
    pub(crate) is_grpc: bool,
    pub(crate) filters: Vec<Filter>,
    pub(crate) request: Way,
    pub(crate) response: Way,
    /// The whole request has been received.
    pub(crate) received: bool,
    /// The end of the response has entered the chain.
    pub(crate) local_complete: bool,
    /// Headers of the response have been sent to the client.
    pub(crate) responded: bool,
    /// The response has been sent to its end.
    pub(crate) sent_whole: bool,
    pub(crate) prepared: Option<Reply>,
    pub(crate) ending: Ending,
    pub(crate) details: String,
    pub(crate) flags: u64,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) client: Option<Response>,
    /// What has passed the chain on its way to the upstream.
    pub(crate) upstream: Option<Arrival>,
    pub(crate) call: Option<CallId>,
}

impl Stream {
    pub(crate) fn new(id: StreamId, worker: usize, sent: Request, filters: Vec<Filter>) -> Self {
        let positions = vec![Position::default(); filters.len()];
        let properties =
            sent.properties.iter().map(|(path, value)| (path.replace('.', "\0").into_bytes(), value.clone()));
        Self {
            id,
            worker,
            started: Duration::ZERO,
            started_wall: Duration::ZERO,
            is_head: sent.headers.first(":method") == Some(b"HEAD"),
            is_grpc: sent.headers.first("content-type").is_some_and(is_grpc),
            filters,
            request: Way { headers: Some(sent.headers.clone()), positions: positions.clone(), ..Way::default() },
            response: Way { positions, ..Way::default() },
            received: false,
            local_complete: false,
            responded: false,
            sent_whole: false,
            prepared: None,
            ending: Ending::Waiting,
            details: String::new(),
            flags: 0,
            properties: properties.collect(),
            filter_state: BTreeMap::new(),
            client: None,
            upstream: None,
            call: None,
            sent,
        }
    }

    pub(crate) fn way(&self, side: Side) -> &Way {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    pub(crate) fn way_mut(&mut self, side: Side) -> &mut Way {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }

    /// Which filter is at a place of a direction's order.
    pub(crate) fn filter_at(&self, side: Side, place: usize) -> usize {
        match side {
            Side::Request => place,
            Side::Response => self.filters.len() - 1 - place,
        }
    }

    /// Whether the end of a direction's message has entered the chain.
    pub(crate) fn complete(&self, side: Side) -> bool {
        match side {
            Side::Request => self.received,
            Side::Response => self.local_complete,
        }
    }

    /// Whether the stream is over and its contexts are gone.
    pub(crate) fn ended(&self) -> bool {
        self.ending != Ending::Waiting
    }

    /// What a test gets to see.
    pub(crate) fn exchange(&self) -> Exchange {
        Exchange {
            stream: self.id,
            ending: self.ending,
            response: self.client.clone(),
            upstream: self.upstream.clone().filter(|_| self.call.is_some()),
            details: self.details.clone(),
        }
    }
}

/// Whether a `content-type` is gRPC's.
fn is_grpc(content_type: &[u8]) -> bool {
    matches!(content_type.strip_prefix(b"application/grpc"), Some([] | [b'+', ..]))
}
