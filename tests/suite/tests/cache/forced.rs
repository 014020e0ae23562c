//! What a route says, whatever the upstream says: lifetimes, searches by their bodies, queries in order.

use suite::{Scenario, check, refuses};

use crate::plain;
use crate::storage::goes_on;

/// Searches below `/search`, for an hour; everything else by the responses' own words.
const SEARCHES: &str = r#"{"routes": [
    {"match": {"prefix": "/search"}, "upstream": "spotify", "data_type": "search_results", "ttl": "1h",
     "body": {"key": "json", "max": "1KiB", "wait": "2s"}},
    {"match": {}}
]}"#;

/// A scenario's lines, in which `J` stands for the header of JSON.
#[track_caller]
fn searches(lines: &str) {
    check("cache", SEARCHES, &lines.replace(" J ", " content-type=application/json "));
}

#[test]
fn what_a_route_no_longer_overlooks_answers_nobody() {
    let config = |despite: &str| format!(r#"{{"routes": [{{"match": {{}}, "ttl": "1h"{despite}}}]}}"#);
    let all = r#", "despite": ["private", "no-store", "set-cookie"]"#;
    for (answer, rest) in [
        ("cache-control=private", r#"["no-store", "set-cookie"]"#),
        ("cache-control=no-store", r#"["private", "set-cookie"]"#),
        ("set-cookie=a=b", r#"["private", "no-store"]"#),
    ] {
        let rest = format!(r#", "despite": {rest}"#);
        let mut stage = Scenario::new(&[("cache", &config(all))]).host().expect("the host starts");
        goes_on(&mut stage, &format!("origin 200 {answer} body=x\nGET /a -> 200 cache-status~stored"));
        goes_on(&mut stage, "origin /b 200 body=x\nGET /b -> 200\nGET /a @1 -> 200 cache-status~hit");
        for (despite, expected) in [(rest.as_str(), "fwd=bypass"), ("", "fwd=bypass"), (all, "hit")] {
            stage.host.reload("cache", config(despite)).expect("the configuration is good");
            goes_on(&mut stage, &format!("GET /b -> 200 cache-status~hit\nGET /a -> 200 cache-status~{expected}"));
        }
    }
}

#[test]
fn what_is_not_there_is_kept_for_a_while_of_its_own() {
    check(
        "cache",
        r#"{"routes": [
            {"match": {"prefix": "/track/"}, "ttl": "30d", "negative": "5m"},
            {"match": {"prefix": "/plain/"}, "negative": "5m"}
        ]}"#,
        r#"
        origin 404 cache-control=no-cache content-type=application/json body='{"error": 1}'
        GET /track/1 -> 404 cache-status="weir; fwd=uri-miss; stored"
        GET /track/1 -> 404 body.error=1 cache-status="weir; hit; ttl=300"
        origin 410
        GET /track/2 -> 410 cache-status~stored
        GET /track/2 -> 410 !body cache-status~hit
        origin 500 body=x
        2 times GET /track/3 -> 500 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        origin 200 body=there
        advance 299s
        GET /track/1 -> 404 cache-status="weir; hit; ttl=1"
        advance 1s
        GET /track/1 -> 200 body=there cache-status="weir; fwd=stale; stored"
        advance 29d
        GET /track/1 -> 200 body=there cache-status~hit
        2 times GET /plain/1 -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        origin 404 body=gone
        GET /plain/1 -> 404 cache-status="weir; fwd=uri-miss; stored"
        GET /plain/1 -> 404 cache-status="weir; hit; ttl=300"
    "#,
    );
}

#[test]
fn a_search_is_answered_from_one_that_says_the_same() {
    searches(
        r#"
        origin 200 content-type=application/json body='{"results": [1]}'
        POST /search J body='{"artist": "a", "title": "b", "limit": 10}' -> 200 cache-status="weir; fwd=uri-miss; stored"
        saw POST /search content-type=application/json body='{"artist": "a", "title": "b", "limit": 10}'
        POST /search J body='{"limit":10.0,"title":"\u0062","artist":"a"}' -> 200 body.results.0=1 cache-status~hit
        POST /search J body=' { "limit" : 1e1, "title":"b" ,"artist" : "a" } ' -> 200 body.results.0=1 cache-status~hit
        POST /search J body='{"limit":10,"tit' body='le":"b","artist"' body=':"a"}' -> 200 body.results.0=1 cache-status~hit
        POST /search content-type="application/json; charset=utf-8" body='{"artist":"a","title":"b","limit":10}' -> 200 \
            cache-status~hit
        saw nothing
        metric api_gateway_cache_hits_total{provider=spotify,data_type=search_results} 4
        metric api_gateway_cache_misses_total{provider=spotify,data_type=search_results} 1
        advance 1h
        POST /search J body='{"artist":"a","title":"b","limit":10}' -> 200 cache-status="weir; fwd=stale; stored"
        saw 1
    "#,
    );
}

#[test]
fn searches_that_differ_are_answered_apart() {
    searches(
        r#"
        origin 200 body=x
        POST /search J body='{"a":1}' -> 200 cache-status~uri-miss
        POST /search J body='{"a":"1"}' -> 200 cache-status~uri-miss
        POST /search J body='{"a":[1]}' -> 200 cache-status~uri-miss
        POST /search J body='{"A":1}' -> 200 cache-status~uri-miss
        POST /search J body='{"a":1,"b":null}' -> 200 cache-status~uri-miss
        POST /search J body='{"a":9007199254740993}' -> 200 cache-status~uri-miss
        POST /search J body='{"a":9007199254740992}' -> 200 cache-status~uri-miss
        POST /search J body='{"a":9007199254740993.0}' -> 200 cache-status~hit
        POST /search J body='{}' -> 200 cache-status~uri-miss
        POST /search J body='[]' -> 200 cache-status~uri-miss
        POST /search?q J body='{}' -> 200 cache-status~uri-miss
        POST /search/x J body='{}' -> 200 cache-status~uri-miss
        POST /search J host=other body='{}' -> 200 cache-status~uri-miss
        GET /search -> 200 cache-status~uri-miss
        HEAD /search -> 200 cache-status~hit
        POST /search J body='{"a":1}' -> 200 cache-status~hit
        GET /search -> 200 cache-status~hit
        saw 13
    "#,
    );
}

#[test]
fn what_cannot_be_a_key_passes_and_changes_nothing_where_it_is_refused() {
    searches(
        r#"
        origin 200 body=x
        POST /search J body='{"a":1}' -> 200 cache-status~stored
        GET /search -> 200 cache-status~stored
        POST /search J body='"\u0000"' -> 200 cache-status~stored
        origin 400 body=x
        POST /search J body='{"a":1,"a":1}' -> 400 cache-status="weir; fwd=bypass; detail=body"
        POST /search J body='{"a":1' -> 400 cache-status="weir; fwd=bypass; detail=body"
        POST /search J body='{"a":01}' -> 400 cache-status="weir; fwd=bypass; detail=body"
        POST /search J body='"\ud800"' -> 400 cache-status="weir; fwd=bypass; detail=body"
        POST /search J body="\0" -> 400 cache-status="weir; fwd=bypass; detail=body"
        POST /search J body="\"\xff\"" -> 400 cache-status="weir; fwd=bypass; detail=body"
        POST /search J body="["*1000 -> 400 cache-status="weir; fwd=bypass; detail=body"
        POST /search -> 400 cache-status="weir; fwd=bypass; detail=request"
        POST /search body='{"a":1}' -> 400 cache-status="weir; fwd=bypass; detail=content-type"
        POST /search content-type=text/plain body='{"a":1}' -> 400 cache-status="weir; fwd=bypass; detail=content-type"
        POST /search J content-encoding=gzip body='{"a":1}' -> 400 cache-status="weir; fwd=bypass; detail=request"
        POST /search J if-none-match=* body='{"a":1}' -> 400 cache-status="weir; fwd=bypass; detail=request"
        POST /search J range=bytes=0-0 body='{"a":1}' -> 400 cache-status="weir; fwd=bypass; detail=request"
        POST /search J if-match=* body='{"a":1}' -> 400 cache-status="weir; fwd=bypass; detail=precondition"
        origin 200 body=x
        POST /search J body='{"a":1}' trailer:t=1 -> 200 cache-status~fwd=bypass
        saw POST /search trailer:t=1 body='{"a":1}'
        POST /search J body='{"a":1}' -> 200 cache-status~hit
        GET /search -> 200 cache-status~hit
        saw nothing
    "#,
    );
}

#[test]
fn a_body_that_is_too_long_passes_whole() {
    searches(
        r#"
        origin 200 body=x
        POST /search J body="["*1048000 -> 200 cache-status="weir; fwd=bypass; detail=size"
        POST /search J body="["*2000 body="]"*2000 -> 200 cache-status="weir; fwd=bypass; detail=size"
        saw POST /search body~[[[
        POST /search J body="["*60 body="]"*60 -> 200 cache-status~stored
        POST /search J body="["*60 body="]"*60 -> 200 cache-status~hit
        POST /search J body="["*500 body="]"*500 -> 200 cache-status="weir; fwd=bypass; detail=body"
    "#,
    );
}

#[test]
fn a_search_says_what_it_wants_of_the_cache() {
    searches(
        r#"
        POST /search J cache-control=only-if-cached body='{"a":1}' -> 504
        saw nothing
        origin 200 body=x
        POST /search J cache-control=no-store body='{"a":1}' -> 200 cache-status="weir; fwd=uri-miss; detail=request"
        POST /search J body='{"a":1}' -> 200 cache-status="weir; fwd=uri-miss; stored"
        POST /search J cache-control=no-cache body='{"a":1}' -> 200 cache-status="weir; fwd=request; stored"
        POST /search J cache-control=only-if-cached body='{"a":1}' -> 200 cache-status~hit
        saw 3
    "#,
    );
}

#[test]
fn a_search_without_a_lifetime_of_the_route_needs_one_of_the_upstream() {
    check(
        "cache",
        r#"{"routes": [{"match": {}, "heuristic_max": "1h", "stale_if_error": "1h", "body": {"key": "json"}}]}"#,
        r#"
        origin /heuristic 200 last-modified="Sun, 06 Nov 1994 08:49:37 GMT" etag='"v1"' body=x
        2 times POST /heuristic content-type=application/json body={} -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        2 times GET /heuristic -> 200
        origin /said 200 cache-control=max-age=60 etag='"v1"' content-type=a/b body=said
        POST /said content-type=application/json body={} -> 200 cache-status="weir; fwd=uri-miss; stored"
        POST /said content-type=application/json body={} -> 200 body=said cache-status~hit
        advance 60s
        saw 4
        POST /said content-type=application/json body={} -> 200 cache-status="weir; fwd=stale; stored"
        saw POST /said !if-none-match !if-modified-since body={}
        advance 60s
        origin /said 503 content-type=a/b body=failed
        POST /said content-type=application/json body={} -> 200 body=said cache-status~stale-if-error
    "#,
    );
}

#[test]
fn a_stale_search_is_refreshed_by_one_that_has_its_body() {
    check(
        "cache",
        r#"{"routes": [{"match": {}, "ttl": "1m", "stale_while_revalidate": "1h", "body": {"key": "json"}}]}"#,
        r#"
        origin 200 body=old
        POST /search content-type=application/json body='{"a":1}' -> 200 cache-status~stored
        advance 61s
        origin 200 body=new hold
        start POST /search @1 content-type=application/json body='{"a": 1}' as first
        saw POST /search body='{"a": 1}'
        POST /search @1 content-type=application/json body='{"a":1}' -> 200 body=old cache-status="weir; hit; ttl=-1"
        release
        finish first -> 200 body=new cache-status="weir; fwd=stale; stored"
        POST /search content-type=application/json body='{"a":1}' -> 200 body=new cache-status~hit
    "#,
    );
}

#[test]
fn what_changes_a_url_ends_its_searches() {
    searches(
        r#"
        origin 200 body=x
        POST /search J body='{"a":1}' -> 200 cache-status~stored
        POST /search J body='{"a":2}' -> 200 cache-status~stored
        POST /search/other J body='{"a":1}' -> 200 cache-status~stored
        GET /search -> 200 cache-status~stored
        origin 500 body=x
        PUT /search body=x -> 500 cache-status="weir; fwd=method"
        POST /search J body='{"a":1}' -> 200 cache-status~hit
        origin 200 body=y
        PUT /search body=x -> 200 cache-status="weir; fwd=method"
        POST /search J body='{"a":1}' -> 200 body=y cache-status="weir; fwd=uri-miss; stored"
        POST /search J body='{"a":2}' -> 200 body=y cache-status="weir; fwd=uri-miss; stored"
        GET /search -> 200 body=y cache-status="weir; fwd=uri-miss; stored"
        POST /search J body='{"a":1}' -> 200 body=y cache-status~hit
        POST /search/other J body='{"a":1}' -> 200 body=x cache-status~hit
    "#,
    );
}

#[test]
fn a_post_elsewhere_is_what_it_always_was() {
    plain(
        r"
        origin 200 cache-control=max-age=60 body=x
        GET /a -> 200 cache-status~stored
        POST /a content-type=application/json body={} -> 200 cache-status='weir; fwd=method'
        GET /a -> 200 cache-status='weir; fwd=uri-miss; stored'
    ",
    );
}

#[test]
fn a_query_counts_as_far_as_the_route_says() {
    check(
        "cache",
        r#"{"routes": [
            {"match": {"prefix": "/a"}, "ttl": "1h", "query": {"ignore": ["utm_*", "fbclid"], "sort": true}},
            {"match": {}, "ttl": "1h"}
        ]}"#,
        r"
        origin 200 body=x
        GET /a?q=1&b=2&utm_source=x -> 200 cache-status~uri-miss
        saw GET /a?q=1&b=2&utm_source=x
        GET /a?b=2&q=1 -> 200 cache-status~hit
        GET /a?utm_medium=y&b=%32&fbclid=z&q=1 -> 200 cache-status~hit
        GET /a?b=2&q=2 -> 200 cache-status~uri-miss
        GET /a?b=2&q=1&q=2 -> 200 cache-status~uri-miss
        GET /a?b=2&q=2&q=1 -> 200 cache-status~uri-miss
        GET /a -> 200 cache-status~uri-miss
        GET /a?fbclid=1 -> 200 cache-status~hit
        # What an upstream may find in an ignored parameter is not ignored.
        GET /a?utm_x=1;q=evil -> 200 cache-status~uri-miss
        GET /a?utm_x=1%3Bq=evil -> 200 cache-status~uri-miss
        GET /a?utm_x=1 -> 200 cache-status~hit
        GET /b?q=1&b=2 -> 200 cache-status~uri-miss
        GET /b?b=2&q=1 -> 200 cache-status~uri-miss
        GET /b?q=%41 -> 200 cache-status~uri-miss
        GET /b?q=A -> 200 cache-status~uri-miss
        DELETE /a?utm_source=y&q=1&b=2 -> 200
        GET /a?b=2&q=1 -> 200 cache-status~uri-miss
    ",
    );
}

#[test]
fn a_mistake_about_searches_is_refused_with_its_place() {
    refuses(
        "cache",
        r#"{"routes": [{"match": {"methods": ["GET"]}, "body": {"key": "json"}}]}"#,
        "configuration refused: routes[0].body: needs a route that matches POST",
    );
}
