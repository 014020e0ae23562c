//! RFC 5861: stale responses that answer while they are refreshed, and where the upstream fails.

use suite::{check, check_chain};

use crate::{PLAIN, plain};

/// Stored a hundred seconds old, so that it is stale in Envoy, too.
const STALE: &str = r#"
        origin 200 cache-control="max-age=1, stale-if-error=3600" age=100 content-type=a/b x-a=1 body=stored
        GET /a -> 200 body=stored cache-status="weir; fwd=uri-miss; stored"
"#;

#[test]
fn a_stale_response_bridges_a_failure() {
    // §4; cache-tests: stale-sie-503, stale-sie-close
    let failures = r#"
        origin 503 x-error=1 body="the upstream's own words, longer than what is stored"
        GET /a -> 200 body=stored content-type=a/b content-length=6 x-a=1 !x-error age>=100 \
            cache-status~/^weir; fwd=stale; fwd-status=503; ttl=-\d+; detail=stale-if-error$/
        origin 500
        GET /a -> 200 body=stored cache-status~fwd-status=500
        origin 502 body="x"*70000
        GET /a -> 200 body=stored content-length=6
        origin 504 body=a body=b
        GET /a -> 200 body=stored
        origin 503 body=abcdef cut
        GET /a -> *
        origin reset
        GET /a -> 200 body=stored cache-status~fwd-status=503
        HEAD /a -> 200 !body content-length=6
        origin 503 body=away
        HEAD /a -> 200 !body content-length=6
        GET /a range="bytes=1-2" -> 206 body=to content-length=2 cache-status~stale-if-error
        origin 404 body=gone
        GET /a -> 404 body=gone
        origin 501 body=never
        GET /a -> 501
        origin 503 body=away
        GET /a cache-control=no-cache -> 503 body=away
    "#;
    plain(&format!("{STALE}{failures}"));
}

#[test]
fn what_forbids_to_be_used_stale_bridges_nothing() {
    // RFC 9111 §4.2.4; cache-tests: stale-close-must-revalidate and its like, stale-503 without leave
    plain(
        r#"
        origin /a 200 cache-control="max-age=1, stale-if-error=3600, must-revalidate" etag='"a"' age=100 content-type=a/b body=x
        origin /b 200 cache-control="max-age=1, stale-if-error=3600, proxy-revalidate" etag='"a"' age=100 content-type=a/b body=x
        origin /c 200 cache-control="s-maxage=1, stale-if-error=3600" etag='"a"' age=100 content-type=a/b body=x
        origin /d 200 cache-control="no-cache, stale-if-error=3600" etag='"a"' content-type=a/b body=x
        origin /e 200 cache-control="max-age=1" etag='"a"' age=100 content-type=a/b body=x
        origin /f 200 cache-control="max-age=1, stale-if-error=50" etag='"a"' age=100 content-type=a/b body=x
        GET /a -> 200 cache-status~stored
        GET /b -> 200 cache-status~stored
        GET /c -> 200 cache-status~stored
        GET /d -> 200 cache-status~stored
        GET /e -> 200 cache-status~stored
        GET /f -> 200 cache-status~stored
        origin /a 503
        origin /b 503
        origin /c 503
        origin /d 503
        origin /e 503
        origin /f 503
        GET /a -> 503
        GET /b -> 503
        GET /c -> 503
        GET /d -> 503
        GET /e -> 503
        GET /e cache-control=stale-if-error=3600 -> 200 body=x
        GET /f -> 503
    "#,
    );
}

#[test]
fn what_forbids_to_be_used_stale_is_not_refreshed_beside() {
    // §3 and RFC 9111 §5.2.2.2, §5.2.2.8, §5.2.2.10: who may not have it stale waits for the validation.
    let mut lines = String::new();
    for (path, said) in [
        ("must", "max-age=1, stale-while-revalidate=3600, must-revalidate"),
        ("proxy", "max-age=1, stale-while-revalidate=3600, proxy-revalidate"),
        ("shared", "s-maxage=1, stale-while-revalidate=3600"),
        ("late", "max-age=1, stale-while-revalidate=50"),
    ] {
        lines += &format!(
            "origin 200 cache-control=\"{said}\" age=100 etag='\"v1\"' content-type=a/b body=x\n\
             GET /{path} -> 200 cache-status~stored\norigin 304 age=100\n\
             2 times GET /{path} -> 200 body=x cache-status~\"fwd=stale; fwd-status=304\"\nsaw 3\n"
        );
    }
    plain(&lines);
}

#[test]
fn a_route_says_how_long_to_do_without_an_upstream() {
    check(
        "cache",
        r#"{"routes": [
            {"match": {"prefix": "/own"}, "stale_if_error": "1h"},
            {"match": {}, "ttl": "1m", "stale_if_error": "1h"}
        ]}"#,
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b body=own
        GET /own -> 200
        origin 200 cache-control="no-cache, must-revalidate" content-type=a/b body=forced
        GET /forced -> 200
        advance 1h
        origin 429 retry-after=5 body=slow
        GET /own -> 200 body=own !retry-after cache-status~"fwd-status=429"
        GET /forced -> 200 body=forced cache-status="weir; fwd=stale; fwd-status=429; ttl=-3540; detail=stale-if-error"
        advance 2m
        GET /own -> 429
        GET /forced -> 429
    "#,
    );
}

#[test]
fn a_client_that_leaves_leaves_the_refresh_to_the_next() {
    plain(
        r#"
        origin 200 cache-control="max-age=1, stale-while-revalidate=3600" age=100 etag='"v1"' content-type=a/b body=old
        GET /a @1 -> 200 body=old
        saw GET /a
        origin 304 cache-control=max-age=60 hold
        start GET /a @1 as first
        saw GET /a if-none-match='"v1"'
        leave first
        release
        origin 304 cache-control=max-age=60
        eventually GET /a @1 -> 200 body=old cache-status~fwd-status=304
        GET /a @1 -> 200 body=old cache-status~hit
    "#,
    );
}

#[test]
fn those_who_come_while_one_refreshes_are_answered_at_once() {
    // §3, and RFC 9111 §5.2.1.7: to ask for what is stored alone is no reason to refresh it.
    let config = r#"{"routes": [{"match": {}, "stale_while_revalidate": "1h"}]}"#;
    check(
        "cache",
        config,
        r#"
        origin 200 cache-control=max-age=60 etag='"v1"' content-type=a/b body=old
        GET /a @1 -> 200 body=old
        saw GET /a
        advance 2m
        GET /a @1 cache-control=only-if-cached -> 200 body=old cache-status="weir; hit; ttl=-60"
        saw nothing
        origin 200 cache-control=max-age=60 etag='"v2"' content-type=a/b body=new hold
        start GET /a @1 as first
        saw GET /a if-none-match='"v1"'
        5 times GET /a @1 -> 200 body=old cache-status="weir; hit; ttl=-60"
        saw nothing
        release
        finish first -> 200 body=new cache-status="weir; fwd=stale; stored"
        2 times GET /a -> 200 body=new cache-status="weir; hit; ttl=60"
        saw nothing
        advance 2h
        origin 200 cache-control=max-age=60 body=newest
        GET /a @1 -> 200 body=newest cache-status="weir; fwd=stale; stored"
    "#,
    );
}

#[test]
fn a_rescued_answer_passes_the_filters_before_the_cache() {
    let lines = r"
        origin 503 body=away
        GET /a x-request-id=one -> 200 body=stored x-request-id=one x-correlation-id=one cache-status~stale-if-error
        origin 503
        GET /a x-request-id=two -> 200 body=stored x-request-id=two x-correlation-id=two cache-status~stale-if-error
        origin reset
        GET /a x-request-id=three -> 200 body=stored x-request-id=three x-correlation-id=three
    ";
    check_chain(&[("correlation", "{}"), ("cache", PLAIN)], &format!("{STALE}{lines}"));
}

#[test]
fn an_open_breaker_is_bridged() {
    let breaker =
        r#"{"breakers": {"b": {"consecutive_failures": 1, "open_for": "1h"}}, "routes": [{"upstream": "b"}]}"#;
    let lines = r"
        origin 503 body=away
        GET /b -> 503
        saw 2
        GET /b -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        GET /a -> 200 body=stored content-type=a/b content-length=6 cache-status~fwd-status=503 cache-status~stale-if-error
        saw nothing
    ";
    check_chain(&[("cache", PLAIN), ("breaker", breaker)], &format!("{STALE}{lines}"));
}

#[test]
fn one_request_refreshes_and_the_others_do_not_wait() {
    // §3; cache-tests: stale-while-revalidate, stale-while-revalidate-window
    plain(
        r#"
        origin 200 cache-control="max-age=1, stale-while-revalidate=3600" age=100 etag='"v1"' content-type=a/b body=old
        GET /a @1 -> 200 body=old cache-status~stored
        saw GET /a
        origin 304 cache-control=max-age=60 hold
        start GET /a @1 as first
        saw GET /a if-none-match='"v1"'
        start GET /b @1 as other
        saw GET /b
        release
        finish first -> 200 body=old cache-status~fwd-status=304
        finish other -> 304
        GET /a @1 -> 200 body=old cache-status~hit
    "#,
    );
}
