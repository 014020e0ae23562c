//! Where in a JSON document a place in its text is.
//!
//! serde says in which line and column it stopped. A library that follows the path while it reads wraps every type of
//! every configuration once more, which costs a filter some 20 KiB; this looks for the path only when it is needed.

use std::fmt::Write;

/// One level of nesting on the way to the place.
enum Level {
    /// In an object, at the member of this name; before its first member there is no name.
    Object(Option<String>),
    /// In an array, at this index; before its first element there is none.
    Array(Option<usize>),
}

/// The path of the value that ends, or is cut off, at `line` and `column` (both from 1, columns in bytes): what serde
/// has read when it reports that a value is wrong, a member unknown, or an object without a member.
pub(crate) fn at(json: &[u8], line: usize, column: usize) -> String {
    let before: usize = json.split_inclusive(|&byte| byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let read = json.get(..before.saturating_add(column)).unwrap_or(json);
    let mut levels: Vec<Level> = Vec::new();
    let mut bytes = read.iter().copied().enumerate();
    let mut names_next = false;
    while let Some((start, byte)) = bytes.next() {
        let begins_value = !byte.is_ascii_whitespace() && !matches!(byte, b',' | b']');
        if begins_value && let Some(Level::Array(index @ None)) = levels.last_mut() {
            *index = Some(0);
        }
        match byte {
            b'{' => {
                levels.push(Level::Object(None));
                names_next = true;
            }
            b'[' => levels.push(Level::Array(None)),
            b'}' | b']' => {
                levels.pop();
            }
            b',' => match levels.last_mut() {
                Some(Level::Array(index)) => *index = index.map(|index| index + 1),
                Some(Level::Object(_)) => names_next = true,
                None => {}
            },
            b'"' => {
                let text = string(&mut bytes, read, start);
                if let (true, Some(Level::Object(name))) = (names_next, levels.last_mut()) {
                    *name = Some(text);
                    names_next = false;
                }
            }
            _ => {}
        }
    }
    render(&levels)
}

/// The text of the string that begins at `start`, and `bytes` moved behind its end.
fn string(bytes: &mut impl Iterator<Item = (usize, u8)>, read: &[u8], start: usize) -> String {
    let mut escaped = false;
    let mut end = read.len();
    for (at, byte) in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    String::from_utf8_lossy(read.get(start + 1..end).unwrap_or_default()).into_owned()
}

fn render(levels: &[Level]) -> String {
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Object(Some(name)) if path.is_empty() => path.push_str(name),
            Level::Object(Some(name)) => {
                let _ = write!(path, ".{name}");
            }
            Level::Array(Some(index)) => {
                let _ = write!(path, "[{index}]");
            }
            Level::Object(None) | Level::Array(None) => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// The path at the mark `^`, which is taken out.
    fn check(marked: &str, expected: &str) {
        let end = marked.find('^').unwrap();
        let (line, column) = (marked[..end].lines().count().max(1), marked[..end].lines().last().unwrap_or("").len());
        assert_eq!(at(marked.replacen('^', "", 1).as_bytes(), line, column), expected, "{marked}");
    }

    #[test]
    fn a_value_s_path_leads_to_it() {
        check(r#"{"a": 1^}"#, "a");
        check(r#"{"a": {"b": [1, {"c": "x"^}]}}"#, "a.b[1].c");
        check(r"[1, 2, -3^]", "[2]");
        check(r"[[1], [2, 3^]]", "[1][1]");
        check("{\n  \"a\": 1,\n  \"b\": [\n    true^\n  ]\n}", "b[0]");
    }

    #[test]
    fn the_start_of_a_wrong_value_is_that_value() {
        check(r#"{"a": [^1]}"#, "a");
        check(r#"{"a": {^"b": 1}}"#, "a");
        check(r#"{"a": [1, [^2]]}"#, "a[1]");
    }

    #[test]
    fn the_end_of_an_object_is_the_object() {
        check(r#"{"a": [{"b": 1}, {"c": 2}^]}"#, "a[1]");
        check(r#"{"a": 1}^"#, "");
    }

    #[test]
    fn a_name_counts_as_soon_as_it_is_read() {
        check(r#"{"a": 1, "unknown"^: 2}"#, "unknown");
        check(r#"{"a": {"x": 1}, "b\"c"^: 2}"#, r#"b\"c"#);
    }

    #[test]
    fn what_looks_like_structure_inside_a_string_is_text() {
        check(r#"{"a": "}],{[\"", "b": 1^}"#, "b");
        check(r#"{"a": ["x,y", "z"^]}"#, "a[1]");
    }

    #[test]
    fn a_place_behind_the_end_is_the_end() {
        assert_eq!(at(b"{\"a\": 1", 9, 9), "a");
        assert_eq!(at(b"", 0, 0), "");
    }
}
