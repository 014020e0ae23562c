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
