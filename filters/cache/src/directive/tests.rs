//! What `Cache-Control` means, row by row.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn response(lines: &[&str]) -> Response {
    Response::parse(lines.iter().map(|line| line.as_bytes()))
}

fn request(lines: &[&str], pragma: &[&str]) -> Request {
    Request::parse(lines.iter().map(|line| line.as_bytes()), pragma.iter().map(|line| line.as_bytes()))
}

#[test]
fn a_responses_directives_are_read_as_the_rfc_says() {
    let none = Response::default();
    let max_age = |seconds| Response { max_age: Some(seconds), ..Response::default() };
    let withheld = |names: &[&str]| Response {
        withheld: names.iter().map(|name| name.as_bytes().to_vec()).collect(),
        ..Response::default()
    };
    let unreadable = Response { no_store: true, private: true, ..Response::default() };
    let rows: [(&str, &[&str], Response); 29] = [
        ("§5.2 names have no case", &["Max-Age=5, PUBLIC"], Response { public: true, ..max_age(5) }),
        ("§5.2 several lines are one list", &["public", "max-age=5"], Response { public: true, ..max_age(5) }),
        ("§5.2 a quoted number is accepted", &["max-age=\"5\""], max_age(5)),
        ("§5.2.3 unknown directives are ignored", &["foo, bar=1, baz=\"no-store, x\", max-age=5"], max_age(5)),
        ("RFC 9110 §5.6.1 empty members are ignored", &[", ,max-age=5,,"], max_age(5)),
        ("§1.2.2 what is too large is very large", &["max-age=99999999999999999999"], max_age(SECONDS_MAX)),
        ("§4.2.1 no number is stale", &["max-age=abc"], max_age(0)),
        ("§4.2.1 no value is stale", &["max-age"], max_age(0)),
        ("§4.2.1 a sign is stale", &["max-age=-5"], max_age(0)),
        ("§4.2.1 a fraction is stale", &["max-age=5.5"], max_age(0)),
        ("§5.2 no blanks around =", &["max-age = 5"], max_age(0)),
        ("§5.2 nor before it", &["max-age =5"], max_age(0)),
        ("§4.2.1 two values are stale", &["max-age=5, max-age=6"], max_age(0)),
        ("§4.2.1 one value said twice is one", &["max-age=5", "max-age=5"], max_age(5)),
        ("§5.2.2.10", &["s-maxage=x, max-age=5"], Response { s_maxage: Some(0), ..max_age(5) }),
        ("§5.2.2.4 fields alone", &["no-cache=\"set-cookie, A\""], withheld(&["set-cookie", "a"])),
        ("§5.2.2.7 fields alone", &["private=x, no-cache=\"y\""], withheld(&["x", "y"])),
        ("§5.2.2.4 no names", &["no-cache=\"\""], Response { no_cache: true, ..none.clone() }),
        ("§5.2.2.4 no tokens", &["no-cache=\"a b\""], Response { no_cache: true, ..none.clone() }),
        ("§5.2.2.4 vital ones", &["private=\"a, Vary\""], Response { private: true, ..none.clone() }),
        ("§5.2.2.4 both", &["no-cache, no-cache=\"a\""], Response { no_cache: true, ..withheld(&["a"]) }),
        ("RFC 5861 §3", &["stale-while-revalidate=5"], Response { stale_while_revalidate: Some(5), ..none.clone() }),
        ("RFC 5861 §4", &["stale-if-error=x"], Response { stale_if_error: Some(0), ..none.clone() }),
        ("§5.2.2.5 an argument changes nothing", &["no-store=1"], Response { no_store: true, ..none.clone() }),
        ("a quote that is not closed", &["foo=\"a, max-age=5"], unreadable.clone()),
        ("an escaped quote does not close", &["foo=\"a\\\", max-age=5"], unreadable.clone()),
        ("a name that is no token", &["max-age=5; no-store x=1"], max_age(0)),
        ("a member without a name", &["=5"], unreadable.clone()),
        ("no text at all", &["\u{ff}"], unreadable),
    ];
    for (section, lines, expected) in rows {
        assert_eq!(response(lines), expected, "{section}: {lines:?}");
    }
    assert_eq!(response(&["no store"]), response(&["\u{ff}"]));
}

#[test]
fn a_requests_directives_are_read_as_the_rfc_says() {
    let none = Request::default();
    let no_cache = Request { no_cache: true, ..none.clone() };
    let rows: [(&str, &[&str], &[&str], Request); 15] = [
        ("§5.2.1.1", &["max-age=0"], &[], Request { max_age: Some(0), ..none.clone() }),
        ("§5.2.1.1 no number", &["max-age=x"], &[], Request { max_age: Some(0), ..none.clone() }),
        ("§5.2.1.1 the least", &["max-age=9, max-age=5"], &[], Request { max_age: Some(5), ..none.clone() }),
        ("§5.2.1.2 any", &["max-stale"], &[], Request { max_stale: Some(SECONDS_MAX), ..none.clone() }),
        ("§5.2.1.2", &["max-stale=5"], &[], Request { max_stale: Some(5), ..none.clone() }),
        ("§5.2.1.2 no number", &["max-stale=x"], &[], Request { max_stale: Some(0), ..none.clone() }),
        ("§5.2.1.3", &["min-fresh=5, min-fresh=4"], &[], Request { min_fresh: Some(5), ..none.clone() }),
        ("§5.2.1.3 no number", &["min-fresh"], &[], Request { min_fresh: Some(SECONDS_MAX), ..none.clone() }),
        ("RFC 5861 §4", &["stale-if-error=5"], &[], Request { stale_if_error: Some(5), ..none.clone() }),
        ("§5.2.1.4", &["no-cache"], &[], no_cache.clone()),
        ("§5.2.1.5", &["no-store"], &[], Request { no_store: true, ..none.clone() }),
        ("§5.2.1.7", &["only-if-cached"], &[], Request { only_if_cached: true, ..none.clone() }),
        ("§5.4 Pragma counts alone", &[], &["x, no-cache"], no_cache.clone()),
        (
            "§5.4 but not beside Cache-Control",
            &["max-stale=0"],
            &["no-cache"],
            Request { max_stale: Some(0), ..none.clone() },
        ),
        ("malformed", &["\"", "max-age=5"], &[], Request { no_store: true, max_age: Some(5), ..no_cache }),
    ];
    for (section, lines, pragma, expected) in rows {
        assert_eq!(request(lines, pragma), expected, "{section}: {lines:?} {pragma:?}");
    }
}

#[test]
fn what_is_said_to_caches_like_this_one_replaces_the_rest() {
    // RFC 9213 §2.1 and §2.2: (CDN-Cache-Control, Cache-Control, what counts)
    let max_age = |seconds| Response { max_age: Some(seconds), ..Response::default() };
    let targeted = |said| Response { targeted: true, ..said };
    let rows: [(&[&str], &str, Response); 11] = [
        (&["max-age=5"], "max-age=9, no-store", targeted(max_age(5))),
        (&["foo", "max-age=5"], "no-store", targeted(max_age(5))),
        (&["no-store"], "max-age=9", targeted(Response { no_store: true, ..Response::default() })),
        (&["private=\"a\", max-age=5"], "", targeted(Response { withheld: vec![b"a".to_vec()], ..max_age(5) })),
        (&["max-age=99999999999"], "", targeted(max_age(SECONDS_MAX))),
        // What is mistyped is not made use of, and takes nothing away that is said beside it.
        (&["max-age=5.5"], "max-age=9", targeted(max_age(0))),
        (&["max-age=5.5, no-store"], "max-age=9", targeted(Response { no_store: true, ..max_age(0) })),
        (&["max-age=-5"], "max-age=9", targeted(max_age(0))),
        (&["MaX-aGe=5"], "max-age=9", max_age(9)),
        (&["max-age =5"], "max-age=9", max_age(9)),
        (&[""], "max-age=9", max_age(9)),
    ];
    for (targeted, plain, expected) in rows {
        let mut pairs: Vec<_> =
            targeted.iter().map(|line| (b"cdn-cache-control".as_slice(), line.as_bytes())).collect();
        pairs.push((b"cache-control", plain.as_bytes()));
        assert_eq!(Response::of(&Headers::from_pairs(&pairs)), expected, "{targeted:?} {plain}");
    }
}
