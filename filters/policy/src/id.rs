//! Identifiers that came from outside and are safe to log, to forward and to quote in an answer.

use std::fmt;

/// Longer identifiers are not taken over.
const LENGTH_MAX: usize = 128;

/// An identifier that is safe to log and to forward: 1 to 128 of `A-Z a-z 0-9 - _ .`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestId(String);

impl RequestId {
    /// Takes over what a client sent, or `None` where it could forge a log line.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let safe = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if bytes.is_empty() || bytes.len() > LENGTH_MAX || !bytes.iter().all(safe) {
            return None;
        }
        std::str::from_utf8(bytes).ok().map(|text| Self(text.to_owned()))
    }

    /// A fresh one, a UUID of version 4 (RFC 9562 §5.4), of randomness that the caller provides.
    pub fn from_random(random: [u8; 16]) -> Self {
        let mut bytes = random;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut text = String::with_capacity(36);
        for (index, byte) in bytes.into_iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push(hex_digit(byte >> 4));
            text.push(hex_digit(byte & 0x0f));
        }
        Self(text)
    }

    /// The identifier's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The lower-case hexadecimal digit of `nibble`, which is below 16.
const fn hex_digit(nibble: u8) -> char {
    if nibble < 10 { (b'0' + nibble) as char } else { (b'a' - 10 + nibble) as char }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_well_formed_identifier_is_taken_over() {
        for text in ["a", "550e8400-e29b-41d4-a716-446655440000", "Job_7.retry-2", &"x".repeat(128)] {
            assert_eq!(RequestId::parse(text.as_bytes()).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_could_forge_a_log_line_is_not() {
        let long = [b'x'; 129];
        for bytes in [b"".as_slice(), b"a b", b"a\nb", b"a\"b", b"\xff\xfe", "é".as_bytes(), b"a,b", &long] {
            assert_eq!(RequestId::parse(bytes), None);
        }
    }

    #[test]
    fn a_fresh_one_is_a_uuid_of_version_4() {
        assert_eq!(RequestId::from_random([0xff; 16]).as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(RequestId::from_random([0; 16]).as_str(), "00000000-0000-4000-8000-000000000000");
        assert!(RequestId::parse(RequestId::from_random([1; 16]).as_str().as_bytes()).is_some());
    }
}
