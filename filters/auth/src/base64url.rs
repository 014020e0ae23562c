//! Base64url without padding (RFC 7515 §2), as tokens are written: strict, and fast.
//!
//! A token that is seen for the first time is nothing but base64url, and a decoder that takes care not to tell secrets by
//! its time, as keys need one, takes longer for it than anything else that happens here. Tokens hide nothing from whoever
//! shows them. Keys are still decoded with such care.

/// What stands in [`VALUES`] for a byte that is not of the alphabet: a bit that no value has.
const NONE: u8 = 0x80;

/// The value of each byte.
const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut values = [NONE; 256];
    let (mut rest, mut byte) = (values.as_mut_slice(), 0_u8);
    while let Some((first, others)) = rest.split_first_mut() {
        *first = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => NONE,
        };
        rest = others;
        byte = byte.wrapping_add(1);
    }
    values
}

/// The bytes that a text stands for; `None` where it is not the one text that stands for them.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let (chunks, rest) = text.as_chunks::<4>();
    let mut bytes = Vec::with_capacity(chunks.len() * 3 + 2);
    bytes.resize(chunks.len() * 3, 0);
    let mut seen = 0;
    for (&[first, second, third, fourth], whole) in chunks.iter().zip(bytes.as_chunks_mut::<3>().0) {
        let (first, second, third, fourth) = (value(first), value(second), value(third), value(fourth));
        seen |= first | second | third | fourth;
        let [_, three @ ..] = (first << 18 | second << 12 | third << 6 | fourth).to_be_bytes();
        *whole = three;
    }
    if seen & u32::from(NONE) != 0 {
        return None;
    }
    let (bits, spare) = match *rest {
        [] => return Some(bytes),
        [first, second] => (value(first) << 6 | value(second), 4),
        [first, second, third] => (value(first) << 12 | value(second) << 6 | value(third), 2),
        // Six bits are no byte.
        _ => return None,
    };
    // Bits that stand for nothing must be zero, or several texts would stand for the same bytes (RFC 4648 §3.5).
    let is_canonical = bits.trailing_zeros() >= spare;
    let is_valid = rest.iter().all(|&byte| value(byte) & u32::from(NONE) == 0);
    let [_, _, high, low] = (bits >> spare).to_be_bytes();
    if spare == 2 {
        bytes.push(high);
    }
    bytes.push(low);
    (is_canonical && is_valid).then_some(bytes)
}

fn value(byte: u8) -> u32 {
    u32::from(VALUES.get(usize::from(byte)).copied().unwrap_or(NONE))
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};

    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_written_is_read() {
        let bytes: Vec<u8> = (0..=255).collect();
        for start in 0..32 {
            for end in start..=256 {
                let text = Base64UrlUnpadded::encode_string(&bytes[start..end]);
                assert_eq!(decode(text.as_bytes()).as_deref(), Some(&bytes[start..end]), "{text}");
            }
        }
    }

    #[test]
    fn every_text_of_up_to_three_bytes_is_read_as_base64ct_reads_it() {
        for first in 0..=255 {
            for second in 0..=255 {
                for text in
                    [vec![first], vec![first, second], vec![b'Q', first, second], vec![first, b'-', b'_', second]]
                {
                    let expected = std::str::from_utf8(&text).ok().and_then(|t| Base64UrlUnpadded::decode_vec(t).ok());
                    assert_eq!(decode(&text), expected, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        for text in ["A", "AAAAA", "AB", "AAB", "AA==", "AAA=", "A+AA", "A/AA", "AA\n", " AAA", "AAA\u{e9}"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decode(b""), Some(Vec::new()));
    }
}
