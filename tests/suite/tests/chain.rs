//! All five filters in one chain: what none of them may do to the others, whatever is sent.

use std::fmt::Write;

use suite::Scenario;

/// Headers of requests that some filter reads.
const REQUEST_HEADERS: [&str; 24] = [
    "accept",
    "ai-agent-id",
    "authorization",
    "cache-control",
    "cookie",
    "forwarded",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "pragma",
    "range",
    "traceparent",
    "tracestate",
    "user-agent",
    "vary",
    "x-ai-agent",
    "x-api-key",
    "x-correlation-id",
    "x-device",
    "x-forwarded-for",
    "x-request-id",
    "x-weir-roles",
    "x-weir-tier",
    "x-weir-user",
];

/// Headers of responses that some filter reads.
const RESPONSE_HEADERS: [&str; 16] = [
    "age",
    "cache-control",
    "cache-status",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "pragma",
    "ratelimit",
    "retry-after",
    "set-cookie",
    "vary",
    "www-authenticate",
    "x-correlation-id",
    "x-request-id",
];

/// What a hostile peer puts into one header: twice the same bytes, once repeated.
const VALUES: [&str; 7] = [
    r#""\xff\xfe""#,
    r#""""#,
    r#"",""#,
    r#""\xc3\x28;=\"\\""#,
    r#""a"*60000"#,
    r#""a=\"b,"*2000"#,
    r#""18446744073709551616""#,
];

fn chain() -> Scenario {
    Scenario::new(&[
        ("correlation", "{}"),
        (
            "auth",
            r#"{"issuers": [{"issuer": "https://id.example/", "audiences": ["gateway"], "jwks": {"keys": [
                {"kty": "oct", "kid": "k", "alg": "HS256", "k": "c2l4dHktZm91ci1ieXRlcy1vZi1ub3RoaW5nLWluLXBhcnRpY3VsYXItYXQtYWxsLi4"}]}}],
              "default": "optional"}"#,
        ),
        (
            "ratelimit",
            r#"{"tiers": {"anonymous": {"per_second": 100000, "per_minute": 100000}},
              "rules": [{"name": "clients", "key": ["user"], "tiers": true},
                        {"name": "devices", "key": ["header:x-device"], "limit": {"rate": "100000/m"}}]}"#,
        ),
        ("cache", r#"{"routes": [{"match": {}, "upstream": "origin", "data_type": "any", "heuristic_max": "1m"}]}"#),
        (
            "breaker",
            r#"{"breakers": {"origin": {"consecutive_failures": 1000}},
              "routes": [{"match": {}, "upstream": "origin"}]}"#,
        ),
    ])
}

#[test]
fn a_header_of_any_bytes_never_fails_a_later_request() {
    let mut lines = String::new();
    for (index, header) in REQUEST_HEADERS.iter().enumerate() {
        for value in VALUES {
            let _ = writeln!(lines, "GET /hostile/{index} {header}={value} -> *");
            let _ = writeln!(lines, "GET /hostile/{index} {header}={value} {header}={value} -> *");
        }
        let _ = writeln!(lines, "GET /hostile/{index} -> 200 x-request-id=*");
    }
    // Refused or answered, but never by a machine that had died.
    let _ = writeln!(lines, "!log~panicked\n!log~wasm_fail_stream\n!log~\"Function: proxy_on\"");
    chain().check(&lines);
}

#[test]
fn an_answer_of_any_bytes_never_fails_a_later_request() {
    let mut lines = String::new();
    for (index, header) in RESPONSE_HEADERS.iter().enumerate() {
        for value in VALUES {
            let _ = writeln!(lines, "origin 200 cache-control=max-age=60 {header}={value} {header}={value} body=x");
            let _ = writeln!(lines, "GET /hostile/{index} -> *");
            let _ = writeln!(lines, "GET /hostile/{index} -> *");
        }
        let _ = writeln!(lines, "origin 200\nGET /plain/{index} -> 200 x-request-id=*");
    }
    let _ = writeln!(lines, "!log~panicked\n!log~wasm_fail_stream\n!log~\"Function: proxy_on\"");
    chain().check(&lines);
}

#[test]
fn every_answer_carries_both_ids_whoever_gives_it() {
    chain().check(
        r#"
        origin 200 cache-control=max-age=60 body=hello
        GET /a x-request-id=r1 -> 200 body=hello x-request-id=r1 x-correlation-id=r1 cache-status~uri-miss
        GET /a x-request-id=r2 x-correlation-id=c2 -> 200 body=hello x-request-id=r2 x-correlation-id=c2 cache-status~hit
        GET /a x-request-id=r3 authorization="Bearer x" -> 401 x-request-id=r3 x-correlation-id=r3 \
          body.error.code=AUTH_FAILED body.error.request_id=r3
        GET /b x-request-id=r4 cache-control=only-if-cached -> 504 x-request-id=r4 x-correlation-id=r4
        "#,
    );
}

#[test]
fn a_client_cannot_say_who_it_is() {
    chain().check(
        r"
        GET / x-weir-user=root x-weir-tier=enterprise x-weir-roles=admin -> 200
        saw GET / !x-weir-user !x-weir-roles x-weir-tier=anonymous
        ",
    );
}
