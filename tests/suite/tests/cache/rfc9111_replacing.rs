//! RFC 9111 §4.3.3: a full answer to a validation takes the place of what is stored, or leaves no use for it.

use suite::check;

use crate::plain;

#[test]
fn another_response_takes_the_place_of_one_that_is_not_confirmed() {
    // §4.3.3
    plain(
        r#"
        origin 200 cache-control=no-cache etag='"v1"' content-type=a/b body=one
        GET /a -> 200 body=one cache-status="weir; fwd=uri-miss; stored"
        origin 200 cache-control=max-age=60 etag='"v2"' content-type=a/b body=two
        GET /a -> 200 body=two cache-status="weir; fwd=stale; stored"
        saw GET /a if-none-match='"v1"'
        GET /a -> 200 body=two cache-status~hit
        saw nothing
        origin 200 cache-control=no-store body=three
        GET /a cache-control=no-cache -> 200 body=three cache-status="weir; fwd=request; detail=no-store"
        saw GET /a if-none-match='"v2"'
        GET /a -> 200 body=three cache-status="weir; fwd=uri-miss; detail=no-store"
    "#,
    );
}

#[test]
fn what_another_answer_refutes_stands_in_for_no_failure_though_that_is_not_kept() {
    // §4.3.3
    let mut lines = String::new();
    for (number, (asked, answer, ends)) in [
        ("GET", "404 cache-control=no-store body=gone", true),
        ("GET", "403 cache-control=no-store", true),
        ("GET", "200 cache-control=private etag='\"v2\"' body=own", true),
        ("GET", "200 cache-control=no-store etag='\"v2\"' body=two", true),
        ("GET", "200 cache-control=max-age=60 set-cookie=a=b body=two", true),
        ("GET", "418 body=x", true),
        ("GET", "200 cache-control=max-age=60 body='0123456789'*1000", true),
        ("HEAD", "404 cache-control=no-store", false),
        ("GET", "501 cache-control=no-store", false),
        ("GET", "206 cache-control=no-store content-range='bytes 0-1/4' body=ol", false),
    ]
    .into_iter()
    .enumerate()
    {
        let status = &answer[..3];
        let after = if ends { "503" } else { "200 body=kept cache-status~stale-if-error" };
        lines += &format!(
            "origin 200 cache-control=max-age=1 age=100 etag='\"v1\"' content-type=a/b body=kept\n\
             GET /{number} -> 200 cache-status~stored\nsaw GET /{number}\norigin {answer}\n\
             {asked} /{number} -> {status}\nsaw {asked} /{number} if-none-match='\"v1\"'\n\
             origin 503\nGET /{number} -> {after}\nsaw GET /{number}\n"
        );
    }
    let config = r#"{"routes": [{"match": {}, "stale_if_error": "1d"}], "object_bytes_max": "4KiB"}"#;
    check("cache", config, &lines);
}

#[test]
fn an_answer_that_is_not_whole_takes_nobodys_place() {
    // §3.3, §4.3.3
    plain(
        r#"
        origin 200 cache-control=max-age=1 age=100 etag='"v1"' content-type=a/b body=0123456789
        GET /a -> 200 cache-status~stored
        origin 200 cache-control=max-age=60 etag='"v2"' content-length=9 body=abc cut
        GET /a -> *
        GET /a cache-control=only-if-cached -> 504
        GET /a cache-control="only-if-cached, max-stale" -> 200 body=0123456789 etag='"v1"'
        origin 206 cache-control=max-age=60 etag='"v1"' content-range="bytes 0-1/10" content-type=a/b body=01
        GET /a range=bytes=0-1 -> 206 body=01 cache-status="weir; fwd=stale; detail=status"
        GET /a cache-control="only-if-cached, max-stale" -> 200 body=0123456789 age>=100
        origin 304 cache-control=max-age=60 etag='"v1"'
        GET /a cache-control=no-store -> 200 body=0123456789 cache-status~/^weir; fwd=stale; fwd-status=304; ttl=-?\d+; detail=validated$/
        GET /a cache-control=only-if-cached -> 504
    "#,
    );
}
