//! What became of a request: the response so far, and how the stream stands.

use crate::headers::Headers;
use crate::stream::StreamId;

/// What a client has received.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Response {
    /// The headers, `:status` among them.
    pub headers: Headers,
    /// The body in the chunks in which it was sent.
    pub chunks: Vec<Vec<u8>>,
    /// The trailers.
    pub trailers: Option<Headers>,
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.headers.text(":status").and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// The first value of a header as text; what is not UTF-8 is replaced.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.first(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The whole body.
    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The whole body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body()).into_owned()
    }
}

/// How a stream stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Ending {
    /// It has not ended: a filter holds it, or the upstream has not answered.
    #[default]
    Waiting,
    /// The response is complete.
    Complete,
    /// The proxy cut it off: after a reset by the upstream midway, or `close_stream`.
    Reset,
    /// The client left.
    Disconnected,
}

/// A request and what came of it so far: a copy, taken when it was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchange {
    /// The stream, for asking again later.
    pub stream: StreamId,
    /// How the stream stands.
    pub ending: Ending,
    /// The response, as soon as its headers were sent to the client.
    pub response: Option<Response>,
    /// What the upstream received, where the request got that far.
    pub upstream: Option<crate::Arrival>,
    /// Envoy's `response_code_details`, `via_upstream` for what came from upstream.
    pub details: String,
}

impl Exchange {
    /// The response.
    ///
    /// # Panics
    /// Where there is none yet.
    pub fn response(&self) -> &Response {
        self.response.as_ref().unwrap_or_else(|| panic!("stream {:?} has no response: {:?}", self.stream, self.ending))
    }

    /// The status code, where there is a response.
    pub fn status(&self) -> Option<u16> {
        self.response.as_ref().map(Response::status)
    }

    /// The first value of a response header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.response.as_ref().and_then(|response| response.header(name))
    }

    /// The response's body as text, empty where there is none.
    pub fn text(&self) -> String {
        self.response.as_ref().map(Response::text).unwrap_or_default()
    }

    /// Whether the stream still waits for something.
    pub fn is_waiting(&self) -> bool {
        self.ending == Ending::Waiting
    }
}
