//! Where tokens are read, what becomes of the request without them, and what hostile clients put there.

use suite::check;

use crate::config;
use crate::tokens::{Algorithm, mint};

/// A filter that reads tokens everywhere.
fn everywhere(more: &str) -> String {
    let from = r#"[{"header": "authorization"}, {"header": "x-token"}, {"header": "x-auth", "scheme": "Token"},
        {"cookie": "session"}, {"query": "access_token"}]"#;
    config(&format!(r#", "tokens": {{"from": {from}}}{more}"#))
}

fn alice() -> String {
    mint(Algorithm::Hs256, r#""sub": "alice""#)
}

#[test]
fn a_token_is_read_in_each_place_and_goes_no_further() {
    let token = alice();
    check(
        "auth",
        &everywhere(""),
        &format!(
            r#"
            GET / -> 401 body.error.code=UNAUTHORIZED
            GET / authorization="bearer {token}" -> 200
            saw GET / x-weir-user=alice !authorization
            GET / x-token={token} -> 200
            saw GET / x-weir-user=alice !x-token
            GET / x-auth="Token {token}" -> 200
            saw GET / x-weir-user=alice !x-auth
            GET / cookie="session={token}" -> 200
            saw GET / x-weir-user=alice !cookie
            GET "/?access_token={token}" -> 200
            saw GET / x-weir-user=alice
            metric api_gateway_auth_requests_total{{outcome=allowed}} 5
            "#
        ),
    );
}

#[test]
fn a_place_that_is_not_configured_holds_no_credential() {
    let token = alice();
    check(
        "auth",
        &config(r#", "default": "optional""#),
        &format!(
            r#"
            GET "/?access_token={token}&a=%zz" x-token={token} x-api-key={token} cookie="session={token}" -> 200
            saw GET "/?access_token={token}&a=%zz" x-token={token} x-api-key={token} cookie="session={token}" \
                x-weir-tier=anonymous
            "#
        ),
    );
}

#[test]
fn only_the_one_cookie_is_taken_away() {
    let token = alice();
    check(
        "auth",
        &everywhere(""),
        &format!(
            r#"
            GET / cookie="session={token}; a=1" -> 200
            saw GET / cookie="a=1"
            GET / cookie="a=1; session={token}" -> 200
            saw GET / cookie="a=1"
            GET / cookie="a=\"1\";session={token};  Session=2 ; b" -> 200
            saw GET / cookie="a=\"1\";  Session=2 ; b"
            GET / cookie="a=1" cookie="b=2; session={token}" cookie="c=3" -> 200
            saw GET / cookie="a=1" cookie="b=2" cookie="c=3"
            GET / cookie="a=1" cookie="session={token}" -> 200
            saw GET / cookie="a=1"
            GET / cookie="\xff\xfe=\xfd; session={token}" -> 200
            saw GET / cookie="\xff\xfe=\xfd"
            "#
        ),
    );
}

#[test]
fn only_the_one_parameter_is_taken_away() {
    let token = alice();
    check(
        "auth",
        &everywhere(""),
        &format!(
            r#"
            GET "/p?access_token={token}&a=1" -> 200
            saw GET "/p?a=1"
            GET "/p?a=1&access_token={token}" -> 200
            saw GET "/p?a=1"
            GET "/p?a=%zz&%61ccess%5Ftoken={token}&b=+%20&&c=?d" -> 200
            saw GET "/p?a=%zz&b=+%20&&c=?d"
            GET "/p?access_token={token}" -> 200
            saw GET /p
            GET "/p?Access_token=1&access_token={token}&xaccess_token" -> 200
            saw GET "/p?Access_token=1&xaccess_token"
            "#
        ),
    );
}

#[test]
fn a_token_is_forwarded_as_it_is_where_the_configuration_says_so() {
    let token = alice();
    check(
        "auth",
        &everywhere(r#", "forward": true"#),
        &format!(
            r#"
            GET / x-token={token} -> 200
            saw GET / x-token={token} x-weir-user=alice
            GET / cookie="a=1;session={token}" -> 200
            saw GET / cookie="a=1;session={token}" x-weir-user=alice
            GET "/?%61ccess_token={token}&b" -> 200
            saw GET "/?%61ccess_token={token}&b" x-weir-user=alice
            "#
        ),
    );
}

#[test]
fn two_credentials_are_refused_be_they_equal() {
    let token = alice();
    let mut lines = String::new();
    for pair in [
        format!(r#"GET / authorization="Bearer {token}" x-token={token}"#),
        format!(r#"GET / authorization="Bearer {token}" authorization="Bearer {token}""#),
        format!(r#"GET / authorization="Bearer {token}" authorization="Basic YTpi""#),
        format!("GET / x-token={token} x-token={token}"),
        format!(r#"GET / x-token="{token}, {token}""#),
        format!(r#"GET / x-token={token} cookie="session={token}""#),
        format!(r#"GET / cookie="session={token}; session={token}""#),
        format!(r#"GET / cookie="session={token}; a=1; session=""#),
        format!(r#"GET / cookie="session={token}" cookie="a=1; session=x""#),
        format!(r#"GET "/?access_token={token}&access_token={token}""#),
        format!(r#"GET "/?access_token={token}&%61ccess_token=x""#),
        format!(r#"GET "/?access_token={token}&access_token""#),
        format!(r#"GET "/?access_token={token}" authorization="Bearer {token}""#),
        format!(r#"GET "/?access_token=" x-auth="Token {token}""#),
    ] {
        lines += &format!(
            "{pair} -> 401 body.error.code=AUTH_FAILED www-authenticate='Bearer realm=\"weir\", error=\"invalid_request\"'\n"
        );
    }
    lines += "saw nothing\nlog~repeated_credential\n";
    check("auth", &everywhere(r#", "default": "optional""#), &lines);
}

#[test]
fn hostile_bytes_in_any_place_fail_no_later_request() {
    let token = alice();
    let mut lines = String::new();
    let hostile = [r#""\xff\xfe""#, r#""""#, r#""a"*60000"#, r#"" ""#, r#""\"""#, r#""Token""#, r#""Token \xff""#];
    for header in ["authorization", "x-token", "x-auth"] {
        for value in hostile {
            lines += &format!("GET / {header}={value} -> 401 body.error.code=AUTH_FAILED\n");
        }
    }
    for cookie in [
        r#""session=\xff\xfe""#,
        r#""session=""#,
        r#""session""#,
        r#"";;session ;;""#,
        r#""session==; =session""#,
        r#""session=%61%62""#,
        r#""session=\"a.b.c\"""#,
    ] {
        lines += &format!("GET / cookie={cookie} -> 401 body.error.code=AUTH_FAILED\n");
    }
    for query in [
        "access_token".to_owned(),
        "access_token=".into(),
        "access_token=%".into(),
        "access_token=%zz".into(),
        "access_token=%ff%fe".into(),
        "access_token=%00".into(),
        "access_token=a+b".into(),
        "access_token=%250a".into(),
        format!("access_token={token}%20"),
        format!("access_token={token},{token}"),
        format!("access_token={}", "%61".repeat(20_000)),
        format!("{}access_token=a", "&".repeat(50_000)),
    ] {
        lines += &format!("GET \"/?{query}\" -> 401 body.error.code=AUTH_FAILED\n");
    }
    lines += &format!("saw nothing\nGET / x-token={token} -> 200\nsaw GET / x-weir-user=alice\n");
    // What is none of ours may be anything.
    lines += "GET \"/?%=%&%ff&=\" cookie=\"\\xff;=;;a\" -> 200\nsaw GET \"/?%=%&%ff&=\" cookie=\"\\xff;=;;a\"\n";
    lines += "!log~panicked\nlog~token_too_long\nlog~malformed_credential\nlog~malformed_token\n";
    check("auth", &everywhere(r#", "default": "optional""#), &lines);
}

#[test]
fn a_query_is_left_for_the_log_without_credentials() {
    let token = alice();
    let routes = r#", "routes": [{"match": {"prefix": "/open"}, "auth": "off"}], "forward": true"#;
    check(
        "auth",
        &everywhere(routes),
        &format!(
            r#"
            GET "/?a=1&access_token={token}" -> 200
            state wasm.weir.query="a=1"
            saw GET "/?a=1&access_token={token}"
            GET "/?a=%zz" x-token={token} -> 200
            state wasm.weir.query="a=%zz"
            GET "/open?%61ccess_token={token}&b" -> 200
            state wasm.weir.query=b
            saw GET "/open?%61ccess_token={token}&b"
            GET "/?access_token={token}x&b" -> 401
            state wasm.weir.query=b
            GET "/?access_token={token}&access_token=x&c" -> 401
            state wasm.weir.query=c
            !log~{token}
            "#
        ),
    );
}
