//! Under which provider the ratelimit filter counts a request, and that it counts it once: in front of a cache with the
//! callers' limits, behind it with an upstream's own.

use suite::{Scenario, check, check_chain};

/// Callers may ask six times an hour, wherever it goes.
const CALLERS: &str = r#"{"rules": [{"name": "client", "key": ["user"], "limit": {"rate": "6/h"}, "routes": [
    {"match": {"prefix": "/api/spotify/"}, "upstream": "spotify", "count_allowed": false},
    {"match": {"prefix": "/api/v1/"}, "upstream": "inventory"},
    {"match": {"prefix": "/api/"}, "upstream": "discovery"}
]}]}"#;

const CACHE: &str = r#"{"routes": [
    {"match": {"prefix": "/api/spotify/"}, "upstream": "spotify", "data_type": "track_metadata", "ttl": "1h", "shared": true},
    {"match": {"prefix": "/api/v1/"}, "upstream": "inventory", "data_type": "products", "ttl": "1h", "shared": true}
]}"#;

/// Spotify may be asked twice an hour.
const QUOTA: &str = r#"{"rules": [{"name": "spotify", "match": [{"prefix": "/api/spotify/"}], "key": ["upstream"],
    "upstream": "spotify", "limit": {"rate": "2/h"}}]}"#;

#[test]
fn a_request_counts_under_the_upstream_of_its_route() {
    check(
        "ratelimit",
        CALLERS,
        "
        2 times GET /api/v1/products x-weir-user=a -> 200
        4 times GET /api/genres x-weir-user=a -> 200
        GET /api/genres x-weir-user=a -> 429
        GET /api/v1/products x-weir-user=a -> 429
        GET /other x-weir-user=a -> 200 !x-ratelimit-limit
        metric api_gateway_rate_limit_requests_total{provider=inventory,status=allowed} 2
        metric api_gateway_rate_limit_requests_total{provider=inventory,status=limited} 1
        metric api_gateway_rate_limit_requests_total{provider=discovery,status=allowed} 4
        metric api_gateway_rate_limit_requests_total{provider=discovery,status=limited} 1
        metric api_gateway_rate_limit_requests_total{} 8
        ",
    );
}

#[test]
fn a_request_that_two_limits_let_pass_is_allowed_once() {
    check_chain(
        &[("ratelimit", CALLERS), ("cache", CACHE), ("ratelimit", QUOTA)],
        "
        origin 200 body=x
        GET /api/spotify/1 x-weir-user=a -> 200 cache-status~stored
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=allowed} 1
        # What the cache answers never comes to the provider.
        2 times GET /api/spotify/1 x-weir-user=a -> 200 cache-status~hit
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=allowed} 1
        GET /api/spotify/2 x-weir-user=a -> 200 cache-status~stored
        # The provider's own limit, which costs the caller nothing, then the caller's.
        GET /api/spotify/3 x-weir-user=a -> 429 body.error.code=RATE_LIMITED x-ratelimit-remaining=2
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=limited} 1
        2 times GET /api/spotify/1 x-weir-user=a -> 200 cache-status~hit
        GET /api/spotify/1 x-weir-user=a -> 429 body.error.code=RATE_LIMITED x-ratelimit-remaining=0
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=allowed} 2
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=limited} 2
        metric api_gateway_cache_hits_total{provider=spotify,data_type=track_metadata} 4
        # No limit of its own: the caller's counts whatever it lets pass.
        2 times GET /api/v1/products x-weir-user=b -> 200
        metric api_gateway_cache_hits_total{provider=inventory,data_type=products} 1
        metric api_gateway_rate_limit_requests_total{provider=inventory,status=allowed} 2
        metric api_gateway_rate_limit_requests_total{} 6
        metric api_gateway_rate_limit_requests_total{provider=client} 0
        ",
    );
}

#[test]
fn two_rules_for_one_provider_count_a_request_once() {
    check(
        "ratelimit",
        r#"{"rules": [
            {"name": "users", "key": ["user"], "limit": {"rate": "9/h"}, "routes": [
                {"match": {"path": "/quiet"}, "upstream": "spotify", "count_allowed": false},
                {"upstream": "spotify"}]},
            {"name": "devices", "key": ["header:x-device"], "limit": {"rate": "9/h"}},
            {"name": "provider", "key": ["upstream"], "upstream": "spotify", "limit": {"rate": "3/h"}}
        ]}"#,
        "
        2 times GET / x-weir-user=a -> 200
        GET /quiet x-weir-user=a -> 200
        GET /quiet x-weir-user=a -> 429
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=allowed} 3
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=limited} 1
        metric api_gateway_rate_limit_requests_total{provider=devices,status=allowed} 3
        metric api_gateway_rate_limit_requests_total{provider=devices,status=limited} 1
        metric api_gateway_rate_limit_requests_total{} 8
        metric api_gateway_rate_limit_tokens{provider=spotify} 0
        ",
    );
}

#[test]
fn every_worker_counts_under_the_same_provider() {
    Scenario::new(&[("ratelimit", CALLERS), ("cache", CACHE), ("ratelimit", QUOTA)]).workers(3).check(
        "
        GET /api/v1/1 x-weir-user=a @1 -> 200
        GET /api/v1/2 x-weir-user=a @2 -> 200
        GET /api/spotify/1 x-weir-user=a @3 -> 200
        GET /api/spotify/2 x-weir-user=a @1 -> 200
        metric api_gateway_rate_limit_requests_total{provider=inventory,status=allowed} 2
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=allowed} 2
        metric api_gateway_rate_limit_requests_total{} 4
        ",
    );
}

#[test]
fn what_a_later_limit_refuses_shows_the_callers_tokens_as_they_are() {
    let callers = r#"{"rules": [{"name": "client", "key": ["user"], "limit": {"rate": "2/s", "burst": 2,
        "when_empty": {"queue": {"max_wait": "5s"}}}}, {"name": "day", "key": ["user"], "limit": {"rate": "9/d"}}]}"#;
    Scenario::new(&[("ratelimit", callers), ("ratelimit", QUOTA)])
        .check(
            r#"
            GET /other x-weir-user=a -> 200 x-ratelimit-limit=2 x-ratelimit-remaining=1
            GET /api/spotify/1 x-weir-user=b -> 200 x-ratelimit-remaining=1
            GET /api/spotify/2 x-weir-user=c -> 200 x-ratelimit-remaining=1
            # Spent by both: the caller has what it had.
            GET /api/spotify/3 x-weir-user=d -> 429 x-ratelimit-limit=2 x-ratelimit-remaining=2 ratelimit='"client-second";r=2;t=0'
            GET /api/spotify/3 x-weir-user=d -> 429 x-ratelimit-remaining=2 ratelimit-policy~client-second
            GET /other x-weir-user=d -> 200 x-ratelimit-remaining=1
            "#,
        );
}

#[test]
fn who_has_waited_gets_back_what_a_later_limit_makes_worthless_and_reads_what_is_true_then() {
    let callers = r#"{"rules": [{"name": "client", "key": ["user"], "limit": {"rate": "1/s", "burst": 1,
        "when_empty": {"queue": {"max_wait": "5s"}}}}]}"#;
    Scenario::new(&[("ratelimit", callers), ("ratelimit", QUOTA)]).check(
        r#"
            2 times GET /api/spotify/1 -> 200
            saw 2
            start GET /api/spotify/2 x-weir-user=a as a
            finish a -> 429 x-ratelimit-remaining=1
            GET /other x-weir-user=a -> 200 x-ratelimit-remaining=0
            saw GET /other
            start GET /other x-weir-user=a as b
            finish b -> 200 x-ratelimit-remaining=0 ratelimit='"client-second";r=0;t=1'
            "#,
    );
}
