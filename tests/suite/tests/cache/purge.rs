//! What is purged, by whom, and that it is gone on every worker at once.

use suite::Scenario;

/// `open sesame`.
pub(crate) const KEY: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";

/// Two labels, and a key for all; tags are hidden.
fn config() -> String {
    format!(
        r#"{{"tag_fields_hidden": true, "routes": [
            {{"match": {{"prefix": "/tracks/"}}, "upstream": "spotify", "data_type": "tracks", "purge_key_sha256": "{KEY}"}},
            {{"match": {{}}, "upstream": "lastfm", "data_type": "other", "purge_key_sha256": "{KEY}"}}]}}"#
    )
}

#[track_caller]
fn purges(lines: &str) {
    Scenario::new(&[("cache", &config())]).check(lines);
}

#[test]
fn a_url_is_purged_with_all_its_variants_and_no_other() {
    purges(
        r#"
        origin 200 cache-control=max-age=60 vary=x-kind body=one
        GET /a x-kind=1 -> 200
        GET /a x-kind=2 -> 200
        GET /a?b -> 200
        PURGE /a x-purge-key="open sesame" -> 200 body='{"purged":true}' cache-status="weir; detail=purge"
        saw 3
        GET /a x-kind=1 @1 -> 200 cache-status="weir; fwd=uri-miss; stored"
        GET /a x-kind=2 @2 -> 200 cache-status="weir; fwd=vary-miss; stored"
        GET /a?b -> 200 cache-status~hit
    "#,
    );
}

#[test]
fn who_has_no_key_purges_nothing() {
    purges(
        r#"
        origin 200 cache-control=max-age=60 body=one
        GET /a -> 200
        PURGE /a -> 403 body.error.code=FORBIDDEN cache-status="weir; detail=purge"
        PURGE /a x-purge-key="open sesam" -> 403
        PURGE /a x-purge-key="open sesame" x-purge=all -> 400 body.error.code=BAD_REQUEST cache-status="weir; detail=purge"
        PURGE /a x-purge-key="open sesame" x-purge="tag=a&everything" -> 400 body.error.message="The order names more than one kind of scope"
        saw GET /a
        saw nothing
        GET /a -> 200 cache-status~hit
    "#,
    );
    // Without a key in its configuration, a route knows no such method: it is the upstream's.
    crate::plain(
        r#"
        origin 200 cache-control=max-age=60 body=one
        GET /a -> 200
        origin 405
        PURGE /a x-purge-key="open sesame" -> 405 cache-status="weir; fwd=method"
        GET /a -> 200 cache-status~hit
    "#,
    );
}

#[test]
fn what_an_order_names_is_gone_on_every_worker() {
    purges(
        r#"
        origin 200 cache-control=max-age=60 cache-tag=all body=x
        origin /tracks/1 200 cache-control=max-age=60 cache-tag="track-1, all" body=x
        origin /tracks/2 200 cache-control=max-age=60 surrogate-key="track-2 all" body=x
        GET /tracks/1 -> 200 !cache-tag
        GET /tracks/2 -> 200 !surrogate-key
        GET /b -> 200 !cache-tag
        GET /tracks/1 -> 200 !cache-tag cache-status~hit
        PURGE / x-purge-key="open sesame" x-purge="tag=track-1" @1 -> 200
        GET /tracks/2 @1 -> 200 cache-status~hit
        GET /tracks/1 @2 -> 200 cache-status="weir; fwd=uri-miss; stored"
        GET /tracks/1 @1 -> 200 cache-status~hit
        PURGE / x-purge-key="open sesame" x-purge="provider=spotify&data_type=other" -> 200
        GET /tracks/1 -> 200 cache-status~hit
        PURGE / x-purge-key="open sesame" x-purge="provider=spotify" -> 200
        GET /b -> 200 cache-status~hit
        GET /tracks/1 -> 200 cache-status~uri-miss
        GET /tracks/2 -> 200 cache-status~uri-miss
        PURGE / x-purge-key="open sesame" x-purge="prefix=/tracks/1" -> 200
        GET /tracks/2 -> 200 cache-status~hit
        GET /tracks/1 -> 200 cache-status~uri-miss
        PURGE / x-purge-key="open sesame" x-purge="data_type=other" -> 200
        GET /tracks/1 -> 200 cache-status~hit
        GET /b -> 200 cache-status~uri-miss
        PURGE / x-purge-key="open sesame" x-purge=everything @2 -> 200
        GET /tracks/1 @1 -> 200 cache-status~uri-miss
        GET /b @2 -> 200 cache-status~uri-miss
    "#,
    );
}

#[test]
fn an_order_names_a_url_as_clients_do() {
    let config = format!(
        r#"{{"routes": [
            {{"match": {{"prefix": "/s"}}, "query": {{"sort": true, "ignore": ["utm_*"]}}, "purge_key_sha256": "{KEY}"}},
            {{"match": {{}}, "purge_key_sha256": "{KEY}"}}]}}"#
    );
    Scenario::new(&[("cache", &config)]).check(
        r#"
        origin 200 cache-control=max-age=60 body=one
        GET /s?b=2&a=1 -> 200
        GET /s?a=1 -> 200
        GET /t?b=2&a=1 -> 200
        PURGE / x-purge-key="open sesame" x-purge="url=http://test/s?b=2%26utm_id=1%26a=1" @1 -> 200
        GET /s?a=1&b=2 @2 -> 200 cache-status~uri-miss
        GET /s?a=1 -> 200 cache-status~hit
        PURGE / x-purge-key="open sesame" x-purge="url=http://test/t?b=2%26a=1" -> 200
        GET /t?b=2&a=1 -> 200 cache-status~uri-miss
        PURGE /s?b=2&a=1 x-purge-key="open sesame" x-purge="mode=soft" -> 200
        GET /s?a=1&b=2 cache-control=max-stale=5 -> 200 cache-status="weir; hit; ttl=0"
    "#,
    );
}

#[test]
fn a_soft_purge_makes_stale_and_leaves_what_a_client_takes_stale() {
    purges(
        r#"
        origin /a 200 cache-control=max-age=60 cache-tag=a body=one
        origin /b 200 cache-control=max-age=60 cache-tag=a body=one
        GET /a -> 200
        GET /b -> 200
        PURGE /a x-purge-key="open sesame" x-purge="mode=soft" -> 200
        GET /b -> 200 cache-status~hit
        PURGE /b x-purge-key="open sesame" x-purge="tag=a&mode=soft" -> 200
        GET /a cache-control=max-stale=5 -> 200 cache-status="weir; hit; ttl=0"
        GET /b cache-control=max-stale=5 -> 200 cache-status="weir; hit; ttl=0"
        GET /a -> 200 cache-status="weir; fwd=stale; stored"
        GET /a -> 200 cache-status~/hit; ttl=(60|59)/
        GET /b -> 200 cache-status="weir; fwd=stale; stored"
        GET /b -> 200 cache-status~/hit; ttl=(60|59)/
    "#,
    );
}

#[test]
fn those_whose_answer_is_made_stale_on_its_way_are_one_to_the_upstream_once_more() {
    purges(
        r#"
        origin 200 cache-control=max-age=60 body=x hold
        start GET /a @1 as a
        saw GET /a
        start GET /a @1 as b
        start GET /a @2 as c
        start GET /a @2 as d
        metric api_gateway_cache_held_total 3
        PURGE /a x-purge-key="open sesame" x-purge="data_type=other&mode=soft" -> 200
        release
        finish a -> 200
        finish b -> 200
        finish c -> 200
        finish d -> 200
        saw 1
        metric api_gateway_cache_waits_total{outcome=collapsed} 2
    "#,
    );
}

#[test]
fn what_a_purge_has_made_stale_is_confirmed_and_keeps_its_hidden_tags() {
    purges(
        r#"
        origin /a 200 cache-control=max-age=60 cache-tag=a etag='"v1"' content-type=a/b body=one
        GET /a -> 200 !cache-tag
        saw GET /a
        PURGE /b x-purge-key="open sesame" x-purge="tag=a&mode=soft" -> 200
        origin /a 304 cache-control=max-age=60
        GET /a -> 200 body=one !cache-tag \
            cache-status="weir; fwd=stale; fwd-status=304; ttl=60; stored; detail=validated"
        saw GET /a if-none-match='"v1"'
        GET /a -> 200 body=one !cache-tag cache-status~hit
        PURGE /b x-purge-key="open sesame" x-purge="tag=a" -> 200
        origin /a 200 cache-control=max-age=60 body=two
        GET /a -> 200 body=two cache-status="weir; fwd=uri-miss; stored"
    "#,
    );
}

#[test]
fn what_a_purge_has_made_stale_answers_where_the_upstream_fails() {
    purges(
        r#"
        origin /a 200 cache-control="max-age=60, stale-if-error=60" cache-tag=a content-type=a/b body=one
        GET /a -> 200
        PURGE /a x-purge-key="open sesame" x-purge="mode=soft" -> 200
        origin /a 503 content-length=4 body=away
        GET /a -> 200 body=one cache-status="weir; fwd=stale; fwd-status=503; ttl=0; detail=stale-if-error"
        PURGE /a x-purge-key="open sesame" -> 200
        GET /a -> 503 body=away
    "#,
    );
}

#[test]
fn what_a_purge_has_made_stale_is_so_since_then_whoever_looks() {
    for order in ["url=http://test/a", "tag=a"] {
        purges(&format!(
            r#"
            origin /a 200 cache-control="max-age=600, stale-if-error=60" cache-tag=a content-type=a/b body=one
            GET /a -> 200
            8 times GET /a @2 -> 200 cache-status~hit
            8 times GET /a @1 -> 200 cache-status~hit
            PURGE / x-purge-key="open sesame" x-purge="{order}&mode=soft" -> 200
            origin /a 503
            GET /a @1 -> 200 cache-status~/ttl=0; detail=stale-if-error$/
            advance 30s
            GET /a @2 cache-control=max-stale=40 -> 200 cache-status="weir; hit; ttl=-30"
            GET /a @1 cache-control=max-stale=40 -> 200 cache-status="weir; hit; ttl=-30"
            GET /a @2 cache-control=only-if-cached,max-stale=20 -> 504
            advance 31s
            GET /a @1 -> 503
            GET /a @2 -> 503
            origin /a 200 cache-control="max-age=600, stale-if-error=60" cache-tag=a content-type=a/b body=two
            GET /a @2 -> 200 body=two cache-status~stored
            GET /a @1 -> 200 body=two cache-status~/hit; ttl=(600|599)/
        "#
        ));
    }
}

#[test]
fn what_was_asked_for_before_a_purge_is_gone_though_it_comes_after() {
    for order in ["tag=a", "everything", "prefix=/slow", "url=http://test/slow"] {
        purges(&format!(
            r#"
            origin /slow 200 cache-control=max-age=60 cache-tag=a body=old hold
            start GET /slow as early
            saw GET /slow
            PURGE / x-purge-key="open sesame" x-purge="{order}" -> 200
            release /slow
            finish early -> 200 body=old
            origin /slow 200 cache-control=max-age=60 cache-tag=a body=new
            GET /slow -> 200 body=new cache-status~uri-miss
            GET /slow -> 200 body=new cache-status~hit
        "#
        ));
    }
}

#[test]
fn a_reload_and_a_crash_forget_no_purge() {
    let mut stage = Scenario::new(&[("cache", &config())]).host().expect("the host starts");
    crate::storage::goes_on(
        &mut stage,
        r#"
        origin 200 cache-control=max-age=600 cache-tag=a body=x
        GET /a @1 -> 200
        GET /b @1 -> 200
        PURGE / x-purge-key="open sesame" x-purge="prefix=/a" @1 -> 200
    "#,
    );
    stage.host.crash(0, "cache");
    stage.host.reload("cache", config()).expect("the configuration is good");
    stage.host.advance(std::time::Duration::from_secs(5));
    crate::storage::goes_on(
        &mut stage,
        "eventually GET /b @1 -> 200 cache-status~hit\nGET /a @1 -> 200 cache-status~uri-miss",
    );
}

#[test]
fn a_purge_reaches_what_is_kept_by_caller_or_by_body() {
    let config = format!(
        r#"{{"routes": [{{"match": {{}}, "upstream": "spotify", "data_type": "searches", "ttl": "1h", "isolate": "tier",
            "query": {{"ignore": ["utm_*"]}}, "body": {{"key": "json"}}, "purge_key_sha256": "{KEY}"}}]}}"#
    );
    let all = |result: &str| {
        format!(
            r#"
            GET /a?q x-weir-tier=pro -> 200 {result}
            GET /a?q&utm_x=1 x-weir-tier=free -> 200 {result}
            POST /a?q x-weir-tier=pro content-type=application/json body='{{"a":1}}' -> 200 {result}
            POST /a?q&utm_x=2 x-weir-tier=pro content-type=application/json body='{{"a":2}}' -> 200 {result}
        "#
        )
    };
    let (fresh, hit) = (all("cache-status='weir; fwd=uri-miss; stored'"), all("cache-status~hit"));
    let mut lines = format!("origin 200 cache-tag=one body=x\n{fresh}{hit}GET /b x-weir-tier=pro -> 200");
    for order in [
        "PURGE /a?q x-purge-key='open sesame' -> 200",
        "PURGE /a?utm_x=3&q x-purge-key='open sesame' -> 200",
        "PURGE / x-purge-key='open sesame' x-purge='url=http://test/a?q' -> 200",
        "PURGE / x-purge-key='open sesame' x-purge='prefix=/a' -> 200",
        "PUT /a?q x-weir-tier=pro body=x -> 200",
    ] {
        lines += &format!("\n{order}\n{fresh}{hit}GET /b x-weir-tier=pro -> 200 cache-status~hit");
    }
    lines += &format!("\nPURGE / x-purge-key='open sesame' x-purge='tag=one' -> 200\n{fresh}");
    lines += &format!("\nPURGE / x-purge-key='open sesame' x-purge='data_type=searches' -> 200\n{fresh}");
    lines += &format!(
        "\nPURGE /a?q x-purge-key='open sesame' x-purge='mode=soft' -> 200\n{}",
        all("cache-status~fwd=stale")
    );
    Scenario::new(&[("cache", &config)]).check(&lines);
}
