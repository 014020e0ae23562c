//! A token that is refused: dropped once, and its request sent once more by the way back into the proxy.

use suite::Scenario;

use super::{FOUND, SENT, TRACK, config, issues, scenario};

/// By which way a request goes once more: here to the upstream, which sees what comes back in.
const AGAIN: &str = r#", "again": {"cluster": "origin", "timeout": "5s"}"#;

/// And here back into the chain.
const BACK: &str = r#", "again": {"cluster": "back", "timeout": "5s"}"#;

/// So many requests may leave on one day.
const QUOTA: &str = r#"{"rules": [{"name": "spotify", "key": ["upstream"], "upstream": "spotify", "match": [{"prefix": "/api/spotify/"}],
    "limit": {"rate": "1/d", "burst": 3}, "headers": false}]}"#;

const CACHE: &str = r#"{"routes": [{"match": {"prefix": "/api/"}, "upstream": "spotify", "data_type": "track_metadata", "ttl": "1h",
    "shared": true}]}"#;

const OTHER: &str = "GET /api/spotify/track/51Xji81wFy3cM7ggbGczQW";
const OTHER_SENT: &str = "GET /v1/tracks/51Xji81wFy3cM7ggbGczQW";

/// A cache, a limit and the provider, with a way back in; the first token is there and used.
fn chain(lines: &str) {
    let provider = config("", BACK);
    let all = [("cache", CACHE), ("ratelimit", QUOTA), ("provider", provider.as_str())];
    Scenario::new(&all).cluster("id").back("back").check(&begun(lines));
}

fn begun(lines: &str) -> String {
    let first = issues("token-0000000001", 3600);
    let second = issues("token-0000000002", 3600);
    format!(
        "{first}\norigin {FOUND}\neventually {TRACK} -> 200\nsaw {SENT} authorization=\"Bearer token-0000000001\"\n{second}\n{lines}"
    )
}

/// Ways to say 401, with a body and without.
const REFUSALS: [&str; 2] =
    [r#"body='{"error": "token-0000000001 is bad"}' www-authenticate=Bearer trailer:t=1"#, "www-authenticate=Bearer"];

#[test]
fn a_request_is_sent_a_second_time_and_not_a_third() {
    for refusal in REFUSALS {
        chain(&format!(
            r#"
            origin /v1/tracks/51Xji81wFy3cM7ggbGczQW 401 {refusal}
            {OTHER} x-request-id=r-1 -> 502 body.error.code=PROXY_ERROR body.error.request_id=r-1 !body~token- \
                !www-authenticate !trailer:t content-type=application/json
            saw {OTHER_SENT} authorization="Bearer token-0000000002" x-request-id=r-1 accept-encoding=identity !x-weir-again !cache-control
            metric api_gateway_provider_token_fetches_total{{provider=spotify,outcome=fetched}} 2
            # Both were counted, behind the one that was sent before.
            GET /api/spotify/track/61Xji81wFy3cM7ggbGczQW -> 429
            saw nothing
            !log~"token-000000000"
            "#
        ));
    }
}

#[test]
fn the_second_answer_is_the_clients_whatever_the_first_one_was_like() {
    for refusal in REFUSALS {
        chain(&format!(
            r#"
            origin /v1/tracks/51Xji81wFy3cM7ggbGczQW 401 hold {refusal}
            start {OTHER} x-request-id=r-1 authorization="Bearer of-the-client" as a
            saw {OTHER_SENT} authorization="Bearer token-0000000001"
            origin /v1/tracks/51Xji81wFy3cM7ggbGczQW 200 set-cookie=a=b cache-control=max-age=7 \
                body='{{"id": "x", "name": "token-0000000002", "artists": []}}'
            release /v1/tracks/51Xji81wFy3cM7ggbGczQW
            finish a -> 200 body.name="***" body.provider=spotify content-type=application/json cache-control~max-age=7 !set-cookie !www-authenticate
            saw {OTHER_SENT} authorization="Bearer token-0000000002" !cache-control
            GET /api/spotify/track/61Xji81wFy3cM7ggbGczQW -> 429
            "#
        ));
    }
    // A search has a body, which comes back in with it.
    chain(
        r#"
        origin /v1/search 401 hold body=no
        start POST /api/spotify/search content-type=application/json body='{"artist": "é \"a\"", "title": "b", "limit": 3}' as a
        saw GET "/v1/search?q=artist%3A%22%C3%A9%20a%22%20track%3A%22b%22&type=track&limit=3" authorization="Bearer token-0000000001"
        origin /v1/search 200 body='{"tracks": {"items": []}}'
        release /v1/search
        finish a -> 200 body.provider=spotify body.query.limit=3
        saw GET "/v1/search?q=artist%3A%22%C3%A9%20a%22%20track%3A%22b%22&type=track&limit=3" authorization="Bearer token-0000000002" content-length=0
        "#,
    );
}

#[test]
fn an_answer_that_waited_is_stored() {
    chain(&format!(
        r"
        origin /v1/tracks/51Xji81wFy3cM7ggbGczQW 401 hold body=no
        start {OTHER} as a
        saw {OTHER_SENT}
        origin /v1/tracks/51Xji81wFy3cM7ggbGczQW {FOUND}
        release /v1/tracks/51Xji81wFy3cM7ggbGczQW
        finish a -> 200 cache-status~stored
        saw {OTHER_SENT}
        {OTHER} -> 200 cache-status~hit
        saw nothing
        "
    ));
}

#[test]
fn what_comes_back_in_is_the_clients_own_request() {
    for refusal in REFUSALS {
        let scenario = scenario("", AGAIN);
        scenario.check(&begun(&format!(
            r#"
            origin /v1/tracks/51Xji81wFy3cM7ggbGczQW 401 {refusal}
            origin /api/spotify/track/51Xji81wFy3cM7ggbGczQW 404 retry-after=7 server=x content-type=application/json body='{{"x": 1}}'
            {OTHER} x-request-id=r-1 x-correlation-id=c-1 x-weir-tier=pro authorization="Bearer of-the-client" cookie=a=b cache-control=max-age=1 \
                -> 404 body.x=1 retry-after=7 content-type=application/json content-length=8
            saw GET /api/spotify/track/51Xji81wFy3cM7ggbGczQW cache-control=no-store x-weir-again=1 x-weir-tier=pro x-request-id=r-1 \
                !authorization !cookie
            "#
        )));
        // Past the other filters, which would say its ids.
        let ids = if refusal.contains("body") { "" } else { "x-request-id=r-1 x-correlation-id=c-1" };
        scenario.check(&begun(&format!(
            r"
            origin /v1/tracks/51Xji81wFy3cM7ggbGczQW 401 {refusal}
            origin /api/spotify/track/51Xji81wFy3cM7ggbGczQW {FOUND} content-type=application/json
            {OTHER} x-request-id=r-1 x-correlation-id=c-1 -> 200 {ids}
            "
        )));
        // What nobody has dressed is dressed here.
        for (answer, expected) in [
            ("503 content-type=text/plain body=x", "503 body.error.code=SERVICE_UNAVAILABLE"),
            ("504 content-type=application/json", "504 body.error.code=TIMEOUT"),
            ("200 content-type=text/html body=x", "502 body.error.code=PROXY_ERROR"),
            ("200 content-type=application/json body=abc cut", "502 body.error.code=PROXY_ERROR"),
            (r#"200 content-type=application/json body="x"*62000"#, "502 body.error.code=PROXY_ERROR"),
        ] {
            scenario.check(&begun(&format!(
                r"
                origin /v1/tracks/51Xji81wFy3cM7ggbGczQW 401 {refusal}
                origin /api/spotify/track/51Xji81wFy3cM7ggbGczQW {answer}
                {OTHER} -> {expected} content-type=application/json
                "
            )));
        }
    }
}

#[test]
fn an_answer_that_cannot_be_had_in_time_is_503() {
    let first = issues("token-0000000001", 3600);
    for refusal in REFUSALS {
        // Nothing says by which way it would go once more.
        scenario("", "").check(&format!(
            r"
            {first}
            origin {FOUND}
            eventually {TRACK} -> 200
            origin 401 {refusal}
            {TRACK} x-request-id=r-1 -> 503 retry-after=1 body.error.code=SERVICE_UNAVAILABLE body.error.request_id=r-1
            origin {FOUND}
            eventually {TRACK} -> 200
            "
        ));
        // The endpoint is down.
        scenario(r#", "wait": "500ms""#, AGAIN).check(&format!(
            r"
            {first}
            origin {FOUND}
            eventually {TRACK} -> 200
            origin /token 200 hold
            origin 401 {refusal}
            {TRACK} -> 503 retry-after=1 body.error.code=SERVICE_UNAVAILABLE content-type=application/json
            "
        ));
    }
}

#[test]
fn whoever_leaves_while_its_request_waits_costs_nothing() {
    for refusal in REFUSALS {
        scenario("", AGAIN).check(&format!(
            r#"
            {}
            origin {FOUND}
            eventually {TRACK} @1 -> 200
            {TRACK} @2 -> 200
            saw {SENT}
            origin /token 500
            origin 401 {refusal}
            start {TRACK} @1 as a
            log~"no token from id: status 500"
            leave a
            origin {FOUND}
            {}
            # The other worker does not show the refused one either.
            eventually {TRACK} @2 -> 200
            saw {SENT} authorization="Bearer token-0000000002"
            "#,
            issues("token-0000000001", 3600),
            issues("token-0000000002", 3600)
        ));
    }
}
