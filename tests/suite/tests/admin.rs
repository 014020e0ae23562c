//! What an operator asks and tells: any worker answers, and all do what was told.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "admin/fleet.rs"]
mod fleet;
#[path = "admin/guess.rs"]
mod guess;
#[path = "admin/hostile.rs"]
mod hostile;
#[path = "admin/partial.rs"]
mod partial;
mod store;
#[path = "admin/telling.rs"]
mod telling;

use suite::{Scenario, check, refuses};

/// Whose key is `a-key-of-the-suite`.
const BY_KEY: &str =
    r#"{"operators": {"key_sha256": "ddfb9e9d3b3f5eedebade4d9a54b025c710acb8fb31ae515db782aa2872274c1"}}"#;
const BY_ROLE: &str = r#"{"operators": {"role": "operator"}}"#;

const BREAKERS: &str = r#"{"breakers": {"spotify": {"consecutive_failures": 1, "open_for": "1h"}, "sona": {}},
    "routes": [{"match": {"prefix": "/spotify"}, "upstream": "spotify"}, {"match": {"prefix": "/sona"}, "upstream": "sona"}]}"#;

const LIMITS: &str = r#"{"rules": [
    {"name": "spotify", "match": {"prefix": "/spotify"}, "key": ["upstream"], "upstream": "spotify", "limit": {"rate": "4/d"}},
    {"name": "callers", "match": {"prefix": "/sona"}, "key": ["header:x-caller"], "limit": {"rate": "1/d"}}]}"#;

const CACHE: &str = r#"{"orders": true, "routes": [{"match": {"prefix": "/spotify/"}, "upstream": "spotify", "data_type": "tracks", "ttl": "1h"},
    {"match": {"prefix": "/sona/"}, "upstream": "sona", "data_type": "lists", "ttl": "1h"}]}"#;

const CACHE_ADMIN: &str = r#"{"operators": {"role": "operator"}, "cache": {"name": "weir", "data": [
    {"provider": "spotify", "data_type": "tracks"}, {"provider": "sona", "data_type": "lists"}]}}"#;

/// An operator's headers, as `auth` hands them on.
fn operator(lines: &str) -> String {
    lines.replace("OPERATOR", "x-weir-user=olga x-weir-roles=reader,operator")
}

fn four(chain: &[(&str, &str)], lines: &str) {
    Scenario::new(chain).workers(4).check(&operator(lines));
}

#[test]
fn health_is_for_everybody_and_nothing_else_is_there_without_operators() {
    check(
        "admin",
        "{}",
        r"
        GET /health -> 200 content-type=application/json cache-control=no-store body.status=healthy body.redis=not_configured
        GET /health/live -> 200 body.status=live
        GET /health/ready -> 200 body.status=ready
        GET /health/x -> 404
        POST /health -> 400
        GET /admin/rate-limits x-weir-user=a x-weir-roles=operator -> 404 body.error.code=NOT_FOUND
        POST /admin/circuit-breakers/reset-all -> 404
        GET /healthy -> 200 !content-type
        saw GET /healthy
    ",
    );
}

#[test]
fn an_operator_has_the_role() {
    check(
        "admin",
        BY_ROLE,
        "
        GET /admin/circuit-breakers -> 401 body.error.code=UNAUTHORIZED www-authenticate~ApiKey
        GET /admin/circuit-breakers x-weir-user=a -> 403 body.error.code=FORBIDDEN
        GET /admin/circuit-breakers x-weir-user=a x-weir-roles=operators -> 403
        GET /admin/circuit-breakers x-weir-user=a x-weir-roles=reader,operator -> 200
        GET /admin/nothing x-weir-user=a x-weir-roles=operator -> 404
        GET /admin/nothing -> 401
        POST /admin/circuit-breakers x-weir-user=a x-weir-roles=operator -> 400 body.error.message~GET
        saw nothing
    ",
    );
}

#[test]
fn an_operator_has_the_key_and_nothing_near_it() {
    let rows = r#"
        GET /admin/circuit-breakers -> 401 body.error.code=UNAUTHORIZED
        GET /admin/circuit-breakers x-admin-key=a-key-of-the-suite -> 200
        GET /admin/circuit-breakers x-admin-key=a-key-of-the-suitE -> 401 body.error.code=AUTH_FAILED
        GET /admin/circuit-breakers x-admin-key="" -> 401
        GET /admin/circuit-breakers x-admin-key=a-key-of-the-suite x-admin-key=a-key-of-the-suite -> 401
        GET /admin/circuit-breakers x-weir-user=a x-weir-roles=operator -> 401
        GET /admin/circuit-breakers x-admin-key="\xff\xfe" -> 401
        GET /admin/circuit-breakers x-admin-key="k"*50000 -> 401
        !log~a-key-of-the-suite
    "#;
    check("admin", BY_KEY, rows);
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    four(
        &[("admin", BY_ROLE)],
        "
        POST /admin/circuit-breakers/reset-all OPERATOR origin=https://evil.example -> 403
        POST /admin/circuit-breakers/reset-all OPERATOR sec-fetch-site=cross-site -> 403
        POST /admin/circuit-breakers/reset-all OPERATOR origin=http://test sec-fetch-site=same-origin -> 200
        GET /admin/circuit-breakers OPERATOR origin=https://evil.example -> 200 !access-control-allow-origin
    ",
    );
}

#[test]
fn a_breaker_that_is_stuck_open_is_reset_for_all_workers() {
    four(
        &[("admin", BY_ROLE), ("breaker", BREAKERS)],
        r#"
        origin 500
        GET /spotify -> 500
        4 times GET /spotify -> 503
        eventually GET /health -> 200 body.status=degraded body.circuit_breakers.spotify.state=open body.circuit_breakers.sona.state=closed
        GET /admin/circuit-breakers OPERATOR -> 200 body~"\"name\":\"spotify\",\"state\":\"open\""
        origin 200
        POST /admin/circuit-breakers/spotify/reset OPERATOR x-request-id=r-7 -> 200 \
            body.circuit_breakers.0.before=open body.circuit_breakers.0.after=reset body.circuit_breakers.0.reach=proxy
        log~"audit {\"who\":\"user olga\""
        log~"\"request_id\":\"r-7\",\"what\":\"breaker\",\"target\":\"spotify\",\"before\":\"open\",\"after\":\"reset\"}"
        eventually GET /spotify -> 200
        8 times GET /spotify -> 200
        eventually GET /health -> 200 body.status=healthy body.circuit_breakers.spotify.state=closed
        POST /admin/circuit-breakers/nobody/reset OPERATOR -> 404
        POST /admin/circuit-breakers/spotify/reset -> 401
    "#,
    );
}

#[test]
fn a_reset_closes_each_of_an_upstream_s_breakers() {
    let breakers = r#"{"breakers": {"s": {"consecutive_failures": 1, "open_for": "1h", "per": "route"},
                                    "t": {"consecutive_failures": 1, "open_for": "1h", "per": {"header": "x-tenant"}}},
        "routes": [{"match": {"prefix": "/t"}, "upstream": "t"}, {"match": {"prefix": "/a"}, "upstream": "s", "name": "a"},
                   {"match": {"prefix": "/b"}, "upstream": "s", "name": "b"}]}"#;
    four(
        &[("admin", BY_ROLE), ("breaker", breakers)],
        r"
        origin 500
        GET /a -> 500
        GET /b -> 500
        GET /t x-tenant=a -> 500
        GET /t x-tenant=b -> 500
        GET /t -> 500
        origin 200
        2 times GET /a -> 503
        2 times GET /b -> 503
        2 times GET /t x-tenant=a -> 503
        eventually GET /health -> 200 body.circuit_breakers.s.state=open body.circuit_breakers.t.state=open
        POST /admin/circuit-breakers/s/reset OPERATOR -> 200
        eventually GET /a -> 200
        4 times GET /a -> 200
        4 times GET /b -> 200
        GET /t x-tenant=a -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        GET /t x-tenant=b -> 503
        GET /t -> 503
        POST /admin/circuit-breakers/t/reset OPERATOR -> 200
        eventually GET /t x-tenant=a -> 200
        eventually GET /t x-tenant=b -> 200
        eventually GET /t -> 200
        4 times GET /t x-tenant=b -> 200
        4 times GET /t -> 200
    ",
    );
}

#[test]
fn a_breaker_is_forced_and_all_are_reset() {
    four(
        &[("admin", BY_ROLE), ("breaker", BREAKERS)],
        r"
        GET /spotify -> 200
        eventually GET /health -> 200 body.circuit_breakers.spotify.state=closed
        POST /admin/circuit-breakers/spotify/force?state=forced_open OPERATOR -> 200 body.circuit_breakers.0.after=forced_open
        POST /admin/circuit-breakers/sona/force?state=forced_open OPERATOR -> 200
        eventually GET /spotify -> 503
        eventually GET /sona -> 503
        8 times GET /spotify -> 503
        eventually GET /health -> 200 body.status=degraded body.circuit_breakers.sona.state=forced_open
        POST /admin/circuit-breakers/spotify/force?state=open OPERATOR -> 400
        POST /admin/circuit-breakers/spotify/force?state=disabled&for=1m OPERATOR -> 400 body.error.message~store
        POST /admin/circuit-breakers/reset-all OPERATOR -> 200 body.circuit_breakers.0.before=forced_open
        eventually GET /spotify -> 200
        eventually GET /sona -> 200
        8 times GET /sona -> 200
        POST /admin/circuit-breakers/sona/force?state=disabled OPERATOR -> 200
        eventually GET /health -> 200 body.status=healthy body.circuit_breakers.sona.state=disabled
    ",
    );
}

#[test]
fn a_limit_that_is_spent_is_full_again_at_once_on_every_worker() {
    four(
        &[("ratelimit", LIMITS), ("admin", BY_ROLE)],
        r#"
        4 times GET /spotify -> 200
        4 times GET /spotify -> 429
        GET /sona x-caller=a -> 200
        GET /sona x-caller=a -> 429
        GET /sona x-caller=b -> 200
        eventually GET /admin/rate-limits OPERATOR -> 200 body~"\"name\":\"spotify\",\"providers\":[\"spotify\"]" body~"\"tokens\":0,\"most\":4"
        POST /admin/rate-limits/spotify/reset OPERATOR -> 200 body.changed=spotify body.before="0 of 4" body.after=full
        GET /admin/rate-limits OPERATOR -> 200 body~"\"tokens\":4,\"most\":4"
        4 times GET /spotify -> 200
        GET /spotify -> 429
        GET /sona x-caller=a -> 429
        POST /admin/rate-limits/callers/reset OPERATOR -> 200 body.changed=callers
        GET /sona x-caller=a -> 200
        GET /sona x-caller=b -> 200
        GET /sona x-caller=b -> 429
        log~"\"what\":\"rate limit\",\"target\":\"callers\""
        POST /admin/rate-limits/nobody/reset OPERATOR -> 404
    "#,
    );
}

#[test]
fn what_is_purged_answers_nobody_any_more_and_the_rest_does() {
    four(
        &[("admin", CACHE_ADMIN), ("cache", CACHE)],
        r#"
        origin 200 body=old cache-tag=t-1
        GET /spotify/1 -> 200
        GET /sona/1 -> 200
        4 times GET /spotify/1 -> 200 cache-status~hit
        4 times GET /sona/1 -> 200 cache-status~hit
        GET /admin/cache/stats OPERATOR -> 200 body.caches.0.provider=spotify body.caches.0.hits=4 body.caches.0.misses=1 \
            body.hits=8 body.hit_percent=80
        origin 200 body=new cache-tag=t-1
        POST /admin/cache/invalidate?provider=spotify&data_type=tracks OPERATOR -> 200 body.changed=weir body.reach=proxy
        GET /spotify/1 -> 200 body=new
        4 times GET /spotify/1 -> 200 body=new cache-status~hit
        4 times GET /sona/1 -> 200 body=old cache-status~hit
        POST /admin/cache/invalidate?tag=t-1 OPERATOR -> 200
        GET /sona/1 -> 200 body=new
        origin 200 body=newer
        POST /admin/cache/invalidate?url=http://test/sona/1 OPERATOR -> 200
        4 times GET /sona/1 -> 200 body=newer
        4 times GET /spotify/1 -> 200 body=newer
        origin 200 body=newest
        POST /admin/cache/invalidate?prefix=/spotify/ OPERATOR -> 200
        4 times GET /spotify/1 -> 200 body=newest
        log~"\"what\":\"cache\",\"target\":\"weir\""
        POST /admin/cache/invalidate OPERATOR -> 400
        POST /admin/cache/invalidate?provider=a&tag=b OPERATOR -> 400
        POST /admin/cache/invalidate?provider=spotify -> 401
    "#,
    );
}

#[test]
fn what_an_operator_purges_is_gone_whatever_else_is_purged_before_anybody_looks() {
    // Of `open sesame`.
    const KEY: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";
    let cache = format!(
        r#"{{"orders": true, "routes": [{{"match": {{"prefix": "/s/"}}, "ttl": "1h", "body": {{"key": "json"}}}},
            {{"match": {{}}, "ttl": "1h", "purge_key_sha256": "{KEY}"}}]}}"#
    );
    let admin = r#"{"operators": {"role": "operator"}, "cache": {"name": "weir"}}"#;
    four(
        &[("admin", admin), ("cache", &cache)],
        r#"
        origin 200 body=one
        GET /a/1 -> 200
        GET /b/1 -> 200
        POST /admin/cache/invalidate?prefix=/a OPERATOR -> 200
        PURGE /zzz x-purge-key="open sesame" -> 200
        4 times GET /b/1 -> 200 cache-status~hit
        GET /a/1 -> 200 cache-status="weir; fwd=uri-miss; stored"
        4 times GET /a/1 -> 200 cache-status~hit
        POST /admin/cache/invalidate?prefix=/a OPERATOR -> 200
        PUT /s/1 body=x -> 200
        GET /a/1 -> 200 cache-status="weir; fwd=uri-miss; stored"
        4 times GET /b/1 -> 200 cache-status~hit
    "#,
    );
}

#[test]
fn a_configuration_that_lets_nobody_in_is_refused() {
    refuses("admin", r#"{"operators": {}}"#, "configuration refused: operators: must have a role or key_sha256");
}
