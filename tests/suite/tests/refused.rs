//! Tokens that the auth filter refuses, each reason by its name in the log, and what that costs whoever sends them.

mod tokens;

use suite::{Scenario, check};
use tokens::{Algorithm, mint, sign};

const CLAIMS: &str = r#""iss": "https://id.example/", "aud": "gateway", "exp": 4102444800, "sub": "alice""#;

/// A filter that believes [`tokens::ISSUER`], of whom it expects this.
fn config(expected: &str) -> String {
    let issuer = tokens::issuer();
    format!(r#"{{"issuers": [{}]}}"#, issuer.replacen('{', &format!("{{{expected}"), 1))
}

/// Each credential is refused, and the log says why.
fn refuse(config: &str, rows: &[(String, &str)]) {
    let good = mint(Algorithm::Hs256, r#""sub": "alice", "iat": 1767225600, "jti": "7""#);
    let mut lines = String::new();
    for (token, reason) in rows {
        lines += &format!(
            "GET / authorization=\"Bearer {token}\" -> 401 body.error.code=AUTH_FAILED www-authenticate~invalid_token !body~{reason}\n\
             log~\"credential refused: {reason}\"\n"
        );
    }
    lines += &format!("saw nothing\nGET / authorization=\"Bearer {good}\" -> 200\n!log~panicked\n");
    check("auth", config, &lines);
}

fn of_header(members: &str) -> String {
    sign(Algorithm::Hs256, &format!(r#"{{"alg": "HS256", "kid": "HS256"{members}}}"#), &format!("{{{CLAIMS}}}"))
}

fn of_claims(claims: &str) -> String {
    sign(Algorithm::Hs256, r#"{"alg": "HS256", "kid": "HS256"}"#, claims)
}

#[test]
fn a_header_that_changes_what_a_token_means_is_refused() {
    let rows = [
        (r#", "crit": ["exp"]"#, "unsupported_parameter"),
        (r#", "b64": false"#, "unsupported_parameter"),
        (r#", "b64": false, "crit": ["b64"]"#, "unsupported_parameter"),
        (r#", "cty": "JWT""#, "unsupported_parameter"),
        (r#", "enc": "A128GCM""#, "unsupported_parameter"),
        (r#", "zip": "DEF""#, "unsupported_parameter"),
        (r#", "jku": "https://evil.example/keys""#, "unsupported_parameter"),
        (r#", "x5u": "https://evil.example/chain""#, "unsupported_parameter"),
        (r#", "jwk": {"kty": "oct", "k": "AAAA"}"#, "unsupported_parameter"),
        (r#", "x5c": ["AAAA"]"#, "unsupported_parameter"),
        (r#", "typ": "dpop+jwt""#, "unsupported_type"),
        (r#", "alg": "HS256""#, "malformed_token"),
        (r#", "x": {"y": [{"z": 1, "z": 1}]}"#, "malformed_token"),
        (r#", "x": NaN"#, "malformed_token"),
    ];
    refuse(&config(""), &rows.map(|(members, reason)| (of_header(members), reason)));
    let sign = |header: &str| sign(Algorithm::Hs256, header, &format!("{{{CLAIMS}}}"));
    refuse(
        &config(""),
        &[
            (sign(r#"{"alg": "none"}"#), "wrong_algorithm"),
            (sign(r#"{"alg": "None", "kid": "HS256"}"#), "wrong_algorithm"),
            (sign(r#"{"alg": "RS256", "kid": "HS256"}"#), "wrong_algorithm"),
            (sign(r#"{"alg": "HS256", "kid": "RS256"}"#), "wrong_algorithm"),
            (sign(r#"{"alg": "HS256", "kid": "other"}"#), "unknown_key"),
        ],
    );
}

#[test]
fn a_form_that_is_not_canonical_is_refused() {
    let good = of_header("");
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return assert_eq!(parts.len(), 3) };
    let rows = [
        format!("{header}.{claims}.{signature}="),
        format!("{header}.{claims}.{signature}.{signature}.{signature}"),
        format!("{header}.{claims}.{signature}."),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature} {signature}"),
        format!("{header}.{claims}.{}+/", &signature[..signature.len() - 2]),
        // The last character has bits of no meaning: another that decodes alike elsewhere.
        format!("{header}.{claims}.{}{}", &signature[..signature.len() - 1], sibling(signature)),
        format!("{header}.{claims}.{signature}\\xc3\\xa9"),
    ];
    refuse(&config(""), &rows.map(|token| (token, "malformed_token")));
    refuse(
        &config(""),
        &[
            (format!("{header}.{claims}.{}", signature.repeat(200)), "token_too_long"),
            (format!("{header}.{claims}."), "wrong_signature"),
        ],
    );
}

/// The character after the last one.
fn sibling(text: &str) -> char {
    text.bytes().last().map_or('_', |last| char::from(last + 1))
}

#[test]
fn claims_that_do_not_say_enough_are_refused() {
    let with = |claims: &str| of_claims(&CLAIMS_BUT_TIME.replace("TIME", claims));
    refuse(
        &config(""),
        &[
            (with(""), "token_without_expiry"),
            (with(r#", "exp": 1"#), "token_expired"),
            (with(r#", "exp": -1"#), "token_expired"),
            (with(r#", "exp": "4102444800""#), "malformed_token"),
            (with(r#", "exp": 1e300"#), "malformed_token"),
            (with(r#", "exp": 04102444800"#), "malformed_token"),
            (with(r#", "exp": 4102444800, "nbf": 4102444700"#), "token_not_yet_valid"),
            (with(r#", "exp": 4102444800, "iat": 4102444700"#), "token_from_the_future"),
            (
                of_claims(r#"{"iss": "https://id.example", "aud": "gateway", "exp": 4102444800, "sub": "a"}"#),
                "unknown_issuer",
            ),
            (
                of_claims(r#"{"iss": "https://id.example/", "aud": "gate", "exp": 4102444800, "sub": "a"}"#),
                "wrong_audience",
            ),
            (
                of_claims(r#"{"iss": "https://id.example/", "aud": [], "exp": 4102444800, "sub": "a"}"#),
                "wrong_audience",
            ),
            (of_claims(r#"{"iss": "https://id.example/", "aud": "gateway", "exp": 4102444800}"#), "token_without_user"),
            (
                of_claims(r#"{"iss": "https://id.example/", "aud": "gateway", "exp": 4102444800, "sub": "a\n"}"#),
                "unusable_claim",
            ),
        ],
    );
    refuse(
        &config(r#""max_age": "365d", "required_claims": ["jti"], "#),
        &[
            (with(r#", "exp": 4102444800, "iat": 1767225600"#), "token_without_claim"),
            (with(r#", "exp": 4102444800, "jti": "7""#), "token_without_issue_time"),
            (with(r#", "exp": 4102444800, "jti": "7", "iat": 1600000000"#), "token_too_old"),
        ],
    );
}

const CLAIMS_BUT_TIME: &str = r#"{"iss": "https://id.example/", "aud": ["gateway"], "sub": "alice"TIME}"#;

#[test]
fn a_bad_token_that_is_sent_again_costs_no_signature_check() {
    let token = mint(Algorithm::Rs256, r#""sub": "alice""#);
    let (message, _) = token.rsplit_once('.').unwrap_or_default();
    let forged = format!("{message}.{}", tokens::text(&[7; 256]));
    let lines = format!(
        r#"
        10 times GET / authorization="Bearer {forged}" -> 401
        metric api_gateway_auth_signatures_total{{outcome=forged}} 1
        3 times GET / authorization="Bearer {token}" -> 200
        metric api_gateway_auth_signatures_total{{outcome=genuine}} 1
        metric api_gateway_auth_requests_total{{outcome=refused}} 10
        "#
    );
    Scenario::new(&[("auth", &config(""))]).workers(1).check(&lines);
    let short = config("").replacen('{', r#"{"remember": {"refused_for": "5s"}, "#, 1);
    let later = format!(
        r#"
        2 times GET / authorization="Bearer {forged}" @1 -> 401
        advance 4s
        GET / authorization="Bearer {forged}" @1 -> 401
        metric api_gateway_auth_signatures_total 1
        advance 1s
        GET / authorization="Bearer {forged}" @1 -> 401
        metric api_gateway_auth_signatures_total 2
        "#
    );
    check("auth", &short, &later);
}

#[test]
fn a_flood_of_bad_tokens_leaves_good_ones_remembered() {
    let token = mint(Algorithm::Hs256, r#""sub": "alice""#);
    let (message, _) = token.rsplit_once('.').unwrap_or_default();
    let mut lines = format!("GET / authorization=\"Bearer {token}\" -> 200\n");
    for number in 0..300_u32 {
        let forged = tokens::text(&number.to_be_bytes());
        lines += &format!("GET / authorization=\"Bearer {message}.{forged}\" -> 401\n");
    }
    lines += &format!(
        r#"
        GET / authorization="Bearer {token}" -> 200
        metric api_gateway_auth_signatures_total{{outcome=genuine}} 1
        metric api_gateway_auth_signatures_total{{outcome=forged}} 300
        "#
    );
    let small = config("").replacen('{', r#"{"remember": {"slots": 8, "refused_slots": 8}, "#, 1);
    Scenario::new(&[("auth", &small)]).workers(1).check(&lines);
}
