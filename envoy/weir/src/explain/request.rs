//! A request as somebody writes it down: `GET /path?query`, and headers as curl takes them.

use policy::Headers;

/// One request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// Further headers, by name in lower case and value.
    pub headers: Vec<(String, String)>,
    /// Its body, where it has one.
    pub body: Option<String>,
}

/// The host of requests that name none.
const HOST: &str = "localhost";

impl Request {
    /// Reads `GET /path`.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(line: &str, headers: &[String], body: Option<&str>) -> Result<Self, String> {
        let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
        let target = target.trim();
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        if !is_method || !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("`{line}` is no request: expected a method and a path, like `GET /api/v1/genres`"));
        }
        let header = |line: &String| {
            let (name, value) = line.split_once(':')?;
            let name = name.to_ascii_lowercase();
            policy::route::lower_case(&name).ok()?;
            let value = value.trim();
            (!value.chars().any(char::is_control)).then(|| (name, value.to_owned()))
        };
        let read: Option<Vec<_>> = headers.iter().map(header).collect();
        let headers = read.ok_or_else(|| "a header is written like `x-api-key: value`".to_owned())?;
        let body = body.map(str::to_owned);
        Ok(Self { method: method.to_owned(), target: target.to_owned(), headers, body })
    }

    /// The headers as the first filter sees them.
    pub fn to_headers(&self) -> Headers {
        let host = self.headers.iter().find(|(name, _)| name == "host").map_or(HOST, |(_, host)| host.as_str());
        let is_said = self.headers.iter().any(|(name, _)| name == "content-length");
        let length = self.body.as_ref().filter(|_| !is_said).map(|body| body.len().to_string());
        let mut pairs: Vec<(&[u8], &[u8])> = vec![
            (b":method", self.method.as_bytes()),
            (b":scheme", b"http"),
            (b":authority", host.as_bytes()),
            (b":path", self.target.as_bytes()),
        ];
        let more = self.headers.iter().filter(|(name, _)| name != "host");
        pairs.extend(more.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        if let Some(length) = &length {
            pairs.push((b"content-length", length.as_bytes()));
        }
        Headers::from_pairs(&pairs)
    }
}

impl Request {
    /// Whether the headers are all of it.
    pub fn is_bodyless(&self) -> bool {
        let announces = |(name, value): &(String, String)| match name.as_str() {
            "content-length" => value != "0",
            "transfer-encoding" => true,
            _ => false,
        };
        self.body.as_ref().is_none_or(String::is_empty) && !self.headers.iter().any(announces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_curl_writes_it() {
        let headers = ["Host: a.example".to_owned(), "X-Api-Key:  k:1 ".to_owned()];
        let request = Request::parse("POST /a?b=c", &headers, Some("{}")).unwrap();
        let read = request.to_headers();
        for (name, value) in [
            (":method", "POST"),
            (":authority", "a.example"),
            (":path", "/a?b=c"),
            ("x-api-key", "k:1"),
            ("content-length", "2"),
        ] {
            assert_eq!(read.first(name), Some(value.as_bytes()), "{name}");
        }
        assert_eq!(Request::parse("/a", &[], None).unwrap().method, "GET");
        for line in ["", "GET", "get /a", "GET a", "GET /a b", "GET http://a/"] {
            assert!(Request::parse(line, &[], None).is_err(), "{line}");
        }
        for header in ["x", "x y: 1", "x: 1\r\ny: 2", ": 1"] {
            assert!(Request::parse("/a", &[header.to_owned()], None).is_err(), "{header}");
        }
    }
}
