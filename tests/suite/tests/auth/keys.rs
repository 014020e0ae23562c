//! API keys: whose they are, how long, how one follows another, and what is none.

use ring::digest::{SHA256, digest};
use ring::hmac;
use suite::{Scenario, check, refuses};

use crate::config;
use crate::tokens::{self, Algorithm, mint};

const OLD: &str = "old-key-of-the-scraper-0123";
const NEW: &str = "new-key-of-the-scraper-4567";
/// 32 bytes, in base64url.
const PEPPER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn sha256(key: &str) -> String {
    hex(digest(&SHA256, key.as_bytes()).as_ref())
}

/// A filter that knows keys alone, `more` of the first.
fn keys(more: &str, rest: &str) -> String {
    format!(
        r#"{{"api_keys": {{"query": "key", "keys": [{{"id": "scraper", "sha256": "{}"{more}}}]}}{rest}}}"#,
        sha256(OLD)
    )
}

#[test]
fn a_key_tells_the_upstream_whose_it_is() {
    let more =
        r#", "tier": "pro", "roles": ["service", "reader"], "scopes": ["a", "b"], "claims": {"team": {"id": 7}}"#;
    let rest = r#", "hand_on": [{"claim": "team.id", "header": "x-team"}, {"claim": "scope", "header": "x-scope"}]"#;
    check(
        "auth",
        &keys(more, rest),
        &format!(
            r#"
            GET / x-api-key={OLD} x-team=9 -> 200
            saw GET / x-weir-user=scraper x-weir-tier=pro x-weir-roles="service,reader" x-team=7 x-scope="a b" !x-api-key
            GET "/p?a=1&key={OLD}" -> 200
            saw GET "/p?a=1" x-weir-user=scraper !x-api-key
            GET / -> 401 body.error.code=UNAUTHORIZED www-authenticate='ApiKey realm="weir"'
            GET / x-api-key={NEW} -> 401 body.error.code=AUTH_FAILED www-authenticate='ApiKey realm="weir"'
            GET "/?key={NEW}" -> 401 body.error.code=AUTH_FAILED
            saw nothing
            metric api_gateway_auth_requests_total{{outcome=allowed}} 2
            metric api_gateway_auth_requests_total{{outcome=refused}} 3
            log~unknown_api_key
            !log~{OLD}
            !log~{NEW}
            "#
        ),
    );
}

#[test]
fn a_key_stands_beside_tokens() {
    let token = mint(Algorithm::Hs256, r#""sub": "alice""#);
    let more =
        format!(r#", "api_keys": {{"forward": true, "keys": [{{"id": "scraper", "sha256": "{}"}}]}}"#, sha256(OLD));
    check(
        "auth",
        &config(&more),
        &format!(
            r#"
            GET / -> 401 www-authenticate='Bearer realm="weir", ApiKey realm="weir"'
            GET / x-api-key={OLD} -> 200
            saw GET / x-weir-user=scraper x-api-key={OLD}
            GET / authorization="Bearer {token}" -> 200
            saw GET / x-weir-user=alice !authorization
            GET / authorization="Bearer {token}" x-api-key={OLD} -> 401 www-authenticate~invalid_request
            GET / authorization="Basic YTpi" x-api-key={OLD} -> 401 www-authenticate~invalid_request
            # What is a key here is no token there, be it remembered.
            GET / authorization="Bearer {OLD}" -> 401 www-authenticate~invalid_token
            GET / x-api-key={token} -> 401 www-authenticate='ApiKey realm="weir"'
            saw nothing
            "#
        ),
    );
}

#[test]
fn where_nobody_issues_tokens_authorization_is_the_upstream_s() {
    check(
        "auth",
        &keys("", r#", "default": "optional""#),
        &format!(
            r#"
            GET / authorization="Basic YTpi" -> 200
            saw GET / authorization="Basic YTpi" x-weir-tier=anonymous
            GET / authorization="Basic YTpi" x-api-key={OLD} -> 200
            saw GET / authorization="Basic YTpi" x-weir-user=scraper !x-api-key
            "#
        ),
    );
}

#[test]
fn one_key_follows_another_without_a_gap() {
    // The host's clock starts at 2026-01-01T00:00:00Z.
    let config = format!(
        r#"{{"api_keys": {{"keys": [{{"id": "scraper", "sha256": "{}", "expires": "2026-01-01T00:01:00Z"}},
            {{"id": "scraper", "sha256": "{}", "expires": 1767225720}}]}}}}"#,
        sha256(OLD),
        sha256(NEW)
    );
    check(
        "auth",
        &config,
        &format!(
            r#"
            GET / x-api-key={OLD} @1 -> 200
            saw GET / x-weir-user=scraper x-weir-tier=free
            GET / x-api-key={NEW} @1 -> 200
            saw GET / x-weir-user=scraper
            advance 59s
            GET / x-api-key={OLD} @1 -> 200
            GET / x-api-key={OLD} @2 -> 200
            advance 1s
            # No leeway, remembered or not.
            GET / x-api-key={OLD} @1 -> 401 www-authenticate='ApiKey realm="weir"' !body~expired
            GET / x-api-key={OLD} @2 -> 401
            log~api_key_expired
            GET / x-api-key={NEW} @2 -> 200
            advance 60s
            GET / x-api-key={NEW} @1 -> 401
            # A clock that steps back brings a key back for as long as it does.
            back 61s
            GET / x-api-key={NEW} @1 -> 200
            "#
        ),
    );
}

#[test]
fn a_digest_may_be_under_a_pepper_from_the_environment() {
    let pepper = hmac::Key::new(hmac::HMAC_SHA256, &tokens::bytes(PEPPER));
    let tag = hex(hmac::sign(&pepper, OLD.as_bytes()).as_ref());
    let config = format!(
        r#"{{"api_keys": {{"pepper": {{"env": "KEY_PEPPER"}}, "keys": [{{"id": "scraper", "hmac": "{tag}"}},
            {{"id": "other", "sha256": "{}"}}]}}}}"#,
        sha256(NEW)
    );
    Scenario::new(&[("auth", &config)]).environment("KEY_PEPPER", PEPPER).check(&format!(
        "GET / x-api-key={OLD} -> 200\nsaw GET / x-weir-user=scraper\n\
         GET / x-api-key={NEW} -> 200\nsaw GET / x-weir-user=other\n\
         GET / x-api-key={OLD}x -> 401\n!log~{PEPPER}"
    ));
    refuses("auth", &config, r#"api_keys.pepper.env: the environment has no text under "KEY_PEPPER""#);
}

#[test]
fn hostile_keys_are_refused_and_fail_no_later_request() {
    let mut lines = String::new();
    for value in [
        r#""\xff\xfe""#.to_owned(),
        r#""""#.into(),
        r#""a"*60000"#.into(),
        r#""a"*257"#.into(),
        "short".into(),
        format!("\"{OLD},{OLD}\""),
        format!("\"{OLD} {OLD}\""),
        format!("\"{OLD}\\xff\""),
        format!("{OLD} x-api-key={OLD}"),
        format!("{OLD} x-api-key={NEW}"),
        sha256(OLD),
    ] {
        lines += &format!("GET / x-api-key={value} -> 401 body.error.code=AUTH_FAILED\n");
        lines += &format!("GET / x-api-key={OLD} -> 200\nsaw GET / x-weir-user=scraper\n");
    }
    for query in ["", "=", "=%", "=%00", "=%ff", "=short", &format!("={OLD}%"), &format!("={OLD}&key={OLD}")] {
        lines += &format!("GET \"/?key{query}\" -> 401 body.error.code=AUTH_FAILED\n");
    }
    lines += &format!("GET \"/?%6Bey={}\" -> 200\n", OLD.replace('-', "%2D"));
    lines += "!log~panicked\nlog~malformed_api_key\nlog~unknown_api_key\nlog~repeated_credential\n";
    check("auth", &keys("", r#", "default": "optional""#), &lines);
}

#[test]
fn thousands_of_keys_and_a_flood_of_guesses_leave_the_filter_working() {
    let entries: Vec<_> = (0..3000)
        .map(|n| format!(r#"{{"id": "key-{n}", "sha256": "{}"}}"#, sha256(&format!("key-number-{n:06}"))))
        .collect();
    let config = format!(r#"{{"api_keys": {{"keys": [{}]}}, "remember": {{"slots": 8}}}}"#, entries.join(","));
    let mut lines = String::new();
    for n in 0..200 {
        lines += &format!("GET / x-api-key=guess-number-{n:06} -> 401\n");
        lines += &format!("GET / x-api-key=key-number-{:06} -> 200\nsaw GET / x-weir-user=key-{}\n", n * 15, n * 15);
    }
    check("auth", &config, &lines);
}

#[test]
fn a_key_is_revoked_by_its_id_however_many_follow_it() {
    let more = format!(r#"}}, {{"id": "scraper", "sha256": "{}""#, sha256(NEW));
    check(
        "auth",
        &keys(&more, r#", "revoked": {"keys": ["scraper"]}"#),
        &format!(
            r#"
            2 times GET / x-api-key={OLD} -> 401 body.error.code=AUTH_FAILED
            GET / x-api-key={NEW} -> 401 body.error.code=AUTH_FAILED
            log~"credential refused: api_key_revoked"
            saw nothing
            "#
        ),
    );
}
