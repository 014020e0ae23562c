//! Which requests a match is about, and what it refuses to be.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn parse(json: &str) -> Result<Match, ConfigError> {
    crate::config::read::<RawMatch>(json.as_bytes()).and_then(Match::try_from)
}

fn check(json: &str, rows: &[(&str, bool)]) {
    let rule = parse(json).unwrap();
    for (request, expected) in rows {
        let (method, rest) = request.split_once(' ').unwrap();
        let (authority, path) = rest.split_at(rest.find('/').unwrap());
        let pairs: [(&[u8], &[u8]); 6] = [
            (b":method", method.as_bytes()),
            (b":authority", authority.as_bytes()),
            (b":path", path.as_bytes()),
            (b"x-one", b"a"),
            (b"x-kind", b"a"),
            (b"x-kind", b"b"),
        ];
        let headers = Headers::from_pairs(&pairs);
        assert_eq!(rule.matches(&Target::of(&headers)), *expected, "{json} on {request}");
    }
}

#[test]
fn no_predicate_matches_everything() {
    check("{}", &[("GET a/", true), ("POST a/b?c", true)]);
    check(r#"{"prefix": "/"}"#, &[("GET a/", true), ("POST a/b?c", true)]);
}

#[test]
fn a_path_is_compared_without_its_query() {
    check(r#"{"path": "/a"}"#, &[("GET h/a", true), ("GET h/a?b=/", true), ("GET h/a/", false), ("GET h/A", false)]);
}

#[test]
fn a_prefix_ends_where_a_segment_ends() {
    check(r#"{"prefix": "/api"}"#, &[("GET h/api", true), ("GET h/api/x", true), ("GET h/apis", false)]);
    check(r#"{"prefix": "/api/"}"#, &[("GET h/api", false), ("GET h/api/", true), ("GET h/api/x?q", true)]);
}

#[test]
fn a_variable_stands_for_one_segment() {
    check(
        r#"{"template": "/content/{id}/availability"}"#,
        &[
            ("GET h/content/7/availability", true),
            ("GET h/content/7/availability?x", true),
            ("GET h/content//availability", false),
            ("GET h/content/7", false),
            ("GET h/content/7/8/availability", false),
            ("GET h/content/7/availability/", false),
        ],
    );
}

#[test]
fn an_open_template_matches_whatever_lies_below() {
    check(
        r#"{"template": "/api/{tenant}/admin/*"}"#,
        &[
            ("GET h/api/acme/admin/users", true),
            ("GET h/api/acme/admin/users/7/", true),
            ("GET h/api/acme/admin/?x", true),
            ("GET h/api/acme/admin", false),
            ("GET h/api//admin/users", false),
            ("GET h/api/acme/administrators/x", false),
            ("GET h/api/acme/x/admin/users", false),
        ],
    );
    check(r#"{"template": "/*"}"#, &[("GET h/", true), ("GET h/a/b", true)]);
}

#[test]
fn methods_hosts_and_headers_all_count() {
    check(r#"{"methods": ["GET", "HEAD"]}"#, &[("GET h/", true), ("POST h/", false), ("get h/", false)]);
    let rule = parse(r#"{"methods": ["GET"]}"#).unwrap();
    assert!(rule.admits("GET") && !rule.admits("POST") && parse("{}").unwrap().admits("POST"));
    check(
        r#"{"hosts": ["a.example", "*.b.example"]}"#,
        &[
            ("GET a.example/", true),
            ("GET A.Example:8080/", true),
            ("GET x.b.example:1/", true),
            ("GET b.example/", false),
            ("GET xb.example/", false),
            ("GET .b.example/", false),
            ("GET x.a.example/", false),
        ],
    );
    check(r#"{"hosts": ["[::1]"]}"#, &[("GET [::1]:80/", true), ("GET [::1]/", true), ("GET [::2]/", false)]);
    check(r#"{"headers": {"x-one": "a"}}"#, &[("GET h/", true)]);
    check(r#"{"headers": {"x-one": "b"}}"#, &[("GET h/", false)]);
    // What is sent twice is no value at all: whoever picks one of them picks another than the next hop may.
    check(r#"{"headers": {"x-kind": "b"}}"#, &[("GET h/", false)]);
}

#[test]
fn a_mistake_says_what_would_be_right() {
    for (json, expected) in [
        (r#"{"path": "/a", "prefix": "/"}"#, "has more than one of path, prefix and template"),
        (
            r#"{"path": "a"}"#,
            "path: must begin with / and have no query, fragment, space, unescaped byte, *, { or }, got \"a\"",
        ),
        (r#"{"path": "/j/{id}"}"#, "path: must begin with / and have no"),
        (r#"{"path": "/shop/*/items"}"#, "path: must begin with / and have no"),
        (r#"{"prefix": "/h/{id}/"}"#, "prefix: must begin with / and have no"),
        (r#"{"prefix": "/a/*"}"#, "prefix: must begin with / and have no"),
        (r#"{"path": ""}"#, "path: must begin with /"),
        (r#"{"template": ""}"#, "template: must be / and segments"),
        (r#"{"template": "a/{id}"}"#, "template: must be / and segments"),
        (r#"{"template": "/a b/{id}"}"#, "template: must be / and segments"),
        (r#"{"template": "/a?b/{id}"}"#, "template: must be / and segments"),
        (r#"{"template": "/users/{id:[0-9]+}"}"#, "template: must be / and segments"),
        (r#"{"template": "/f/{rest...}"}"#, "template: must be / and segments"),
        (r#"{"template": "/{a}/*/b"}"#, "template: must be / and segments"),
        (r#"{"template": "/{a}/**"}"#, "template: must be / and segments"),
        (r#"{"template": "/{a}/b*"}"#, "template: must be / and segments"),
        (r#"{"prefix": "/a?b"}"#, "prefix: must begin with /"),
        (r#"{"template": "/a/{}"}"#, "template: must be / and segments"),
        (
            r#"{"template": "/a/x{id}"}"#,
            "template: must be / and segments, a variable being a whole one like {id}, or end in /*, got \"/a/x{id}\"",
        ),
        (r#"{"methods": ["GET", "post"]}"#, "methods[1]: must be a method in upper case, got \"post\""),
        (r#"{"hosts": ["a:80"]}"#, "hosts[0]: must be a host name without a port"),
        (r#"{"headers": {"X-A": "b"}}"#, "headers: must be a header name in lower case, got \"X-A\""),
    ] {
        let said = parse(json).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}
