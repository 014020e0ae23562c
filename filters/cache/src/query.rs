//! The query of a URL as far as a route says that it matters: without some parameters, in order, its percent-encoding in
//! one form.
//!
//! Only keys are made of it: the upstream is asked with the query of whoever comes first, so what is ignored must be what
//! the upstream ignores, however that takes a query apart. Percent-encoding is normalised where RFC 3986 §6.2.2 calls two
//! forms the same and nowhere else: the digits' case, and what never had to be encoded. `+` is no `%20` there.

use policy::ConfigError;
use policy::fields::Fields;

use crate::key::{self, Named};

/// More patterns are refused.
const PATTERNS_MAX: usize = 64;

/// What a route says of queries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    ignored: Vec<Pattern>,
    sorts: bool,
}

/// A parameter's name, or what it begins with.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Pattern {
    name: Vec<u8>,
    is_open: bool,
}

impl Query {
    /// Reads `ignore` and `sort`.
    pub(crate) fn read(mut fields: Fields) -> Result<Self, ConfigError> {
        let sorts = fields.flag("sort")? == Some(true);
        let patterns = fields.texts("ignore")?.unwrap_or_default();
        fields.end_of(&["ignore", "sort"])?;
        if patterns.len() > PATTERNS_MAX {
            return Err(ConfigError::at("ignore", "must be no more than 64"));
        }
        let ignored: Vec<Pattern> = patterns.iter().map_while(|text| Pattern::parse(text)).collect();
        if ignored.len() < patterns.len() {
            let at = format!("ignore[{}]", ignored.len());
            return Err(ConfigError::at(at, "must be a parameter's name, or its beginning and *"));
        }
        Ok(Self { ignored, sorts })
    }

    /// A request's target with the query that its key has.
    pub fn normalise(&self, target: &[u8]) -> Vec<u8> {
        let Some(at) = target.iter().position(|&byte| byte == b'?') else { return target.to_vec() };
        let (path, query) = target.split_at_checked(at).unwrap_or((target, b""));
        let query = decode(query.get(1..).unwrap_or_default());
        let mut kept: Vec<Named<'_>> = Vec::new();
        for member in query.split(|&byte| byte == b'&') {
            let name = member.split(|&byte| byte == b'=').next().unwrap_or_default();
            if is_open(member) || !self.ignores(name) {
                kept.push((name, member));
            }
        }
        if self.sorts
            && let Some(sorted) = sorted(&kept)
        {
            kept = sorted;
        }
        let mut normal = Vec::with_capacity(target.len());
        normal.extend_from_slice(path);
        for (index, (_, member)) in kept.iter().enumerate() {
            normal.push(if index == 0 { b'?' } else { b'&' });
            normal.extend_from_slice(member);
        }
        normal
    }

    fn ignores(&self, name: &[u8]) -> bool {
        self.ignored.iter().any(|pattern| {
            if pattern.is_open { name.starts_with(&pattern.name) } else { name == pattern.name.as_slice() }
        })
    }
}

/// Whether some reader may find more than one parameter in this, or another than its name says: one that parts at `;`, too, that
/// decodes before it parts, or twice, or that ends where a zero stands.
fn is_open(member: &[u8]) -> bool {
    member.contains(&b';') || member.windows(3).any(|code| matches!(code, b"%3B" | b"%26" | b"%25" | b"%00"))
}

/// Puts parameters into the order of their names, those with what readers may take for the same name in theirs: the order may
/// mean something. `None` where they are too many, or nobody knows where each ends.
fn sorted<'a>(kept: &[Named<'a>]) -> Option<Vec<Named<'a>>> {
    if kept.iter().any(|(_, member)| is_open(member)) {
        return None;
    }
    let readings: Vec<Vec<u8>> = kept.iter().map(|(name, _)| read(name)).collect();
    let named: Vec<_> = readings.iter().zip(kept).map(|(name, (_, member))| (name.as_slice(), *member)).collect();
    let sorted = key::ordered(&named)?;
    Some(sorted.into_iter().map(|(_, member)| (member, member)).collect())
}

/// A name as it is read: decoded, `+` as a blank, its case as of no importance.
fn read(name: &[u8]) -> Vec<u8> {
    let mut read = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        let code = code(after).filter(|_| byte == b'%');
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
        read.push(code.unwrap_or(if byte == b'+' { b' ' } else { byte.to_ascii_lowercase() }).to_ascii_lowercase());
    }
    read
}

/// What two hexadecimal digits at the beginning stand for.
fn code(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let (name, is_open) = text.strip_suffix('*').map_or((text, false), |beginning| (beginning, true));
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'&' | b'=' | b'#' | b'?');
        let is_good = !name.is_empty() && name.bytes().all(is_plain);
        is_good.then(|| Self { name: decode(name.as_bytes()), is_open })
    }
}

/// Brings percent-encoding into one form (RFC 3986 §6.2.2.1, §6.2.2.2).
fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let Some(meant) = code(after).filter(|_| byte == b'%') else {
            decoded.push(byte);
            continue;
        };
        if meant.is_ascii_alphanumeric() || matches!(meant, b'-' | b'.' | b'_' | b'~') {
            decoded.push(meant);
        } else {
            decoded.push(byte);
            decoded.extend(after.iter().take(2).map(u8::to_ascii_uppercase));
        }
        rest = after.get(2..).unwrap_or_default();
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn query(json: &str) -> Result<Query, String> {
        Fields::read(json.as_bytes()).and_then(Query::read).map_err(|mistake| mistake.to_string())
    }

    #[track_caller]
    fn check(json: &str, rows: &[(&str, &str)]) {
        let query = query(json).unwrap();
        for (target, expected) in rows {
            let normal = String::from_utf8(query.normalise(target.as_bytes())).unwrap();
            assert_eq!(normal, *expected, "{json} on {target}");
        }
    }

    #[test]
    fn parameters_are_ignored_by_name() {
        check(
            r#"{"ignore": ["utm_*", "fbclid"]}"#,
            &[
                ("/a", "/a"),
                ("/a?", "/a?"),
                ("/a?q=1", "/a?q=1"),
                ("/a?utm_source=x", "/a"),
                ("/a?utm_source=x&q=1&fbclid=2&utm_", "/a?q=1"),
                ("/a?fbclid&q=1", "/a?q=1"),
                ("/a?fbclids=1&utm=2&q=utm_source=x", "/a?fbclids=1&utm=2&q=utm_source=x"),
                ("/a?%75tm_source=x&q=1", "/a?q=1"),
                ("/a?UTM_source=x", "/a?UTM_source=x"),
                ("/a?b=2&a=1", "/a?b=2&a=1"),
                ("/utm_a?q", "/utm_a?q"),
                ("/a?q=1?fbclid=2", "/a?q=1?fbclid=2"),
                ("/a?fb%63lid=2&fbclid+=3&fbclid%20=4&%66bclid", "/a?fbclid+=3&fbclid%20=4"),
            ],
        );
    }

    #[test]
    fn what_may_hold_another_parameter_is_not_ignored() {
        check(
            r#"{"ignore": ["utm_*", "fbclid"]}"#,
            &[
                ("/a?utm_x=1;q=evil", "/a?utm_x=1;q=evil"),
                ("/a?utm_x=1%3bq=evil&b=1", "/a?utm_x=1%3Bq=evil&b=1"),
                ("/a?utm_x;q=evil", "/a?utm_x;q=evil"),
                ("/a?utm_;q=evil&fbclid", "/a?utm_;q=evil"),
                ("/a?utm_%3Bq=evil", "/a?utm_%3Bq=evil"),
                ("/a?%75tm_x=1;q=evil", "/a?utm_x=1;q=evil"),
                ("/a?fbclid=1%26q=evil", "/a?fbclid=1%26q=evil"),
                ("/a?utm_x%26q=evil", "/a?utm_x%26q=evil"),
                ("/a?utm_x=1%2526q=evil", "/a?utm_x=1%2526q=evil"),
                ("/a?utm_x=1%00&q=1", "/a?utm_x=1%00&q=1"),
                ("/a?;utm_x=1&q=1", "/a?;utm_x=1&q=1"),
                ("/a?utm_x=a%2Bb+c%20d%2F%3D%C0%A6q=1&q=1", "/a?q=1"),
            ],
        );
    }

    #[test]
    fn parameters_are_sorted_by_name_alone() {
        check(
            r#"{"sort": true}"#,
            &[
                ("/a?b=2&a=1", "/a?a=1&b=2"),
                ("/a?a=2&b&a=1", "/a?a=2&a=1&b"),
                ("/a?a%62=1&aa=2", "/a?aa=2&ab=1"),
                ("/a?b&&a", "/a?&a&b"),
            ],
        );
    }

    #[test]
    fn what_may_be_one_parameter_keeps_its_order() {
        check(
            r#"{"sort": true}"#,
            &[
                ("/a?b&a=1&A=2&a=3", "/a?a=1&A=2&a=3&b"),
                ("/a?b&A=2&a=1", "/a?A=2&a=1&b"),
                ("/a?c&a%5B%5D=1&a[]=2&a%5b]=3", "/a?a%5B%5D=1&a[]=2&a%5B]=3&c"),
                ("/a?c&a+b=1&a%20b=2", "/a?a+b=1&a%20b=2&c"),
                ("/a?c&a%20b=2&a+b=1", "/a?a%20b=2&a+b=1&c"),
                ("/a?c&%C3%84=1&%C3%84=2", "/a?c&%C3%84=1&%C3%84=2"),
                // Where a reader may find a parameter more, nothing changes its place.
                ("/a?b=2;a=0&a=1", "/a?b=2;a=0&a=1"),
                ("/a?a=1&b=2;a=0", "/a?a=1&b=2;a=0"),
                ("/a?b=2%3ba=0&a=1", "/a?b=2%3Ba=0&a=1"),
                ("/a?b=2%26a=0&a=1", "/a?b=2%26a=0&a=1"),
            ],
        );
    }

    #[test]
    fn percent_encoding_has_one_form_where_the_rfc_says_so() {
        check(
            "{}",
            &[
                ("/a?q=%7e%41%2d%5f%2E%30", "/a?q=~A-_.0"),
                ("/a?q=%c3%a9&r=%2f%2B%26%3d", "/a?q=%C3%A9&r=%2F%2B%26%3D"),
                ("/a?q=a+b%20c", "/a?q=a+b%20c"),
                ("/a?q=%&r=%4&s=%zz&t=%%41", "/a?q=%&r=%4&s=%zz&t=%A"),
                ("/a?q=%2541", "/a?q=%2541"),
                ("/%7e?q=%7e", "/%7e?q=~"),
            ],
        );
    }

    #[test]
    fn a_flood_of_parameters_is_not_sorted() {
        let normal = |count: usize| {
            let many: Vec<_> = (0..count).rev().map(|number| format!("utm_{number}=%41&k{number:05}=%2f")).collect();
            let target = ["/a?", &many.join("&")].concat();
            let query = query(r#"{"ignore": ["utm_*"], "sort": true}"#).unwrap();
            String::from_utf8(query.normalise(target.as_bytes())).unwrap()
        };
        assert!(normal(256).starts_with("/a?k00000=%2F&k00001=%2F&") && !normal(256).contains("utm"));
        assert!(normal(20_000).starts_with("/a?k19999=%2F&k19998=%2F&") && !normal(20_000).contains("utm"));
    }

    #[test]
    fn a_mistake_says_what_would_be_right() {
        for (json, expected) in [
            (r#"{"ignore": ["*"]}"#, "ignore[0]: must be a parameter's name, or its beginning and *"),
            (r#"{"ignore": ["a", ""]}"#, "ignore[1]: must be a parameter's name"),
            (r#"{"ignore": ["*_id"]}"#, "ignore[0]: must be a parameter's name"),
            (r#"{"ignore": ["a=b"]}"#, "ignore[0]: must be a parameter's name"),
            (r#"{"ignore": "a"}"#, "ignore: must be a list"),
            (r#"{"sorted": true}"#, "sorted: unknown field `sorted`, expected one of `ignore`, `sort`"),
        ] {
            let said = query(json).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        }
        let many: Vec<_> = (0..=PATTERNS_MAX).map(|number| format!("\"p{number}\"")).collect();
        let said = query(&format!(r#"{{"ignore": [{}]}}"#, many.join(","))).unwrap_err();
        assert_eq!(said, "ignore: must be no more than 64");
    }
}
