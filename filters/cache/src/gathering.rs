//! A search on its way: a `POST` whose key is whole once its body is.
//!
//! What a body means depends on headers that a key does not have, so only one kind of body is read: JSON in UTF-8, by its
//! own word, and not encoded. Whatever else comes, also what is conditional or asks for a part, is for the upstream alone, and not
//! taken for a search: it may change something (RFC 9111 §4.4).

use std::time::Duration;

use policy::{Headers, Seed};

use crate::config::Search;
use crate::invalidation::Invalidation;
use crate::request::Inquiry;
use crate::{canon, key, range};

/// A request whose key has no body yet.
#[derive(Debug)]
pub struct Gathering {
    pub(crate) inquiry: Inquiry,
    /// How long its body may be.
    pub bytes_max: usize,
    /// How long it may take.
    pub wait: Duration,
    /// Path and query of the request that it is part of.
    pub(crate) whole: Option<Vec<u8>>,
}

/// Why a search whose body is longer than the route takes is not looked for.
pub(crate) const TOO_LONG: &str = "size";

impl Gathering {
    /// Goes on with the whole body.
    ///
    /// # Errors
    /// What the request ends where the body has no canonical form: it is no search, but a POST like any other (RFC 9111 §4.4).
    pub fn complete(self, seed: &Seed, body: &[u8]) -> Result<Inquiry, Box<Invalidation>> {
        let mut inquiry = self.inquiry;
        let Some(form) = canon::json(body) else {
            let mut invalidation = Box::new(Invalidation::of(&inquiry.headers));
            if let Some(whole) = self.whole {
                invalidation.part_of(whole);
            }
            return Err(invalidation);
        };
        key::search(&mut inquiry.key, &form);
        inquiry.print = seed.fingerprint([inquiry.key.as_slice()]);
        Ok(inquiry)
    }
}

/// How many bytes of body there are to wait for at most.
///
/// # Errors
/// Why the body cannot be part of a key, as a token.
pub fn expect(search: &Search, headers: &Headers, has_body: bool) -> Result<usize, &'static str> {
    /// These ask for something else than an answer as it is, or say what else the body is.
    const BEYOND: [&str; 5] = ["if-none-match", "if-modified-since", "if-range", "range", "content-encoding"];
    /// JSON in UTF-8, in the words of those who send it.
    const KINDS: [&str; 3] = ["application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"];
    if !has_body || BEYOND.iter().any(|name| first(headers, name).is_some()) {
        return Err("request");
    }
    let kind = first(headers, "content-type").unwrap_or_default();
    if !KINDS.iter().any(|known| kind.eq_ignore_ascii_case(known.as_bytes())) {
        return Err("content-type");
    }
    match first(headers, "content-length") {
        None => Ok(search.bytes_max),
        Some(digits) => range::number(digits).filter(|length| *length <= search.bytes_max).ok_or(TOO_LONG),
    }
}

/// One piece of code for all of them. Of those that stand twice, the host makes one or refuses the request.
#[inline(never)]
fn first<'a>(headers: &'a Headers, name: &'static str) -> Option<&'a [u8]> {
    headers.first(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SEARCH: Search = Search { bytes_max: 100, wait: Duration::from_secs(2) };

    fn expected(lines: &[(&str, &str)]) -> Result<usize, &'static str> {
        let pairs: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        expect(&SEARCH, &Headers::from_pairs(&pairs), true)
    }

    #[test]
    fn only_json_in_utf8_is_read() {
        for kind in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=utf-8"] {
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
        assert_eq!(expect(&SEARCH, &Headers::default(), false), Err("request"));
    }
}
