//! Keys that issuers publish: fetched once per proxy, kept up, waited for, and missed.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

mod tokens;

#[path = "keys/proxies.rs"]
mod proxies;

use suite::Scenario;
use tokens::{Algorithm, mint};

/// Where the scenarios' issuer publishes its keys: on the cluster `id`, which is the scenario's upstream too.
const URL: &str = "http://id.example/jwks.json";

/// A configuration whose issuer publishes its keys; `fetch` and `more` are further members.
fn config(fetch: &str, more: &str) -> String {
    format!(
        r#"{{"issuers": [{{"issuer": "{}", "audiences": [], "jwks": {{"url": "{URL}", "cluster": "id"{fetch}}}}}]{more}}}"#,
        tokens::ISSUER
    )
}

/// A chain of the filter alone.
fn scenario(fetch: &str, more: &str) -> Scenario {
    Scenario::new(&[("auth", &config(fetch, more))]).cluster("id")
}

/// The line that makes the issuer publish the keys for these algorithms.
fn publishes(algorithms: &[Algorithm]) -> String {
    format!("origin /jwks.json 200 body='{}'", tokens::published(algorithms))
}

#[test]
fn keys_are_fetched_once_for_all_workers() {
    let token = mint(Algorithm::EdDsa, r#""sub": "alice""#);
    scenario("", "").check(&format!(
        r#"
        {}
        eventually GET / authorization="Bearer {token}" @1 -> 200
        4 times GET / authorization="Bearer {token}" -> 200
        saw GET / x-weir-user=alice !authorization
        metric api_gateway_auth_key_fetches_total{{outcome=fetched}} 1
        "#,
        publishes(&[Algorithm::EdDsa, Algorithm::Es256])
    ));
}

/// The line that has the issuer publish nothing that can be used.
const SILENCE: &str = "origin /jwks.json 503";

fn token() -> String {
    mint(Algorithm::EdDsa, r#""sub": "alice""#)
}

/// A token that names its key, with the signature of another.
fn forged() -> String {
    let (token, other) = (token(), mint(Algorithm::EdDsa, r#""sub": "mallory""#));
    format!("{}.{}", other.rsplit_once('.').unwrap().0, token.rsplit_once('.').unwrap().1)
}

#[test]
fn a_request_before_the_first_keys_waits_for_them_with_its_body() {
    let token = token();
    scenario(r#", "wait": "20s""#, "").check(&format!(
        r#"
        {SILENCE}
        start POST /a authorization="Bearer {token}" body=one body=two trailer:t=1 as a
        log~"not fetched"
        {}
        finish a -> 200
        saw POST /a x-weir-user=alice !authorization body=onetwo trailer:t=1
        metric api_gateway_auth_key_fetches_total{{outcome=fetched}} 1
        metric api_gateway_auth_requests_total{{outcome=allowed}} 1
        "#,
        publishes(&[Algorithm::EdDsa])
    ));
}

#[test]
fn requests_that_waited_are_judged_like_any_other() {
    let (token, forged) = (token(), forged());
    scenario(r#", "wait": "20s""#, "").check(&format!(
        r#"
        origin /jwks.json 200 hold
        start GET /a authorization="Bearer {token}" @1 as a
        start GET /b authorization="Bearer {token}" @2 as b
        start POST /c authorization="Bearer {forged}" body="x"*100000 @1 as c
        start GET /d authorization="Bearer {token}" @1 as d
        GET / -> 401 body.error.code=UNAUTHORIZED
        {}
        release /jwks.json
        finish a -> 200
        finish b -> 200
        finish c -> 401 body.error.code=AUTH_FAILED
        finish d -> 200
        log~"credential refused: wrong_signature"
        "#,
        publishes(&[Algorithm::EdDsa])
    ));
}

#[test]
fn without_keys_a_request_is_answered_in_time() {
    let token = token();
    let routes = r#", "routes": [{"match": {"prefix": "/open"}, "auth": "optional"}]"#;
    scenario(r#", "wait": "500ms", "timeout": "1s""#, routes).check(&format!(
        r#"
        {SILENCE}
        eventually GET / authorization="Bearer {token}" -> 503 body.error.code=SERVICE_UNAVAILABLE retry-after>=1
        GET / authorization="Bearer {token}" accept=application/problem+json -> 503 body.code=SERVICE_UNAVAILABLE
        GET /open -> 200
        GET /open authorization="Bearer {token}" -> 401 body.error.code=AUTH_FAILED
        log~"credential refused: keys_not_fetched"
        GET / authorization="Bearer x" -> 401
        GET / -> 401 body.error.code=UNAUTHORIZED
        metric api_gateway_auth_requests_total{{outcome=unavailable}} >=2
        {}
        eventually GET / authorization="Bearer {token}" -> 200
        "#,
        publishes(&[Algorithm::EdDsa])
    ));
}

#[test]
fn an_issuer_that_hangs_makes_nobody_wait_for_longer_than_configured() {
    let token = token();
    scenario(r#", "wait": "1s", "timeout": "30s""#, "").check(&format!(
        r#"
        origin /jwks.json 200 hold
        GET / authorization="Bearer {token}" -> 503 retry-after=* body.error.code=SERVICE_UNAVAILABLE
        GET / authorization="Bearer {token}" -> 503
        "#
    ));
}

#[test]
fn places_to_wait_are_bounded_and_given_up_by_clients_that_leave() {
    let token = token();
    scenario(r#", "wait": "20s", "timeout": "20s", "waiting_max": 2"#, "")
        .workers(1)
        .host_only("the place is free at the next look, which no line can wait for")
        .check(&format!(
            r#"
            origin /jwks.json 200 hold
            start GET /1 authorization="Bearer {token}" as a
            start GET /2 authorization="Bearer {token}" as b
            GET /3 authorization="Bearer {token}" -> 503 retry-after=*
            leave a
            advance 100ms
            start GET /4 authorization="Bearer {token}" as c
            GET /5 authorization="Bearer {token}" -> 503
            {}
            release /jwks.json
            finish b -> 200
            finish c -> 200
            "#,
            publishes(&[Algorithm::EdDsa])
        ));
}

#[test]
fn rotation_is_seen_when_the_first_token_of_a_new_key_comes() {
    let (old, new) = (token(), mint(Algorithm::Es256, r#""sub": "bob""#));
    let other = tokens::mint_under("never");
    scenario(r#", "wait": "5s""#, "").check(&format!(
        r#"
        {before}
        eventually GET / authorization="Bearer {old}" -> 200
        {after}
        POST / authorization="Bearer {new}" body=x @1 -> 200
        2 times GET / authorization="Bearer {new}" -> 200
        GET / authorization="Bearer {new}" @2 -> 200
        metric api_gateway_auth_key_fetches_total{{outcome=fetched}} 2
        20 times GET / authorization="Bearer {other}" -> 401
        log~"credential refused: unlisted_key"
        metric api_gateway_auth_key_fetches_total{{outcome=fetched}} 2
        GET / authorization="Bearer {new}" -> 200
        "#,
        before = publishes(&[Algorithm::EdDsa]),
        after = publishes(&[Algorithm::Es256]),
    ));
}

#[test]
fn a_key_that_is_withdrawn_is_not_remembered() {
    let (old, new) = (token(), mint(Algorithm::Es256, r#""sub": "bob""#));
    scenario(r#", "wait": "5s""#, "").check(&format!(
        r#"
        {before}
        eventually GET / authorization="Bearer {old}" @1 -> 200
        GET / authorization="Bearer {old}" @2 -> 200
        {after}
        GET / authorization="Bearer {new}" @1 -> 200
        GET / authorization="Bearer {new}" @2 -> 200
        eventually GET / authorization="Bearer {old}" @1 -> 401
        eventually GET / authorization="Bearer {old}" @2 -> 401
        GET / authorization="Bearer {old}" @2 -> 401
        "#,
        before = publishes(&[Algorithm::EdDsa]),
        after = publishes(&[Algorithm::Es256]),
    ));
}

#[test]
fn a_bad_document_never_replaces_a_good_one() {
    let token = token();
    for bad in [
        "503",
        "200",
        "200 body='<html>'",
        r#"200 body='{"keys": []}'"#,
        &format!("200 body='{{\"keys\": [{}]}}'", tokens::jwk(Algorithm::Hs256, "EdDSA")),
        r#"200 body="x"*70000"#,
        "302 location=/elsewhere",
        "reset",
        "200 body=abc cut",
    ] {
        scenario(r#", "refresh": "30s""#, "").host_only("it is about what happens after minutes").check(&format!(
            r#"
            {}
            GET / authorization="Bearer {token}" -> 200
            origin /jwks.json {bad}
            advance 31s
            log~"not fetched"
            advance 5m
            GET / authorization="Bearer {token}" -> 200
            "#,
            publishes(&[Algorithm::EdDsa, Algorithm::Es256])
        ));
    }
}

#[test]
fn what_is_no_key_set_is_told_to_the_log() {
    scenario("", "").check(
        r#"
        origin /jwks.json 302 location=/elsewhere
        log~"keys of https://id.example/ not fetched: status 302"
        origin /jwks.json 200 body="x"*2000000
        log~"keys of https://id.example/ not fetched: the answer broke off, or is too long"
        origin /jwks.json reset
        log~"keys of https://id.example/ not fetched: status 503"
        saw GET /jwks.json host=id.example !authorization
        "#,
    );
}

#[test]
fn while_the_issuer_is_down_keys_are_kept_for_a_time_and_no_longer() {
    let token = token();
    scenario(r#", "refresh": "10m", "keep": "1h""#, "").host_only("it is about an hour").check(&format!(
        r#"
        {good}
        GET / authorization="Bearer {token}" @1 -> 200
        saw 2
        {SILENCE}
        advance 59m
        GET / authorization="Bearer {token}" @1 -> 200
        GET / authorization="Bearer {token}" @2 -> 200
        metric api_gateway_auth_key_fetches_total{{outcome=failed}} >=40
        metric api_gateway_auth_key_fetches_total{{outcome=failed}} <=120
        advance 2m
        GET / authorization="Bearer {token}" @1 -> 503 retry-after<=60
        GET / authorization="Bearer {token}" @2 -> 503 retry-after<=60
        log~"keys of https://id.example/: too old to be used"
        {good}
        advance 61s
        GET / authorization="Bearer {token}" @1 -> 200
        GET / authorization="Bearer {token}" @2 -> 200
        "#,
        good = publishes(&[Algorithm::EdDsa]),
    ));
}

#[test]
fn keys_are_fetched_again_before_they_are_stale() {
    let token = token();
    let good = tokens::published(&[Algorithm::EdDsa]);
    for (header, seconds, count) in [
        ("", 600, 1),
        ("cache-control=max-age=60", 60, 1),
        ("cache-control='public, Max-Age=1'", 30, 1),
        ("cache-control=max-age=86400", 600, 1),
        ("cache-control=no-store", 600, 1),
    ] {
        scenario(r#", "refresh": "10m""#, "").host_only("it is about minutes").check(&format!(
            r#"
            origin /jwks.json 200 {header} body='{good}'
            GET / authorization="Bearer {token}" -> 200
            saw 2
            advance {}s
            saw nothing
            advance {}s
            saw {count}
            "#,
            seconds * 9 / 10 - 2,
            seconds / 10 + 2,
        ));
    }
}

#[test]
fn a_flood_of_unknown_keys_costs_one_fetch_in_a_cooldown() {
    let other = tokens::mint_under("never");
    scenario(r#", "cooldown": "30s", "wait": "1s""#, "").host_only("it is about minutes").check(&format!(
        r#"
        {}
        GET / authorization="Bearer {}" -> 200
        50 times GET / authorization="Bearer {other}" -> 401
        metric api_gateway_auth_key_fetches_total{{outcome=fetched}} 2
        advance 29s
        50 times GET / authorization="Bearer {other}" -> 401
        metric api_gateway_auth_key_fetches_total{{outcome=fetched}} 3
        advance 28s
        50 times GET / authorization="Bearer {other}" -> 401
        metric api_gateway_auth_key_fetches_total{{outcome=fetched}} 3
        back 1h
        50 times GET / authorization="Bearer {other}" -> 401
        metric api_gateway_auth_key_fetches_total{{outcome=fetched}} <=5
        GET / authorization="Bearer {}" -> 200
        "#,
        publishes(&[Algorithm::EdDsa]),
        token(),
        token(),
    ));
}
