//! Flights whose answer is stale when it comes: it is stored, to be validated, and answers nobody who waited for it.

use crate::plain;

#[test]
fn an_answer_that_is_stale_when_it_comes_lets_all_go_at_once() {
    for stale in ["", "cache-control=max-age=0", "expires=0", "cache-control=max-age=9 age=20"] {
        plain(&format!(
            r#"
            origin 200 {stale} etag='"v1"' content-type=a/b body=x hold
            start GET /a @1 as a
            saw GET /a
            start GET /a @1 as b
            start GET /a @2 as c
            start GET /a @2 as d
            start GET /a @1 as e
            metric api_gateway_cache_held_total 4
            saw nothing
            release
            finish a -> 200 body=x cache-status~stored
            finish b -> 200 body=x
            finish c -> 200 body=x
            finish d -> 200 body=x
            finish e -> 200 body=x
            saw 4
            metric api_gateway_cache_waits_total{{outcome=alone}} 4
            metric api_gateway_cache_held_total 4 # nobody waits for another leader
        "#
        ));
    }
}

#[test]
fn what_comes_stale_again_and_again_is_waited_for_once() {
    let stale = "cache-control=max-age=9 age=20";
    plain(&format!(
        r#"
        origin 200 {stale} etag='"v1"' content-type=a/b body=x
        GET /a -> 200 body=x cache-status~stored
        saw GET /a
        origin 304 {stale} hold
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        start GET /a @2 as c
        metric api_gateway_cache_held_total 2
        saw nothing
        release
        finish a -> 200 body=x cache-status~"fwd-status=304"
        finish b -> 200 body=x cache-status~"fwd-status=304"
        finish c -> 200 body=x cache-status~"fwd-status=304"
        saw 2
        origin 304 cache-control=max-age=60 age=0 hold
        start GET /a @1 as d
        start GET /a @2 as e
        saw 2
        metric api_gateway_cache_held_total 2
        release
        finish d -> 200 body=x
        finish e -> 200 body=x
        GET /a -> 200 body=x cache-status~hit
    "#
    ));
}

#[test]
fn what_is_never_fresh_is_validated_by_each_for_itself() {
    for stale in ["", "cache-control=max-age=0", "expires=0"] {
        plain(&format!(
            r#"
            origin 200 {stale} etag='"v1"' content-type=a/b body=x
            GET /a -> 200 body=x cache-status~stored
            saw GET /a
            origin 304 {stale} hold
            start GET /a @1 as a
            start GET /a @1 as b
            start GET /a @2 as c
            saw 3
            release
            finish a -> 200 body=x cache-status~"fwd-status=304"
            finish b -> 200 body=x cache-status~"fwd-status=304"
            finish c -> 200 body=x cache-status~"fwd-status=304"
            metric api_gateway_cache_held_total 0
        "#
        ));
    }
}
