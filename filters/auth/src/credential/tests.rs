//! Tests of the module around this one.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What stands somewhere, and the credential that it is.
type Row<'a> = (&'a [u8], Result<&'a [u8], Refusal>);

fn check(place: Place, scheme: Option<&str>, rows: &[Row]) {
    let scheme = scheme.map(str::to_owned);
    let source = Source { kind: Kind::Token, place, name: "a".to_owned(), scheme, forward: false };
    for (raw, expected) in rows {
        let found = Credential { source: &source, raw }.bytes();
        assert_eq!(found.as_deref().map_err(|refusal| *refusal), *expected, "{}", raw.escape_ascii());
    }
}

#[test]
fn a_scheme_stands_before_a_credential_where_one_is_expected() {
    let rows: &[Row] = &[
        (b"Key abc", Ok(b"abc")),
        (b"kEY   abc", Ok(b"abc")),
        (b"Key abc def", Ok(b"abc def")),
        (b"", Err(Refusal::Malformed)),
        (b" ", Err(Refusal::Malformed)),
        (b"Key", Err(Refusal::Malformed)),
        (b"Key ", Err(Refusal::Malformed)),
        (b"Keyabc", Err(Refusal::Scheme)),
        (b"Bearer abc", Err(Refusal::Scheme)),
        (b"Key abc,Key abc", Err(Refusal::Repeated)),
        (b"Key \xff\xfe", Ok(b"\xff\xfe")),
    ];
    check(Place::Header, Some("Key"), rows);
    let rows: &[Row] = &[
        (b"abc", Ok(b"abc")),
        (b"Key abc", Ok(b"Key abc")),
        (b"abc,abc", Err(Refusal::Repeated)),
        (b"", Err(Refusal::Malformed)),
    ];
    check(Place::Header, None, rows);
    check(Place::Cookie, None, &[(b"a,%41+", Ok(b"a,%41+")), (b"", Err(Refusal::Malformed))]);
}

#[test]
fn a_parameter_is_decoded_strictly() {
    let rows: &[Row] = &[
        (b"abc", Ok(b"abc")),
        (b"%61b%43", Ok(b"abC")),
        (b"a+b%2B", Ok(b"a b+")),
        (b"%00%ff", Ok(b"\0\xff")),
        (b"%", Err(Refusal::Malformed)),
        (b"%4", Err(Refusal::Malformed)),
        (b"%4g", Err(Refusal::Malformed)),
        (b"%+1", Err(Refusal::Malformed)),
        (b"%%31", Err(Refusal::Malformed)),
        (b"", Err(Refusal::Malformed)),
    ];
    check(Place::Query, None, rows);
}

#[test]
fn a_name_is_the_same_however_it_is_encoded() {
    for (encoded, same) in [
        (b"to ken".as_slice(), true),
        (b"to+ken", true),
        (b"%74%6f%20ken", true),
        (b"%74%6F%20ken", true),
        (b"to%2520ken", false),
        (b"To ken", false),
        (b"to ke", false),
        (b"to kenn", false),
        (b"to ken%", false),
        (b"%zz", false),
        (b"", false),
    ] {
        assert_eq!(is_named(encoded, "to ken"), same, "{}", encoded.escape_ascii());
    }
}

#[test]
fn a_cookie_goes_and_the_others_stay_as_they_are() {
    let rows: [(&[u8], Option<&[u8]>); 12] = [
        (b"s=1", None),
        (b" s = 1 ;", None),
        (b"s=1; a=2", Some(b"a=2")),
        (b"a=2; s=1", Some(b"a=2")),
        (b"a=2; s=1; b=3", Some(b"a=2; b=3")),
        (b"a=2;s=1;  b=3 ;c", Some(b"a=2;  b=3 ;c")),
        (b"a=\"s=1\"; s=1", Some(b"a=\"s=1\"")),
        (b"a=2; s", Some(b"a=2")),
        (b"S=1; ss=2; as=3", Some(b"S=1; ss=2; as=3")),
        (b"s=1; \xff\xfe=\xfd", Some(b"\xff\xfe=\xfd")),
        (b"s==; a==s=", Some(b"a==s=")),
        (b"a=2;", Some(b"a=2;")),
    ];
    for (header, expected) in rows {
        assert_eq!(without_cookie(header, "s").as_deref(), expected, "{}", header.escape_ascii());
    }
    let found: Vec<_> = cookies(b"a=1;  b = 2 ;c;=4; d==").collect();
    let pairs: [(&[u8], &[u8]); 5] = [(b"a", b"1"), (b"b", b"2"), (b"c", b""), (b"", b"4"), (b"d", b"=")];
    assert_eq!(found, pairs);
}

#[test]
fn a_parameter_goes_and_the_others_stay_as_they_are() {
    let rows: [(&[u8], &[u8]); 14] = [
        (b"/p", b"/p"),
        (b"/p?t=1", b"/p"),
        (b"/p?t", b"/p"),
        (b"/p?t=1&a=2", b"/p?a=2"),
        (b"/p?a=2&t=1", b"/p?a=2"),
        (b"/p?a=%zz&t=1&b=+%20&&c", b"/p?a=%zz&b=+%20&&c"),
        (b"/p?%74=1&a=?t=2", b"/p?a=?t=2"),
        (b"/p?t=1&t=2&a", b"/p?a"),
        (b"/p?t=1#f?t=2", b"/p#f?t=2"),
        (b"/p#?t=1", b"/p#?t=1"),
        (b"/t=1?T=1&tt=2", b"/t=1?T=1&tt=2"),
        (b"/p?t=1&", b"/p"),
        (b"/p?\xff=\xfe&t=1", b"/p?\xff=\xfe"),
        (b"", b""),
    ];
    for (path, expected) in rows {
        let left = without_parameters(path, |name| is_named(name, "t"));
        assert_eq!(left, expected, "{}", path.escape_ascii());
    }
    let found: Vec<_> = parameters(b"/p?a=1&b&c=%3D=#d=4").collect();
    let pairs: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"b", b""), (b"c", b"%3D=")];
    assert_eq!(found, pairs);
}
