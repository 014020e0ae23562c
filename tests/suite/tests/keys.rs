//! Keys that issuers publish: fetched once per proxy, kept up, waited for, and missed.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

mod tokens;

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
