//! RFC 9110 §8.8, §13, §15.4.5: what a client already has, and what only the upstream can say.

use crate::plain;

#[test]
fn an_entity_tag_is_looked_for_in_the_list() {
    // §13.1.2, §8.8.3.2: weakly compared; `*` is whatever is there.
    let mut lines = String::from(
        r#"
        origin /strong 200 cache-control=max-age=60 content-type=a/b etag='"v,1"' last-modified="Sun, 06 Nov 1994 08:49:37 GMT" body=x
        origin /weak 200 cache-control=max-age=60 content-type=a/b etag='W/"v,1"' body=x
        origin /none 200 cache-control=max-age=60 content-type=a/b body=x
        GET /strong -> 200
        GET /weak -> 200
        GET /none -> 200
    "#,
    );
    for (tags, strong, none) in [
        ("*", 304, 304),
        (r#""v,1""#, 304, 200),
        (r#"W/"v,1""#, 304, 200),
        (r#""v0",, W/"v,1" , "v2""#, 304, 200),
        (r#""v", "1""#, 200, 200),
        (r#"w/"v,1""#, 200, 200),
        (r#""V,1""#, 200, 200),
        ("v,1", 200, 200),
        (r#""v,1"#, 200, 200),
    ] {
        for (path, status) in [("strong", strong), ("weak", strong), ("none", none)] {
            lines += &format!("GET /{path} if-none-match='{tags}' -> {status} cache-status~hit\n");
        }
    }
    lines += r#"
        GET /strong if-none-match='"v0"' if-none-match='"v,1"' -> 304
        saw 3
    "#;
    plain(&lines);
}

#[test]
fn a_date_is_compared_where_it_is_one() {
    // §13.1.3, §5.6.7; RFC 9111 §4.3.2: without Last-Modified, by Date.
    let mut lines = String::from(
        r#"
        origin /changed 200 cache-control=max-age=60 content-type=a/b last-modified="Sun, 06 Nov 2094 08:49:37 GMT" body=x
        origin /dated 200 cache-control=max-age=60 content-type=a/b date="Sun, 06 Nov 2094 08:49:37 GMT" body=x
        GET /changed -> 200
        GET /dated -> 200
    "#,
    );
    for (since, status) in [
        ("Sun, 06 Nov 2094 08:49:37 GMT", 304),
        ("Sat Nov  6 08:49:38 2094", 304),
        ("Sun, 06 Nov 2094 08:49:36 GMT", 200),
        ("Sun, 06 Nov 2094 08:49:37", 200),
        ("2094-11-06", 200),
        ("4000000000", 200),
        ("", 200),
    ] {
        for path in ["changed", "dated"] {
            lines += &format!("GET /{path} if-modified-since='{since}' -> {status} cache-status~hit\n");
        }
    }
    lines += r#"
        GET /changed if-modified-since="Sun, 06 Nov 2094 08:49:37 GMT" if-modified-since="Sun, 06 Nov 2094 08:49:37 GMT" -> 200
        HEAD /changed if-modified-since="Sun, 06 Nov 2094 08:49:37 GMT" -> 304 cache-status~hit
        saw 2
    "#;
    plain(&lines);
}

#[test]
fn preconditions_are_for_what_would_have_succeeded() {
    // §13.2.1
    plain(
        r#"
        origin 404 cache-control=max-age=60 content-type=a/b etag='"v1"' last-modified="Sun, 06 Nov 1994 08:49:37 GMT" body=x
        GET /a -> 404
        GET /a if-none-match='"v1"' -> 404 body=x cache-status~hit
        GET /a if-none-match=* -> 404 body=x cache-status~hit
        GET /a if-modified-since="Sun, 06 Nov 1994 08:49:37 GMT" -> 404 body=x cache-status~hit
        origin 301 cache-control=max-age=60 location=/b etag='"v1"'
        GET /moved -> 301
        GET /moved if-none-match='"v1"' -> 301 location=/b cache-status~hit
        saw 2
        origin 203 cache-control=max-age=60 content-type=a/b etag='"v1"' body=x
        GET /other -> 203
        saw GET /other
        GET /other if-none-match='"v1"' -> 304 cache-status~hit
        GET /other range="bytes=0-0" -> 203 body=x cache-status~hit
        origin 304 cache-control=max-age=60 etag='"v1"'
        GET /other if-none-match='"v1"' cache-control=no-cache -> 304 cache-status~validated
        GET /other if-none-match='"v0"' cache-control=no-cache -> 203 body=x cache-status~validated
    "#,
    );
}

#[test]
fn what_only_the_origin_can_judge_is_asked_of_it() {
    // §13.1.1, §13.1.4; RFC 9111 §4.3.2
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b etag='"v1"' last-modified="Sun, 06 Nov 1994 08:49:37 GMT" body=x
        GET /a -> 200
        saw GET /a
        origin 412 cache-control=max-age=60
        GET /a if-match='"v1"' -> 412 cache-status="weir; fwd=bypass; detail=precondition"
        saw GET /a if-match='"v1"'
        GET /a if-unmodified-since="Sun, 06 Nov 1994 08:49:37 GMT" -> 412 cache-status="weir; fwd=bypass; detail=precondition"
        saw GET /a if-unmodified-since=*
        GET /a if-none-match='"v1"' if-match='"v1"' -> 412
        saw GET /a if-none-match='"v1"' if-match='"v1"'
        GET /a -> 200 body=x cache-status~hit
        saw nothing
    "#,
    );
}

#[test]
fn a_304_says_what_the_whole_would_have_said_of_itself() {
    // §15.4.5
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b content-location=/b date="Sun, 06 Nov 2094 08:49:37 GMT" etag='"v1"' \
            expires="Sun, 06 Nov 2094 08:49:37 GMT" vary=x-kind last-modified="Sun, 06 Nov 1994 08:49:37 GMT" body=x
        GET /a -> 200
        GET /a if-none-match='"v1"' -> 304 cache-control=max-age=60 content-location=/b date="Sun, 06 Nov 2094 08:49:37 GMT" \
            etag='"v1"' expires="Sun, 06 Nov 2094 08:49:37 GMT" vary=x-kind age=* !content-type !last-modified !body
        origin 200 cache-control=max-age=60 content-type=a/b last-modified="Sun, 06 Nov 1994 08:49:37 GMT" body=x
        GET /b -> 200
        GET /b if-modified-since="Sun, 06 Nov 1994 08:49:37 GMT" -> 304 last-modified="Sun, 06 Nov 1994 08:49:37 GMT" !body
    "#,
    );
}
