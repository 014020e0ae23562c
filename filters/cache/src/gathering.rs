//! A search on its way: a `POST` whose key is whole once its body is.
//!
//! What a body means depends on headers that a key does not have, so only one kind of body is read: JSON in UTF-8, by its
//! own word, and not encoded. A search that is conditional, or asks for a part, is for the upstream alone.

use std::time::Duration;

use policy::headers::Sole;
use policy::{Headers, Seed};

use crate::config::Body;
use crate::request::Inquiry;
use crate::{canon, key};

/// A request whose key has no body yet.
#[derive(Debug)]
pub struct Gathering {
    pub(crate) inquiry: Inquiry,
    /// How long its body may be.
    pub bytes_max: usize,
    /// How long it may take.
    pub wait: Duration,
}

impl Gathering {
    /// Goes on with the whole body; `None` where that has no canonical form.
    pub fn complete(self, seed: &Seed, body: &[u8]) -> Option<Inquiry> {
        let mut inquiry = self.inquiry;
        key::search(&mut inquiry.key, &canon::json(body)?);
        inquiry.print = seed.fingerprint([inquiry.key.as_slice()]);
        Some(inquiry)
    }
}

/// How many bytes of body there are to wait for at most.
///
/// # Errors
/// Why the body cannot be part of a key, as a token.
pub fn expect(body: &Body, headers: &Headers, has_body: bool) -> Result<usize, &'static str> {
    /// These ask for something else than an answer as it is, or say what else the body is.
    const BEYOND: [&[u8]; 6] =
        [b"if-none-match", b"if-modified-since", b"if-range", b"range", b"content-encoding", b"content-range"];
    if !has_body || !headers.iter().all(|(name, _)| !BEYOND.contains(&name)) {
        return Err("request");
    }
    match headers.sole("content-type") {
        Sole::Value(kind) if is_json(kind) => {}
        _ => return Err("content-type"),
    }
    match headers.sole("content-length") {
        Sole::Absent => Ok(body.bytes_max),
        Sole::Value(digits) => {
            let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            length.filter(|&length| length <= body.bytes_max).ok_or("size")
        }
        Sole::Repeated => Err("size"),
    }
}

/// Whether a content type is that of JSON in UTF-8.
fn is_json(kind: &[u8]) -> bool {
    let mut parts = kind.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/json"));
    let is_plain = |part: &[u8]| {
        [b"charset=utf-8".as_slice(), b"charset=\"utf-8\"", b""].iter().any(|known| part.eq_ignore_ascii_case(known))
    };
    is_json && parts.all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const BODY: Body = Body { bytes_max: 100, wait: Duration::from_secs(2) };

    fn expected(lines: &[(&str, &str)]) -> Result<usize, &'static str> {
        let pairs: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        expect(&BODY, &Headers::from_pairs(&pairs), true)
    }

    #[test]
    fn only_json_in_utf8_is_read() {
        for kind in [
            "application/json",
            "Application/JSON ; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json;",
        ] {
            assert_eq!(expected(&[("content-type", kind)]), Ok(100), "{kind}");
        }
        for kind in [
            "text/json",
            "application/json; charset=utf-16",
            "application/json+x",
            "",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(expected(&[("content-type", kind)]), Err("content-type"), "{kind}");
        }
        assert_eq!(expected(&[]), Err("content-type"));
        let twice = [("content-type", "application/json"), ("content-type", "application/json")];
        assert_eq!(expected(&twice), Err("content-type"));
    }

    #[test]
    fn a_length_is_known_before_the_body_comes() {
        let of = |length| expected(&[("content-type", "application/json"), ("content-length", length)]);
        assert_eq!([of("7"), of("100"), of("0")], [Ok(7), Ok(100), Ok(0)]);
        for length in ["101", "99999999999999999999999", "-1", "x", ""] {
            assert_eq!(of(length), Err("size"), "{length}");
        }
    }

    #[test]
    fn what_asks_for_more_than_an_answer_is_for_the_upstream() {
        for name in ["if-none-match", "if-modified-since", "range", "content-encoding"] {
            assert_eq!(expected(&[("content-type", "application/json"), (name, "")]), Err("request"), "{name}");
        }
        assert_eq!(expect(&BODY, &Headers::default(), false), Err("request"));
    }
}
