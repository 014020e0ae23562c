//! Mistakes about what is guarded, what routes accept, and where spans go.

use super::{check_added, check_route};

#[test]
fn what_is_wrong_with_a_guard_is_said_where_it_stands() {
    let origin =
        "expected `https://` and a host in lower case, with a port where it has one, or `*.` before its domain";
    let of = |at: &str, name: &str| format!("6:{at} `{name}` is not an origin | {origin}");
    check_added(&[
        ("guard: {}", &[]),
        ("guard: {routes: []}", &["6:9 `routes` is not said here | each route has an `accepts`"]),
        ("guard: {body: 1}", &["6:9 unknown key `body` | expected `paths`, `body_max`, `routes`, `headers` or `cors`"]),
        (
            "guard: {body_max: 1MB}",
            &["6:19 `body_max`: must be a number of bytes, a text like \"64KiB\", \"1MiB\" or \"1GiB\", or \"off\" | "],
        ),
        (
            "guard: {headers: {X-Frame-Options: off}}",
            &[
                "6:19 `X-Frame-Options` is not a header name | must be a header name in lower case, got \"X-Frame-Options\"",
            ],
        ),
        (
            "guard: {headers: {server: off, x-frame-options: off}}",
            &[
                "6:19 `server` is not said in the first place | expected `strict-transport-security`, `content-security-policy`, `x-frame-options`, `x-content-type-options`, `referrer-policy` or `permissions-policy`",
            ],
        ),
        (
            "guard: {headers: {X-Own: a}}",
            &["6:19 `X-Own` is not a header name | must be a header name in lower case, got \"X-Own\""],
        ),
        (
            "guard: {headers: {x-own: {values: a}}}",
            &[
                "6:19 `value` is missing | expected the key `value` here",
                "6:27 unknown key `values` | did you mean `value`?",
            ],
        ),
        (
            "guard: {headers: {x-own: \"a\\tb\"}}",
            &["6:26 the value has a control character | expected one line of text"],
        ),
        ("guard: {cors: {}}", &["6:9 `origins` is missing | expected the key `origins` here"]),
        (
            "guard: {cors: {origins: ['https://App.example', 'null', 'app.example', 'https://a.*.example']}}",
            &[
                &of("26", "https://App.example"),
                &of("49", "null"),
                &of("57", "app.example"),
                &of("72", "https://a.*.example"),
            ],
        ),
        (
            "guard: {cors: {origins: ['*'], methods: [get], headers: ['*']}}",
            &[
                "6:42 `get` cannot stand here | expected methods in upper case, or headers in lower case",
                "6:58 `*` cannot stand here | expected methods in upper case, or headers in lower case",
            ],
        ),
    ]);
}

#[test]
fn what_is_wrong_with_what_a_route_accepts_is_said_where_it_stands() {
    check_route(&[
        ("{match: POST /a, upstream: a, accepts: {schema: {type: object}}}", &[]),
        ("{match: POST /a, upstream: a, accepts: {type: [a/b]}}", &["5:43 unknown key `type` | did you mean `types`?"]),
        (
            "{match: POST /a, upstream: a, accepts: {types: [json]}}",
            &[
                "5:51 `types`: \"json\" is wrong here | must be a media type like \"application/json\", \"image/*\" or \"application/*+json\"",
            ],
        ),
        (
            "{match: POST /a, upstream: a, accepts: {schema: {properties: {a: {minimun: 1}}}}}",
            &["5:69 unknown key `minimun` | did you mean `minimum`?"],
        ),
        (
            "{match: POST /a, upstream: a, accepts: {schema: {$ref: '#/$defs/b'}}}",
            &["5:58 `$ref`: there is no schema at #/$defs/b | "],
        ),
        (
            "{match: POST /a, upstream: a, accepts: {body_max: 2MiB, schema: {}}}",
            &["5:53 `body_max`: must be at most 1MiB where there is a schema | "],
        ),
    ]);
}

#[test]
fn what_is_wrong_with_tracing_is_said_where_it_stands() {
    check_added(&[
        ("tracing: {otlp: 'http://127.0.0.1:4318', sampled: 0.5%}", &[]),
        ("tracing: {}", &["6:1 `otlp` is missing | expected the key `otlp` here"]),
        (
            "tracing: {otlp: '127.0.0.1:4318'}",
            &[
                "6:17 `127.0.0.1:4318` is not an address | expected http:// or https://, a host, and perhaps a port and a path",
            ],
        ),
        ("tracing: {otlp: 'http://c', sampled: 101%}", &["6:38 `101%` is not a share | expected one like 10% or 0.5%"]),
        ("tracing: {otlp: 'http://c', sampled: 10}", &["6:38 `10` is not a share | expected one like 10% or 0.5%"]),
    ]);
}
