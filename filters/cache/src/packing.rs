//! Bodies of text, packed for as long as they are kept: LZ4 blocks, which a worker unpacks about as fast as it copies.
//!
//! Packed is what stands in shared data and in the second level. What is asked for again and again is unpacked once for
//! many answers (see [`crate::recent`]); a client is sent the bytes that the upstream sent.

use policy::Headers;

use crate::entry::Entry;

/// Of a shorter body there is little to save.
const BYTES_MIN: usize = 1 << 10;
/// A longer body is kept as it is: its client waits for its end while it is packed.
const BYTES_MAX: usize = 256 << 10;

/// Whether the body under these headers is worth a try: text that nobody has encoded yet.
fn is_text(headers: &Headers) -> bool {
    let kind = headers.first("content-type").unwrap_or_default();
    let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let is = |whole: &str| kind.eq_ignore_ascii_case(whole.as_bytes());
    let ends = |end: &[u8]| {
        kind.len()
            .checked_sub(end.len())
            .and_then(|at| kind.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    let is_text = kind.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"text/"))
        || ["application/json", "application/xml", "application/javascript", "application/x-ndjson"]
            .into_iter()
            .any(is)
        || ends(b"+json")
        || ends(b"+xml");
    is_text && headers.first("content-encoding").is_none()
}

/// An entry with its body packed, and how long that was; `None` where it does not pay.
pub fn pack(entry: &[u8]) -> Option<(Vec<u8>, u32)> {
    let read = Entry::parse(entry)?;
    let head = entry.get(..entry.len() - read.body.len())?;
    let packed = if is_text(&read.headers()?) { pack_body(read.body)? } else { return None };
    Some(([head, &packed].concat(), u32::try_from(read.body.len()).ok()?))
}

/// `None` where that would save less than a sixth.
fn pack_body(body: &[u8]) -> Option<Vec<u8>> {
    if !(BYTES_MIN..=BYTES_MAX).contains(&body.len()) {
        return None;
    }
    let packed = lz4_flex::block::compress(body);
    (packed.len() + packed.len() / 5 <= body.len()).then_some(packed)
}

/// An entry with its body as it was, of `plain` bytes; zero says that it is so already. `None` where the body cannot be
/// that.
pub fn unpack(entry: Vec<u8>, plain: u32) -> Option<Vec<u8>> {
    let length = usize::try_from(plain).ok().filter(|&length| length <= BYTES_MAX)?;
    if length == 0 {
        return Some(entry);
    }
    let packed = Entry::parse(&entry)?.body;
    let head = entry.get(..entry.len() - packed.len())?;
    let mut whole = Vec::with_capacity(head.len() + length);
    whole.extend_from_slice(head);
    whole.resize(head.len() + length, 0);
    let body = whole.get_mut(head.len()..)?;
    let unpacked = lz4_flex::block::decompress_into(packed, body).ok()?;
    (unpacked == length).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{self, Facts, Parts, Terms};
    use crate::freshness::Received;
    use policy::Instant;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn entry(body: &[u8]) -> Vec<u8> {
        let received = Received { at: Instant::from_unix_seconds(1000), age: 0 };
        let facts = Facts { status: 200, terms: Terms::default(), received, lifetime: 60 };
        let parts = Parts { key: b"GET http a /", vary: b"", values: b"" };
        let mut entry =
            entry::begin(&facts, &parts, &Headers::from_pairs(&[(b"content-type", b"text/html")]), body.len());
        entry.extend_from_slice(body);
        entry
    }

    fn text(length: usize) -> Vec<u8> {
        (0..)
            .flat_map(|number: u32| format!("{{\"id\":{number},\"name\":\"track\"}},").into_bytes())
            .take(length)
            .collect()
    }

    /// As random as bytes of a generator are.
    fn noise(length: usize) -> Vec<u8> {
        let mut state: u64 = 88_172_645_463_325_252;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn a_body_of_text_comes_back_as_it_was() {
        for length in [BYTES_MIN, 5000, 65_536, BYTES_MAX] {
            let body = text(length);
            let whole = entry(&body);
            let (packed, plain) = pack(&whole).unwrap();
            assert!(packed.len() < whole.len() - length / 6 && plain as usize == length);
            assert_eq!(unpack(packed, plain), Some(whole), "{length}");
        }
        assert_eq!(unpack(entry(b"plain"), 0), Some(entry(b"plain")));
    }

    #[test]
    fn what_saves_too_little_is_left_as_it_is() {
        for body in [text(BYTES_MIN - 1), text(BYTES_MAX + 1), noise(5000), Vec::new()] {
            assert_eq!(pack(&entry(&body)), None, "{}", body.len());
        }
        // A fifth of text saves less than a sixth.
        assert_eq!(pack(&entry(&[noise(4000), text(700)].concat())), None);
    }

    #[test]
    fn bytes_that_cannot_be_unpacked_are_nothing() {
        let body = text(4096);
        let packed = pack_body(&body).unwrap();
        for plain in [1, 4095, 4097, 1 << 20, u32::MAX] {
            assert_eq!(unpack(entry(&packed), plain), None, "{plain}");
        }
        for cut in 0..packed.len() {
            assert_eq!(unpack(entry(&packed[..cut]), 4096), None, "cut at {cut}");
        }
        assert_eq!(unpack(entry(&noise(600)), 4096), None);
        assert_eq!(pack(b"no entry"), None);
        assert_eq!(unpack(b"no entry".to_vec(), 4096), None);
        for at in 0..packed.len() {
            let mut broken = packed.clone();
            broken[at] ^= 0xff;
            // Something else may come out, of the length that was said or not at all.
            assert!(unpack(entry(&broken), 4096).is_none_or(|whole| whole.len() == entry(&body).len()), "{at}");
        }
    }

    #[test]
    fn text_is_told_by_its_type() {
        for (kind, expected) in [
            ("text/html; charset=utf-8", true),
            ("TEXT/plain", true),
            ("application/json", true),
            ("application/vnd.api+json;v=1", true),
            ("image/svg+xml", true),
            ("application/jsonp", false),
            ("image/png", false),
            ("text", false),
            ("", false),
        ] {
            let headers = Headers::from_pairs(&[(b"content-type", kind.as_bytes())]);
            assert_eq!(is_text(&headers), expected, "{kind}");
        }
        let encoded = Headers::from_pairs(&[(b"content-type", b"text/html"), (b"content-encoding", b"gzip")]);
        assert!(!is_text(&encoded) && !is_text(&Headers::default()));
    }
}
