//! Who may be answered with what another caller asked for.

use suite::check;

use crate::plain;

#[test]
fn callers_are_not_mixed_up() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 body=secret
        GET /a authorization="Bearer a" -> 200 cache-status="weir; fwd=uri-miss; detail=credentials"
        GET /a x-weir-user=alice -> 200 cache-status="weir; fwd=uri-miss; detail=credentials"
        GET /a -> 200 cache-status="weir; fwd=uri-miss; stored"
        GET /a x-weir-user=alice -> 200 cache-status="weir; fwd=request; detail=credentials"
        GET /a authorization="\xff\xfe" -> 200 cache-status="weir; fwd=request; detail=credentials"
        saw 5
        origin 200 cache-control="max-age=60, public" body=open
        GET /b authorization="Bearer a" -> 200 cache-status="weir; fwd=uri-miss; stored"
        GET /b authorization="Bearer b" -> 200 body=open cache-status~hit
        GET /b x-weir-user=alice -> 200 body=open cache-status~hit
        GET /b -> 200 body=open cache-status~hit
        origin 200 cache-control="max-age=60, public" vary=authorization body=own
        GET /c authorization="Bearer a" -> 200 cache-status="weir; fwd=uri-miss; detail=vary"
        saw 2
    "#,
    );
}

#[test]
fn a_shared_route_answers_whomever_auth_let_through() {
    check(
        "cache",
        r#"{"routes": [{"match": {}, "shared": true}]}"#,
        r#"
        origin 200 cache-control=max-age=60 body=same
        GET /a x-weir-user=alice -> 200 cache-status="weir; fwd=uri-miss; stored"
        GET /a x-weir-user=bob -> 200 body=same cache-status~hit
        GET /a -> 200 body=same cache-status~hit
        GET /a authorization="Bearer unjudged" -> 200 cache-status="weir; fwd=request; detail=credentials"
        saw 2
    "#,
    );
}

#[test]
fn an_isolated_route_answers_each_user_with_what_is_the_users() {
    check(
        "cache",
        r#"{"routes": [{"match": {}, "ttl": "1h", "despite": ["private"], "isolate": "user"}]}"#,
        r#"
        origin 200 cache-control=private body=alices
        GET /a x-weir-user=alice -> 200 cache-status="weir; fwd=uri-miss; stored"
        origin 200 cache-control=private body=bobs
        GET /a x-weir-user=bob -> 200 body=bobs cache-status="weir; fwd=uri-miss; stored"
        GET /a x-weir-user=alice -> 200 body=alices cache-status~hit
        GET /a x-weir-user=alice authorization="Bearer x" -> 200 body=alices cache-status~hit
        GET /a x-weir-user=bob @2 -> 200 body=bobs cache-status~hit
        GET /a x-weir-user=alice x-weir-api-key=alice -> 200 body=bobs cache-status~uri-miss
        GET /a x-weir-user=ALICE -> 200 body=bobs cache-status~uri-miss
        GET /a x-weir-user="alice\xff" -> 200 body=bobs cache-status~uri-miss
        saw 5
        2 times GET /a -> 200 body=bobs cache-status="weir; fwd=bypass; detail=isolate"
        2 times GET /a x-weir-user="" -> 200 cache-status="weir; fwd=bypass; detail=isolate"
        2 times GET /a authorization="Bearer x" -> 200 cache-status="weir; fwd=bypass; detail=isolate"
        saw 6
        PUT /a x-weir-user=alice body=x -> 200
        GET /a x-weir-user=bob -> 200 cache-status~uri-miss
        GET /a x-weir-user=alice -> 200 body=bobs cache-status~uri-miss
    "#,
    );
}

#[test]
fn an_isolated_route_answers_a_tier_alike() {
    check(
        "cache",
        r#"{"routes": [
            {"match": {"methods": ["GET", "POST"]}, "ttl": "1h", "isolate": "tier", "body": {"key": "json"}}
        ]}"#,
        r#"
        origin 200 body=pros
        GET /a x-weir-user=alice x-weir-tier=pro -> 200 cache-status="weir; fwd=uri-miss; stored"
        POST /a x-weir-tier=pro content-type=application/json body={} -> 200 cache-status="weir; fwd=uri-miss; stored"
        origin 200 body=frees
        GET /a x-weir-user=bob x-weir-tier=pro -> 200 body=pros cache-status~hit
        GET /a x-weir-user=carol x-weir-tier=free -> 200 body=frees cache-status="weir; fwd=uri-miss; stored"
        GET /a x-weir-tier=anonymous -> 200 body=frees cache-status="weir; fwd=uri-miss; stored"
        POST /a x-weir-tier=free content-type=application/json body={} -> 200 body=frees cache-status~uri-miss
        POST /a x-weir-user=bob x-weir-tier=pro content-type=application/json body="{ }" -> 200 body=pros cache-status~hit
        GET /a x-weir-user=dave -> 200 body=frees cache-status="weir; fwd=bypass; detail=isolate"
        # A credential that nobody has judged is of no tier.
        GET /a authorization="Bearer x" x-weir-tier=pro -> 200 body=frees cache-status~detail=credentials
    "#,
    );
}
