//! What nobody may see: without `Debug`, without `Display`, and found again wherever somebody repeats it.

use policy::ConfigError;
use policy::fields::Fields;
use policy::state::Variables;

use crate::target::encoded;

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

/// The forms in which secrets may come back: as they are, percent-encoded, and with JSON's escaped slash.
#[derive(Default)]
pub struct Forms(Vec<Vec<u8>>);

impl Forms {
    /// The forms of these secrets.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut forms: Vec<Vec<u8>> = Vec::new();
        for secret in secrets.into_iter().map(Secret::text).filter(|text| !text.is_empty()) {
            let escaped = encoded(secret);
            for form in [secret.to_owned(), in_lower_case(&escaped), escaped, secret.replace('/', "\\/")] {
                if !forms.iter().any(|known| known == form.as_bytes()) {
                    forms.push(form.into_bytes());
                }
            }
        }
        // One that is part of another must not break it into what is left of it.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self(forms)
    }

    /// Whether any stands in `bytes`.
    pub fn occur(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|form| find(bytes, form).is_some())
    }

    /// How many bytes at the end of `bytes` may be the beginning of a secret.
    pub fn begun(&self, bytes: &[u8]) -> usize {
        let of_form = |form: &Vec<u8>| {
            let longest = bytes.len().min(form.len().saturating_sub(1));
            (1..=longest).rev().find(|length| form.get(..*length).is_some_and(|start| bytes.ends_with(start)))
        };
        self.0.iter().filter_map(of_form).max().unwrap_or(0)
    }

    /// Takes every secret out of `bytes`.
    pub fn redact(&self, bytes: &mut Vec<u8>) {
        for form in &self.0 {
            if find(bytes, form).is_none() {
                continue;
            }
            let mut clean = Vec::with_capacity(bytes.len());
            let mut rest = bytes.as_slice();
            while let Some((before, found)) = find(rest, form).and_then(|at| rest.split_at_checked(at)) {
                clean.extend_from_slice(before);
                clean.extend_from_slice(REDACTED);
                rest = found.get(form.len()..).unwrap_or_default();
            }
            clean.extend_from_slice(rest);
            *bytes = clean;
        }
    }
}

/// A percent-encoded text with the digits of its escapes in lower case (RFC 3986 §2.1: they mean the same).
fn in_lower_case(escaped: &str) -> String {
    let mut parts = escaped.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (digits, rest) in parts.filter_map(|part| part.split_at_checked(2)) {
        text.push('%');
        text.push_str(&digits.to_ascii_lowercase());
        text.push_str(rest);
    }
    text
}

/// Where `part` begins in `bytes`.
fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    let first = *part.first()?;
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == first) {
        if bytes.get(from + at..)?.starts_with(part) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
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
