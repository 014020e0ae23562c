//! Parts of a stored response (RFC 9110 §14): which bytes a `Range` asks for, and how several are put together.
//!
//! A server may ignore `Range`, and this one does where it cannot be read, and where the parts are too many. Parts that overlap
//! or touch are one part, so that together they are never longer than the whole.

use std::ops::Range;

/// As many parts are asked for in earnest; more are an attack (RFC 9110 §17.15).
const PARTS_MAX: usize = 16;
/// What separates the parts; a whole that contains it where it would count is not taken apart.
const BOUNDARY: &str = "--weir-7MA4YWxkTrZu0gW";

/// `Content-Type` of an answer of several parts (§14.6).
pub const MULTIPART_TYPE: &[u8] = b"multipart/byteranges; boundary=weir-7MA4YWxkTrZu0gW";

/// What a `Range` asks for of a whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selection {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<usize>),
    /// These bytes, each as a part of a multipart answer; in the order in which they were asked for.
    Parts(Vec<Range<usize>>),
    /// Nothing that is there: 416.
    Unsatisfiable,
}

/// Reads a `Range` for a whole of `length` bytes.
pub fn select(range: &[u8], length: usize) -> Selection {
    let Some(asked) = asked(range, length) else { return Selection::Whole };
    let mut parts: Vec<Range<usize>> = Vec::new();
    for part in asked.into_iter().flatten() {
        join(&mut parts, part);
    }
    match parts.as_slice() {
        // §14.1.2: the end of nothing is there, and no part of it can be named.
        [] if length == 0 => Selection::Whole,
        [] => Selection::Unsatisfiable,
        [part] => Selection::Part(part.clone()),
        _ => Selection::Parts(parts),
    }
}

/// Adds a part to those before it. What overlaps or touches it is put together (RFC 9110 §15.3.7.2) where the first of them
/// stands.
fn join(parts: &mut Vec<Range<usize>>, mut part: Range<usize>) {
    let mut place = parts.len();
    while let Some(at) = parts.iter().position(|other| part.start <= other.end && other.start <= part.end) {
        let other = parts.remove(at);
        part = other.start.min(part.start)..other.end.max(part.end);
        place = place.min(at);
    }
    parts.insert(place, part);
}

/// The parts that are asked for, `None` for each that is not there; `None` for what is no `Range` in bytes.
fn asked(range: &[u8], length: usize) -> Option<Vec<Option<Range<usize>>>> {
    let (unit, set) = range.trim_ascii().split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let mut parts = Vec::new();
    for spec in set.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty()) {
        let dash = spec.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (spec.get(..dash)?, spec.get(dash + 1..)?);
        let part = match (first, last) {
            ([], suffix) => length.saturating_sub(number(suffix)?)..length,
            (first, []) => number(first)?..length,
            (first, last) if number(first)? > number(last)? => return None,
            (first, last) => number(first)?..number(last)?.saturating_add(1).min(length),
        };
        parts.push((part.start < part.end).then_some(part));
        if parts.len() > PARTS_MAX {
            return None;
        }
    }
    (!parts.is_empty()).then_some(parts)
}

/// A number of bytes, cut where numbers end.
pub(crate) fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let more = |number: usize, digit: &u8| number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
    Some(digits.iter().fold(0, more))
}

/// `Content-Range` of a part (§14.4).
pub fn content_range(part: &Range<usize>, length: usize) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1))
}

/// `Content-Range` of an answer that has none of the bytes asked for (§15.5.17).
pub fn unsatisfied(length: usize) -> String {
    format!("bytes */{length}")
}

/// Whether a whole can be sent in several parts.
pub fn is_divisible(whole: &[u8]) -> bool {
    // A boundary counts where a line begins (RFC 2046 §5.1.1).
    !whole.split(|&byte| byte == b'\n').any(|line| line.starts_with(BOUNDARY.as_bytes()))
}

/// The content of an answer of several parts of `whole`, which is of the given type.
pub fn multipart(whole: &[u8], parts: &[Range<usize>], content_type: Option<&[u8]>) -> Vec<u8> {
    let mut content = Vec::new();
    for part in parts {
        content.extend(format!("\r\n{BOUNDARY}\r\n").as_bytes());
        if let Some(content_type) = content_type {
            content.extend_from_slice(b"Content-Type: ");
            content.extend_from_slice(content_type);
            content.extend_from_slice(b"\r\n");
        }
        content.extend(format!("Content-Range: {}\r\n\r\n", content_range(part, whole.len())).as_bytes());
        content.extend_from_slice(whole.get(part.clone()).unwrap_or_default());
    }
    content.extend(format!("\r\n{BOUNDARY}--\r\n").as_bytes());
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_range_is_read_as_the_rfc_says() {
        use Selection::{Part, Parts, Unsatisfiable, Whole};
        // Of ten bytes.
        let rows: [(&str, &str, Selection); 34] = [
            ("§14.1.2", "bytes=0-4", Part(0..5)),
            ("§14.1.2 to the end", "bytes=4-", Part(4..10)),
            ("§14.1.2 past the end", "bytes=4-99999999999999999999999", Part(4..10)),
            ("§14.1.2 suffix", "bytes=-3", Part(7..10)),
            ("§14.1.2 longer suffix", "bytes=-30", Part(0..10)),
            ("§14.1.2 one byte", "bytes=9-9", Part(9..10)),
            ("§14.1.2 all", "bytes=0-9", Part(0..10)),
            ("§14.1 units have no case", "Bytes=0-0", Part(0..1)),
            ("§5.6.1 empty members", "bytes=, 0-0 ,", Part(0..1)),
            ("§14.1.2 not there", "bytes=10-", Unsatisfiable),
            ("§14.1.2 nor this", "bytes=10-20,99-", Unsatisfiable),
            ("§14.1.2 no suffix", "bytes=-0", Unsatisfiable),
            ("§14.1.2 one is there", "bytes=10-20,1-2", Part(1..3)),
            ("§14.2 several", "bytes=0-1,5-6", Parts(vec![0..2, 5..7])),
            ("§14.2 in their order", "bytes=-1,0-0", Parts(vec![9..10, 0..1])),
            ("§14.2 overlapping are one", "bytes=0-4,2-6", Part(0..7)),
            ("§14.2 touching are one", "bytes=0-1,2-3", Part(0..4)),
            ("§15.3.7.2 what joins two is one with both", "bytes=0-1,4-5,1-4", Part(0..6)),
            ("§15.3.7.2 beside another", "bytes=9-9,4-5,0-1,2-3", Parts(vec![9..10, 0..6])),
            ("§15.3.7.2 before another", "bytes=4-5,0-1,9-9,2-3", Parts(vec![0..6, 9..10])),
            ("§15.3.7.2 together all of it", "bytes=0-4,6-,0-8", Part(0..10)),
            ("§14.2 unknown unit", "items=0-1", Whole),
            ("§14.2 invalid", "bytes=5-4", Whole),
            ("§14.2 invalid among others", "bytes=0-1,5-4", Whole),
            ("§14.2 no range", "bytes=", Whole),
            ("§14.2 no number", "bytes=-", Whole),
            ("§14.2 no number", "bytes=a-b", Whole),
            ("§14.2 a sign", "bytes=+1-2", Whole),
            ("§14.2 a negative one", "bytes=--1", Whole),
            ("§14.2 blanks", "bytes=0 - 1", Whole),
            ("§14.2 no unit", "0-1", Whole),
            ("§14.2 empty", "", Whole),
            ("§14.2 no text", "bytes=\u{ff}-", Whole),
            ("§17.15 too many", "bytes=0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0", Whole),
        ];
        for (section, range, expected) in rows {
            assert_eq!(select(range.as_bytes(), 10), expected, "{section}: {range}");
        }
        assert_eq!(select(b"bytes=0-0", 0), Whole);
        assert_eq!(select(b"bytes=-1", 0), Whole);
    }

    #[test]
    fn several_parts_are_written_one_after_the_other() {
        // RFC 9110 §14.6
        let content = multipart(b"0123456789", &[0..2, 9..10], Some(b"a/b"));
        let expected = format!(
            "\r\n{BOUNDARY}\r\nContent-Type: a/b\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
             \r\n{BOUNDARY}\r\nContent-Type: a/b\r\nContent-Range: bytes 9-9/10\r\n\r\n9\r\n{BOUNDARY}--\r\n"
        );
        assert_eq!(String::from_utf8(content).unwrap(), expected);
        assert_eq!(unsatisfied(10), "bytes */10");
        assert!(MULTIPART_TYPE.ends_with(BOUNDARY.trim_start_matches('-').as_bytes()));
        assert!(is_divisible(b"weir-7MA4YWxkTrZu0gW") && !is_divisible(format!("a\r\n{BOUNDARY}").as_bytes()));
    }
}
