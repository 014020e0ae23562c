//! The `tracestate` header of W3C Trace Context, level 2 (<https://www.w3.org/TR/trace-context-2/>).
//!
//! Its members belong to tracing systems; the gateway adds none of its own and hands the others' on in their order. What
//! is not valid is dropped as a whole, which never touches `traceparent`. Two things are mended rather than refused, as
//! the specification allows: of members with the same key the first goes on, which is the latest one, and a list of more
//! than 512 characters loses whole members until it fits: first those of more than 128 characters, from the end on, then
//! any, from the end on.

/// More members make the list invalid.
const MEMBERS_MAX: usize = 32;
/// Longer keys make the list invalid.
const KEY_LENGTH_MAX: usize = 256;
/// Longer values make the list invalid.
const VALUE_LENGTH_MAX: usize = 256;
/// How much of a list is sent on: as much as the specification asks for.
const LIST_LENGTH_MAX: usize = 512;
/// Members that are longer than this are the first to go where the list is too long.
const MEMBER_LENGTH_LONG: usize = 128;

/// The list to send on, of the values of all `tracestate` headers in their order; `None` where there is none to send,
/// be it that there was no member or that the list is not valid.
pub fn combine<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut members: Vec<(&[u8], &[u8])> = Vec::new();
    let mut count = 0;
    for text in values.flat_map(|value| value.split(|&byte| byte == b',')) {
        let text = trim(text);
        // Senders that join headers leave empty members behind.
        if text.is_empty() {
            continue;
        }
        let key = key(text)?;
        count += 1;
        if count > MEMBERS_MAX {
            return None;
        }
        if !members.iter().any(|(earlier, _)| *earlier == key) {
            members.push((key, text));
        }
    }
    let mut texts: Vec<&[u8]> = members.into_iter().map(|(_, text)| text).collect();
    shorten(&mut texts);
    (!texts.is_empty()).then(|| texts.join(b",".as_slice()))
}

/// The key of a member that is valid.
fn key(member: &[u8]) -> Option<&[u8]> {
    let equals = member.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (member.get(..equals)?, member.get(equals + 1..)?);
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let key_byte = |byte: &u8| letter(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    // A comma ended the member, and the blanks behind it are cut off.
    let value_byte = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'=';
    let valid = key.first().is_some_and(letter)
        && key.len() <= KEY_LENGTH_MAX
        && key.iter().all(key_byte)
        && (1..=VALUE_LENGTH_MAX).contains(&value.len())
        && value.iter().all(value_byte);
    valid.then_some(key)
}

/// Leaves members out until the list fits.
fn shorten(texts: &mut Vec<&[u8]>) {
    let long = |text: &[u8]| text.len() > MEMBER_LENGTH_LONG;
    while length(texts) > LIST_LENGTH_MAX {
        let last = texts.len() - 1;
        let victim = texts.iter().rposition(|text| long(text)).unwrap_or(last);
        texts.remove(victim);
    }
}

fn length(texts: &[&[u8]]) -> usize {
    texts.iter().map(|text| text.len() + 1).sum::<usize>().saturating_sub(1)
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn check(rows: &[(&[&str], Option<&str>)]) {
        for (sent, expected) in rows {
            let list = combine(sent.iter().map(|value| value.as_bytes()));
            assert_eq!(list.map(|bytes| String::from_utf8(bytes).unwrap()).as_deref(), *expected, "{sent:?}");
        }
    }

    // Most values are those of the W3C's own tests: https://github.com/w3c/trace-context, test/test.py.
    #[test]
    fn several_headers_are_one_list_in_their_order() {
        check(&[
            (&["foo=1,bar=2"], Some("foo=1,bar=2")),
            (&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], Some("foo=1,bar=2,rojo=1,congo=2,baz=3")),
        ]);
    }

    #[test]
    fn empty_headers_and_members_do_not_count() {
        check(&[
            (&[], None),
            (&[""], None),
            (&[" \t", ",, ,"], None),
            (&["foo=1", ""], Some("foo=1")),
            (&["", "foo=1"], Some("foo=1")),
            (&["foo=1,,bar=2,"], Some("foo=1,bar=2")),
        ]);
    }

    #[test]
    fn of_members_with_one_key_the_latest_goes_on() {
        check(&[
            (&["foo=1,foo=1"], Some("foo=1")),
            (&["foo=1,foo=2"], Some("foo=1")),
            (&["foo=1", "foo=2"], Some("foo=1")),
            (&["a=1,foo=1,b=2,foo=2"], Some("a=1,foo=1,b=2")),
        ]);
    }

    #[test]
    fn every_character_that_is_allowed_goes_on() {
        let value: String = (' '..='~').filter(|c| !matches!(c, ',' | '=')).collect();
        for key in ["abcdefghijklmnopqrstuvwxyz0123456789_-*/", "0@a-z0-9_-*/", "foo@", "foo@@bar", "foo@bar@baz"] {
            let list = format!("{key}={value},bar=2");
            check(&[(&[&list], Some(&list))]);
        }
    }

    #[test]
    fn blanks_around_members_are_left_out() {
        check(&[
            (&["foo=1 \t , \t bar=2, \t baz=3"], Some("foo=1,bar=2,baz=3")),
            (&["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], Some("foo=1,bar=2,baz=3")),
            (&[" foo=1"], Some("foo=1")),
            (&["\tfoo=1"], Some("foo=1")),
            (&["foo=1 "], Some("foo=1")),
            (&["foo=1\t"], Some("foo=1")),
            (&["\t foo=1 \t"], Some("foo=1")),
            // Blanks that a value begins with are part of it.
            (&["foo= 1 2 "], Some("foo= 1 2")),
        ]);
    }

    #[test]
    fn one_member_that_is_not_valid_drops_the_list() {
        for member in [
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "@foo=1",
            "_foo=1",
            "=1",
            "foo",
            "foo=",
            "foo=bar=baz",
            "foo=a\tb",
            "foo=\u{7f}",
            "foo=\u{fc}",
        ] {
            check(&[(&[&format!("{member},bar=2")], None), (&["bar=2", member], None)]);
        }
        assert_eq!(combine([b"foo=\xff\xfe".as_slice()].into_iter()), None);
        assert_eq!(combine([vec![b'a'; 60 * 1024].as_slice()].into_iter()), None);
    }

    #[test]
    fn there_are_32_members_at_most() {
        let members = |count: usize| (1..=count).map(|n| format!("bar{n:02}={n:02}")).collect::<Vec<_>>().join(",");
        check(&[
            (&[&members(32)], Some(&members(32))),
            (&[&members(33)], None),
            (&[&members(32), "", ","], Some(&members(32))),
            (&[&members(32), "bar01=1"], None),
        ]);
    }

    #[test]
    fn keys_and_values_have_256_characters_at_most() {
        let (key, value) = ("z".repeat(256), "v".repeat(256));
        for key in [key.as_str(), &format!("{}@{}", "t".repeat(241), "v".repeat(14)), "t@vvvvvvvvvvvvvvv"] {
            let expected = format!("foo=1,{key}=1");
            check(&[(&["foo=1", &format!("{key}=1")], Some(&expected))]);
        }
        check(&[
            (&["foo=1", &format!("z{key}=1")], None),
            (&[&format!("a={value}")], Some(&format!("a={value}"))),
            (&[&format!("a={value}v")], None),
        ]);
    }

    #[test]
    fn a_list_that_is_too_long_loses_whole_members() {
        let member = |key: &str, length: usize| format!("{key}={}", "x".repeat(length - key.len() - 1));
        let (long, short) = (member("long", 129), member("short", 128));
        let list = |members: &[&str]| members.join(",");
        let fits = list(&[&member("a", 128), &member("b", 128), &member("c", 128), &member("d", 125)]);
        let (a, b, c) = (member("a", 128), member("b", 128), member("c", 128));
        check(&[
            // 512 characters are sent on as they are, and not one more.
            (&[&fits], Some(&fits)),
            (&[&list(&[&a, &b, &c, &member("d", 126)])], Some(&list(&[&a, &b, &c]))),
            // A long member goes before a short one, wherever it stands.
            (&[&list(&[&long, &a, &b, &c])], Some(&list(&[&a, &b, &c]))),
            (
                &[&list(&[&member("first", 200), &a, &member("last", 200), &b])],
                Some(&list(&[&member("first", 200), &a, &b])),
            ),
            (&[&list(&[&short, &a, &b, &c, "e=1"])], Some(&list(&[&short, &a, &b]))),
            // One member can be too long by itself.
            (&[&format!("{}={}", "k".repeat(256), "v".repeat(256))], None),
        ]);
    }
}
