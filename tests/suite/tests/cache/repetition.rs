//! A request that says what another said in the same second is answered as that was: it is no other answer than it would be
//! otherwise, and none that somebody else should have, or nobody any more.

use suite::{Scenario, check};

use crate::plain;
use crate::purge::KEY;

#[test]
fn whoever_asks_again_at_once_is_answered_alike() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=text/plain etag='"1"' body=one
        GET /a -> 200
        20 times GET /a @1 -> 200 body=one age=0 etag='"1"' cache-status="weir; hit; ttl=60"
        GET /a @1 x-request-id=abc -> 200 body=one age=0 cache-status="weir; hit; ttl=60"
        20 times GET /a @1 x-request-id=def -> 200 body=one age=0 cache-status="weir; hit; ttl=60"
        20 times HEAD /a @1 -> 200 !body content-length=3 age=0 etag='"1"' cache-status="weir; hit; ttl=60"
        20 times GET /a @1 if-none-match='"1"' -> 304 !body age=0
        20 times GET /a @1 range=bytes=1-1 -> 206 body=n content-range="bytes 1-1/3"
        20 times GET /a @1 -> 200 body=one content-length=3 cache-status="weir; hit; ttl=60"
        metric api_gateway_cache_hits_total 121
        saw 1
        # With content it is another request, whether that is announced or not.
        GET /a @1 body=x -> 200 cache-status="weir; fwd=bypass; detail=content"
        GET /a @1 body=x body=y -> 200 cache-status="weir; fwd=bypass; detail=content"
        GET /a @1 cache-control=no-cache -> 200 cache-status="weir; fwd=request; stored"
        saw 3
        advance 5s
        20 times GET /a @1 -> 200 body=one age=5 cache-status="weir; hit; ttl=55"
        20 times GET /a @2 -> 200 body=one age=5 cache-status="weir; hit; ttl=55"
        advance 999ms
        20 times GET /a @1 -> 200 age=5
        advance 1ms
        20 times GET /a @1 -> 200 age=6
        advance 54s
        origin 200 cache-control=max-age=60 body=two
        GET /a @1 -> 200 body=two cache-status="weir; fwd=stale; stored"
        20 times GET /a @1 -> 200 body=two age=0 cache-status="weir; hit; ttl=60"
        # Where the clock steps back, nobody knows how old that is.
        back 10s
        GET /a @1 -> 200 body=two cache-status="weir; fwd=stale; stored"
    "#,
    );
}

#[test]
fn a_large_answer_is_given_again_whole() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 body="ab"*30000
        GET /a -> 200
        50 times GET /a x-request-id=1 -> 200 body="ab"*30000 content-length=60000 cache-status~hit
        20 times HEAD /a -> 200 !body content-length=60000 cache-status~hit
        saw 1
    "#,
    );
}

#[test]
fn what_changes_in_the_meantime_is_seen_at_once() {
    let config = format!(r#"{{"routes": [{{"match": {{}}, "purge_key_sha256": "{KEY}"}}]}}"#);
    Scenario::new(&[("cache", &config)]).check(
        r#"
        origin 200 cache-control=max-age=60 body=one
        GET /a -> 200
        30 times GET /a @1 -> 200 body=one cache-status~hit
        origin 200 cache-control=max-age=60 body=two
        PURGE /a @2 x-purge-key="open sesame" -> 200
        saw 1
        GET /a @1 -> 200 body=two cache-status="weir; fwd=uri-miss; stored"
        30 times GET /a @1 -> 200 body=two cache-status~hit
        origin 200 cache-control=max-age=60 body=three
        PUT /a @2 body=x -> 200
        GET /a @1 -> 200 body=three cache-status~"fwd=uri-miss"
        30 times GET /a @1 -> 200 body=three cache-status~hit
        origin 200 cache-control=max-age=60 body=four
        GET /a @2 cache-control=no-cache -> 200 body=four
        30 times GET /a @1 -> 200 body=four cache-status~hit
        PURGE /a @2 x-purge-key="open sesame" x-purge="everything&mode=soft" -> 200
        origin 200 cache-control=max-age=60 body=five
        GET /a @1 -> 200 body=five cache-status~"fwd=stale"
        30 times GET /a @1 x-purge-key="open sesame" -> 200 body=five cache-status~hit
    "#,
    );
}

#[test]
fn what_a_response_varies_by_tells_requests_apart() {
    plain(
        r"
        origin 200 cache-control=max-age=60 vary=user-agent body=curl
        GET /a user-agent=curl -> 200
        origin 200 cache-control=max-age=60 vary=user-agent body=wget
        30 times GET /a @1 user-agent=curl x-request-id=1 -> 200 body=curl cache-status~hit
        GET /a @1 user-agent=wget x-request-id=2 -> 200 body=wget cache-status~vary-miss
        30 times GET /a @1 user-agent=wget x-request-id=2 -> 200 body=wget cache-status~hit
        30 times GET /a @1 user-agent=curl x-request-id=3 -> 200 body=curl cache-status~hit
        # One that varies by other fields is nearer: what the older ones vary by decides, too.
        origin 200 cache-control=max-age=60 vary=x-forwarded-for body=near
        GET /a @1 user-agent=lynx x-forwarded-for=10.0.0.1 -> 200 body=near
        30 times GET /a @1 user-agent=lynx x-forwarded-for=10.0.0.1 -> 200 body=near cache-status~hit
        30 times GET /a @1 user-agent=curl x-forwarded-for=10.0.0.2 -> 200 body=curl cache-status~hit
        GET /a @1 user-agent=curl x-forwarded-for=10.0.0.1 -> 200 body=near cache-status~hit
        30 times GET /a @1 user-agent=wget x-forwarded-for=10.0.0.2 -> 200 body=wget cache-status~hit
    ",
    );
}

#[test]
fn callers_are_answered_with_what_is_theirs() {
    let routes = r#"
        {"match": {"prefix": "/ours"}, "shared": true},
        {"match": {"prefix": "/own"}, "isolate": "user"},
        {"match": {"prefix": "/agents", "headers": {"user-agent": "curl"}}},
        {"match": {"prefix": "/public"}}"#;
    check(
        "cache",
        &format!(r#"{{"routes": [{routes}]}}"#),
        r#"
        origin 200 cache-control=max-age=60 body=ours
        GET /ours x-weir-user=alice -> 200
        30 times GET /ours @1 x-weir-user=alice -> 200 body=ours cache-status~hit
        30 times GET /ours @1 x-weir-user=bob -> 200 body=ours cache-status~hit
        saw 1
        GET /ours @1 authorization="Bearer unjudged" -> 200 cache-status="weir; fwd=request; detail=credentials"
        origin 200 cache-control=max-age=60 body=alices
        GET /own x-weir-user=alice -> 200
        30 times GET /own @1 x-weir-user=alice -> 200 body=alices cache-status~hit
        origin 200 cache-control=max-age=60 body=bobs
        GET /own @1 x-weir-user=bob -> 200 body=bobs cache-status~uri-miss
        30 times GET /own @1 x-weir-user=bob -> 200 body=bobs cache-status~hit
        30 times GET /own @1 x-weir-user=alice -> 200 body=alices cache-status~hit
        GET /own @1 -> 200 cache-status="weir; fwd=bypass; detail=isolate"
        origin 200 cache-control=max-age=60 body=curl
        GET /agents user-agent=curl -> 200
        30 times GET /agents @1 user-agent=curl -> 200 body=curl cache-status~hit
        GET /agents @1 user-agent=wget -> 200 cache-status="weir; fwd=bypass"
        origin 200 cache-control="max-age=60, public" body=public
        GET /public authorization="Bearer a" -> 200
        30 times GET /public @1 authorization="Bearer a" -> 200 body=public cache-status~hit
        30 times GET /public @1 authorization="Bearer b" -> 200 body=public cache-status~hit
    "#,
    );
}
