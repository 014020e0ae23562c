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
