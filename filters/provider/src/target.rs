//! The path of a provider's own request: a template, and what a client said in its place.

use std::fmt::Write;

/// Fills a template in: `{name}` is what `value` says of that name, with every byte percent-encoded that could mean
/// anything else than itself (all but the unreserved characters of RFC 3986 §2.3).
pub fn filled(base: &str, template: &str, value: impl Fn(&str) -> String) -> String {
    let mut path = base.to_owned();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('{') {
        path.push_str(literal);
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        path.push_str(&encoded(&value(name)));
        rest = behind;
    }
    path.push_str(rest);
    path
}

/// A text in which nothing but unreserved characters stands for itself.
pub fn encoded(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

/// Adds a parameter to a path that may have a query already.
pub fn add_parameter(path: &mut String, name: &str, value: &str) {
    path.push(if path.contains('?') { '&' } else { '?' });
    path.push_str(&encoded(name));
    path.push('=');
    path.push_str(&encoded(value));
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn no_byte_of_a_clients_text_means_anything_but_itself() {
        for (text, expected) in [
            ("AZaz09-._~", "AZaz09-._~"),
            ("a b", "a%20b"),
            ("a&b=c#d?e", "a%26b%3Dc%23d%3Fe"),
            ("../%2e%2e/", "..%2F%252e%252e%2F"),
            ("a+b;c,d:e@f", "a%2Bb%3Bc%2Cd%3Ae%40f"),
            ("Motörhead", "Mot%C3%B6rhead"),
            ("\u{202e}\u{0}\r\n", "%E2%80%AE%00%0D%0A"),
            ("💿{id}", "%F0%9F%92%BF%7Bid%7D"),
            ("", ""),
        ] {
            assert_eq!(encoded(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_template_takes_what_is_said_of_its_names() {
        let value = |name: &str| match name {
            "id" => "a/b".to_owned(),
            _ => format!("<{name}>"),
        };
        for (template, expected) in [
            ("/x", "/v1/x"),
            ("/{id}/low-level", "/v1/a%2Fb/low-level"),
            ("/s?q=%22{title}%22&limit={limit}", "/v1/s?q=%22%3Ctitle%3E%22&limit=%3Climit%3E"),
        ] {
            assert_eq!(filled("/v1", template, value), expected, "{template}");
        }
    }

    #[test]
    fn a_parameter_is_added_to_any_path() {
        for (path, expected) in [("/a", "/a?k=%26"), ("/a?b=c", "/a?b=c&k=%26")] {
            let mut path = path.to_owned();
            add_parameter(&mut path, "k", "&");
            assert_eq!(path, expected);
        }
    }
}
