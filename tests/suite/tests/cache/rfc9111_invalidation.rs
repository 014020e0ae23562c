//! RFC 9111 §4.3.5, §4.4: what ends a stored response before its time.

use suite::check;

use crate::plain;

#[test]
fn a_successful_unsafe_request_ends_what_its_response_names() {
    // §4.4; cache-tests: invalidate-*
    plain(
        r"
        origin 200 cache-control=max-age=60 body=x
        GET /dir/own -> 200
        GET /dir/location -> 200
        GET /content -> 200
        GET /elsewhere -> 200
        origin 201 location=location content-location=http://test/content
        POST /dir/own body=x -> 201
        origin 200 cache-control=max-age=60 body=y
        GET /dir/own -> 200 body=y cache-status~uri-miss
        GET /dir/location -> 200 body=y cache-status~uri-miss
        GET /content -> 200 body=y cache-status~uri-miss
        GET /elsewhere -> 200 body=x cache-status~hit
        origin 500 location=/elsewhere
        POST /dir/own body=x -> 500
        origin 200 location=http://other/elsewhere content-location=//test:81/elsewhere
        PUT /dir/own body=x -> 200
        M-SEARCH /dir/other body=x -> *
        GET /elsewhere -> 200 body=x cache-status~hit
        GET /dir/own -> 200 cache-status~uri-miss
    ",
    );
}

#[test]
fn any_unsafe_method_ends_what_is_stored_and_an_error_ends_nothing() {
    // §4.4; RFC 9110 §9.2.1: what is not known to be safe is not.
    let mut lines = String::from("origin 200 cache-control=max-age=60 body=x\n");
    for (method, status, ends) in [
        ("DELETE", 204, true),
        ("PATCH", 200, true),
        ("PUT", 201, true),
        ("POST", 303, true),
        ("REPORT", 207, true),
        ("DELETE", 404, false),
        ("PUT", 412, false),
        ("POST", 503, false),
        ("OPTIONS", 200, false),
    ] {
        let after = if ends { "uri-miss" } else { "hit" };
        lines += &format!(
            "GET /a -> 200\norigin {status}\n{method} /a -> {status} cache-status=\"weir; fwd=method\"\n\
             origin 200 cache-control=max-age=60 body=x\nGET /a -> 200 cache-status~{after}\n"
        );
    }
    plain(&lines);
}

#[test]
fn a_post_on_a_route_of_searches_that_is_no_search_ends_what_is_stored() {
    // §4.4: only what is known to be a search is taken for a safe request.
    const JSON: &str = "content-type=application/json";
    let config = r#"{"routes": [{"match": {"prefix": "/s"}, "ttl": "1h", "body": {"key": "json", "max": "1KiB"}}]}"#;
    let mut lines = String::from("origin 200 body=x\n");
    for (number, (post, detail, ends)) in [
        ("content-type=application/x-www-form-urlencoded body=a=1", "content-type", true),
        ("body={}", "content-type", true),
        (JSON, "request", true),
        (&format!("{JSON} content-encoding=gzip body={{}}"), "request", true),
        (&format!("{JSON} if-match='\"v1\"' body={{}}"), "precondition", true),
        (&format!("{JSON} body='{{\"a\":'"), "body", true),
        (&format!("{JSON} body='[1]'*1000"), "size", false),
    ]
    .into_iter()
    .enumerate()
    {
        let after = if ends { "uri-miss" } else { "hit" };
        lines += &format!(
            "GET /s/{number} -> 200\nPOST /s/{number} {JSON} body=[] -> 200 cache-status~stored\n\
             POST /s/{number} {post} -> 200 cache-status=\"weir; fwd=bypass; detail={detail}\"\n\
             GET /s/{number} -> 200 cache-status~{after}\n\
             POST /s/{number} {JSON} body=[] -> 200 cache-status~{after}\n"
        );
    }
    lines += &format!(
        "GET /s/e -> 200\norigin 400\nPOST /s/e body=x -> 400 cache-status~content-type\n\
         POST /s/e {JSON} body=x -> 400 cache-status~body\nGET /s/e -> 200 cache-status~hit"
    );
    check("cache", config, &lines);
}

#[test]
fn a_head_that_contradicts_what_is_stored_ends_it_and_no_other_does() {
    // §4.3.5: by the length, by the date of the last change, by the tag; an answer that is no 200 says nothing of it.
    let stored =
        r#"cache-control=max-age=60 content-type=a/b etag='"v1"' last-modified="Sun, 06 Nov 1994 08:49:37 GMT""#;
    let mut lines = String::new();
    for (number, (head, ends)) in [
        ("200 content-length=7", true),
        (r#"200 last-modified="Sun, 06 Nov 1994 08:49:38 GMT""#, true),
        (r#"200 etag='W/"v1"'"#, true),
        ("404", false),
        ("410", false),
        ("503", false),
        ("200 x-new=1 content-length=6", false),
    ]
    .into_iter()
    .enumerate()
    {
        let (status, after) = (&head[..3], if ends { "uri-miss" } else { "hit" });
        lines += &format!(
            "origin 200 {stored} body=stored\nGET /{number} -> 200\norigin {head} cache-control=max-age=60\n\
             HEAD /{number} cache-control=no-cache -> {status} !cache-status~hit\n\
             origin 200 {stored} body=stored\nGET /{number} -> 200 body=stored cache-status~{after}\n"
        );
    }
    plain(&lines);
}

#[test]
fn a_head_that_succeeds_ends_an_error_or_a_redirection() {
    // §4.3.5: whatever it says of itself, it is of something else.
    let mut lines = String::new();
    for (number, status) in ["404", "410", "301"].into_iter().enumerate() {
        lines += &format!(
            "origin {status} cache-control=max-age=60 content-type=a/b location=/b etag='\"v1\"'\n\
             GET /{number} -> {status} cache-status~stored\n\
             origin 200 cache-control=max-age=60\nHEAD /{number} cache-control=no-cache -> 200 cache-status=\"weir; fwd=request; detail=request\"\n\
             origin 200 cache-control=max-age=60 body=y\nGET /{number} -> 200 body=y cache-status~uri-miss\n"
        );
    }
    plain(&lines);
}

#[test]
fn what_is_confirmed_after_an_unsafe_request_is_not_kept() {
    // §4.4: what was asked before may be of before.
    plain(
        r#"
        origin /b 200 cache-control=max-age=60 age=60 etag='"v1"' content-type=a/b body=old
        GET /b -> 200 cache-status~stored
        saw GET /b
        origin /b 304 cache-control=max-age=60 etag='"v1"' hold
        start GET /b as late
        saw GET /b if-none-match='"v1"'
        origin /b 204
        DELETE /b -> 204
        origin /b 200 cache-control=max-age=60 body=new
        release /b
        finish late -> 200 body=old
        GET /b -> 200 body=new cache-status~uri-miss
    "#,
    );
}

#[test]
fn what_is_named_ends_as_its_route_keeps_it() {
    // §4.4: by Location and Content-Location, whoever's it is, and in whatever order its parameters were said.
    check(
        "cache",
        r#"{"routes": [
            {"match": {"prefix": "/users/", "methods": ["GET"]}, "ttl": "1h", "isolate": "user"},
            {"match": {"prefix": "/s"}, "ttl": "1h", "query": {"sort": true}, "body": {"key": "json"}},
            {"match": {"prefix": "/b", "headers": {"x-kind": "1"}}, "ttl": "1h", "query": {"ignore": ["c"]}},
            {"match": {}, "ttl": "1h"}
        ]}"#,
        r#"
        origin 200 content-type=application/json body=x
        GET /users/me x-weir-user=alice -> 200
        GET /users/me x-weir-user=bob -> 200
        GET /users/all x-weir-user=bob -> 200
        GET /s?b=2&a=1 -> 200
        POST /s?b=2&a=1 content-type=application/json body='{"q":1}' -> 200
        GET /b?c=1&d x-kind=1 -> 200
        GET /b?c=1&d -> 200
        saw 7
        origin 200 content-location=/users/me
        PUT /users/me/photo body=x x-weir-user=alice -> 200
        origin 200 content-type=application/json body=y
        GET /users/me x-weir-user=alice -> 200 body=y cache-status~uri-miss
        GET /users/me x-weir-user=bob -> 200 body=y cache-status~uri-miss
        GET /users/all x-weir-user=bob -> 200 body=x cache-status~hit
        GET /s?a=1&b=2 -> 200 body=x cache-status~hit
        origin 200 location="/s?b=2&a=1"
        PUT /c body=x -> 200
        origin 200 content-type=application/json body=y
        GET /s?a=1&b=2 -> 200 body=y cache-status~uri-miss
        POST /s?a=1&b=2 content-type=application/json body='{"q":1}' -> 200 body=y cache-status~uri-miss
        GET /b?c=2&d x-kind=1 -> 200 body=x cache-status~hit
        origin 200
        DELETE /b?c=1&d -> 200
        origin 200 body=y
        GET /b?c=2&d x-kind=1 -> 200 body=y cache-status~uri-miss
        GET /b?c=1&d -> 200 body=y cache-status~uri-miss
    "#,
    );
}
