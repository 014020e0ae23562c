//! The form in which header maps pass between host and filter.

use crate::headers::Headers;

/// The most bytes of a map that Envoy reads from a filter.
const BYTES_MAX: usize = 1024 * 1024;
/// The most pairs of a map that Envoy reads from a filter.
const PAIRS_MAX: usize = 1024;

/// Writes a map: the number of pairs, the lengths of each name and value, then both with a zero after each.
pub(crate) fn write<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let pairs: Vec<_> = pairs.collect();
    let mut bytes = Vec::new();
    bytes.extend(length(pairs.len()));
    for (name, value) in &pairs {
        bytes.extend(length(name.len()));
        bytes.extend(length(value.len()));
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(text);
        bytes.push(0);
    }
    bytes
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a map of less than 4 GiB").to_le_bytes()
}

/// Reads a map. What is malformed or over the limits reads as empty, as in `proxy-wasm-cpp-host`: no call fails of it.
pub(crate) fn read(bytes: &[u8]) -> Headers {
    if bytes.len() > BYTES_MAX { Headers::new() } else { parse(bytes).unwrap_or_default() }
}

fn parse(mut bytes: &[u8]) -> Option<Headers> {
    let count = number(&mut bytes)?;
    if count > PAIRS_MAX {
        return None;
    }
    let lengths = (0..count).map(|_| Some((number(&mut bytes)?, number(&mut bytes)?))).collect::<Option<Vec<_>>>()?;
    let mut headers = Headers::new();
    for (name, value) in lengths {
        let name = terminated(&mut bytes, name)?;
        headers.add(name, terminated(&mut bytes, value)?);
    }
    bytes.is_empty().then_some(headers)
}

fn number(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

fn terminated<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (text, rest) = bytes.split_at_checked(length)?;
    let (zero, rest) = rest.split_first()?;
    *bytes = rest;
    (*zero == 0).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_reads_as_it_was_written() {
        let headers: Headers = [("a", &b"\xff\xfe"[..]), ("b", b""), ("a", b"2")].into_iter().collect();
        assert_eq!(read(&write(headers.iter())), headers);
        assert_eq!(read(&write(Headers::new().iter())), Headers::new());
    }

    #[test]
    fn a_map_that_is_cut_short_padded_or_too_large_reads_as_empty() {
        let whole = write([("name", "value")].into_iter().collect::<Headers>().iter());
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_empty(), "the first {length} bytes");
        }
        assert!(read(&[whole.as_slice(), b"\0"].concat()).is_empty(), "one byte too many");
        let many: Headers = (0..=PAIRS_MAX).map(|n| (format!("n{n}"), "")).collect();
        assert!(read(&write(many.iter())).is_empty(), "1,025 pairs");
        let large: Headers = [("name", vec![b'x'; BYTES_MAX])].into_iter().collect();
        assert!(read(&write(large.iter())).is_empty(), "more than 1 MiB");
    }
}
