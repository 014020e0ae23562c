//! What answers in an upstream's place while its breaker or its bulkhead refuses: an answer that stands in the
//! configuration, or another upstream.
//!
//! Another upstream is asked where its own breaker and bulkhead, if it has any, let the request pass; what stands in for that
//! one is not asked in turn. Envoy then looks for a route once more, with the name under `weir.fallback` in the filter state,
//! which no client can write: a route that matches on it leads there. Where there is no such route, the request goes where it
//! was meant to go, as if the breaker were closed.
//!
//! Whoever asked is told in `x-weir-fallback`, by which the cache, too, knows such an answer for a makeshift: it sends what
//! it has stored instead where it may, and stores none of it.

use policy::fields::Fields;
use policy::json::Json;
use policy::{ConfigError, handover};

use crate::config::{Upstream, safe};

/// What answers where an upstream is not asked.
#[derive(Debug)]
pub enum Fallback {
    /// This.
    Static(Answer),
    /// Another upstream, by its name and the place of its breaker, where it has one.
    Upstream {
        /// The name.
        name: String,
        /// The place.
        breaker: Option<usize>,
    },
}

/// Finds the breakers of the upstreams that stand in for others.
///
/// # Errors
/// An upstream cannot stand in for itself.
pub fn find_breakers(upstreams: &mut [Upstream]) -> Result<(), ConfigError> {
    let names: Vec<String> = upstreams.iter().map(|upstream| upstream.name.clone()).collect();
    for upstream in upstreams {
        if let Some(Fallback::Upstream { name, breaker }) = &mut upstream.fallback {
            if *name == upstream.name {
                let mistake = ConfigError::at("fallback.upstream", "must be another upstream");
                return Err(mistake.inside(name).inside("breakers"));
            }
            *breaker = names.iter().position(|other| other == name);
        }
    }
    Ok(())
}

/// An answer that an operator has written.
#[derive(Debug, Eq, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the host says of a body itself, and what is of the connection.
const NOT_OURS: [&str; 5] = ["connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"];
/// A longer answer is better served by an upstream of its own.
const BODY_BYTES_MAX: usize = 64 * 1024;

impl Fallback {
    /// Reads `{"static": {…}}` or `{"upstream": "name"}`; the place of that upstream's breaker is yet to be found.
    ///
    /// # Errors
    /// The mistake, with its place.
    pub fn from_json(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let fallback = match (fields.any("static"), fields.text("upstream")?) {
            (Some(answer), None) => Self::Static(Answer::from_json(answer).map_err(|error| error.inside("static"))?),
            (None, Some(name)) => Self::Upstream { name: safe("upstream", name)?, breaker: None },
            _ => return Err(ConfigError::at("", "must be one of static and upstream")),
        };
        fields.end_of(&["static", "upstream"])?;
        Ok(fallback)
    }
}

impl Answer {
    fn from_json(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let status = fields.number("status", 200, 599)?.and_then(|status| status.try_into().ok()).unwrap_or(200);
        let body = fields.text("body")?.unwrap_or_default().into_bytes();
        if body.len() > BODY_BYTES_MAX {
            return Err(ConfigError::at("body", format!("must be at most {BODY_BYTES_MAX} bytes")));
        }
        let mut headers = match fields.any("headers") {
            None => Vec::new(),
            Some(json) => read_headers(json).map_err(|error| error.inside("headers"))?,
        };
        fields.end_of(&["status", "headers", "body"])?;
        let says = |headers: &[(String, String)], name: &str| headers.iter().any(|(said, _)| said == name);
        if !body.is_empty() && !says(&headers, "content-type") {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        if !says(&headers, "cache-control") {
            headers.push(("cache-control".to_owned(), "no-store".to_owned()));
        }
        headers.push((handover::header::FALLBACK.to_owned(), "static".to_owned()));
        Ok(Self { status, headers, body })
    }

    /// Whether a client is told when to ask again: where the answer is that the upstream is away, and does not say so
    /// itself.
    pub fn wants_retry_after(&self) -> bool {
        matches!(self.status, 429 | 503) && !self.headers.iter().any(|(name, _)| name == "retry-after")
    }
}

fn read_headers(json: Json) -> Result<Vec<(String, String)>, ConfigError> {
    let Json::Object(members) = json else { return Err(ConfigError::at("", "must be an object")) };
    let mut headers = Vec::new();
    for (name, value) in members {
        let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) || NOT_OURS.contains(&name.as_str()) {
            return Err(ConfigError::at(name, "is no name of a header, in lower case, that an answer may have"));
        }
        match value {
            // Blank and visible ASCII: RFC 9110 §5.5.
            Json::Text(value) if value.bytes().all(|byte| matches!(byte, b' '..=b'~')) => headers.push((name, value)),
            _ => return Err(ConfigError::at(name, "must be a text of visible characters")),
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(json: &str) -> Result<Fallback, ConfigError> {
        Fallback::from_json(serde_json::from_str(json).unwrap())
    }

    fn answer(json: &str) -> Answer {
        match read(&format!(r#"{{"static": {json}}}"#)) {
            Ok(Fallback::Static(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer.headers.iter().find(|(said, _)| said == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_static_answer_says_what_it_is_and_is_not_stored() {
        let plain = answer("{}");
        assert_eq!((plain.status, plain.body.as_slice(), header(&plain, "content-type")), (200, b"".as_slice(), None));
        let full = answer(r#"{"status": 203, "headers": {"x-a": "1"}, "body": "[]"}"#);
        assert_eq!((full.status, full.body.as_slice(), header(&full, "x-a")), (203, b"[]".as_slice(), Some("1")));
        assert_eq!(header(&full, "content-type"), Some("application/json"));
        let own = answer(r#"{"headers": {"content-type": "text/html", "cache-control": "max-age=5"}, "body": "<p>"}"#);
        assert_eq!(
            (header(&own, "content-type"), header(&own, "cache-control")),
            (Some("text/html"), Some("max-age=5"))
        );
        for answer in [&plain, &full] {
            assert_eq!(header(answer, "cache-control"), Some("no-store"));
        }
        for answer in [plain, full, own] {
            assert_eq!(header(&answer, "x-weir-fallback"), Some("static"));
        }
    }

    #[test]
    fn a_client_learns_when_to_come_back_where_the_answer_is_no() {
        for (json, expected) in [
            ("{}", false),
            (r#"{"status": 500}"#, false),
            (r#"{"status": 503}"#, true),
            (r#"{"status": 429}"#, true),
            (r#"{"status": 503, "headers": {"retry-after": "3600"}}"#, false),
        ] {
            assert_eq!(answer(json).wants_retry_after(), expected, "{json}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let long = format!(r#"{{"static": {{"body": "{}"}}}}"#, "x".repeat(BODY_BYTES_MAX + 1));
        for (json, expected) in [
            ("5", "must be an object"),
            ("{}", "must be one of static and upstream"),
            (r#"{"static": {}, "upstream": "b"}"#, "must be one of static and upstream"),
            (r#"{"upstream": "a b"}"#, "upstream: a name must be 1 to 64 of"),
            (r#"{"upstream": "b", "stale": "1d"}"#, "stale: "),
            (r#"{"static": {"status": 199}}"#, "static.status: must be a whole number from 200 to 599"),
            (r#"{"static": {"state": 200}}"#, "static.state: "),
            (r#"{"static": {"headers": []}}"#, "static.headers: must be an object"),
            (r#"{"static": {"headers": {"X-A": "1"}}}"#, "static.headers.X-A: is no name of a header"),
            (r#"{"static": {"headers": {":status": "1"}}}"#, "static.headers.:status: is no name of a header"),
            (r#"{"static": {"headers": {"content-length": "1"}}}"#, "static.headers.content-length: is no name"),
            (r#"{"static": {"headers": {"x-a": 1}}}"#, "static.headers.x-a: must be a text of visible"),
            (r#"{"static": {"headers": {"x-a": "1\r\nx-b: 2"}}}"#, "static.headers.x-a: must be a text of visible"),
            (&long, "static.body: must be at most 65536 bytes"),
        ] {
            let said = read(json).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
