//! What nobody may see: without `Debug`, without `Display`, and found again wherever somebody repeats it.

use policy::ConfigError;
use policy::fields::Fields;
use policy::state::Variables;

/// A shorter secret would be found where nobody has repeated it.
const LENGTH_MIN: usize = 8;
const LENGTH_MAX: usize = 4096;
/// What stands where a secret was.
const REDACTED: &[u8] = b"***";

/// A secret text of visible ASCII without quotes and backslashes, so that JSON writes it as it is.
pub struct Secret(String);

impl Secret {
    /// Takes a text.
    ///
    /// # Errors
    /// What is wrong with it, which says nothing of it.
    pub fn new(text: String) -> Result<Self, ConfigError> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        if (LENGTH_MIN..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text));
        }
        let reason =
            format!("the secret must be {LENGTH_MIN} to {LENGTH_MAX} visible ASCII characters, no \" and no \\");
        Err(ConfigError::at("", reason))
    }

    /// Reads `env` and `default` of an object: the variable of this name, or else the default, which is no secret then.
    /// Without `variables` there is no environment, and the secret is of no use.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn read(fields: &mut Fields, variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let name = fields.needed("env")?;
        let default = fields.text("default")?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(ConfigError::at("env", format!("must be the name of a variable, got {name:?}")));
        }
        let Some(variables) = variables else { return Ok(Self(String::new())) };
        let found = variables(&name).filter(|text| !text.is_empty());
        match (found, default) {
            (Some(text), _) => Self::new(text).map_err(|mistake| mistake.inside("env")),
            (None, Some(text)) => Self::new(text).map_err(|mistake| mistake.inside("default")),
            (None, None) => Err(ConfigError::at("env", format!("the environment has no variable {name}"))),
        }
    }

    /// Reads the member of this name of an object, which is an object as [`Secret::read`] reads it.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn member(fields: &mut Fields, name: &str, variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let mut of_member = fields.object(name)?;
        let secret = Self::read(&mut of_member, variables).and_then(|secret| of_member.end().map(|()| secret));
        secret.map_err(|mistake| mistake.inside(name))
    }

    /// A text around secrets.
    pub(crate) fn of_parts(parts: &[&str]) -> Self {
        Self(parts.concat())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The forms in which secrets may come back: each of their bytes as it is, percent-encoded (RFC 3986 §2.1) or escaped as JSON
/// may escape it (RFC 8259 §7), whatever is done with the bytes beside it.
#[derive(Default)]
pub struct Forms(Vec<Vec<u8>>);

/// How a secret and the beginning of a text compare.
enum Comparison {
    /// So many bytes of the text are the secret.
    Same(usize),
    /// The text is too short to say, and all of it may be the beginning of the secret.
    Begun,
    Other,
}

/// No byte is written with more than `\u0041` has.
const ESCAPE_LENGTH_MAX: usize = 6;

impl Forms {
    /// The forms of these secrets.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let texts = secrets.into_iter().map(Secret::text).filter(|text| !text.is_empty());
        let mut secrets: Vec<Vec<u8>> = texts.map(|text| text.as_bytes().to_vec()).collect();
        // One that is part of another must not break it into what is left of it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// Whether any stands in `bytes`.
    pub fn occur(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|secret| find(bytes, secret).is_some())
    }

    /// How many bytes at the end of `bytes` may be the beginning of a secret.
    pub fn begun(&self, bytes: &[u8]) -> usize {
        let of_secret = |secret: &Vec<u8>| {
            let longest = bytes.len().min(secret.len() * ESCAPE_LENGTH_MAX);
            let is_begun = |length: &usize| {
                let end = bytes.get(bytes.len() - length..).unwrap_or_default();
                matches!(compared(secret, end), Comparison::Begun)
            };
            (1..=longest).rev().find(is_begun)
        };
        self.0.iter().filter_map(of_secret).max().unwrap_or(0)
    }

    /// Takes every secret out of `bytes`.
    pub fn redact(&self, bytes: &mut Vec<u8>) {
        for secret in &self.0 {
            let mut clean = Vec::new();
            let mut rest = bytes.as_slice();
            while let Some((at, length)) = find(rest, secret) {
                clean.extend_from_slice(rest.get(..at).unwrap_or_default());
                clean.extend_from_slice(REDACTED);
                rest = rest.get(at + length..).unwrap_or_default();
            }
            if rest.len() < bytes.len() {
                clean.extend_from_slice(rest);
                *bytes = clean;
            }
        }
    }
}

/// Where a secret begins in `bytes`, and how long it is there.
fn find(bytes: &[u8], secret: &[u8]) -> Option<(usize, usize)> {
    let first = *secret.first()?;
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = rest.iter().position(|byte| *byte == first || matches!(byte, b'%' | b'\\'))?;
        if let Comparison::Same(length) = compared(secret, rest.get(at..)?) {
            return Some((from + at, length));
        }
        from += at + 1;
    }
}

/// Compares the beginning of a text with a secret. A `%` of the secret's own may look like the beginning of an escape: it is
/// taken for the one and for the other.
fn compared(secret: &[u8], text: &[u8]) -> Comparison {
    match (compared_by(secret, text, false), compared_by(secret, text, true)) {
        (same @ Comparison::Same(_), _) | (Comparison::Other, same) => same,
        (Comparison::Begun, Comparison::Other) => Comparison::Begun,
        (Comparison::Begun, other) => other,
    }
}

fn compared_by(secret: &[u8], text: &[u8], is_plain: bool) -> Comparison {
    let mut rest = text;
    for byte in secret {
        let Some(first) = rest.first() else { return Comparison::Begun };
        let as_it_is = usize::from(first == byte);
        let length = match escape(*byte, rest) {
            _ if is_plain && as_it_is == 1 => 1,
            Comparison::Same(length) => length,
            Comparison::Begun => return Comparison::Begun,
            Comparison::Other => as_it_is,
        };
        if length == 0 {
            return Comparison::Other;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Comparison::Same(text.len() - rest.len())
}

/// Compares the beginning of a text with the escapes of a byte.
fn escape(byte: u8, text: &[u8]) -> Comparison {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    let (high, low) = (digit(byte >> 4), digit(byte & 15));
    let slash: &[u8] = if byte == b'/' { b"\\/" } else { b"" };
    for known in [&[b'%', high, low][..], &[b'\\', b'u', b'0', b'0', high, low], slash] {
        if !known.is_empty() && text.iter().zip(known).all(|(byte, known)| byte.eq_ignore_ascii_case(known)) {
            return if text.len() < known.len() { Comparison::Begun } else { Comparison::Same(known.len()) };
        }
    }
    Comparison::Other
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn forms(secrets: &[&str]) -> Forms {
        let secrets: Vec<_> = secrets.iter().map(|text| Secret::new((*text).to_owned()).ok().unwrap()).collect();
        Forms::of(&secrets)
    }

    #[test]
    fn a_secret_is_taken_out_wherever_and_however_it_is_repeated() {
        let forms = forms(&["k/e=y-1234", "another-one"]);
        for (said, left) in [
            ("", ""),
            ("nothing of it", "nothing of it"),
            ("k/e=y-1234", "***"),
            ("<k/e=y-1234k/e=y-1234>", "<******>"),
            (r#"{"url": "/?a=k%2Fe%3Dy-1234&b"}"#, r#"{"url": "/?a=***&b"}"#),
            ("k%2fe%3dy-1234", "***"),
            (r#"{"key": "k\/e=y-1234"}"#, r#"{"key": "***"}"#),
            (r#"{"key": "k\u002Fe\u003Dy\u002D1234"}"#, r#"{"key": "***"}"#),
            (r#"{"key": "k\u002fe\u003dy\u002d1234"}"#, r#"{"key": "***"}"#),
            (r#"{"key": "k/e\u003Dy-1234 k\/e\u003dy-1234"}"#, r#"{"key": "*** ***"}"#),
            (r"\u006b\u002Fe\/y", r"\u006b\u002Fe\/y"),
            (r"%6B%2f\u0065\u003dy\u002D123\u0034", "***"),
            ("/?k/e%3Dy-1234&k/e%3dy-1234", "/?***&***"),
            (r"k\/e%3Dy-1234", "***"),
            ("k/e=y-123 another-one k/k/e=y-1234", "k/e=y-123 *** k/***"),
        ] {
            let mut bytes = said.as_bytes().to_vec();
            assert_eq!(forms.occur(&bytes), said != left, "{said}");
            forms.redact(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), left);
        }
        let mut bytes = b"\xff\xfeanother-one\xff".to_vec();
        forms.redact(&mut bytes);
        assert_eq!(bytes, b"\xff\xfe***\xff");
    }

    #[test]
    fn a_percent_sign_of_a_secret_is_its_own_or_an_escape() {
        let forms = forms(&["%25/25%2e"]);
        for said in ["%25/25%2e", r"%25\/25%2e", "%2525%2f25%252e", r"%2525\/25%252e", r"\u002525/25\u00252e"] {
            let mut bytes = [b"%25", said.as_bytes(), b"%"].concat();
            forms.redact(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), "%25***%", "{said}");
            for length in 1..said.len() {
                assert_eq!(forms.begun(format!("x{}", &said[..length]).as_bytes()), length, "{said}");
            }
        }
    }

    #[test]
    fn a_secret_inside_another_leaves_nothing_of_it() {
        let forms = forms(&["abcdefgh", "abcdefghijkl"]);
        let mut bytes = b"abcdefghijkl abcdefgh".to_vec();
        forms.redact(&mut bytes);
        assert_eq!(bytes, b"*** ***");
    }

    #[test]
    fn what_is_too_short_or_cannot_be_written_is_no_secret() {
        let long = "x".repeat(LENGTH_MAX + 1);
        for text in ["", "1234567", "with blank", "with\"quote", "with\\slash", "caf\u{e9}-secret", long.as_str()] {
            let mistake = Secret::new(text.to_owned()).err().unwrap();
            assert!(text.is_empty() || !mistake.reason.contains(text), "{mistake}");
        }
        assert!(Secret::new("12345678".to_owned()).is_ok());
    }
}
