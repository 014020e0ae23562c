//! What a client sends.

use crate::headers::Headers;

/// The version of HTTP that a message travels in, which decides how a body ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// The end of a body is an empty chunk of its own, as Envoy's HTTP/1 codec delivers it.
    #[default]
    Http1,
    /// The last chunk of a body carries its end.
    Http2,
}

/// A request of a client, to be sent by [`Host::send`](crate::Host::send).
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) headers: Headers,
    pub(crate) chunks: Vec<Vec<u8>>,
    pub(crate) trailers: Option<Headers>,
    pub(crate) open: bool,
    pub(crate) protocol: Protocol,
    pub(crate) cluster: Option<String>,
    pub(crate) properties: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// A request without a body, of any method, to `https` or `http` at the authority `gateway.test`.
    pub fn new(method: &str, path: &str) -> Self {
        let headers = [(":authority", "gateway.test"), (":path", path), (":method", method), (":scheme", "http")]
            .into_iter()
            .collect();
        Self {
            headers,
            chunks: Vec::new(),
            trailers: None,
            open: false,
            protocol: Protocol::Http1,
            cluster: None,
            properties: Vec::new(),
        }
    }

    /// A `GET`.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A `POST` without a body yet.
    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// Adds a header; a pseudo-header is replaced.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        if name.as_ref().starts_with(b":") || name.as_ref().eq_ignore_ascii_case(b"host") {
            self.headers.set(name, value);
        } else {
            self.headers.add(name, value);
        }
        self
    }

    /// A whole body in one chunk, with its `content-length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        self.headers.set("content-length", body.len().to_string());
        self.chunks = vec![body];
        self
    }

    /// Adds a chunk to the body; no `content-length` is set.
    #[must_use]
    pub fn chunk(mut self, chunk: impl Into<Vec<u8>>) -> Self {
        self.chunks.push(chunk.into());
        self
    }

    /// Adds a trailer.
    #[must_use]
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.get_or_insert_default().add(name, value);
        self
    }

    /// Leaves the request open: more follows by [`Host::chunk`](crate::Host::chunk) and
    /// [`Host::finish`](crate::Host::finish).
    #[must_use]
    pub const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// The version of HTTP it comes in.
    #[must_use]
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The cluster that its route leads to; without it, the host's default upstream.
    #[must_use]
    pub fn cluster(mut self, name: &str) -> Self {
        self.cluster = Some(name.to_owned());
        self
    }

    /// Sets a property of the stream by its dotted path, over what the host would answer: `source.address`, say.
    #[must_use]
    pub fn property(mut self, path: &str, value: impl Into<Vec<u8>>) -> Self {
        self.properties.push((path.to_owned(), value.into()));
        self
    }
}
