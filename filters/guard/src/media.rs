//! Media types (RFC 9110 §8.3): what a route takes, and what a request says that it brings.

use std::fmt;

use policy::ConfigError;

/// Which types are taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Range {
    kind: String,
    /// What the subtype ends in; what stands before it is anything where it was written with a `*`.
    subtype: String,
    is_open: bool,
}

impl Range {
    /// Reads `type/subtype`, `type/*` or `type/*+suffix`.
    ///
    /// # Errors
    /// Says what is wrong with `text`, without a path.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let token = |part: &str| !part.is_empty() && part.bytes().all(is_token);
        let parts = text.split_once('/').filter(|(kind, _)| token(kind) && !kind.contains('*'));
        let found = parts.and_then(|(kind, subtype)| {
            let (rest, is_open) = subtype.strip_prefix('*').map_or((subtype, false), |rest| (rest, true));
            let is_good = if is_open {
                rest.is_empty() || rest.len() > 1 && rest.starts_with('+') && token(rest)
            } else {
                token(rest)
            };
            let is_good = is_good && !rest.contains('*');
            is_good.then(|| Self { kind: kind.to_ascii_lowercase(), subtype: rest.to_ascii_lowercase(), is_open })
        });
        found.ok_or_else(|| {
            let reason = format!(
                "must be a media type like \"application/json\", \"image/*\" or \"application/*+json\", got {text:?}"
            );
            ConfigError::at("", reason)
        })
    }

    /// Whether a `Content-Type` is one of these; its parameters do not matter.
    pub fn takes(&self, content_type: &[u8]) -> bool {
        let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let Some(slash) = essence.iter().position(|&byte| byte == b'/') else { return false };
        let (kind, subtype) = (essence.get(..slash).unwrap_or_default(), essence.get(slash + 1..).unwrap_or_default());
        // Two types in one header are none: whoever reads it takes one of them, and nobody knows which.
        if subtype.is_empty()
            || !subtype.iter().copied().all(is_token)
            || !kind.eq_ignore_ascii_case(self.kind.as_bytes())
        {
            return false;
        }
        let wanted = self.subtype.as_bytes();
        if !self.is_open {
            return subtype.eq_ignore_ascii_case(wanted);
        }
        let start = subtype.len().checked_sub(wanted.len());
        let end = start.filter(|&start| start > 0).and_then(|start| subtype.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(wanted))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, if self.is_open { "*" } else { "" }, self.subtype)
    }
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_type_is_taken_whatever_its_parameters_and_case() {
        for (range, content_type, expected) in [
            ("application/json", "application/json", true),
            ("application/json", "Application/JSON; charset=utf-8", true),
            ("application/json", " application/json ;x", true),
            ("application/json", "application/jsonx", false),
            ("application/json", "application/problem+json", false),
            ("application/json", "application/json, text/plain", false),
            ("application/json", "text/json", false),
            ("application/json", "json", false),
            ("application/json", "", false),
            ("application/*+json", "application/problem+json", true),
            ("application/*+json", "application/+json", false),
            ("application/*+json", "application/json", false),
            ("image/*", "image/png", true),
            ("image/*", "image/", false),
            ("image/*", "image/png,text/html", false),
        ] {
            let range = Range::parse(range).unwrap();
            assert_eq!(range.takes(content_type.as_bytes()), expected, "{range:?} {content_type}");
        }
        assert!(!Range::parse("image/*").unwrap().takes(b"image/\xff"));
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for text in ["", "json", "*/*", "application/", "/json", "a/b c", "a/b*", "a/*b", "a/*+", "a/b/c"] {
            let said = Range::parse(text).err().map(|error| error.reason);
            assert!(said.is_some_and(|said| said.ends_with(&format!("got {text:?}"))), "{text}");
        }
    }
}
