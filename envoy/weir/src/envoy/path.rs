//! A request's path as Envoy has it before any filter or route looks: with no dot segments, no slash twice, escapes where there
//! have to be any and nowhere else (RFC 3986 §6.2.2); refused where none such is safe. [`super::listener`] tells Envoy to.

/// What of a request target Envoy answers 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// A fragment, which clients keep to themselves (RFC 9110 §7.1).
    Fragment,
    /// An escaped slash: a path that it parts may be another one behind the proxy.
    Slash,
    /// An escaped NUL.
    Nul,
}

impl Refused {
    /// What it is, as in `its path has …`.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Fragment => "a fragment",
            Self::Slash => "an escaped slash",
            Self::Nul => "an escaped NUL",
        }
    }
}

/// The path, its query as it came.
///
/// # Errors
/// What of it Envoy answers 400.
pub fn normalised(target: &str) -> Result<String, Refused> {
    if target.contains('#') {
        return Err(Refused::Fragment);
    }
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let is_escaped = |byte: &str| path.to_ascii_lowercase().contains(byte);
    if is_escaped("%2f") || is_escaped("%5c") {
        return Err(Refused::Slash);
    }
    if is_escaped("%00") {
        return Err(Refused::Nul);
    }
    let path = spelled(path).replace('\\', "/");
    // Dot segments go before slashes are merged: of `/a//..`, what goes is the empty segment.
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        if part == ".." {
            segments.pop();
        }
        match part {
            // What a dot segment ends in is the folder.
            "." | ".." if parts.peek().is_none() => segments.push(""),
            "." | ".." => {}
            part => segments.push(part),
        }
    }
    let last = segments.pop().unwrap_or_default();
    segments.retain(|segment| !segment.is_empty());
    segments.push(last);
    Ok(format!("/{}{query}", segments.join("/")))
}

/// Escapes of unreserved characters as what they stand for, and those that no path has as escapes; all others stay.
fn spelled(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find(['%', '"', '<', '>', '^', '`', '{', '|', '}']) {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        if let Some((byte, after)) = escape.as_bytes().first().zip(escape.get(1..)).filter(|(byte, _)| **byte != b'%') {
            text.push_str(&format!("%{byte:02X}"));
            rest = after;
            continue;
        }
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
            ("/a/b?c=%2f..", "/a/b?c=%2f.."),
            ("/a/../b", "/b"),
            ("/a//../b", "/a/b"),
            ("/a//..//b", "/a/b"),
            ("/a/b//..", "/a/b/"),
            ("/..", "/"),
            ("/", "/"),
            (r#"/"<>^`{|}"#, "/%22%3C%3E%5E%60%7B%7C%7D"),
            ("/a!$&'()*+,;=:@[]", "/a!$&'()*+,;=:@[]"),
            ("/a/%2e%2E/b", "/b"),
            ("/../../a", "/a"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("//a///b/", "/a/b/"),
            ("/%41%7e%20%zz", "/A~%20%zz"),
            ("/%252e%252e", "/%252e%252e"),
            (r"/a\b", "/a/b"),
        ] {
            assert_eq!(normalised(target).as_deref(), Ok(expected), "{target}");
        }
    }

    #[test]
    fn a_path_that_means_two_things_is_refused() {
        for (target, expected) in [
            ("/a%2Fb", Refused::Slash),
            ("/a%5cb", Refused::Slash),
            ("/a%00", Refused::Nul),
            ("/a#b", Refused::Fragment),
            ("/a?b#c", Refused::Fragment),
        ] {
            assert_eq!(normalised(target), Err(expected), "{target}");
        }
    }
}
