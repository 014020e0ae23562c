//! The provider filter behind a cache, a limit and a breaker.

use suite::check_chain;

use super::ALL;

pub(super) const CACHE: &str = r#"{"routes": [{"match": {"prefix": "/api/"}, "upstream": "spotify", "data_type": "track_metadata", "ttl": "1h",
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

#[test]
fn what_never_leaves_costs_an_upstreams_limit_nothing() {
    let search = "POST /api/spotify/search content-type=application/json";
    let track = "GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW";
    for when_empty in ["", r#", "when_empty": {"queue": {"max_wait": "1s"}}"#] {
        let quota = format!(
            r#"{{"rules": [{{"name": "spotify", "key": ["upstream"], "upstream": "spotify",
                "limit": {{"rate": "3/h"{when_empty}}}}}]}}"#
        );
        check_chain(
            &[("ratelimit", &quota), ("breaker", BREAKER), ("provider", ALL)],
            &r#"
            origin 200 body='{"id": "x", "name": "y", "artists": []}'
            20 times SEARCH body='{"artist": 7}' -> 400 body.error.code=BAD_REQUEST
            5 times GET /api/spotify/track/short -> 400
            saw nothing
            TRACK -> 200
            # What has left was paid for, however it was answered: too often, and by a mistake twice.
            origin 429 body=x
            TRACK -> 429
            SEARCH body=x -> 400
            origin 500 body=x
            TRACK -> 502
            saw 3
            TRACK -> 429 body.error.code=RATE_LIMITED retry-after>=1000
            SEARCH body='{"artist": 7}' -> 429
            saw nothing
            "#
            .replace("SEARCH", search)
            .replace("TRACK", track),
        );
    }
}

#[test]
fn what_an_open_breaker_answers_costs_an_upstreams_limit_nothing() {
    let quota =
        r#"{"rules": [{"name": "spotify", "key": ["upstream"], "upstream": "spotify", "limit": {"rate": "3/h"}}]}"#;
    check_chain(
        &[("ratelimit", quota), ("breaker", BREAKER)],
        r"
        origin 500
        2 times GET /api/spotify/x -> 500
        9 times GET /api/spotify/x -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        saw 2
        metric api_gateway_rate_limit_tokens{provider=spotify} 1
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=limited} 0
        ",
    );
}

/// The filter as it stands before whatever counts or waits.
fn input() -> String {
    let (routes, names) = ["spotify", "lastfm"]
        .map(|name| {
            let route =
                format!(r#"{{"match": {{"prefix": "/api/{name}/"}}, "provider": "{name}", "strip": "/api/{name}"}}"#);
            (route, format!(r#""{name}": {{}}"#))
        })
        .into_iter()
        .unzip::<_, _, Vec<_>, Vec<_>>();
    format!(r#"{{"checks_only": true, "providers": {{{}}}, "routes": [{}]}}"#, names.join(","), routes.join(","))
}

#[test]
fn bad_input_is_told_so_before_a_spent_limit_a_line_and_an_open_breaker() {
    let search = "POST /api/spotify/search content-type=application/json";
    let bad = r#"
        GET /api/spotify/track/short -> 400 body.error.message~"id: must be 22"
        GET "/api/spotify/track/41Xji81wFy3cM7ggbGczQW?fields=id" -> 400 body.error.message~"query: "
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW body=x -> 400 body.error.message~"body: "
        GET /api/spotify/isrc/GBTDG0900141 -> 404 body.error.code=NOT_FOUND
        SEARCH body='{"artist": ' body='7, "title": "b"}' -> 400 body.error.message="artist: must be a string"
        SEARCH body='{"artist": "a", "title": "b", "limit": 51}' -> 400 body.error.message~"limit: must be a whole number from 1 to 50"
        SEARCH body='{"artist": "\":", "title": "b"}' -> 400 body.error.message="artist: has nothing that could be searched"
        SEARCH body="x"*16385 -> 413
        SEARCH body='{"artist": "a", "title": "b"}' trailer:a=b -> 400 body.error.message~"trailers: "
        POST /api/spotify/search body='{"artist": "a", "title": "b"}' -> 400 body.error.message~"content-type: must be"
        saw nothing
    "#;
    for (when_empty, good) in [
        ("", "GET /api/spotify/track/51Xji81wFy3cM7ggbGczQW -> 429 body.error.code=RATE_LIMITED"),
        (
            r#", "when_empty": {"queue": {"max_wait": "4m"}}"#,
            "start GET /api/spotify/track/51Xji81wFy3cM7ggbGczQW as waiting",
        ),
    ] {
        let quota = format!(
            r#"{{"rules": [{{"name": "spotify", "key": ["upstream"], "upstream": "spotify", "match": [{{"prefix": "/api/spotify/"}}],
                "limit": {{"rate": "1/m"{when_empty}}}}}]}}"#
        );
        check_chain(
            &[("provider", &input()), ("ratelimit", &quota), ("provider", ALL)],
            &format!(
                r#"
                origin 200 body='{{"tracks": {{"items": []}}}}'
                SEARCH body='{{"artist": "a", ' body='"title": "b"}}' -> 200 body.provider=spotify
                saw GET "/v1/search?q=artist%3A%22a%22%20track%3A%22b%22&type=track&limit=10" content-length=0 !body
                {good}
                {bad}
                metric api_gateway_rate_limit_requests_total{{provider=spotify,status=allowed}} 1
                "#
            )
            .replace("SEARCH", search),
        );
    }
    check_chain(
        &[("provider", &input()), ("breaker", BREAKER), ("provider", ALL)],
        &format!(
            "origin 500\n2 times GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 502\nsaw 2\n\
            GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 503 body.error.code=CIRCUIT_BREAKER_OPEN\n{bad}"
        )
        .replace("SEARCH", search),
    );
}
