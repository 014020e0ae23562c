//! The URLs that a response names in `Location` and `Content-Location` (RFC 3986 §5), as far as they are of the origin
//! that was asked: a response cannot make what other origins said unusable (RFC 9111 §4.4).

use crate::key;

/// Longer references are not followed.
const LENGTH_MAX: usize = 8192;

/// The primary key of what a reference names, seen from a request's target; `None` where that is of another origin, or
/// where the reference cannot be read.
pub fn resolve(reference: &[u8], scheme: &[u8], authority: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    if reference.len() > LENGTH_MAX || reference.iter().any(|byte| !byte.is_ascii_graphic()) {
        return None;
    }
    let reference = until(reference, b'#');
    let (own_scheme, rest) = match reference.iter().position(|byte| matches!(byte, b':' | b'/' | b'?')) {
        Some(at) if reference.get(at) == Some(&b':') => (reference.get(..at)?, reference.get(at + 1..)?),
        _ => (scheme, reference),
    };
    let named = rest.strip_prefix(b"//");
    // A scheme without an authority is none of HTTP.
    if named.is_none() && rest.len() != reference.len() {
        return None;
    }
    let (own_authority, path) = match named {
        Some(rest) => {
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            rest.split_at_checked(end)?
        }
        None => (authority, rest),
    };
    let base = until(target, b'?');
    let path = match path.first() {
        None if named.is_none() => target.to_vec(),
        Some(b'?') if named.is_none() => [base, path].concat(),
        None | Some(b'?') => [b"/", path].concat(),
        Some(b'/') => flattened(path),
        Some(_) => {
            let folder = base.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
            flattened(&[base.get(..folder)?, path].concat())
        }
    };
    let named = key::primary(own_scheme, own_authority, &path);
    let own = key::primary(scheme, authority, b"/");
    // All up to the path is the origin.
    let origin = own.strip_suffix(b"/")?;
    named.starts_with(origin).then_some(named)
}

fn until(bytes: &[u8], end: u8) -> &[u8] {
    bytes.split(|&byte| byte == end).next().unwrap_or_default()
}

/// A path without `.` and `..` (RFC 3986 §5.2.4); its query stays as it is.
fn flattened(path: &[u8]) -> Vec<u8> {
    let only_path = until(path, b'?');
    let query = path.get(only_path.len()..).unwrap_or_default();
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut is_folder = false;
    for segment in only_path.split(|&byte| byte == b'/').skip(1) {
        is_folder = matches!(segment, b"." | b"..");
        match segment {
            b"." => {}
            b".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    if is_folder || segments.is_empty() {
        segments.push(b"");
    }
    let mut flat = Vec::with_capacity(path.len());
    for segment in segments {
        flat.push(b'/');
        flat.extend_from_slice(segment);
    }
    flat.extend_from_slice(query);
    flat
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_reference_is_resolved_as_the_rfc_says() {
        // Seen from http://a/b/c/d?q, after RFC 3986 §5.4.
        let rows: [(&str, Option<&str>); 31] = [
            ("g", Some("/b/c/g")),
            ("./g", Some("/b/c/g")),
            ("g/", Some("/b/c/g/")),
            ("/g", Some("/g")),
            ("?y", Some("/b/c/d?y")),
            ("g?y", Some("/b/c/g?y")),
            ("g?y/../x", Some("/b/c/g?y/../x")),
            ("#s", Some("/b/c/d?q")),
            ("g#s", Some("/b/c/g")),
            ("", Some("/b/c/d?q")),
            (".", Some("/b/c/")),
            ("./", Some("/b/c/")),
            ("..", Some("/b/")),
            ("../g", Some("/b/g")),
            ("../../g", Some("/g")),
            ("../../../g", Some("/g")),
            ("/./g", Some("/g")),
            ("/../g", Some("/g")),
            ("g..", Some("/b/c/g..")),
            ("http://a/x", Some("/x")),
            ("HTTP://A:80/x", Some("/x")),
            ("http://a", Some("/")),
            ("http://a?y", Some("/?y")),
            ("//a/x", Some("/x")),
            ("//b/x", None),
            ("http://b/x", None),
            ("https://a/x", None),
            ("http://a.example/x", None),
            ("http://a:81/x", None),
            ("http:g", None),
            ("a b", None),
        ];
        for (reference, expected) in rows {
            let key = resolve(reference.as_bytes(), b"http", b"a", b"/b/c/d?q");
            let expected = expected.map(|target| key::primary(b"http", b"a", target.as_bytes()));
            assert_eq!(key, expected, "{reference}");
        }
        assert_eq!(resolve(b"mailto:x@y", b"http", b"a", b"/"), None);
        assert_eq!(resolve(&b"/x".repeat(5000), b"http", b"a", b"/"), None);
        assert_eq!(resolve(b"/\xff", b"http", b"a", b"/"), None);
    }
}
