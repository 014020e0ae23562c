//! What an operator is told of lines, caches, credentials, configurations and logs, and how lines are drained.

use suite::{Scenario, check};

use super::{BY_KEY, BY_ROLE, CACHE, CACHE_ADMIN, four, operator};

const LINES: &str = r#"{"rules": [
    {"name": "shared", "match": {"prefix": "/shared"}, "key": ["upstream"], "upstream": "shared",
     "limit": {"rate": "1/m", "burst": 1, "when_empty": {"queue": {"max_wait": "4m", "max_requests": 3}}}},
    {"name": "callers", "match": {"prefix": "/callers"}, "key": ["header:x-caller"],
     "limit": {"rate": "1/m", "burst": 1, "when_empty": {"queue": {"max_wait": "4m", "max_requests": 3}}}},
    {"name": "plain", "match": {"prefix": "/plain"}, "key": ["header:x-caller"], "limit": {"rate": "1/d"}}]}"#;

#[test]
fn the_page_is_for_whoever_asks_where_there_are_operators_and_holds_nothing() {
    check(
        "admin",
        BY_ROLE,
        r#"
        GET /admin/ -> 200 content-type~text/html cache-control=no-store x-content-type-options=nosniff \
            content-security-policy~"default-src 'none'" content-security-policy~"frame-ancestors 'none'" \
            !content-security-policy~unsafe body~"<!doctype html>"
        GET /admin -> 200 content-type~text/html
        POST /admin/ x-weir-user=a x-weir-roles=operator -> 400
        GET /admin/status -> 401
        saw nothing
    "#,
    );
    check("admin", "{}", "GET /admin/ -> 404 !content-security-policy");
}

#[test]
fn a_line_that_all_callers_share_is_told_and_drained() {
    four(
        &[("ratelimit", LINES), ("admin", BY_ROLE)],
        r#"
        GET /shared -> 200
        start GET /shared/1 @1 as a
        start GET /shared/2 @2 as b
        eventually GET /admin/queues OPERATOR -> 200 body.queues.0.name=shared body.queues.0.per=upstream body.queues.0.waiting=2
        eventually GET /admin/rate-limits OPERATOR -> 200 body.rate_limits.0.name=shared body.rate_limits.0.waiting=2
        POST /admin/queues/nobody/drain OPERATOR -> 404
        POST /admin/queues/shared/drain -> 401
        POST /admin/queues/shared/drain OPERATOR origin=https://evil.example -> 403
        POST /admin/queues/shared/drain OPERATOR -> 200 body.queues.0.changed=shared body.queues.0.before="2 waiting" body.queues.0.after=drained
        finish a -> 429 body.error.code=RATE_LIMITED retry-after>=1
        finish b -> 429
        log~"\"what\":\"queue\",\"target\":\"shared\",\"before\":\"2 waiting\",\"after\":\"drained\"}"
        GET /admin/queues OPERATOR -> 200 body='{"queues":[]}'
        POST /admin/queues/shared/drain OPERATOR -> 200 body.queues.0.before="0 waiting"
        # Whoever comes now waits as before.
        start GET /shared/3 as c
        eventually GET /admin/queues OPERATOR -> 200 body.queues.0.waiting=1
        leave c
        eventually GET /admin/queues OPERATOR -> 200 body='{"queues":[]}'
        metric api_gateway_rate_limit_requests_total{provider=shared,status=limited} 2
    "#,
    );
}

#[test]
fn lines_of_callers_are_counted_together_and_drained_together() {
    four(
        &[("ratelimit", LINES), ("admin", BY_ROLE)],
        r#"
        GET /callers x-caller=a -> 200
        GET /callers x-caller=b -> 200
        GET /plain x-caller=a -> 200
        GET /plain x-caller=a -> 429
        start GET /callers/1 x-caller=a @1 as a
        start GET /callers/2 x-caller=a @2 as b
        start GET /callers/3 x-caller=b @3 as c
        eventually GET /admin/queues OPERATOR -> 200 body.queues.0.name=callers body.queues.0.per=caller body.queues.0.waiting=3 \
            body.queues.0.callers=2 body.queues.0.longest=2
        eventually GET /admin/rate-limits OPERATOR -> 200 body.rate_limits.1.name=callers body.rate_limits.1.waiting=3 body.rate_limits.2.waiting=0
        eventually GET /admin/status OPERATOR -> 200 body.queues.0.waiting=3 body.health=healthy body.rate_limits.1.waiting=3
        POST /admin/queues/callers/drain OPERATOR -> 200 body.queues.0.before="3 waiting"
        finish a -> 429
        finish b -> 429
        finish c -> 429
    "#,
    );
}

#[test]
fn what_is_cached_for_a_url_is_told_variant_by_variant() {
    four(
        &[("admin", CACHE_ADMIN), ("cache", CACHE)],
        r#"
        GET /admin/cache/stats OPERATOR -> 200 body.entries=0 body.bytes=0
        origin 200 body=one vary=accept-language
        GET /spotify/1 accept-language=de -> 200
        GET /spotify/1 accept-language=fr -> 200
        GET /spotify/2 -> 200
        GET /spotify/1 accept-language=de -> 200 cache-status~hit
        GET /admin/cache/stats OPERATOR -> 200 body.entries=3 body.bytes>=100 body.hits=1
        GET /admin/cache/entry?url=http://test/spotify/1 OPERATOR -> 200 body.key="GET http test /spotify/1" \
            body.variants.0.vary=accept-language body.variants.0.state=fresh body.variants.0.status=200 body.variants.0.ttl_seconds<=3600 \
            body.variants.0.ttl_seconds>=3500 body.variants.1.state=fresh body.variants.0.purges_since=0
        GET /admin/cache/entry?url=http://TEST:80/spotify/2 OPERATOR -> 200 body.variants.0.state=fresh
        GET /admin/cache/entry?url=http://test/spotify/3 OPERATOR -> 200 body~"\"variants\":[]"
        # A purge of other things leaves it where it is, and says so; one of it makes it stale, or takes it away.
        POST /admin/cache/invalidate?provider=sona OPERATOR -> 200
        GET /spotify/2 -> 200 cache-status~hit
        GET /admin/cache/entry?url=http://test/spotify/1 OPERATOR -> 200 body.variants.0.purges_since=1
        POST /admin/cache/invalidate?url=http://test/spotify/1&mode=soft OPERATOR -> 200
        GET /spotify/2 -> 200 cache-status~hit
        GET /admin/cache/entry?url=http://test/spotify/1 OPERATOR -> 200 body.variants.0.state=stale body.variants.0.softened=true
        POST /admin/cache/invalidate?url=http://test/spotify/1 OPERATOR -> 200
        GET /spotify/2 -> 200 cache-status~hit
        GET /admin/cache/entry?url=http://test/spotify/1 OPERATOR -> 200 body~"\"variants\":[]"
        GET /admin/cache/entry?url=http://test/spotify/1 -> 401
        GET /admin/cache/entry?url=/spotify/1 OPERATOR -> 400
        GET /admin/cache/entry?url=http://test/%00 OPERATOR -> 4xx
        # What a request would be told: the cache's own word, without asking the upstream.
        GET /spotify/2 cache-control=only-if-cached -> 200 cache-status~hit
        GET /spotify/1 cache-control=only-if-cached -> 504
    "#,
    );
}

#[test]
fn a_plugin_that_runs_with_something_else_is_seen() {
    // The digest is that of `{}`.
    let admin = BY_KEY.replacen(
        '{',
        r#"{"plugins": [{"name": "breaker", "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
            {"name": "ratelimit", "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}, {"name": "nobody"}], "#,
        1,
    );
    four(
        &[("ratelimit", LINES), ("admin", &admin), ("breaker", "{}")],
        r"
        GET /admin/configurations x-admin-key=a-key-of-the-suite -> 200 body.configurations.0.plugin=breaker body.configurations.0.state=same \
            body.configurations.1.state=different body.configurations.2.state=missing \
            body.configurations.3.plugin=admin body.configurations.3.state=unknown
        GET /admin/configurations -> 401
        !log~a-key-of-the-suite
    ",
    );
}

#[test]
fn how_much_a_filter_says_is_told_and_changed() {
    four(
        &[("ratelimit", LINES), ("admin", BY_ROLE)],
        r#"
        GET /admin/log-level OPERATOR -> 200 body.log_levels.0.filter=guard body.log_levels.1.filter=auth body.log_levels.1.level=info
        PUT /admin/log-level?filter=auth&level=debug -> 401
        PUT /admin/log-level?filter=auth&level=debug OPERATOR sec-fetch-site=cross-site -> 403
        PUT /admin/log-level?filter=nobody&level=debug OPERATOR -> 400
        PUT /admin/log-level?filter=admin&level=error OPERATOR -> 400
        GET /admin/log-level OPERATOR -> 200 body.log_levels.1.level=info
        PUT /admin/log-level?filter=auth&level=debug OPERATOR -> 200 body.changed=auth body.before=info body.after=debug
        4 times GET /admin/log-level OPERATOR -> 200 body.log_levels.0.level=info body.log_levels.1.level=debug
        log~"\"what\":\"log level\",\"target\":\"auth\",\"before\":\"info\",\"after\":\"debug\"}"
        GET /admin/credentials OPERATOR -> 200 body='{"credentials":[]}'
        saw nothing
    "#,
    );
}

#[test]
fn guard_says_more_while_it_runs() {
    let chain = [("guard", "{}"), ("admin", BY_ROLE)];
    let scenario =
        Scenario::new(&chain).workers(1).host_only("Envoy drops what its own component `wasm` is not told to log");
    scenario.check(&operator(
        r#"
        GET /files%2fsecret -> 400
        !log~"answered 400"
        PUT /admin/log-level?filter=guard&level=debug OPERATOR -> 200 body.changed=guard body.after=debug
        advance 2s
        GET /files%2fsecret -> 400
        log~"answered 400"
    "#,
    ));
}
