//! The `traceparent` header of W3C Trace Context, level 2 (<https://www.w3.org/TR/trace-context-2/>).
//!
//! ```text
//! 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
//! version  trace-id           parent-id          flags
//! ```
//! The gateway is a participant, not a pass-through: it sends its own parent-id on, which is what the specification
//! asks for as the default, and what makes the hop visible to whoever reads traces.

/// A trace as one request carries it: the trace's id and the flags that go on with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Traceparent {
    /// In lower-case hexadecimal digits, not all zero.
    trace_id: [u8; 32],
    flags: u8,
}

/// The caller may have recorded trace data.
const SAMPLED: u8 = 0b01;
/// At least the last seven bytes of the trace id are random.
const RANDOM: u8 = 0b10;
/// The length of version 00, and the least of every later version.
const LENGTH: usize = 55;

impl Traceparent {
    /// Reads what a caller sent; blanks around it do not count. `None` where it is not valid, and the trace restarts.
    ///
    /// A version later than 00 is read as the specification says (§ "Versioning of traceparent"): the fields of version
    /// 00 from their places, and whatever follows after a dash left alone. A comma there is refused all the same: it is
    /// how repeated headers look once they were joined, and a repeated `traceparent` restarts the trace.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let (fields, rest) = (value.get(..LENGTH)?, value.get(LENGTH..)?);
        let (version, trace_id) = (fields.get(..2)?, fields.get(3..35)?);
        let (parent_id, flags) = (fields.get(36..52)?, fields.get(53..)?);
        let dashes = [2, 35, 52].iter().all(|&at| fields.get(at) == Some(&b'-'));
        let digits = [version, trace_id, parent_id, flags].into_iter().flatten().all(|&byte| is_digit(byte));
        let ids = !is_zero(trace_id) && !is_zero(parent_id);
        let length = match version {
            b"00" => rest.is_empty(),
            b"ff" => false,
            _ => rest.is_empty() || rest.first() == Some(&b'-') && !rest.contains(&b','),
        };
        if !(dashes && digits && ids && length) {
            return None;
        }
        // Flags that this level does not know must not be passed on.
        let flags = byte(*flags.first()?, *flags.get(1)?) & (SAMPLED | RANDOM);
        Some(Self { trace_id: trace_id.try_into().ok()?, flags })
    }

    /// A new trace, of randomness that the caller provides; not sampled, since whether to record it is for others to say.
    pub fn start(random: [u8; 16]) -> Self {
        // All zero is what a host without randomness gives, and no valid id.
        let bytes = if random == [0; 16] { [1; 16] } else { random };
        let mut trace_id = [0; 32];
        for (digits, byte) in trace_id.chunks_exact_mut(2).zip(bytes) {
            digits.copy_from_slice(&hex(byte));
        }
        Self { trace_id, flags: RANDOM }
    }

    /// The trace's id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> &[u8] {
        &self.trace_id
    }

    /// The header to send on: this trace, and a parent-id made of randomness that the caller provides.
    pub fn header(&self, random: [u8; 8]) -> [u8; LENGTH] {
        let bytes = if random == [0; 8] { [1; 8] } else { random };
        let mut header = *b"00-00000000000000000000000000000000-0000000000000000-00";
        if let Some(place) = header.get_mut(3..35) {
            place.copy_from_slice(&self.trace_id);
        }
        for (digits, byte) in header.get_mut(36..52).unwrap_or_default().chunks_exact_mut(2).zip(bytes) {
            digits.copy_from_slice(&hex(byte));
        }
        if let Some(place) = header.last_chunk_mut() {
            *place = hex(self.flags);
        }
        header
    }
}

/// Upper-case digits are not valid.
const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_zero(digits: &[u8]) -> bool {
    digits.iter().all(|&digit| digit == b'0')
}

const fn hex(byte: u8) -> [u8; 2] {
    const fn digit(nibble: u8) -> u8 {
        if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }
    }
    [digit(byte >> 4), digit(byte & 15)]
}

/// The byte of two lower-case hexadecimal digits.
const fn byte(high: u8, low: u8) -> u8 {
    const fn nibble(digit: u8) -> u8 {
        if digit.is_ascii_digit() { digit - b'0' } else { digit.wrapping_sub(b'a' - 10) & 15 }
    }
    nibble(high) << 4 | nibble(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const TRACE: &str = "12345678901234567890123456789012";

    /// Reads each value and says which flags the header that is sent on has.
    fn check(rows: &[(&str, Option<&str>)]) {
        for (sent, expected) in rows {
            let read = Traceparent::parse(sent.as_bytes());
            let header = read.map(|trace| String::from_utf8(trace.header([0xab; 8]).to_vec()).unwrap());
            let flags = expected.map(|flags| format!("00-{TRACE}-abababababababab-{flags}"));
            assert_eq!(header, flags, "{sent:?}");
        }
    }

    // The values are those of the W3C's own tests: https://github.com/w3c/trace-context, test/test.py.
    #[test]
    fn version_00_is_exactly_its_four_fields() {
        check(&[
            ("00-12345678901234567890123456789012-1234567890123456-01", Some("01")),
            ("00-12345678901234567890123456789012-1234567890123456-00", Some("00")),
            ("00-12345678901234567890123456789012-1234567890123456-01.", None),
            ("00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like", None),
            ("00-12345678901234567890123456789012-1234567890123456-001", None),
            ("00-12345678901234567890123456789012-1234567890123456-1", None),
            ("00-12345678901234567890123456789012-1234567890123456-", None),
            ("00-12345678901234567890123456789012-1234567890123456", None),
            ("00-12345678901234567890123456789012", None),
            ("00", None),
            ("", None),
        ]);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        check(&[
            ("cc-12345678901234567890123456789012-1234567890123456-01", Some("01")),
            ("cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like", Some("01")),
            ("01-12345678901234567890123456789012-1234567890123456-ff-x", Some("03")),
            ("fe-12345678901234567890123456789012-1234567890123456-02", Some("02")),
            ("cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like", None),
            ("cc-12345678901234567890123456789012-1234567890123456-01-a,cc-1234", None),
            ("cc-12345678901234567890123456789012-1234567890123456-1", None),
            ("ff-12345678901234567890123456789012-1234567890123456-01", None),
        ]);
    }

    #[test]
    fn every_field_has_its_length_and_its_digits() {
        check(&[
            (".0-12345678901234567890123456789012-1234567890123456-01", None),
            ("0.-12345678901234567890123456789012-1234567890123456-01", None),
            ("000-12345678901234567890123456789012-1234567890123456-01", None),
            ("0000-12345678901234567890123456789012-1234567890123456-01", None),
            ("0-12345678901234567890123456789012-1234567890123456-01", None),
            ("00-.2345678901234567890123456789012-1234567890123456-01", None),
            ("00-1234567890123456789012345678901.-1234567890123456-01", None),
            ("00-123456789012345678901234567890123-1234567890123456-01", None),
            ("00-1234567890123456789012345678901-1234567890123456-01", None),
            ("00-12345678901234567890123456789012-.234567890123456-01", None),
            ("00-12345678901234567890123456789012-123456789012345.-01", None),
            ("00-12345678901234567890123456789012-12345678901234567-01", None),
            ("00-12345678901234567890123456789012-123456789012345-01", None),
            ("00-12345678901234567890123456789012-1234567890123456-.0", None),
            ("00-12345678901234567890123456789012-1234567890123456-0.", None),
            ("00_12345678901234567890123456789012_1234567890123456_01", None),
            ("00-ABCDEF78901234567890123456789012-1234567890123456-01", None),
            ("00-12345678901234567890123456789012-ABCDEF7890123456-01", None),
            ("00-12345678901234567890123456789012-1234567890123456-0A", None),
        ]);
    }

    #[test]
    fn an_id_of_zeros_is_none() {
        check(&[
            ("00-00000000000000000000000000000000-1234567890123456-01", None),
            ("00-12345678901234567890123456789012-0000000000000000-01", None),
            ("cc-00000000000000000000000000000000-1234567890123456-01", None),
        ]);
    }

    #[test]
    fn blanks_around_the_value_do_not_count() {
        for (before, after) in [(" ", ""), ("\t", ""), ("", " "), ("", "\t"), ("\t ", " \t")] {
            check(&[(&format!("{before}00-{TRACE}-1234567890123456-01{after}"), Some("01"))]);
        }
    }

    #[test]
    fn known_flags_go_on_and_unknown_ones_do_not() {
        for (sent, expected) in [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("fd", "01"), ("0f", "03")] {
            check(&[(&format!("00-{TRACE}-1234567890123456-{sent}"), Some(expected))]);
        }
    }

    #[test]
    fn any_bytes_are_refused_without_harm() {
        for bytes in [b"\xff\xfe".as_slice(), &vec![b'0'; 60 * 1024], &[0xff; 55], &[b'-'; 55]] {
            assert_eq!(Traceparent::parse(bytes), None);
        }
    }

    #[test]
    fn a_new_trace_says_that_its_id_is_random() {
        let trace = Traceparent::start([0x5f; 16]);
        assert_eq!(trace.trace_id(), "5f".repeat(16).as_bytes());
        let header = trace.header([7; 8]);
        assert_eq!(header.as_slice(), format!("00-{}-{}-02", "5f".repeat(16), "07".repeat(8)).as_bytes());
        assert_eq!(Traceparent::parse(&header), Some(trace));
    }

    #[test]
    fn a_host_without_randomness_still_makes_valid_headers() {
        let trace = Traceparent::start([0; 16]);
        assert_eq!(Traceparent::parse(&trace.header([0; 8])), Some(trace));
    }
}
