//! One flight of requests that have an answer already, and of those whose answer is overtaken.

use crate::plain;

#[test]
fn browsers_that_have_what_is_stale_are_one_to_the_upstream() {
    // What the first of them has is not asked about: what is stored is, so that the answer is good for all.
    plain(
        r#"
        origin 200 cache-control=max-age=1 age=100 etag='"v1"' content-type=a/b body=old
        GET /a -> 200 body=old
        saw GET /a
        origin 304 cache-control=max-age=600 etag='"v1"' hold
        start GET /a @1 if-none-match='"v0"' as a
        saw GET /a if-none-match='"v1"'
        start GET /a @1 if-none-match='"v1"' as b
        start GET /a @2 if-none-match='"v1"' as c
        start GET /a @2 if-none-match='"v0"' as d
        start GET /a @2 if-modified-since="Sun, 06 Nov 1994 08:49:37 GMT" as e
        metric api_gateway_cache_held_total 4
        saw nothing
        release
        finish a -> 200 body=old
        finish b -> 304 cache-status~collapsed
        finish c -> 304 cache-status~collapsed
        finish d -> 200 body=old cache-status~collapsed
        finish e -> 200 body=old cache-status~collapsed
        saw nothing
    "#,
    );
}

#[test]
fn who_has_something_that_is_not_stored_leads_nobody() {
    plain(
        r#"
        origin 304 cache-control=max-age=60 etag='"v"' hold
        start GET /a @1 if-none-match='"v"' as known
        saw GET /a if-none-match='"v"'
        start GET /a @2 if-none-match='"v"' as other
        saw GET /a if-none-match='"v"'
        origin 200 cache-control=max-age=60 content-type=a/b etag='"v"' body=x hold
        start GET /a @1 as whole
        saw GET /a
        start GET /a @2 if-none-match='"v"' as late
        metric api_gateway_cache_held_total 1
        saw nothing
        release
        finish known -> 304
        finish other -> 304
        finish whole -> 200 body=x
        finish late -> 304 cache-status~collapsed
    "#,
    );
}

#[test]
fn those_whose_answer_is_overtaken_by_a_change_are_one_to_the_upstream_once_more() {
    plain(
        r"
        origin /a 200 cache-control=max-age=60 body=x hold
        origin /b 204 location=/a
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        start GET /a @2 as c
        start GET /a @2 as d
        metric api_gateway_cache_held_total 3
        saw nothing
        PUT /b -> 204
        saw PUT /b
        # This also lets the first go on.
        origin /a 200 cache-control=max-age=60 body=y
        finish a -> 200 body=x
        finish b -> 200 body=y
        finish c -> 200 body=y
        finish d -> 200 body=y
        saw GET /a
        saw nothing
        metric api_gateway_cache_waits_total{outcome=collapsed} 2
    ",
    );
}
