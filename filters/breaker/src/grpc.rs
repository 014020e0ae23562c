//! gRPC's status codes, which an answer has in its trailers, or in its headers where it has nothing else.

use policy::ConfigError;

/// The header or trailer that has the code.
pub const STATUS: &str = "grpc-status";

/// The codes that gRPC defines are below this.
const CODES: u32 = 17;

/// A set of codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Codes(u32);

impl Codes {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// What a server says that fails: `UNKNOWN`, `DEADLINE_EXCEEDED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`. All else is
    /// about the call, or says that the caller is too fast.
    pub const FAILURES: Self = Self(1 << 2 | 1 << 4 | 1 << 13 | 1 << 14 | 1 << 15);

    /// These codes.
    ///
    /// # Errors
    /// A number that is no code, or that of success.
    pub fn new(codes: &[u32]) -> Result<Self, ConfigError> {
        let mut set = Self::NONE;
        for (index, code) in codes.iter().enumerate() {
            if !(1..CODES).contains(code) {
                return Err(ConfigError::at(format!("[{index}]"), format!("must be 1 to 16, got {code}")));
            }
            set.0 |= 1 << code;
        }
        Ok(set)
    }

    /// Whether this is one of them.
    pub const fn contains(self, code: u32) -> bool {
        code < CODES && self.0 & 1 << code != 0
    }
}

/// Reads `grpc-status`; what is no number is `UNKNOWN`, as gRPC says, and so is a code that nobody has defined.
pub fn code(value: &[u8]) -> u32 {
    const UNKNOWN: u32 = 2;
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.filter(|&code| code < CODES).unwrap_or(UNKNOWN)
}

/// Whether a request's `content-type` is gRPC's, with whatever encoding of messages.
pub fn is_grpc(content_type: Option<&[u8]>) -> bool {
    let rest = content_type.and_then(|value| value.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_server_that_fails_is_told_from_a_call_that_was_wrong() {
        let failures: Vec<u32> = (0..40).filter(|code| Codes::FAILURES.contains(*code)).collect();
        assert_eq!(failures, [2, 4, 13, 14, 15]);
        assert!((0..40).all(|code| !Codes::NONE.contains(code)));
    }

    #[test]
    fn a_set_has_what_the_operator_names() {
        let set = Codes::new(&[8, 16]).unwrap();
        assert_eq!((0..40).filter(|code| set.contains(*code)).collect::<Vec<_>>(), [8, 16]);
        for (codes, expected) in [([1, 0], "[1]: must be 1 to 16, got 0"), ([17, 1], "[0]: must be 1 to 16, got 17")] {
            assert_eq!(Codes::new(&codes).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_code_is_unknown() {
        for (value, expected) in
            [("0", 0), ("14", 14), ("16", 16), ("17", 2), ("-1", 2), ("", 2), ("99999999999", 2), ("\u{ff}", 2)]
        {
            assert_eq!(code(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(code(b"\xff\xfe"), 2);
    }

    #[test]
    fn a_call_of_grpc_says_so() {
        for (value, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;x", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            assert_eq!(is_grpc(Some(value.as_bytes())), expected, "{value}");
        }
        assert!(!is_grpc(None));
    }
}
