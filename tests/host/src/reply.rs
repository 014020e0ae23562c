//! Local replies: what the proxy itself answers, through the filters where nothing has been answered yet.

use crate::exchange::Ending;
use crate::headers::Headers;
use crate::host::Host;
use crate::passage::Data;
use crate::stream::{Side, StreamId};

/// What a filter or the host answers in place of the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u32,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) details: String,
}

impl Reply {
    /// A reply of the proxy, with a text and Envoy's word for what happened.
    pub(crate) fn plain(status: u32, body: &str, details: &str) -> Self {
        Self { status, headers: Headers::new(), body: body.into(), details: details.to_owned() }
    }

    /// The headers as they are sent: a text unless the filter says otherwise, and no trace of a body where none is.
    pub(crate) fn head(&self) -> Headers {
        let mut head: Headers = [(":status", self.status.to_string())].into_iter().collect();
        for (name, value) in self.headers.iter() {
            head.add(name, value);
        }
        if self.body.is_empty() {
            head.remove("content-length");
            head.remove("content-type");
            return head;
        }
        head.set("content-length", self.body.len().to_string());
        if head.first("content-type").is_none() {
            head.add("content-type", "text/plain");
        }
        head
    }
}

impl Host {
    /// Answers a stream: later and through the chain while a request callback runs, at once and through the chain
    /// where none does; past the chain where a response is on its way already; and where the client has seen its
    /// headers, by cutting the stream off.
    pub(crate) fn reply(&mut self, id: StreamId, reply: Reply) {
        let stream = self.world.stream_mut(id);
        if stream.ended() {
            return;
        }
        if stream.request.calling {
            stream.request.aborted = true;
        } else if stream.response.calling {
            stream.response.aborted = true;
        }
        reply.details.clone_into(&mut stream.details);
        if let Some(call) = stream.call {
            self.world.calls.remove(&call);
        }
        let stream = self.world.stream_mut(id);
        if stream.response.headers.is_none() {
            if stream.request.calling {
                stream.prepared.get_or_insert(reply);
            } else {
                self.reply_through_chain(id, &reply);
            }
        } else if stream.responded {
            self.end_stream(id, Ending::Reset);
        } else {
            self.reply_directly(id, reply);
        }
    }

    /// Sends the reply that a callback has left, now that it has returned.
    pub(crate) fn reply_as_prepared(&mut self, id: StreamId) {
        if let Some(reply) = self.world.stream_mut(id).prepared.take() {
            self.reply_through_chain(id, &reply);
        }
    }

    fn reply_through_chain(&mut self, id: StreamId, reply: &Reply) {
        let stream = self.world.stream_mut(id);
        let bodyless = stream.is_head || reply.body.is_empty();
        stream.response.headers = Some(reply.head());
        self.pass_headers(id, Side::Response, None, bodyless);
        if !bodyless && !self.world.stream(id).ended() {
            self.pass_data(id, Side::Response, None, Data::Fresh(reply.body.clone()), true);
        }
    }

    fn reply_directly(&mut self, id: StreamId, reply: Reply) {
        let stream = self.world.stream_mut(id);
        let bodyless = stream.is_head || reply.body.is_empty();
        stream.response.headers = Some(reply.head());
        self.send_headers(id, bodyless);
        if !bodyless {
            self.send_data(id, reply.body, true);
        }
    }
}
