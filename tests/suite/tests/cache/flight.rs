//! One flight: requests that miss at once are one request to the upstream, and nobody waits in vain for longer than he must.

use std::time::Duration;

use suite::{Scenario, check};

use crate::{PLAIN, plain};

#[test]
fn requests_that_miss_at_once_are_one_to_the_upstream() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 body=x hold
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        start GET /a @2 as c
        start GET /a @2 as d
        start GET /b @2 as other
        saw GET /b
        metric api_gateway_cache_held_total 3
        release
        finish a -> 200 body=x cache-status="weir; fwd=uri-miss; stored"
        finish b -> 200 body=x age=* cache-status~/^weir; fwd=uri-miss; ttl=\d+; collapsed$/
        finish c -> 200 body=x cache-status~collapsed
        finish d -> 200 body=x cache-status~collapsed
        finish other -> 200 cache-status~stored
        saw nothing
        GET /a -> 200 cache-status~hit
        metric api_gateway_cache_hits_total 4
        metric api_gateway_cache_misses_total 2
        metric api_gateway_cache_waits_total{outcome=collapsed} 3
        metric api_gateway_cache_waits_total{outcome=alone} 0
    "#,
    );
}

#[test]
fn who_asks_for_a_stale_response_waits_for_its_validation() {
    plain(
        r#"
        origin 200 cache-control=max-age=1 age=100 etag='"v1"' content-type=a/b body=old
        GET /a -> 200 body=old
        saw GET /a
        origin 304 cache-control=max-age=600 hold
        start GET /a @1 as a
        saw GET /a if-none-match='"v1"'
        start GET /a @2 as b
        start GET /a @1 if-none-match='"v1"' as own
        metric api_gateway_cache_held_total 2
        saw nothing
        release
        finish a -> 200 body=old cache-status~"fwd-status=304"
        finish b -> 200 body=old cache-status~/fwd=stale; ttl=\d+; collapsed/
        finish own -> 304
    "#,
    );
}

#[test]
fn an_answer_that_cannot_be_stored_lets_all_go_at_once_and_the_next_do_not_wait() {
    plain(
        r#"
        origin /a 200 cache-control=private,max-age=60 body=x hold
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        start GET /a @2 as c
        start GET /a @2 as d
        metric api_gateway_cache_held_total 3
        saw nothing
        origin /a 200 cache-control=private,max-age=60 body=x
        finish a -> 200 cache-status~detail=private
        saw 3
        finish b -> 200 cache-status="weir; fwd=uri-miss; detail=private"
        finish c -> 200
        finish d -> 200
        origin /a 200 cache-control=private,max-age=60 body=y hold
        start GET /a @1 as e
        start GET /a @2 as f
        saw 2
        release
        finish e -> 200 body=y
        finish f -> 200 body=y
        metric api_gateway_cache_waits_total{outcome=alone} 3
    "#,
    );
}

#[test]
fn what_is_known_to_be_the_callers_own_may_become_everybodys() {
    plain(
        r"
        origin /a 200 cache-control=private body=x
        2 times GET /a -> 200 cache-status~private
        origin /a 200 cache-control=max-age=60 body=y
        GET /a -> 200 body=y cache-status~stored
        2 times GET /a -> 200 body=y cache-status~hit
        saw 3
    ",
    );
}

#[test]
fn an_answer_that_grows_too_long_lets_all_go_at_once() {
    check(
        "cache",
        r#"{"routes": [{"match": {}}], "object_bytes_max": "1KiB"}"#,
        r#"
        origin /long 200 cache-control=max-age=60 body="x"*600 body="y"*600 hold
        start GET /long @1 as a
        saw GET /long
        start GET /long @1 as b
        start GET /long @2 as c
        metric api_gateway_cache_held_total 2
        origin /long 200 cache-control=max-age=60 body="z"*600 body="z"*600 hold
        release /long
        finish a -> 200 body~xy
        finish b -> 200
        finish c -> 200
        saw 2
        origin /trailers 200 cache-control=max-age=60 body=x trailer:t=1 hold
        start GET /trailers @1 as d
        saw GET /trailers
        start GET /trailers @2 as e
        metric api_gateway_cache_held_total 3
        release /trailers
        finish d -> 200 body=x
        finish e -> 200 body=x
        saw GET /trailers
    "#,
    );
}

#[test]
fn an_upstream_that_fails_keeps_nobody_waiting() {
    plain(
        r"
        origin 503 body=away hold
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        start GET /a @2 as c
        metric api_gateway_cache_held_total 2
        saw nothing
        origin reset
        finish a -> 503
        saw 2
        finish b -> 503
        finish c -> 503
        origin 200 cache-control=max-age=60 body=x hold
        start GET /a @1 as d
        start GET /a @2 as e
        saw 2
        release
        finish d -> 200
        finish e -> 200
    ",
    );
}

#[test]
fn a_leader_that_leaves_is_followed_by_one_of_those_who_wait() {
    plain(
        r"
        origin 200 cache-control=max-age=60 body=x hold
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        start GET /a @2 as c
        start GET /a @2 as d
        metric api_gateway_cache_held_total 3
        saw nothing
        leave a
        saw GET /a
        saw nothing
        release
        finish b -> 200 body=x
        finish c -> 200 body=x
        finish d -> 200 body=x
        saw nothing
        GET /a -> 200 cache-status~hit
    ",
    );
}

#[test]
fn those_who_lose_leader_after_leader_go_on_alone() {
    plain(
        r"
        origin 200 cache-control=max-age=60 body=x hold
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        advance 1ms
        start GET /a @1 as c
        advance 1ms
        start GET /a @1 as d
        start GET /a @2 as e
        start GET /a @2 as f
        leave a
        saw GET /a
        leave b
        saw GET /a
        leave c
        saw 3
        release
        finish d -> 200
        finish e -> 200
        finish f -> 200
    ",
    );
}

#[test]
fn nobody_waits_for_longer_than_the_configuration_says() {
    check(
        "cache",
        r#"{"routes": [{"match": {}}], "flight": {"max_wait": "300ms"}}"#,
        r"
        origin 200 cache-control=max-age=60 body=x hold
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        start GET /a @2 as c
        metric api_gateway_cache_held_total 2
        saw 2
        release
        finish a -> 200
        finish b -> 200 body=x cache-status~stored
        finish c -> 200 body=x
        metric api_gateway_cache_waits_total{outcome=alone} 2
    ",
    );
}

#[test]
fn so_many_wait_and_no_more_and_one_that_leaves_makes_room() {
    check(
        "cache",
        r#"{"routes": [{"match": {}}], "flight": {"max_wait": "1m", "max_waiting": 1}}"#,
        r"
        origin 200 cache-control=max-age=60 body=x hold
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        start GET /a @1 as c
        saw GET /a
        leave b
        start GET /a @1 as d
        saw nothing
        start GET /a @1 as e
        saw GET /a
        advance 5s
        release
        finish a -> 200
        finish c -> 200
        finish d -> 200 cache-status~collapsed
        finish e -> 200
        metric api_gateway_cache_waits_total{outcome=full} 2
    ",
    );
    let off = r#"{"routes": [{"match": {}}], "flight": {"max_waiting": 0}}"#;
    check(
        "cache",
        off,
        r"
        origin 200 cache-control=max-age=60 body=x hold
        start GET /a @1 as a
        start GET /a @1 as b
        saw 2
        release
        finish a -> 200
        finish b -> 200
    ",
    );
}

#[test]
fn requests_that_want_more_than_another_gets_do_not_wait() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 etag='"v"' body=abc hold
        start GET /a as a
        saw GET /a
        start GET /a range="bytes=0-1" as range
        start GET /a cache-control=no-cache as new
        start GET /a cache-control=max-age=0 as young
        start HEAD /a as head
        start GET /a authorization=x as somebody
        saw 5
        GET /a cache-control=only-if-cached -> 504
        release
        finish a -> 200
        finish range -> 200
        finish new -> 200
        finish young -> 200
        finish head -> 200
        finish somebody -> 200
    "#,
    );
}

#[test]
fn requests_that_an_answer_varies_by_fly_apart() {
    plain(
        r"
        origin 200 cache-control=max-age=60 vary=x-kind body=x hold
        start GET /a @1 x-kind=1 as a
        saw GET /a
        start GET /a @1 x-kind=2 as b
        start GET /a @2 x-kind=2 as c
        start GET /a @2 x-kind=1 as d
        metric api_gateway_cache_held_total 3
        saw nothing
        origin 200 cache-control=max-age=60 vary=x-kind body=y
        finish a -> 200 body=x
        finish d -> 200 body=x cache-status~collapsed
        finish b -> 200 body=y
        finish c -> 200 body=y
        saw GET /a x-kind=2
        saw nothing
        4 times GET /a x-kind=2 -> 200 body=y cache-status~hit
    ",
    );
}

#[test]
fn a_clock_that_steps_back_lets_all_who_wait_go_on() {
    plain(
        r"
        advance 1d
        origin 200 cache-control=max-age=60 body=x hold
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        start GET /a @2 as c
        back 1h
        saw 2
        release
        finish a -> 200
        finish b -> 200
        finish c -> 200
    ",
    );
}

#[test]
fn who_waits_for_longer_than_the_proxy_allows_is_told_so() {
    Scenario::new(&[("cache", PLAIN)]).request_timeout(Duration::from_secs(2)).check(
        r#"
        origin 200 cache-control=max-age=60 body=x hold
        start GET /a as first
        saw GET /a
        GET /a -> 504 cache-status="weir; detail=wait"
        release
        finish first -> 200 body=x cache-status="weir; fwd=uri-miss; stored"
    "#,
    );
}
