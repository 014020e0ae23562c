//! What a request shows of itself, found in one pass over its headers.

use policy::Headers;
use policy::handover::header;
use policy::headers::Sole;
use policy::route::{Target, without_query};

/// The parts of a request that matter here.
#[derive(Debug)]
pub struct Request<'a> {
    /// What routes are matched on.
    pub target: Target<'a>,
    /// `Authorization`.
    pub credential: Sole<'a>,
    /// The names under which the client claims to be somebody, each once.
    pub claimed: Vec<&'a str>,
}

impl<'a> Request<'a> {
    /// Goes over the headers once.
    pub fn read(headers: &'a Headers) -> Self {
        let target = Target { method: b"", authority: b"", path: b"", headers };
        let mut request = Self { target, credential: Sole::Absent, claimed: Vec::new() };
        for (name, value) in headers {
            match name {
                b":method" => request.target.method = value,
                b":authority" => request.target.authority = value,
                b":path" => request.target.path = without_query(value),
                b"authorization" => {
                    request.credential = match request.credential {
                        Sole::Absent => Sole::Value(value),
                        Sole::Value(_) | Sole::Repeated => Sole::Repeated,
                    }
                }
                _ if is_handover(name) => request.claim(name),
                _ => {}
            }
        }
        request
    }

    fn claim(&mut self, name: &'a [u8]) {
        let text = std::str::from_utf8(name).unwrap_or_default();
        if !self.claimed.contains(&text) {
            self.claimed.push(text);
        }
    }
}

/// Whether an upstream may take a header for one of those that only this filter sets: many servers turn `-` and `_` into
/// the same character.
fn is_handover(name: &[u8]) -> bool {
    let same = |own: &str| {
        let pairs = own.bytes().zip(name);
        own.len() == name.len() && pairs.into_iter().all(|(own, &byte)| own == byte || (own == b'-' && byte == b'_'))
    };
    name.first() == Some(&b'x') && [header::USER, header::TIER, header::ROLES].into_iter().any(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn one_pass_finds_everything() {
        let headers = Headers::from_pairs(&[
            (b":method", b"GET"),
            (b":path", b"/a?b=c"),
            (b":authority", b"test"),
            (b"x-weir-user", b"root"),
            (b"authorization", b"\xff\xfe"),
            (b"x-weir-user", b"root"),
            (b"x_weir-tier", b"enterprise"),
            (b"x-weir-roles", b""),
            (b"x-weir-userx", b"kept"),
            (b"y-weir-user", b"kept"),
        ]);
        let request = Request::read(&headers);
        assert_eq!((request.target.method, request.target.path), (b"GET".as_slice(), b"/a".as_slice()));
        assert_eq!(request.target.authority, b"test");
        assert_eq!(request.credential, Sole::Value(b"\xff\xfe"));
        assert_eq!(request.claimed, ["x-weir-user", "x_weir-tier", "x-weir-roles"]);
    }

    #[test]
    fn a_repeated_credential_is_seen_as_such() {
        let pair: (&[u8], &[u8]) = (b"authorization", b"Bearer a");
        let headers = Headers::from_pairs(&[pair, pair, pair]);
        assert_eq!(Request::read(&headers).credential, Sole::Repeated);
        assert_eq!(Request::read(&Headers::default()).credential, Sole::Absent);
    }
}
