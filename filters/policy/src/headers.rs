//! The header map of a request or response as the host hands it over: bytes, in one buffer, never copied apart.

/// A header map in the host's own serialisation: the number of pairs, the lengths of each pair's name and value, then
/// the bytes, each followed by a zero (Proxy-Wasm ABI 0.2.1, `proxy_get_header_map_pairs`; numbers little-endian).
///
/// Names are in lower case. Values are any bytes. The order is the wire's, repeated headers included.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers(Vec<u8>);

/// What a message says under a name that may stand in it once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sole<'a> {
    /// Nothing.
    Absent,
    /// This value.
    Value(&'a [u8]),
    /// More than one value: whoever picks one of them picks another than the next hop may.
    Repeated,
}

impl Headers {
    /// Takes over what the host serialised, or `None` where lengths and bytes do not agree.
    pub fn parse(buffer: Vec<u8>) -> Option<Self> {
        let headers = Self(buffer);
        // The host writes no bytes at all for an empty map.
        if headers.0.is_empty() {
            return Some(headers);
        }
        // Checked before any arithmetic on it: on wasm32 a lying count would overflow.
        if headers.len() > headers.0.len() / (2 * WORD) {
            return None;
        }
        let mut end = headers.bytes_start();
        for index in 0..headers.len() {
            let (name, value) = headers.lengths(index)?;
            end = end.checked_add(name)?.checked_add(value)?.checked_add(2)?;
        }
        (end == headers.0.len()).then_some(headers)
    }

    /// Serialises pairs, as [`Headers::parse`] reads them.
    pub fn from_pairs<'a>(pairs: &[(&'a [u8], &'a [u8])]) -> Self {
        let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut buffer = Vec::with_capacity(WORD + 2 * WORD * pairs.len() + bytes);
        buffer.extend_from_slice(&word(pairs.len()));
        for (name, value) in pairs {
            buffer.extend_from_slice(&word(name.len()));
            buffer.extend_from_slice(&word(value.len()));
        }
        for (name, value) in pairs {
            buffer.extend_from_slice(name);
            buffer.push(0);
            buffer.extend_from_slice(value);
            buffer.push(0);
        }
        Self(buffer)
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.number(0).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The serialised form, as the host reads it back.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Every pair of name and value, in order.
    pub fn iter(&self) -> Iter<'_> {
        let all = self.0.get(WORD..).unwrap_or_default();
        let (lengths, bytes) = all.split_at_checked(2 * WORD * self.len()).unwrap_or_default();
        Iter { lengths, bytes }
    }

    /// Every value under `name`, in order. `name` is in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter_map(move |(found, value)| (found == name.as_bytes()).then_some(value))
    }

    /// The first value under `name`.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The value under a name that may stand in a message once.
    pub fn sole<'a>(&'a self, name: &'a str) -> Sole<'a> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Sole::Absent,
            (Some(value), None) => Sole::Value(value),
            (Some(_), Some(_)) => Sole::Repeated,
        }
    }

    fn bytes_start(&self) -> usize {
        WORD + 2 * WORD * self.len()
    }

    fn lengths(&self, index: usize) -> Option<(usize, usize)> {
        let at = WORD + 2 * WORD * index;
        Some((self.number(at)?, self.number(at + WORD)?))
    }

    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.0.get(at..at.checked_add(WORD)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    }
}

/// Goes over the pairs of a header map.
pub struct Iter<'a> {
    /// The lengths of the pairs that are left.
    lengths: &'a [u8],
    /// Their bytes.
    bytes: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = (length(&mut self.lengths)?, length(&mut self.lengths)?);
        Some((cut(&mut self.bytes, name)?, cut(&mut self.bytes, value)?))
    }
}

/// Takes a length off the front.
fn length(lengths: &mut &[u8]) -> Option<usize> {
    let (first, rest) = lengths.split_first_chunk::<WORD>()?;
    *lengths = rest;
    Some(u32::from_le_bytes(*first) as usize)
}

/// Takes so many bytes and their zero off the front.
fn cut<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(length)?;
    *bytes = rest.get(1..)?;
    Some(first)
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The size of a number in the serialised form.
const WORD: usize = 4;

#[expect(clippy::cast_possible_truncation, reason = "a header map is at most 1 MiB")]
const fn word(number: usize) -> [u8; WORD] {
    (number as u32).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn sample() -> Headers {
        Headers::from_pairs(&[
            (b":path", b"/"),
            (b"x-a", b"1"),
            (b"x-bytes", b"\xff\xfe"),
            (b"x-a", b""),
            (b"x-c", b"3"),
        ])
    }

    #[test]
    fn what_was_serialised_is_read_back() {
        let headers = Headers::parse(sample().as_bytes().to_vec()).unwrap();
        let pairs: Vec<_> = headers.iter().collect();
        assert_eq!(pairs.len(), headers.len());
        assert_eq!(pairs[2], (b"x-bytes".as_slice(), b"\xff\xfe".as_slice()));
        assert_eq!(pairs[3], (b"x-a".as_slice(), b"".as_slice()));
        assert_eq!(Headers::from_pairs(&pairs), sample());
    }

    #[test]
    fn a_repeated_header_is_seen_as_such() {
        let headers = sample();
        assert_eq!(headers.sole("x-a"), Sole::Repeated);
        assert_eq!(headers.sole("x-c"), Sole::Value(b"3"));
        assert_eq!(headers.sole("x-d"), Sole::Absent);
        assert_eq!(headers.first("x-a"), Some(b"1".as_slice()));
        assert_eq!(headers.all("x-a").collect::<Vec<_>>(), [b"1".as_slice(), b""]);
    }

    #[test]
    fn an_empty_map_has_no_pairs() {
        for headers in [Headers::default(), Headers::from_pairs(&[]), Headers::parse(Vec::new()).unwrap()] {
            assert!(headers.is_empty());
            assert_eq!(headers.iter().next(), None);
        }
    }

    #[test]
    fn lengths_that_do_not_agree_with_the_bytes_are_refused() {
        let whole = sample().as_bytes().to_vec();
        for cut in 1..whole.len() {
            assert_eq!(Headers::parse(whole[..cut].to_vec()), None, "cut at {cut}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(Headers::parse(longer), None);
        let mut lying = whole;
        lying[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Headers::parse(lying), None);
        assert_eq!(Headers::parse(u32::MAX.to_le_bytes().to_vec()), None);
    }
}
