//! RFC 9213: what is said to caches like this one alone.

use crate::plain;

#[test]
fn directives_for_this_cache_replace_the_others() {
    // §2.1 and §2.2; cache-tests: cdn-*
    plain(
        r#"
        origin /long 200 cdn-cache-control=max-age=60 cache-control=no-store expires=0 body=x
        GET /long -> 200 cache-status="weir; fwd=uri-miss; stored"
        GET /long -> 200 cdn-cache-control=max-age=60 cache-control=no-store cache-status~hit
        origin /short 200 cdn-cache-control=max-age=0 cache-control=max-age=60 body=x
        2 times GET /short -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        origin /aged 200 cdn-cache-control=max-age=60 age=60 body=x
        2 times GET /aged -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        origin /none 200 cdn-cache-control=no-store cache-control=max-age=60 body=x
        2 times GET /none -> 200 cache-status="weir; fwd=uri-miss; detail=no-store"
        origin /own 200 cdn-cache-control=private cache-control=max-age=60 body=x
        2 times GET /own -> 200 cache-status="weir; fwd=uri-miss; detail=private"
        origin /check 200 cdn-cache-control=no-cache cache-control=max-age=60 body=x
        2 times GET /check -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        origin /lines 200 cdn-cache-control="foobar;x=1" cdn-cache-control="max-age=60" body=x
        GET /lines -> 200 cache-status~stored
        origin /broken 200 cdn-cache-control="max-age =60" cache-control=no-store body=x
        2 times GET /broken -> 200 cache-status="weir; fwd=uri-miss; detail=no-store"
        origin /text 200 cdn-cache-control='max-age="60"' cache-control=no-store body=x
        2 times GET /text -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        origin /lax 200 cdn-cache-control="max-age=6.5" cache-control=max-age=60 body=x
        2 times GET /lax -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        origin /beside 200 cdn-cache-control='max-age="60", no-store' cache-control=max-age=60 body=x
        2 times GET /beside -> 200 cache-status="weir; fwd=uri-miss; detail=no-store"
        origin /junk 200 cdn-cache-control="max-age=60, &&&&&" cache-control=no-store body=x
        2 times GET /junk -> 200 cache-status="weir; fwd=uri-miss; detail=no-store"
        origin /empty 200 cdn-cache-control="" cache-control=max-age=60 body=x
        GET /empty -> 200 cache-status~stored
        origin /bytes 200 cdn-cache-control="\xff" cache-control=max-age=60 body=x
        GET /bytes -> 200 cache-status~stored
        origin /surrogate 200 surrogate-control=max-age=60 body=x
        2 times GET /surrogate -> 200 surrogate-control=max-age=60 cache-status="weir; fwd=uri-miss; detail=not-fresh"
    "#,
    );
}

#[test]
fn what_is_said_to_all_caches_neither_allows_nor_forbids_beside_it() {
    // §2.2: of Cache-Control and Expires nothing counts, whichever way.
    plain(
        r#"
        origin /auth 200 cdn-cache-control="max-age=60, public" cache-control=private body=x
        GET /auth authorization="Bearer a" -> 200 cache-status~stored
        GET /auth authorization="Bearer b" -> 200 body=x cache-status~hit
        origin /own 200 cdn-cache-control=max-age=60 cache-control="max-age=60, public" body=x
        2 times GET /own authorization="Bearer a" -> 200 cache-status="weir; fwd=uri-miss; detail=credentials"
        origin /expires 200 cdn-cache-control=public expires="Thu, 18 Aug 2050 02:01:18 GMT" body=x
        2 times GET /expires -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        origin /kept 200 cdn-cache-control="max-age=1, stale-if-error=3600" cache-control="max-age=1, must-revalidate" age=100 content-type=a/b body=x
        GET /kept -> 200 cache-status~stored
        origin /kept 503
        GET /kept -> 200 body=x cache-status~stale-if-error
        origin /must 200 cdn-cache-control="max-age=1, must-revalidate, stale-if-error=3600" cache-control=max-age=60 age=100 \
            etag='"v1"' content-type=a/b body=x
        GET /must -> 200 cache-status~stored
        origin /must 503
        GET /must -> 503
    "#,
    );
}

#[test]
fn a_field_that_is_too_long_to_be_read_stores_nothing() {
    let many = "a=1,".repeat(1024);
    plain(&format!(
        r#"
        origin /many 200 cdn-cache-control="{many} no-store" cache-control="max-age=60" body=x
        2 times GET /many -> 200 cache-status="weir; fwd=uri-miss; detail=no-store"
        origin /fits 200 cdn-cache-control="{} max-age=60" body=x
        GET /fits -> 200 cache-status~stored
        GET /fits -> 200 cache-status~hit
    "#,
        "a=1,".repeat(1023)
    ));
}
