//! What routes are to each other: one that keeps nothing ends what another keeps, and none answers for another.

use proxy::{Reply, Request};
use suite::check;

use crate::fleet::{answers, get, settles, wait_for_level};
use crate::purge::KEY;
use crate::store::Store;

/// `GET` is kept below `/a/`, and nothing else is said of anything.
fn mixed() -> String {
    format!(
        r#"{{"tag_fields_hidden": true, "routes": [
            {{"match": {{"path": "/a/private"}}, "keeps": false}},
            {{"match": {{"prefix": "/a/", "methods": ["GET"]}}, "upstream": "a", "ttl": "1h", "purge_key_sha256": "{KEY}"}},
            {{"match": {{}}, "keeps": false}}]}}"#
    )
}

#[test]
fn what_is_kept_ends_with_what_changes_it_on_a_route_that_keeps_nothing() {
    // RFC 9111 §4.4
    let mut lines = String::from("origin 200 body=x\n");
    for method in ["PUT", "POST", "DELETE", "PATCH"] {
        lines += &format!(
            "GET /a/1 -> 200\nGET /a/1 @2 -> 200 cache-status~hit\n\
             {method} /a/1 -> 200 cache-status=\"weir; fwd=method\"\nGET /a/1 @2 -> 200 cache-status~uri-miss\n"
        );
    }
    check("cache", &mixed(), &lines);
    check(
        "cache",
        &mixed(),
        r"
        origin 200 body=x
        GET /a/5 -> 200
        GET /a/6 -> 200
        origin /orders 201 location=/a/5
        POST /orders body=x -> 201
        GET /a/5 -> 200 cache-status~uri-miss
        origin /orders 500 location=/a/6
        POST /orders body=x -> 500
        GET /a/6 -> 200 cache-status~hit
    ",
    );
}

#[test]
fn a_route_that_keeps_nothing_is_no_later_one() {
    // Nothing is said of what is not the cache's matter; tags are hidden all the same.
    check(
        "cache",
        &mixed(),
        r"
        origin 200 cache-control=max-age=60 cache-tag=t body=one
        2 times GET /a/private -> 200 body=one !cache-status !cache-tag
        HEAD /a/private -> 200 !cache-status
        OPTIONS /a/private -> 200 !cache-status
        2 times GET /b -> 200 !cache-status
        saw 6
        2 times GET /a/private cache-control=only-if-cached -> 200 !cache-status
        GET /a/1 -> 200 cache-status~stored
        GET /a/1 -> 200 cache-status~hit
        metric api_gateway_cache_misses_total{provider=a} 1
    ",
    );
}

#[test]
fn whoever_has_the_key_purges_whatever_route_a_purge_takes() {
    check(
        "cache",
        &mixed(),
        r#"
        origin 200 body=x
        GET /a/1 -> 200
        saw GET /a/1
        PURGE /a/1 -> 403 cache-status="weir; detail=purge"
        GET /a/1 -> 200 cache-status~hit
        PURGE /a/1 x-purge-key="open sesame" -> 200 body='{"purged":true}'
        saw nothing
        GET /a/1 -> 200 cache-status~uri-miss
        saw GET /a/1
        # Nobody keeps this, so that it is the upstream's; the key is not.
        PURGE /b x-purge-key="open sesame" -> 200 cache-status="weir; fwd=method"
        saw PURGE /b !x-purge-key
        GET /b x-purge-key="open sesame" -> 200
        saw GET /b !x-purge-key
    "#,
    );
}

/// Headers choose between two upstreams.
fn told_apart() -> String {
    format!(
        r#"{{"routes": [
            {{"match": {{"headers": {{"x-preview": "1"}}}}, "upstream": "preview", "ttl": "1h", "purge_key_sha256": "{KEY}"}},
            {{"match": {{"headers": {{"x-preview": "2"}}}}, "upstream": "preview", "ttl": "1h", "purge_key_sha256": "{KEY}"}},
            {{"match": {{}}, "upstream": "catalog", "ttl": "1h", "purge_key_sha256": "{KEY}"}}]}}"#
    )
}

#[test]
fn what_headers_choose_answers_nobody_who_does_not_send_them() {
    let asked = |how: &str, all: [&str; 3]| {
        let [plain, one, two] = all.map(|how| format!("-> 200 {how}"));
        format!(
            "GET /x {plain} {how}\nGET /x x-preview=1 {one} {how}\nGET /x x-preview=2 {two} {how}\n\
             HEAD /x x-preview=1 -> 200 cache-status~hit\nGET /x x-preview=3 -> 200 cache-status~hit\n"
        )
    };
    let bodies = ["body=plain", "body=one", "body=two"];
    let filled = "origin 200 body=one\nGET /x x-preview=1 -> 200 cache-status~stored\n\
                  origin 200 body=two\nGET /x x-preview=2 -> 200 cache-status~stored\n\
                  origin 200 body=plain\nGET /x -> 200 body=plain cache-status~stored\n";
    let mut lines = format!("{filled}{}", asked("cache-status~hit", bodies));
    for order in [
        "PUT /x body=x -> 200",
        "PUT /x x-preview=1 body=x -> 200",
        "PURGE /x x-purge-key='open sesame' -> 200",
        "PURGE / x-purge-key='open sesame' x-purge='url=http://test/x' -> 200",
        "PURGE / x-purge-key='open sesame' x-purge='prefix=/x' -> 200",
    ] {
        lines += &format!("{order}\n{filled}{}", asked("cache-status~hit", bodies));
    }
    check("cache", &told_apart(), &lines);
}

#[test]
fn a_head_that_takes_another_route_than_a_get_is_answered_by_its_own() {
    check(
        "cache",
        r#"{"routes": [{"match": {"path": "/x", "methods": ["GET"]}, "ttl": "1h"},
            {"match": {"path": "/y", "methods": ["HEAD"]}, "keeps": false}, {"match": {}, "ttl": "1h"}]}"#,
        r#"
        origin 200 body=x
        GET /x -> 200
        HEAD /x -> 200 cache-status="weir; fwd=bypass; detail=head"
        GET /y -> 200
        HEAD /y -> 200 !cache-status
        GET /z -> 200
        HEAD /z -> 200 cache-status~hit
    "#,
    );
}

#[test]
fn a_fleet_keeps_routes_apart_and_ends_what_any_of_them_changes() {
    let store = Store::start();
    let config = r#"{"state": {"env": "STATE_PASSWORD", "dialect": "webdis", "timeout": "10s"}, "l2": {"budget": "500ms"},
        "routes": [{"match": {"methods": ["GET"], "headers": {"x-preview": "1"}}, "upstream": "preview"},
            {"match": {"methods": ["GET"]}, "upstream": "catalog"}, {"match": {}, "keeps": false}]}"#;
    let proxy = || {
        let stage = store.scenario("cache", config).envoy().unwrap();
        stage.origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("own"));
        stage
    };
    let (one, other) = (proxy(), proxy());
    wait_for_level(&one);
    wait_for_level(&other);
    let (plain, preview) = (Request::get("/x").header("host", "test"), Request::get("/x").header("host", "test"));
    let preview = preview.header("x-preview", "1");
    for (body, request) in [("one", &preview), ("plain", &plain)] {
        answers(&one, body);
        assert_eq!(get(&one, request).body, body.as_bytes());
    }
    let stored = |request: &Request| request.clone().header("cache-control", "only-if-cached");
    settles(&other, &stored(&preview), b"one");
    settles(&other, &stored(&plain), b"plain");
    for stage in [&one, &other] {
        answers(stage, "new");
    }
    assert_eq!(get(&one, &Request::new("PUT", "/x").header("host", "test")).status, 200);
    for request in [&preview, &plain] {
        assert_eq!(get(&one, request).body, b"new");
    }
    for request in [&preview, &plain] {
        settles(&other, request, b"new");
    }
}
