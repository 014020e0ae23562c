//! Tables of the preconditions that a cache evaluates (RFC 9110 §13). `If-Range` is in the tables of `selection`.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

type Lines<'a> = &'a [(&'a str, &'a str)];

const STORED: u64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn headers(lines: Lines<'_>) -> Headers {
    let pairs: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Headers::from_pairs(&pairs)
}

#[test]
fn a_client_has_what_its_validators_name() {
    let tagged: Lines<'_> = &[("etag", "\"a,b\""), ("last-modified", DATE)];
    let weak: Lines<'_> = &[("etag", "W/\"v1\"")];
    let dated: Lines<'_> = &[("last-modified", DATE)];
    let (later, earlier) = ("Sun, 06 Nov 1994 08:49:38 GMT", "Sun, 06 Nov 1994 08:49:36 GMT");
    let (inm, ims) = ("if-none-match", "if-modified-since");
    let rows: [(&str, Lines<'_>, Lines<'_>, bool); 21] = [
        ("§13.1.2", &[(inm, "\"a,b\"")], tagged, true),
        ("§13.1.2 another", &[(inm, "\"a\"")], tagged, false),
        ("§13.1.2 one of several", &[(inm, "\"x\", W/\"y\" , \"a,b\"")], tagged, true),
        ("§13.1.2 in several lines", &[(inm, "\"x\""), (inm, "\"a,b\"")], tagged, true),
        ("§13.1.2 any", &[(inm, "*")], tagged, true),
        ("§13.1.2 any, without a tag", &[(inm, "*")], dated, true),
        ("§8.8.3.2 weak comparison", &[(inm, "\"v1\"")], weak, true),
        ("§8.8.3.2 weak comparison", &[(inm, "W/\"a,b\"")], tagged, true),
        ("§8.8.3 case counts", &[(inm, "w/\"v1\"")], weak, false),
        ("§8.8.3 quotes count", &[(inm, "v1")], weak, false),
        ("malformed", &[(inm, "\"v1")], weak, false),
        ("malformed", &[(inm, "")], weak, false),
        ("malformed tag", &[(inm, "\"a\"b\"")], &[("etag", "\"a\"b\"")], false),
        ("two tags", &[(inm, "\"a\"")], &[("etag", "\"a\""), ("etag", "\"b\"")], false),
        ("§13.1.3 the same", &[(ims, DATE)], dated, true),
        ("§13.1.3 later", &[(ims, later)], dated, true),
        ("§13.1.3 earlier", &[(ims, earlier)], dated, false),
        ("§13.1.3 no date", &[(ims, "soon")], dated, false),
        ("§13.1.3 two dates", &[(ims, DATE), (ims, DATE)], dated, false),
        ("RFC 9111 §4.3.2 by Date", &[(ims, DATE)], &[("date", DATE)], true),
        ("§13.2.2 If-None-Match alone counts", &[(inm, "\"x\""), (ims, later)], tagged, false),
    ];
    for (section, request, stored, expected) in rows {
        let said = is_unmodified(&headers(request), &headers(stored), STORED);
        assert_eq!(said, expected, "{section}: {request:?} {stored:?}");
    }
}

#[test]
fn an_entity_tag_is_read_strictly() {
    // RFC 9110 §8.8.3
    for (lines, expected) in [
        (&["\"a\""][..], Some("\"a\"")),
        (&[" W/\"a\" "], Some("W/\"a\"")),
        (&["\"\""], Some("\"\"")),
        (&["a"], None),
        (&["w/\"a\""], None),
        (&["W\"a\""], None),
        (&["\"a"], None),
        (&["\""], None),
        (&["\"a\"b\""], None),
        (&[], None),
        (&["\"a\"", "\"a\""], None),
    ] {
        let pairs: Vec<_> = lines.iter().map(|line| ("etag", *line)).collect();
        assert_eq!(entity_tag(&headers(&pairs)), expected.map(str::as_bytes), "{lines:?}");
    }
    assert!(is_weakly_same(b"W/\"a\"", b"\"a\"") && !is_weakly_same(b"\"a\"", b"\"b\""));
}
