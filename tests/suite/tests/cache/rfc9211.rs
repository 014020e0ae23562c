//! RFC 9211: each answer says what became of its request, those of the filter's own too.

use suite::check;

use crate::purge::KEY;

#[test]
fn each_answer_says_what_became_of_its_request() {
    let config = format!(
        r#"{{"routes": [{{"match": {{"prefix": "/api/"}}, "stale_if_error": "1h", "purge_key_sha256": "{KEY}"}}]}}"#
    );
    check(
        "cache",
        &config,
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b etag='"v1"' body=0123456789
        GET /other -> 200 cache-status="weir; fwd=bypass"
        OPTIONS /api/a -> 200 cache-status="weir; fwd=method"
        HEAD /api/a -> 200 cache-status="weir; fwd=uri-miss; detail=request"
        GET /api/a cache-control=only-if-cached -> 504 cache-status="weir; detail=only-if-cached"
        GET /api/a -> 200 cache-status="weir; fwd=uri-miss; stored"
        GET /api/a -> 200 cache-status~/^weir; hit; ttl=\d+$/
        HEAD /api/a -> 200 cache-status~/^weir; hit; ttl=\d+$/
        GET /api/a if-none-match='"v1"' -> 304 cache-status~/^weir; hit; ttl=\d+$/
        GET /api/a range=bytes=0-1 -> 206 cache-status~/^weir; hit; ttl=\d+$/
        GET /api/a range=bytes=0-0,5-5 -> 206 cache-status~/^weir; hit; ttl=\d+$/
        GET /api/a range=bytes=99- -> 416 cache-status~/^weir; hit; ttl=\d+$/
        origin 304 cache-control=max-age=60
        GET /api/a cache-control=no-cache -> 200 cache-status~/^weir; fwd=request; fwd-status=304; ttl=\d+; stored; detail=validated$/
        GET /api/a cache-control=no-cache range=bytes=99- -> 416 cache-status~/^weir; fwd=request; fwd-status=304; ttl=\d+; stored; detail=validated$/
        origin 503
        GET /api/a cache-control=max-age=0 -> 200 cache-status~/^weir; fwd=request; fwd-status=503; ttl=\d+; detail=stale-if-error$/
        origin reset
        GET /api/b -> 503 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        origin 200 cache-control=max-age=60 content-length=9 body=abc cut
        GET /api/c -> * cache-status="weir; fwd=uri-miss; stored"
        PURGE /api/a -> 403 cache-status="weir; detail=purge"
        PURGE /api/a x-purge-key="open sesame" x-purge=nothing -> 400 cache-status="weir; detail=purge"
        PURGE /api/a x-purge-key="open sesame" x-purge=mode=soft -> 200 cache-status="weir; detail=purge"
        PURGE /api/a x-purge-key="open sesame" -> 200 cache-status="weir; detail=purge"
        PURGE /other x-purge-key="open sesame" -> * cache-status="weir; fwd=method"
    "#,
    );
}
