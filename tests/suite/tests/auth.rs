//! The auth filter: who gets in, who does not, and what the upstream learns about the caller.

#[path = "auth/attributes.rs"]
mod attributes;
#[path = "auth/keys.rs"]
mod keys;
#[path = "auth/sources.rs"]
mod sources;
mod tokens;

use suite::{Scenario, check, refuses};
use tokens::{Algorithm, mint, sign};

/// The configuration of a filter that believes [`tokens::ISSUER`], and more of it.
fn config(more: &str) -> String {
    format!(r#"{{"issuers": [{}]{more}}}"#, tokens::issuer())
}

#[test]
fn a_good_token_tells_the_upstream_whose_it_is() {
    for algorithm in Algorithm::ALL {
        let token = mint(algorithm, r#""sub": "alice", "tier": "pro", "roles": ["admin", "staff"]"#);
        check(
            "auth",
            &config(""),
            &format!(
                r#"
                GET / authorization="Bearer {token}" -> 200
                saw GET / x-weir-user=alice x-weir-tier=pro x-weir-roles="admin,staff" !authorization
                metric api_gateway_auth_requests_total{{outcome=allowed}} 1
                metric api_gateway_auth_signatures_total{{outcome=genuine}} 1
                "#
            ),
        );
    }
}

#[test]
fn a_forged_signature_is_refused_whatever_made_it() {
    for algorithm in Algorithm::ALL {
        let token = mint(algorithm, r#""sub": "alice""#);
        let (message, signature) = token.rsplit_once('.').unwrap_or_default();
        let mut bytes = tokens::bytes(signature);
        bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        let forged = tokens::text(&bytes);
        let zeros = tokens::text(&vec![0; bytes.len()]);
        check(
            "auth",
            &config(""),
            &format!(
                r#"
                GET / authorization="Bearer {message}.{forged}" -> 401 body.error.code=AUTH_FAILED \
                    www-authenticate='Bearer realm="weir", error="invalid_token"'
                GET / authorization="Bearer {message}.{zeros}" -> 401
                GET / authorization="Bearer {message}." -> 401
                saw nothing
                GET / authorization="Bearer {token}" -> 200
                metric api_gateway_auth_requests_total{{outcome=refused}} 3
                metric api_gateway_auth_signatures_total{{outcome=forged}} 3
                log~"credential refused: wrong_signature"
                "#
            ),
        );
    }
}

#[test]
fn a_token_seen_before_costs_no_signature_check() {
    let token = mint(Algorithm::Rs256, r#""sub": "alice""#);
    let lines = format!(
        r#"
        20 times GET / authorization="Bearer {token}" -> 200
        saw GET / x-weir-user=alice x-weir-tier=free !x-weir-roles
        metric api_gateway_auth_requests_total{{outcome=allowed}} 20
        metric api_gateway_auth_signatures_total 1
        "#
    );
    Scenario::new(&[("auth", &config(""))]).workers(1).check(&lines);
}

#[test]
fn each_worker_remembers_for_itself_and_forgets_in_time() {
    let token = mint(Algorithm::Es256, r#""sub": "alice""#);
    check(
        "auth",
        &config(r#", "remember": {"for": "60s"}"#),
        &format!(
            r#"
            3 times GET / authorization="Bearer {token}" @1 -> 200
            metric api_gateway_auth_signatures_total 1
            3 times GET / authorization="Bearer {token}" @2 -> 200
            metric api_gateway_auth_signatures_total 2
            advance 60s
            2 times GET / authorization="Bearer {token}" @1 -> 200
            metric api_gateway_auth_signatures_total 3
            back 30s
            GET / authorization="Bearer {token}" @1 -> 200
            metric api_gateway_auth_signatures_total 4
            "#
        ),
    );
}

#[test]
fn a_remembered_token_expires_all_the_same() {
    // The host's clock starts at 2026-01-01T00:00:00Z.
    let header = r#"{"alg": "HS256", "kid": "HS256"}"#;
    let claims =
        r#"{"iss": "https://id.example/", "aud": ["gateway"], "sub": "a", "nbf": 1767225660, "exp": 1767225720}"#;
    let token = sign(Algorithm::Hs256, header, claims);
    check(
        "auth",
        &config(r#", "leeway": "10s""#),
        &format!(
            r#"
            GET / authorization="Bearer {token}" @1 -> 401
            log~"credential refused: token_not_yet_valid"
            advance 50s
            GET / authorization="Bearer {token}" @1 -> 200
            advance 79s
            GET / authorization="Bearer {token}" @1 -> 200
            metric api_gateway_auth_signatures_total 1
            advance 1s
            GET / authorization="Bearer {token}" @1 -> 401 www-authenticate~invalid_token !body~expired
            GET / authorization="Bearer {token}" @2 -> 401
            log~"credential refused: token_expired"
            back 60s
            GET / authorization="Bearer {token}" @1 -> 200
            "#
        ),
    );
}

#[test]
fn a_route_says_what_it_needs() {
    let routes = r#", "realm": "songs", "routes": [
        {"match": {"prefix": "/open/"}, "auth": "off"},
        {"match": {"prefix": "/api/", "methods": ["GET"]}, "auth": "optional"}]"#;
    let token = mint(Algorithm::EdDsa, r#""sub": "alice", "tier": "pro""#);
    check(
        "auth",
        &config(routes),
        &format!(
            r#"
            GET /me x-request-id=r-1 -> 401 body.error.code=UNAUTHORIZED body.error.request_id=r-1 \
                www-authenticate='Bearer realm="songs"'
            GET /me accept=application/problem+json -> 401 body.code=UNAUTHORIZED content-type=application/problem+json
            POST /api/a -> 401 body.error.code=UNAUTHORIZED
            saw nothing
            GET /api/a -> 200
            saw GET /api/a !x-weir-user x-weir-tier=anonymous
            GET /api/a authorization="Bearer {token}" -> 200
            saw GET /api/a x-weir-user=alice x-weir-tier=pro
            GET /api/a authorization="Bearer {token}x" -> 401 body.error.code=AUTH_FAILED
            GET /open/a authorization="Bearer {token}x" -> 200
            saw GET /open/a authorization="Bearer {token}x" !x-weir-user !x-weir-tier
            metric api_gateway_auth_requests_total{{outcome=anonymous}} 1
            metric api_gateway_auth_requests_total{{outcome=allowed}} 1
            metric api_gateway_auth_requests_total{{outcome=refused}} 4
            "#
        ),
    );
}

#[test]
fn a_client_cannot_say_who_it_is() {
    let routes = r#", "default": "optional", "routes": [{"match": {"prefix": "/open"}, "auth": "off"}]"#;
    let token = mint(Algorithm::Hs256, r#""sub": "alice""#);
    let lies = "x-weir-user=root x-weir-user=root x-weir-tier=enterprise x-weir-roles=admin x-weir-roles=root";
    check(
        "auth",
        &config(routes),
        &format!(
            r#"
            GET / {lies} -> 200
            saw GET / !x-weir-user x-weir-tier=anonymous !x-weir-roles
            GET /open {lies} X_Weir_User=root x-weir_tier=root -> 200
            saw GET /open !x-weir-user !x-weir-tier !x-weir-roles !x_weir_user !x-weir_tier
            GET / {lies} authorization="Bearer {token}" -> 200
            saw GET / x-weir-user=alice x-weir-tier=free !x-weir-roles
            GET / x-weir-user="\xff\xfe" X-WEIR-TIER="a"*60000 x-weir-roles="" -> 200
            saw GET / !x-weir-user x-weir-tier=anonymous !x-weir-roles
            "#
        ),
    );
}

#[test]
fn the_upstream_sees_the_token_only_where_it_is_told_to() {
    let token = mint(Algorithm::Hs256, r#""sub": "alice""#);
    check(
        "auth",
        &config(r#", "forward": true"#),
        &format!("GET / authorization=\"Bearer {token}\" -> 200\nsaw GET / authorization=\"Bearer {token}\""),
    );
}

#[test]
fn a_hostile_credential_fails_no_later_request() {
    let token = mint(Algorithm::Hs256, r#""sub": "alice""#);
    let many = tokens::text(format!(r#"{{"alg":"HS256"{}}}"#, r#","a":1"#.repeat(500)).as_bytes());
    let deep = tokens::text(format!(r#"{{"alg":"HS256","x":{}"#, "[".repeat(3000)).as_bytes());
    let mut lines = String::new();
    for value in [
        r#""\xff\xfe""#,
        r#""""#,
        r#""Bearer""#,
        r#""Bearer \xff\xfe""#,
        r#""Basic YTpi""#,
        r#""Bearer ..""#,
        r#""Bearer "*2000"#,
        r#""a"*60000"#,
        r#""."*60000"#,
        &format!(r#""Bearer {token}, Bearer {token}""#),
        &format!(r#""Bearer {token}" authorization="Bearer {token}""#),
        &format!(r#""Bearer {many}.e30.AA""#),
        &format!(r#""Bearer {deep}.e30.AA""#),
    ] {
        lines += &format!("GET / authorization={value} -> 401 body.error.code=AUTH_FAILED www-authenticate~Bearer\n");
        lines += &format!("GET / authorization=\"Bearer {token}\" -> 200\n");
    }
    lines +=
        "!log~panicked\nlog~repeated_credential\nlog~unsupported_scheme\nlog~token_too_long\nlog~malformed_token\n";
    check("auth", &config(r#", "default": "optional""#), &lines);
}

#[test]
fn a_secret_comes_from_the_environment() {
    let key = r#"{"kty": "oct", "kid": "HS256", "alg": "HS256", "env": "TOKEN_SECRET"}"#;
    let issuer = format!(r#"{{"issuer": "{}", "audiences": [], "jwks": {{"keys": [{key}]}}}}"#, tokens::ISSUER);
    let config = format!(r#"{{"issuers": [{issuer}]}}"#);
    let token = mint(Algorithm::Hs256, r#""sub": "alice""#);
    Scenario::new(&[("auth", &config)])
        .environment("TOKEN_SECRET", tokens::SECRET)
        .check(&format!("GET / authorization=\"Bearer {token}\" -> 200\n!log~{}", tokens::SECRET));
    refuses("auth", &config, r#"issuers[0].jwks.keys[0].env: the environment has no text under "TOKEN_SECRET""#);
}

#[test]
fn a_bad_configuration_says_where() {
    refuses("auth", "{}", "configuration refused: issuers: must name one, or api_keys some");
    refuses("auth", &config(r#", "leeway": "1h""#), "configuration refused: leeway: must be a length of time");
}

#[test]
fn a_flood_of_tokens_leaves_the_filter_working() {
    let mut lines = String::new();
    for user in 0..300 {
        let token = mint(Algorithm::Hs256, &format!(r#""sub": "user-{user}""#));
        lines += &format!("GET / authorization=\"Bearer {token}\" -> 200\nsaw GET / x-weir-user=user-{user}\n");
    }
    check("auth", &config(r#", "remember": {"slots": 8}"#), &lines);
}
