//! Tokens of providers: fetched once per proxy, waited for, dropped where they are refused, and never shown too late.

#[path = "oauth/again.rs"]
mod again;
#[path = "oauth/life.rs"]
mod life;

use suite::Scenario;

const TRACK: &str = "GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW";
const SENT: &str = "GET /v1/tracks/41Xji81wFy3cM7ggbGczQW";
const FOUND: &str = r#"200 body='{"id": "41Xji81wFy3cM7ggbGczQW", "name": "Strobe", "artists": []}'"#;

/// A provider whose tokens come from the cluster `id`; `grant` and `provider` are further members.
fn config(grant: &str, provider: &str) -> String {
    format!(
        r#"{{"providers": {{"spotify": {{"base": "/v1", "credentials": {{"oauth2": {{
            "token_url": "http://id.example/token", "cluster": "id",
            "client_id": {{"env": "ID", "default": "client-of-ours"}},
            "client_secret": {{"env": "SECRET", "default": "secret-of-ours"}}{grant}}}}}{provider}}}}},
        "routes": [{{"match": {{"prefix": "/api/spotify/"}}, "provider": "spotify", "strip": "/api/spotify"}}]}}"#
    )
}

fn scenario(grant: &str, provider: &str) -> Scenario {
    Scenario::new(&[("provider", &config(grant, provider))]).cluster("id")
}

/// The line that has the endpoint give this token.
fn issues(token: &str, seconds: u32) -> String {
    format!(
        r#"origin /token 200 body='{{"access_token": "{token}", "token_type": "Bearer", "expires_in": {seconds}}}'"#
    )
}

#[test]
fn a_token_is_fetched_once_for_all_workers_and_requests_wait_for_it() {
    scenario("", "").workers(3).check(&format!(
        r#"
        origin /token 200 hold body='{{"access_token": "token-0123456789", "token_type": "bearer", "expires_in": 3600}}'
        origin {FOUND}
        saw POST /token host=id.example authorization="Basic Y2xpZW50LW9mLW91cnM6c2VjcmV0LW9mLW91cnM=" body="grant_type=client_credentials" \
            content-type=application/x-www-form-urlencoded
        start {TRACK} authorization="Bearer of-the-client" cookie=a=b @1 as a
        start POST /api/spotify/search content-type=application/json body='{{"artist": "a", ' body='"title": "b"}}' @2 as b
        start {TRACK} @3 as c
        release /token
        finish a -> 200 body.name=Strobe
        finish b -> 502
        finish c -> 200
        {TRACK} @2 -> 200
        saw {SENT} authorization="Bearer token-0123456789" !cookie
        saw nothing
        metric api_gateway_provider_token_fetches_total{{provider=spotify,outcome=fetched}} 1
        !log~"token-0123456789"
        !log~secret-of-ours
        !log~Y2xpZW50LW9m
        "#
    ));
}

#[test]
fn a_search_that_waited_leaves_as_the_providers_own() {
    scenario("", "").check(
        r#"
        origin /token 200 hold body='{"access_token": "token-0123456789", "token_type": "bearer", "expires_in": 3600}'
        origin 200 body='{"tracks": {"items": []}}'
        saw POST /token
        start POST /api/spotify/search content-type=application/json body='{"artist": "a", ' body='"title": "b"}' as a
        release /token
        finish a -> 200 body.provider=spotify
        saw GET "/v1/search?q=artist%3A%22a%22%20track%3A%22b%22&type=track&limit=10" authorization="Bearer token-0123456789" \
            content-length=0 !body !content-type !transfer-encoding
        "#,
    );
}

#[test]
fn a_client_may_be_shown_in_the_form() {
    scenario(r#", "style": "form", "scope": "a b""#, "").check(&format!(
        r#"
        {}
        saw POST /token !authorization \
            body="grant_type=client_credentials&scope=a%20b&client_id=client-of-ours&client_secret=secret-of-ours"
        "#,
        issues("token-0123456789", 3600)
    ));
}

#[test]
fn no_request_leaves_without_a_token_and_each_is_answered_in_time() {
    scenario(r#", "wait": "500ms", "timeout": "30s""#, "").check(&format!(
        r#"
        origin /token 503
        eventually {TRACK} -> 503 body.error.code=SERVICE_UNAVAILABLE retry-after>=1
        {TRACK} accept=application/problem+json -> 503 body.code=SERVICE_UNAVAILABLE
        log~"spotify: no token from id: status 503"
        origin {FOUND}
        {}
        eventually {TRACK} -> 200
        "#,
        issues("token-0123456789", 3600)
    ));
    scenario(r#", "wait": "500ms", "timeout": "30s""#, "").check(&format!(
        r"
        origin /token 200 hold
        {TRACK} -> 503 retry-after=1
        {TRACK} -> 503
        "
    ));
}

#[test]
fn places_to_wait_are_bounded_and_given_up_by_clients_that_leave() {
    scenario(r#", "wait": "20s", "timeout": "20s", "waiting_max": 2"#, "")
        .workers(1)
        .host_only("the place is free at the next look, which no line can wait for")
        .check(&format!(
            r#"
            origin /token 200 hold body='{{"access_token": "token-0123456789", "token_type": "bearer"}}'
            origin {FOUND}
            start {TRACK} as a
            start {TRACK} as b
            {TRACK} -> 503 retry-after=1
            leave a
            advance 100ms
            start {TRACK} as c
            {TRACK} -> 503
            release /token
            finish b -> 200
            finish c -> 200
            "#
        ));
}

#[test]
fn whatever_is_no_token_is_not_shown() {
    for (answer, told) in [
        (r"200 body='<html>secret-of-ours'", "the answer is no JSON object"),
        (r#"200 body='{"access_token": "a b", "token_type": "bearer"}'"#, "no access_token that can be shown"),
        (r#"200 body='{"access_token": "token-0123456789", "token_type": "mac"}'"#, "token_type is not Bearer"),
        (
            r#"200 body='{"access_token": "token-0123456789", "token_type": "bearer", "expires_in": 0}'"#,
            "expires_in is no time",
        ),
        (
            r#"200 body='{"access_token": "token-0123456789", "token_type": "bearer", "expires_in": -3600}'"#,
            "expires_in is no time",
        ),
        (
            r#"200 body='{"access_token": "token-0123456789", "token_type": "bearer", "expires_in": "soon"}'"#,
            "expires_in is no time",
        ),
        (r#"200 body='{"access_token": "token-0123456789", "expires_in": 3600}'"#, "token_type is not Bearer"),
        (r#"200 body='{"error": "invalid_client", "error_description": "secret-of-ours"}'"#, "no access_token that"),
        (r#"500 body='{"access_token": "token-0123456789", "token_type": "bearer"}'"#, "status 500"),
        (
            r#"401 body='{"error": "invalid_client", "error_description": "secret-of-ours"}'"#,
            "status 401 invalid_client",
        ),
        (r#"200 body="x"*40000"#, "no answer, or one that is too long"),
        (r#"200 body='{"access_token": "token-0123456789", "token_type": "bearer"}' cut"#, "no answer"),
        ("reset", "status 503"),
        ("302 location=http://other.example/", "status 302"),
    ] {
        scenario(r#", "wait": "0""#, "").check(&format!(
            r#"
            origin /token {answer}
            log~"{told}"
            {TRACK} -> 503 retry-after>=1 body.error.code=SERVICE_UNAVAILABLE
            metric api_gateway_provider_token_fetches_total{{provider=spotify,outcome=failed}} >=1
            !log~secret-of-ours
            !log~token-0123456789
            "#
        ));
    }
}

#[test]
fn a_token_holds_for_as_long_as_its_answer_says_within_reason() {
    for (said, holds) in [
        ("", "280s"),
        (r#", "expires_in": null"#, "280s"),
        (r#", "expires_in": "600""#, "580s"),
        (r#", "expires_in": 600"#, "580s"),
        // A day at most.
        (r#", "expires_in": 99999999999"#, "86380s"),
    ] {
        scenario("", "").check(&format!(
            r#"
            origin /token 200 body='{{"access_token": "token-0000000001", "token_type": "Bearer"{said}}}'
            origin {FOUND}
            eventually {TRACK} -> 200
            origin /token 503
            advance {holds}
            {TRACK} -> 200
            saw {SENT} authorization="Bearer token-0000000001"
            advance 15s
            {TRACK} -> 503 retry-after>=1
            "#
        ));
    }
}

#[test]
fn an_endpoint_that_takes_too_long_is_given_up_and_asked_again() {
    scenario(r#", "wait": "0", "timeout": "300ms""#, "").check(&format!(
        r#"
        origin /token 200 hold body={{}}
        log~"spotify: no token from id: status 504"
        {TRACK} -> 503 retry-after>=1 body.error.code=SERVICE_UNAVAILABLE
        origin {FOUND}
        {}
        eventually {TRACK} -> 200
        saw {SENT} authorization="Bearer token-0000000002"
        "#,
        issues("token-0000000002", 3600)
    ));
}

#[test]
fn a_token_is_replaced_before_its_end_and_kept_until_it_while_the_endpoint_is_down() {
    scenario("", "").check(&format!(
        r#"
        {}
        origin {FOUND}
        eventually {TRACK} -> 200
        origin /token 503
        advance 55m
        {TRACK} @1 -> 200
        # Replaced a minute or two before it ends; the endpoint is down.
        advance 4m
        log~"no token from id"
        {TRACK} @1 -> 200
        {TRACK} @2 -> 200
        saw {SENT} authorization="Bearer token-0000000001"
        # Ten seconds before its end, it is not shown any more.
        advance 51s
        {TRACK} -> 503 retry-after>=1
        {TRACK} -> 503
        {}
        advance 2m
        eventually {TRACK} -> 200
        saw {SENT} authorization="Bearer token-0000000002"
        "#,
        issues("token-0000000001", 3600),
        issues("token-0000000002", 3600)
    ));
}

#[test]
fn a_clock_that_steps_back_makes_no_token_hold_for_longer() {
    scenario("", "").check(&format!(
        r#"
        {}
        origin {FOUND}
        eventually {TRACK} -> 200
        advance 30m
        {TRACK} @1 -> 200
        {}
        back 20m
        eventually {TRACK} @2 -> 200
        saw {SENT} authorization="Bearer token-0000000002"
        {TRACK} @1 -> 200
        saw {SENT} authorization="Bearer token-0000000002"
        metric api_gateway_provider_token_fetches_total{{provider=spotify,outcome=fetched}} 2
        # Before the token was asked for.
        {}
        back 5h
        eventually {TRACK} @1 -> 200
        saw {SENT} authorization="Bearer token-0000000003"
        "#,
        issues("token-0000000001", 3600),
        issues("token-0000000002", 3600),
        issues("token-0000000003", 3600)
    ));
}
