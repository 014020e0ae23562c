//! The provider filter behind a cache, a limit and a breaker.

use suite::check_chain;

use super::ALL;

const CACHE: &str = r#"{"routes": [{"match": {"prefix": "/api/"}, "upstream": "spotify", "data_type": "track_metadata", "ttl": "1h",
    "shared": true, "despite": ["private"]}]}"#;

const COOLING: &str =
    r#"{"upstreams": [{"name": "lastfm", "learn": ["retry_after"], "match": {"prefix": "/api/lastfm/"}}]}"#;

const BREAKER: &str = r#"{"breakers": {"spotify": {"consecutive_failures": 2}},
    "routes": [{"match": {"prefix": "/api/spotify/"}, "upstream": "spotify"}]}"#;

#[test]
fn what_is_stored_is_the_common_shape() {
    check_chain(
        &[("cache", CACHE), ("provider", ALL)],
        r#"
        origin 200 cache-control="private, max-age=0" body='{"id": "x", "name": "y", "artists": [], "more": 1}'
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 200 body.provider=spotify !body~more cache-status~stored
        saw GET /v1/tracks/41Xji81wFy3cM7ggbGczQW
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 200 body.provider=spotify cache-status~hit
        saw nothing
        GET "/api/spotify/track/41Xji81wFy3cM7ggbGczQW?raw=true" -> 200 body~more cache-status~stored
        "#,
    );
}

#[test]
fn a_breaker_counts_what_the_provider_says_and_not_what_its_client_does() {
    check_chain(
        &[("breaker", BREAKER), ("provider", ALL)],
        r#"
        origin 500 body=x
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 502
        3 times GET /api/spotify/track/short -> 400
        origin 429 body=x
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 429
        origin 500
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 502
        origin 503 body=x
        POST /api/spotify/search content-type=application/json body='{"artist": "a", "title": "b"}' -> 503 body.error.code=SERVICE_UNAVAILABLE
        POST /api/spotify/search content-type=application/json body='{"artist": "a", "title": "b"}' -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        "#,
    );
}

#[test]
fn a_provider_that_is_asked_too_often_is_left_alone_however_it_says_so() {
    let track = "GET /api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919";
    check_chain(
        &[("ratelimit", COOLING), ("provider", ALL)],
        &r#"
        origin 200 body='{"error": 29, "message": "Rate Limit Exceeded"}'
        TRACK @1 -> 429 retry-after=2
        saw 1
        2 times TRACK -> 429 body.error.code=RATE_LIMITED
        saw nothing
        log~"lastfm: left alone for 2 s"
        "#
        .replace("TRACK", track),
    );
}
