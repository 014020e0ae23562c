//! HTTP messages as bytes: nothing in them is checked, so that a test can say what no library would send.

/// A header or trailer field.
pub type Field = (Vec<u8>, Vec<u8>);

/// A request, to be sent or as received.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Request {
    /// As in `GET`.
    pub method: Vec<u8>,
    /// As in `/path?query`.
    pub target: Vec<u8>,
    /// In their order.
    pub headers: Vec<Field>,
    /// None, one with a length, or several as chunks. A received body is one part.
    pub body: Vec<Vec<u8>>,
    /// Sent after a chunked body.
    pub trailers: Vec<Field>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), ..Self::default() }
    }

    /// A `GET` request.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = vec![body.into()];
        self
    }

    /// The first value of a header.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        first(&self.headers, name)
    }

    /// The path without the query.
    pub fn path(&self) -> &[u8] {
        self.target.split(|byte| *byte == b'?').next().unwrap_or_default()
    }

    /// The bytes on the wire. A missing `host` is added, and what the body needs: a length, or chunks.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = [&self.method[..], b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        if self.first("host").is_none() {
            bytes.extend_from_slice(b"host: test\r\n");
        }
        encode_rest(&mut bytes, &self.headers, &self.body, &self.trailers, !self.body.is_empty());
        bytes
    }
}

/// An answer, as received.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// As in 200.
    pub status: u16,
    /// In their order.
    pub headers: Vec<Field>,
    /// Without its framing.
    pub body: Vec<u8>,
    /// In their order.
    pub trailers: Vec<Field>,
    /// Whether the connection broke in the middle of the body.
    pub cut: bool,
}

impl Answer {
    /// The first value of a header.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        first(&self.headers, name)
    }

    /// The first value of a header, as far as it is text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.first(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// The first value of a name among these fields.
pub fn first<'a>(fields: &'a [Field], name: &str) -> Option<&'a [u8]> {
    let mut matching = fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
    matching.next().map(|(_, value)| value.as_slice())
}

/// Appends headers, framing and body: one part with a length, several parts or trailers as chunks.
pub fn encode_rest(bytes: &mut Vec<u8>, headers: &[Field], body: &[Vec<u8>], trailers: &[Field], has_body: bool) {
    let chunked = body.len() > 1 || !trailers.is_empty();
    let framed = first(headers, "content-length").is_some() || first(headers, "transfer-encoding").is_some();
    encode_fields(bytes, headers);
    if !framed && chunked {
        bytes.extend_from_slice(b"transfer-encoding: chunked\r\n");
    } else if !framed && has_body {
        let length = body.iter().map(Vec::len).sum::<usize>();
        bytes.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    if !chunked {
        bytes.extend(body.iter().flatten());
        return;
    }
    for part in body.iter().filter(|part| !part.is_empty()) {
        encode_chunk(bytes, part);
    }
    bytes.extend_from_slice(b"0\r\n");
    encode_fields(bytes, trailers);
    bytes.extend_from_slice(b"\r\n");
}

/// Appends one chunk.
pub fn encode_chunk(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
    bytes.extend_from_slice(part);
    bytes.extend_from_slice(b"\r\n");
}

/// Appends fields, one a line.
pub fn encode_fields(bytes: &mut Vec<u8>, fields: &[Field]) {
    for (name, value) in fields {
        bytes.extend_from_slice(&[&name[..], b": ", value, b"\r\n"].concat());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(request: &Request) -> String {
        request.encode().escape_ascii().to_string().replace("\\r\\n", "|")
    }

    #[test]
    fn a_request_is_sent_as_it_is_written() {
        let plain = Request::get("/a").header("x", b"\xff".to_vec()).header("x", "");
        assert_eq!(encoded(&plain), "GET /a HTTP/1.1|host: test|x: \\xff|x: ||");
        let sized = Request::new("POST", "/").header("Host", "h").body("abc");
        assert_eq!(encoded(&sized), "POST / HTTP/1.1|Host: h|content-length: 3||abc");
        let own = Request::new("POST", "/").header("host", "h").header("content-length", "9").body("abc");
        assert_eq!(encoded(&own), "POST / HTTP/1.1|host: h|content-length: 9||abc");
    }

    #[test]
    fn several_parts_are_chunks_and_trailers_follow_them() {
        let mut request = Request::new("POST", "/").header("host", "h");
        request.body = vec![b"ab".to_vec(), Vec::new(), b"c".to_vec()];
        request.trailers = vec![(b"t".to_vec(), b"1".to_vec())];
        assert_eq!(encoded(&request), "POST / HTTP/1.1|host: h|transfer-encoding: chunked||2|ab|1|c|0|t: 1||");
    }

    #[test]
    fn a_path_ends_at_the_query() {
        assert_eq!(Request::get("/a?b?c").path(), b"/a");
        assert_eq!(Request::get("").path(), b"");
    }
}
