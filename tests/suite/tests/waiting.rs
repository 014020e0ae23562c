//! The ratelimit filter where requests wait: in which order they are sent and when, who is answered at once, and what
//! becomes of those who leave.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use suite::{Scenario, check, refuses};

/// One call a second, for which others wait.
fn musicbrainz(max_wait: &str, max_requests: u32) -> String {
    format!(
        r#"{{
        "tiers": {{"anonymous": {{"per_hour": 1}}, "pro": {{"per_hour": 1, "priority": 5}}}},
        "rules": [{{
            "name": "musicbrainz", "key": ["upstream"], "upstream": "musicbrainz",
            "limit": {{
                "rate": "1/s", "burst": 1,
                "when_empty": {{"queue": {{"max_wait": "{max_wait}", "max_requests": {max_requests}}}}}
            }}
        }}]
    }}"#
    )
}

#[test]
fn ten_callers_at_once_are_ten_calls_a_second_apart() {
    check(
        "ratelimit",
        &musicbrainz("10s", 100),
        "
        start GET /1 @1 as a
        saw GET /1
        start GET /2 @1 as b
        start GET /3 @2 as c
        start GET /4 @1 as d
        start GET /5 @2 as e
        saw nothing
        advance 999ms
        saw nothing
        advance 2ms
        saw 1
        finish b -> 200
        advance 997ms
        saw nothing
        advance 5ms
        saw GET /3
        advance 1s
        saw GET /4
        advance 1001ms
        saw GET /5
        finish a -> 200
        finish c -> 200
        finish d -> 200
        finish e -> 200
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=allowed} 5
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=limited} 0
        metric api_gateway_rate_limit_wait_seconds{provider=musicbrainz} 5
    ",
    );
}

#[test]
fn who_waits_is_sent_in_both_proxies() {
    check(
        "ratelimit",
        &musicbrainz("10s", 100),
        r"
        start GET /1 as a
        start GET /2 x-weir-user=b as b
        start POST /3 body=one body=two trailer:sum=1 as c
        finish a -> 200
        finish b -> 200 !retry-after
        finish c -> 200
        saw 3
        metric api_gateway_rate_limit_requests_total{provider=musicbrainz,status=allowed} 3
        metric api_gateway_rate_limit_wait_seconds{provider=musicbrainz} 3
        GET / -> 200
        saw GET /
    ",
    );
}
