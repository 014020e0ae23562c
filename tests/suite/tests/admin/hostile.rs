//! What else may be sent to an operator's paths.

use super::{BREAKERS, BY_KEY, BY_ROLE, four};

#[test]
fn names_and_queries_of_any_bytes_are_turned_away_before_anything_is_done() {
    four(
        &[("admin", BY_ROLE), ("breaker", BREAKERS)],
        r#"
        eventually GET /health -> 200 body.circuit_breakers.spotify.state=closed
        POST /admin/circuit-breakers/%00/reset OPERATOR -> 4xx
        POST /admin/circuit-breakers/spotify%0areset/reset OPERATOR -> 4xx
        POST /admin/circuit-breakers/spotify/force?state=forced_open%00 OPERATOR -> 400
        POST /admin/circuit-breakers/spotify/force?state=forced_open&state=disabled OPERATOR -> 400
        POST /admin/circuit-breakers/LONG/reset OPERATOR -> 404
        POST /admin/cache/invalidate?tag=%ff%fe OPERATOR -> 404
        POST /admin/rate-limits/../circuit-breakers/reset-all?x=y OPERATOR -> 4xx
        GET /admin/circuit-breakers OPERATOR x-weir-roles=operator -> 403
        GET /admin/circuit-breakers x-weir-user="\xff\xfe" x-weir-roles="\xff,operator" -> 200
        POST /admin/circuit-breakers/spotify/reset x-weir-user="a\"}" x-weir-roles=operator x-request-id="\xff" -> 200
        log~"audit {\"who\":\"user a\\\"}\""
        saw nothing
        GET /spotify -> 200
    "#
        .replace("LONG", &"x".repeat(3000))
        .as_str(),
    );
}

#[test]
fn a_body_that_comes_with_a_change_is_not_looked_at() {
    four(
        &[("admin", BY_KEY), ("breaker", BREAKERS)],
        r#"
        POST /admin/circuit-breakers/reset-all x-admin-key=a-key-of-the-suite body="x"*200000 -> 200
        POST /admin/circuit-breakers/reset-all x-admin-key=a-key-of-the-suite body=a body=b trailer:x=y -> 200
        POST /admin/circuit-breakers/reset-all x-admin-key=wrong body="x"*200000 -> 401
        saw nothing
    "#,
    );
}
