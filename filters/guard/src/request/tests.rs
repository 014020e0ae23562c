//! Requests, and what becomes of them by their headers alone; bodies, and what is said of them.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CONFIG: &str = r#"{"body_max": 100, "routes": [
    {"match": {"path": "/orders", "methods": ["POST", "GET"]}, "schema": {"type": "object", "required": ["id"]}},
    {"match": {"prefix": "/images/"}, "body_max": "1MiB", "types": ["image/*"]},
    {"match": {"prefix": "/open/"}, "body_max": "off"}
]}"#;

/// A request line, its headers, and what becomes of it with a body.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Verdict);

fn check(rows: &[Row<'_>]) {
    let config = Config::from_json(CONFIG.as_bytes()).unwrap();
    for (line, more, expected) in rows {
        let (method, path) = line.split_once(' ').unwrap();
        let mut pairs: Vec<(&[u8], &[u8])> = vec![(b":method", method.as_bytes()), (b":path", path.as_bytes())];
        pairs.extend(more.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        assert_eq!(judge(&config, &Headers::from_pairs(&pairs), false), *expected, "{line} {more:?}");
    }
}

#[test]
fn a_body_has_the_length_of_its_route() {
    let too_large = Verdict::Refuse(Refusal::TooLarge);
    check(&[
        ("POST /", &[], Verdict::Count(100)),
        ("POST /", &[("content-length", "100")], Verdict::Pass),
        ("POST /", &[("content-length", "101")], too_large),
        ("POST /", &[("content-length", "99999999999999999999999999")], too_large),
        ("POST /open/a", &[("content-length", "99999999999999999999999999")], Verdict::Pass),
        ("POST /open/a", &[], Verdict::Pass),
        ("POST /images/a", &[("content-length", "1048577"), ("content-type", "image/png")], too_large),
        ("POST /", &[("content-length", "")], Verdict::Refuse(Refusal::Length)),
        ("POST /", &[("content-length", "+5")], Verdict::Refuse(Refusal::Length)),
        ("POST /", &[("content-length", "5"), ("content-length", "5")], Verdict::Refuse(Refusal::Length)),
    ]);
}

#[test]
fn a_body_has_a_type_that_its_route_takes() {
    let wrong = Verdict::Refuse(Refusal::Type);
    let json = ("content-type", "application/json");
    check(&[
        ("PUT /images/a", &[("content-type", "image/png")], Verdict::Count(1 << 20)),
        ("PUT /images/a", &[json], wrong),
        ("PUT /images/a", &[], wrong),
        ("PUT /images/a", &[("content-type", "image/png"), ("content-type", "image/png")], wrong),
        ("POST /orders", &[("content-type", "application/x-www-form-urlencoded")], wrong),
        ("POST /orders", &[json], Verdict::Hold(0)),
        ("POST /orders", &[("content-type", "application/problem+json")], Verdict::Hold(0)),
        ("GET /orders", &[json], Verdict::Hold(0)),
        ("POST /orders", &[json, ("content-encoding", "identity")], Verdict::Hold(0)),
        ("POST /orders", &[json, ("content-encoding", "gzip")], Verdict::Refuse(Refusal::Coding)),
        ("POST /orders", &[json, ("content-length", "101")], Verdict::Refuse(Refusal::TooLarge)),
        ("POST /orders/../x", &[json], Verdict::Refuse(Refusal::Path(Trick::DotSegment))),
        ("DELETE /orders", &[], Verdict::Count(100)),
    ]);
}

#[test]
fn a_body_that_must_be_there_is_missed() {
    let config = Config::from_json(CONFIG.as_bytes()).unwrap();
    let of = |method: &[u8], path: &[u8]| {
        judge(&config, &Headers::from_pairs(&[(b":method", method), (b":path", path)]), true)
    };
    assert_eq!(of(b"POST", b"/orders?x"), Verdict::Refuse(Refusal::Missing));
    assert_eq!(of(b"GET", b"/orders"), Verdict::Pass);
    assert_eq!(of(b"POST", b"/"), Verdict::Pass);
    let open = Config { checks_paths: false, ..config };
    let headers = Headers::from_pairs(&[(b":method", b"GET"), (b":path", b"/a/../b")]);
    assert_eq!(judge(&open, &headers, true), Verdict::Pass);
}

#[test]
fn a_body_is_told_what_to_mend() {
    let config = Config::from_json(CONFIG.as_bytes()).unwrap();
    for (body, expected) in [
        (r#"{"id": 1}"#, ""),
        ("{}", "/id: is missing"),
        ("", "body: must be JSON: EOF while parsing a value at line 1 column 0"),
        ("{} {}", "body: must be JSON: trailing characters at line 1 column 4"),
        (r#"{"id": 1, "id": 2}"#, "body: must be JSON: a name stands twice in one object at line 1 column 18"),
        (r#"{"id": 01}"#, "body: must be JSON: invalid number at line 1 column 9"),
        ("[]", "body: must be an object"),
    ] {
        let said = check_body(&config, body.as_bytes());
        assert_eq!(said, expected, "{body}");
    }
    let said = check_body(&config, b"{\"id\": \"\xff\"}");
    assert!(said.starts_with("body: must be JSON: "), "{said}");
    let deep = format!(r#"{{"id": {}1{}}}"#, "[".repeat(1000), "]".repeat(1000));
    assert!(check_body(&config, deep.as_bytes()).starts_with("body: must be JSON: recursion limit exceeded"));
}

fn check_body(config: &Config, body: &[u8]) -> String {
    match super::check(&config.routes[0], body).map_err(mend) {
        Ok(()) => String::new(),
        Err(Rejection::BadRequest { message }) => message,
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn every_refusal_has_a_status_and_is_counted() {
    for (refusal, status, word) in [
        (Refusal::Path(Trick::Control), 400, "path"),
        (Refusal::Length, 400, "length"),
        (Refusal::TooLarge, 413, "length"),
        (Refusal::Type, 415, "type"),
        (Refusal::Coding, 415, "type"),
        (Refusal::Missing, 400, "body"),
        (Refusal::Trailers, 400, "body"),
    ] {
        assert_eq!((refusal.rejection().status(), refusal.word()), (status, word));
        assert_eq!(refusal.rejection().code(), "BAD_REQUEST");
    }
}
