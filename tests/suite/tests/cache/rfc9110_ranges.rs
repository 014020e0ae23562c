//! RFC 9110 §14 and §13.1.5: parts of a stored whole.

use suite::check_chain;

use crate::{PLAIN, plain};

#[test]
fn a_part_is_answered_from_a_stored_whole() {
    // cache-tests: partial-store-complete-reuse-partial(-no-last, -suffix), partial-use-stored-headers
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b etag='"v1"' x-a=1 body=0123456789
        GET /a range="bytes=0-1" -> 200 body=0123456789 cache-status="weir; fwd=uri-miss; stored"
        saw GET /a range="bytes=0-1"
        GET /a range="bytes=0-1" -> 206 body=01 content-range="bytes 0-1/10" content-length=2 content-type=a/b x-a=1 \
            cache-status~hit
        GET /a range="bytes=8-" -> 206 body=89 content-range="bytes 8-9/10"
        GET /a range="bytes=-1" -> 206 body=9
        GET /a range="bytes=2-2,8-8" -> 206 content-type~multipart/byteranges body~"Content-Range: bytes 8-8/10"
        GET /a range="bytes=10-" -> 416 !body content-range="bytes */10" !content-type
        GET /a range="bytes=x" -> 200 body=0123456789
        GET /a range="bytes=0-1" if-range='"v1"' -> 206 body=01
        GET /a range="bytes=0-1" if-range='"v0"' -> 200 body=0123456789
        GET /a range="bytes=0-1" if-none-match='"v1"' -> 304 !body
        HEAD /a range="bytes=0-1" -> 200 !body content-length=10
        saw nothing
    "#,
    );
}

#[test]
fn a_part_is_never_stored() {
    // RFC 9111 §3.3 lets a cache that combines parts store them: this one does not.
    plain(
        r#"
        origin 206 cache-control=max-age=60 content-range="bytes 0-1/6" body=ab
        2 times GET /a range="bytes=0-1" -> 206 body=ab cache-status="weir; fwd=uri-miss; detail=status"
        GET /a -> 206 cache-status="weir; fwd=uri-miss; detail=status"
        saw 3
    "#,
    );
}

#[test]
fn a_part_of_another_response_passes() {
    plain(
        r#"
        origin 200 cache-control=no-cache etag='"v1"' content-type=a/b body=0123456789
        GET /a -> 200
        origin 206 etag='"v2"' content-range="bytes 0-1/6" body=ab
        GET /a range="bytes=0-1" -> 206 body=ab etag='"v2"' cache-status="weir; fwd=stale; detail=status"
        saw GET /a range="bytes=0-1" if-none-match='"v1"'
    "#,
    );
}

#[test]
fn many_parts_are_no_more_than_the_whole() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b body="0123456789"
        GET /a -> 200
        GET /a range="bytes=0-,0-,0-,0-,0-" -> 206 body=0123456789
        GET /a range="bytes=0-0,2-2,4-4,6-6,8-8,1-1,3-3,5-5,7-7,9-9" -> 2xx
        GET /a range="bytes=0-0,"*500 -> 200 body=0123456789
        GET /a range="bytes=99999999999999999999-" -> 416
        GET /a range="\xff\xfe" -> 200 body=0123456789
        saw 1
    "#,
    );
}

#[test]
fn a_part_passes_the_filters_before_the_cache() {
    check_chain(
        &[("correlation", "{}"), ("cache", PLAIN)],
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b body=0123456789
        GET /a -> 200
        GET /a range="bytes=0-1" x-request-id=one -> 206 body=01 x-request-id=one x-correlation-id=one
        GET /a range="bytes=99-" x-request-id=two -> 416 x-request-id=two
    "#,
    );
}

#[test]
fn a_range_is_read_as_the_rfc_says() {
    // §14.1.1, §14.1.2, §14.2: what cannot be read is ignored, and a unit's name has no case.
    let mut lines = String::from(
        r"
        origin 200 cache-control=max-age=60 content-type=a/b body=0123456789
        GET /a -> 200
    ",
    );
    for (range, answer) in [
        ("bytes=-100", r#"206 body=0123456789 content-range="bytes 0-9/10""#),
        ("bytes=7-100", r#"206 body=789 content-range="bytes 7-9/10""#),
        ("BYTES=0-0", r#"206 body=0 content-range="bytes 0-0/10""#),
        ("bytes= 2-3 ,, 3-4", r#"206 body=234 content-range="bytes 2-4/10""#),
        ("bytes=20-30,9-9", r#"206 body=9 content-range="bytes 9-9/10""#),
        ("bytes=-0", r#"416 content-range="bytes */10""#),
        ("bytes=10-,-0", r#"416 content-range="bytes */10""#),
        ("bytes=5-2", "200 body=0123456789 !content-range"),
        ("bytes=0-1,5-2", "200 body=0123456789"),
        ("bytes=", "200 body=0123456789"),
        ("bytes=0-1x", "200 body=0123456789"),
        ("bytes=--1", "200 body=0123456789"),
        ("items=0-1", "200 body=0123456789"),
        ("0-1", "200 body=0123456789"),
    ] {
        lines += &format!("GET /a range='{range}' -> {answer} cache-status~hit\n");
    }
    lines += r#"
        GET /a range=bytes=0-1 range=bytes=4-5 -> 200 body=0123456789
        GET /a range="bytes=0-0,4-5" -> 206 !content-range content-type~multipart/byteranges body~"bytes 0-0/10" body~"bytes 4-5/10"
        saw 1
        origin 404 cache-control=max-age=60 content-type=a/b body=0123456789
        GET /missing -> 404
        GET /missing range=bytes=0-1 -> 404 body=0123456789 !content-range cache-status~hit
        origin 200 cache-control=max-age=60 content-type=a/b
        GET /empty -> 200
        GET /empty range=bytes=0- -> 200 !body cache-status~hit
        GET /empty range=bytes=-5 -> 200 !body cache-status~hit
    "#;
    plain(&lines);
}

#[test]
fn a_part_says_what_the_whole_would_have_said() {
    // §15.3.7
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b content-location=/b date="Sun, 06 Nov 2094 08:49:37 GMT" etag='"v1"' \
            expires="Sun, 06 Nov 2094 08:49:37 GMT" vary=x-kind body=0123456789
        GET /a -> 200
        GET /a range=bytes=0-1 -> 206 body=01 cache-control=max-age=60 content-type=a/b content-location=/b \
            date="Sun, 06 Nov 2094 08:49:37 GMT" etag='"v1"' expires="Sun, 06 Nov 2094 08:49:37 GMT" vary=x-kind age=*
    "#,
    );
}

#[test]
fn parts_are_of_what_a_strong_validator_says_or_of_nothing() {
    // §13.1.5, §8.8.2.2, §8.8.3.2
    plain(
        r#"
        origin /weak 200 cache-control=max-age=60 content-type=a/b etag='W/"v1"' body=0123456789
        GET /weak -> 200
        GET /weak range=bytes=0-1 -> 206 body=01
        GET /weak range=bytes=0-1 if-range='W/"v1"' -> 200 body=0123456789 cache-status~hit
        GET /weak range=bytes=0-1 if-range='"v1"' -> 200 body=0123456789
        origin /dated 200 cache-control=max-age=60 content-type=a/b last-modified="Sun, 06 Nov 1994 08:49:37 GMT" body=0123456789
        GET /dated -> 200
        GET /dated range=bytes=0-1 if-range="Sun, 06 Nov 1994 08:49:37 GMT" -> 206 body=01
        GET /dated range=bytes=0-1 if-range="Sun, 06 Nov 1994 08:49:38 GMT" -> 200 body=0123456789
        GET /dated range=bytes=0-1 if-range="Sun, 06 Nov 1994 08:49:36 GMT" -> 200 body=0123456789
        GET /dated range=bytes=0-1 if-range='"v1"' -> 200 body=0123456789
        GET /dated range=bytes=0-1 if-range=v1 -> 200 body=0123456789
        GET /dated if-range="Sun, 06 Nov 1994 08:49:37 GMT" -> 200 body=0123456789
        GET /dated range=bytes=0-1 if-modified-since="Sun, 06 Nov 1994 08:49:37 GMT" -> 304
        GET /dated range=bytes=0-1 if-modified-since="Sun, 06 Nov 1994 08:49:36 GMT" -> 206 body=01
        origin /just 200 cache-control=max-age=60 content-type=a/b last-modified="Sun, 06 Nov 2094 08:49:37 GMT" \
            date="Sun, 06 Nov 2094 08:49:37 GMT" body=0123456789
        GET /just -> 200
        GET /just range=bytes=0-1 if-range="Sun, 06 Nov 2094 08:49:37 GMT" -> 200 body=0123456789
        saw 3
    "#,
    );
}
