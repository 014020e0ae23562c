//! URLs of endpoints that a filter calls by itself: absolute ones of HTTP, with their parts at hand.

/// A URL like `https://id.example:8443/token?x=1`: no blanks, no user, no fragment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Url {
    text: String,
    /// Where the authority begins, and where it ends.
    authority: (usize, usize),
}

impl Url {
    /// The URL of this text; `None` where it is none that can be called.
    pub fn new(text: String) -> Option<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let start = text.len() - rest.len();
        let length = rest.find('/').unwrap_or(rest.len());
        let plain = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b'#';
        let host = rest.get(..length)?;
        let good = !host.is_empty() && !host.contains(['@', '?']) && rest.bytes().all(plain);
        good.then_some(Self { authority: (start, start + length), text })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The host, with its port where it names one.
    pub fn authority(&self) -> &str {
        self.text.get(self.authority.0..self.authority.1).unwrap_or_default()
    }

    /// The path with its query.
    pub fn path(&self) -> &str {
        self.text.get(self.authority.1..).filter(|path| !path.is_empty()).unwrap_or("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_url_has_an_authority_and_a_path() {
        for (text, authority, path) in [
            ("https://id.example:8443/a/jwks?x=1", "id.example:8443", "/a/jwks?x=1"),
            ("http://10.0.0.1", "10.0.0.1", "/"),
            ("https://[::1]:8443/", "[::1]:8443", "/"),
        ] {
            let url = Url::new(text.to_owned()).unwrap();
            assert_eq!((url.text(), url.authority(), url.path()), (text, authority, path));
        }
    }

    #[test]
    fn what_cannot_be_called_is_no_url() {
        for text in [
            "",
            "id.example/a",
            "ftp://id.example/",
            "https://",
            "https:///a",
            "https://id.example?x=1",
            "https://me@id.example/",
            "https://id.example/a b",
            "https://id.example/a#b",
            "https://id.example/\u{e4}",
        ] {
            assert_eq!(Url::new(text.to_owned()), None, "{text}");
        }
    }
}
