//! Local replies: what the proxy itself answers, through the filters where nothing has been answered yet.

use std::fmt::Write;

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

    /// The same answer as gRPC has it: a code for the status, a message for the text, and nothing but headers.
    fn into_grpc(mut self) -> Self {
        let code = match self.status {
            400 => "13",
            401 => "16",
            403 => "7",
            404 => "12",
            429 | 502..=504 => "14",
            _ => "2",
        };
        self.headers.remove("content-length");
        self.headers.set("content-type", "application/grpc");
        if self.headers.first("grpc-status").is_none() {
            self.headers.add("grpc-status", code);
        }
        if !self.body.is_empty() {
            self.headers.set("grpc-message", percent_encoded(&self.body));
        }
        Self { status: 200, body: Vec::new(), ..self }
    }

    /// The headers as they are sent: a text unless the filter says otherwise, and no trace of a body where none is.
    pub(crate) fn head(&self) -> Headers {
        let mut head: Headers = [(":status", self.status.to_string())].into_iter().collect();
        for (name, value) in self.headers.iter() {
            head.add(name, value);
        }
        if self.body.is_empty() {
            head.remove("content-length");
            if head.first("grpc-status").is_none() {
                head.remove("content-type");
            }
            return head;
        }
        head.set("content-length", self.body.len().to_string());
        if head.first("content-type").is_none() {
            head.add("content-type", "text/plain");
        }
        head
    }
}

/// What is not to be printed, and the percent sign, as gRPC's messages have them.
fn percent_encoded(text: &[u8]) -> String {
    let mut encoded = String::new();
    for &byte in text {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
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
        let reply = if stream.is_grpc { reply.into_grpc() } else { reply };
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
