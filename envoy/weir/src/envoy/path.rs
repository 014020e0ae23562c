//! A request's path as Envoy has it before any filter or route looks: with no dot segments, no slash twice, and no escape of
//! what need not be escaped (RFC 3986 §6.2.2); refused where it has an escaped slash. [`super::listener`] tells Envoy to.

/// The path, its query as it came; `None` where Envoy answers 400.
pub fn normalised(target: &str) -> Option<String> {
    let (path, query) = target.split_at(target.find(['?', '#']).unwrap_or(target.len()));
    let is_escaped = |slash: &str| path.to_ascii_lowercase().contains(slash);
    if is_escaped("%2f") || is_escaped("%5c") {
        return None;
    }
    let path = unescaped(path).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            // What a dot segment ends in is the folder.
            "." | ".." => {
                if part == ".." {
                    segments.pop();
                }
                if is_last {
                    segments.push("");
                }
            }
            "" if !is_last => {}
            part => segments.push(part),
        }
    }
    Some(format!("/{}{query}", segments.join("/")))
}

/// Escapes of unreserved characters as what they stand for; all others stay.
fn unescaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let digits = escape.get(1..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).map(char::from);
        let plain = value.filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~'));
        text.push(plain.unwrap_or('%'));
        rest = escape.get(if plain.is_some() { 3 } else { 1 }..).unwrap_or_default();
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (target, expected) in [
            ("/a/b?c=%2f..", Some("/a/b?c=%2f..")),
            ("/a/../b", Some("/b")),
            ("/a/%2e%2E/b", Some("/b")),
            ("/../../a", Some("/a")),
            ("/a/.", Some("/a/")),
            ("/a/b/..", Some("/a/")),
            ("//a///b/", Some("/a/b/")),
            ("/%41%7e%20%zz", Some("/A~%20%zz")),
            ("/%252e%252e", Some("/%252e%252e")),
            (r"/a\b", Some("/a/b")),
            ("/a%2Fb", None),
            ("/a%5cb", None),
        ] {
            assert_eq!(normalised(target).as_deref(), expected, "{target}");
        }
    }
}
