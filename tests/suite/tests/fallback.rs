//! The breaker filter's fallbacks: who answers while an upstream is not asked.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use suite::{check, check_chain, refuses};

/// The breaker of one upstream, `spotify`, which all requests are for.
fn config(breaker: &str) -> String {
    format!(r#"{{"breakers": {{"spotify": {breaker}}}, "routes": [{{"upstream": "spotify"}}]}}"#)
}

#[test]
fn an_answer_of_the_operator_s_stands_in() {
    check(
        "breaker",
        &config(
            r#"{"consecutive_failures": 1, "fallback": {"static": {"status": 200, "headers": {"x-a": "1"}, "body": "{\"results\":[]}"}}}"#,
        ),
        r#"
        origin 500
        GET / -> 500 !x-weir-fallback
        GET / -> 200 x-a=1 content-type=application/json cache-control=no-store x-weir-fallback=static !retry-after \
            body='{"results":[]}'
        HEAD / -> 200 x-a=1 x-weir-fallback=static !body
        POST / body=xyz -> 200 x-weir-fallback=static
        saw 1
        state wasm.weir.breaker=open
        metric api_gateway_circuit_breaker_refusals_total{provider=spotify} 3
        metric api_gateway_fallbacks_total{provider=spotify} 3
    "#,
    );
}

#[test]
fn one_that_says_no_says_until_when() {
    check(
        "breaker",
        &config(
            r#"{"consecutive_failures": 1, "open_for": "60s", "fallback": {"static": {"status": 503, "body": "\"later\""}}}"#,
        ),
        r#"
        origin 500
        GET / -> 500
        GET / -> 503 retry-after>=59 retry-after<=60 body='"later"'
    "#,
    );
}

#[test]
fn a_full_bulkhead_is_stood_in_for_too() {
    check(
        "breaker",
        &config(r#"{"bulkhead": 1, "fallback": {"static": {"status": 429, "body": "[]"}}}"#),
        r"
        origin /slow 200 hold
        start GET /slow as a
        saw GET /slow
        GET / -> 429 retry-after=1 x-weir-fallback=static body=[]
        metric api_gateway_bulkhead_refusals_total{provider=spotify} 1
        metric api_gateway_fallbacks_total{provider=spotify} 1
        release
        finish a -> 200
        eventually GET / -> 200 !x-weir-fallback
    ",
    );
}

#[test]
fn another_upstream_stands_in_under_its_own_breaker() {
    check(
        "breaker",
        r#"{"breakers": {"a": {"consecutive_failures": 1, "fallback": {"upstream": "b"}}, "b": {"consecutive_failures": 2}},
            "routes": [{"upstream": "a"}]}"#,
        r"
        origin 500
        GET / -> 500 !x-weir-fallback
        origin 200
        GET / -> 200 x-weir-fallback=upstream cache-control=no-store
        saw GET / !x-weir-fallback
        state wasm.weir.breaker=open wasm.weir.fallback=b
        origin 502
        2 times GET / -> 502 x-weir-fallback=upstream
        GET / -> 503 body.error.code=CIRCUIT_BREAKER_OPEN !x-weir-fallback
        state wasm.weir.breaker=open !wasm.weir.fallback
        metric api_gateway_fallbacks_total{provider=a} 3
        metric api_gateway_circuit_breaker_refusals_total{provider=a} 4
        metric api_gateway_circuit_breaker_failures_total{provider=a} 1
        metric api_gateway_circuit_breaker_failures_total{provider=b} 2
        metric api_gateway_circuit_breaker_opens_total{provider=b} 1
    ",
    );
}

#[test]
fn what_another_upstream_says_of_its_limits_is_not_about_the_one_that_it_stands_in_for() {
    check_chain(
        &[
            ("ratelimit", r#"{"upstreams": [{"name": "a", "match": {}, "learn": ["retry_after"]}]}"#),
            (
                "breaker",
                r#"{"breakers": {"a": {"consecutive_failures": 1, "fallback": {"upstream": "b"}}},
                    "routes": [{"upstream": "a"}]}"#,
            ),
        ],
        r"
        origin 500
        GET / -> 500
        origin 429 retry-after=60
        3 times GET / -> 429 retry-after=60 x-weir-fallback=upstream
        saw 4
        metric api_gateway_rate_limit_cooldowns_total{provider=a} 0
    ",
    );
}

#[test]
fn what_another_upstream_answers_costs_the_one_that_it_stands_in_for_nothing() {
    for when_empty in ["", r#", "when_empty": {"queue": {"max_wait": "1s"}}"#] {
        let quota = format!(
            r#"{{"rules": [{{"name": "a", "key": ["upstream"], "upstream": "a", "match": {{"prefix": "/a"}},
                "limit": {{"rate": "3/h"{when_empty}}}}}, {{"name": "users", "key": ["user"], "limit": {{"rate": "9/h"}}}}]}}"#
        );
        check_chain(
            &[
                ("ratelimit", &quota),
                (
                    "breaker",
                    r#"{"breakers": {"a": {"consecutive_failures": 1, "open_for": "60s", "fallback": {"upstream": "b"}}},
                        "routes": [{"match": {"prefix": "/a"}, "upstream": "a"}]}"#,
                ),
            ],
            r"
            # Who says that it stands in for another does not: what it was asked is paid for.
            origin 200 x-weir-fallback=upstream
            GET /a -> 200 x-weir-fallback=upstream
            origin 500
            GET /a -> 500
            metric api_gateway_rate_limit_tokens{provider=a} 1
            origin 200
            4 times GET /a -> 200 x-weir-fallback=upstream
            origin 502
            GET /a -> 502 x-weir-fallback=upstream
            saw 7
            metric api_gateway_rate_limit_tokens{provider=a} 1
            # The caller has been answered, which costs it what an answer does.
            2 times GET / x-weir-fallback=upstream -> 502
            GET / -> 429 body.error.code=RATE_LIMITED
            ",
        );
    }
}

#[test]
fn a_client_cannot_choose_the_fallback() {
    check(
        "breaker",
        r#"{"breakers": {"a": {"fallback": {"upstream": "b"}}}, "routes": [{"upstream": "a"}]}"#,
        r"
        GET / x-weir-fallback=b weir.fallback=b -> 200 !x-weir-fallback
        state !wasm.weir.fallback
    ",
    );
}

const CACHE: &str =
    r#"{"routes": [{"match": {}, "ttl": "10s", "despite": ["no-store"], "shared": true, "stale_if_error": "1d"}]}"#;

#[test]
fn what_is_stored_stands_in_while_the_breaker_is_open() {
    check_chain(
        &[("cache", CACHE), ("breaker", &config(r#"{"consecutive_failures": 1, "open_for": "1h"}"#))],
        r#"
        origin 200 content-type=text/plain body=old
        GET /x -> 200 body=old
        origin 500
        GET /other -> 500
        advance 60s
        GET /x -> 200 body=old age>=60 cache-status~"detail=stale-if-error"
        GET /y -> 503 body.error.code=CIRCUIT_BREAKER_OPEN
        saw 2
    "#,
    );
}

#[test]
fn what_is_stored_is_better_than_a_makeshift_and_a_makeshift_is_never_stored() {
    let fallback = r#"{"consecutive_failures": 1, "open_for": "1h", "close_after": 1,
        "fallback": {"static": {"status": 200, "headers": {"cache-control": "max-age=3600"}, "body": "[]"}}}"#;
    check_chain(
        &[("cache", CACHE), ("breaker", &config(fallback))],
        r#"
        origin 200 content-type=text/plain body=old
        GET /x -> 200 body=old
        origin 500
        GET /other -> 500
        advance 60s
        GET /x -> 200 body=old cache-status~"detail=stale-if-error" !x-weir-fallback
        2 times GET /y -> 200 body=[] x-weir-fallback=static cache-status~"fwd=uri-miss" !cache-status~stored
        advance 1h
        origin 200 content-type=text/plain body=new
        GET /y -> 200 body=new !x-weir-fallback
    "#,
    );
}

#[test]
fn hostile_requests_get_the_same_answer() {
    check(
        "breaker",
        &config(r#"{"consecutive_failures": 1, "fallback": {"static": {"status": 503, "body": "[]"}}}"#),
        r#"
        origin 500
        GET / -> 500
        GET / accept="\xff\xfe" x-request-id="\xff\xfe" retry-after="\xff" -> 503 retry-after<=60 body=[]
        GET / accept="a"*59000 x-weir-fallback="a" x-weir-fallback="b" -> 503 x-weir-fallback=static body=[]
        200 times GET / -> 503 body=[]
        saw 1
    "#,
    );
}

#[test]
fn a_fallback_with_a_mistake_is_refused() {
    refuses(
        "breaker",
        &config(r#"{"fallback": {"upstream": "spotify"}}"#),
        "configuration refused: breakers.spotify.fallback.upstream: must be another upstream",
    );
    refuses(
        "breaker",
        &config(r#"{"fallback": {"static": {"status": 99}}}"#),
        "configuration refused: breakers.spotify.fallback.static.status: must be a whole number from 200 to 599",
    );
}
