//! Claims that are handed on in headers, and clients who would write these headers themselves.

use suite::{check, refuses};

use crate::config;
use crate::tokens::{Algorithm, mint};

const HAND_ON: &str = r#", "claims": {"roles": "realm_access.roles"}, "hand_on": [
    {"claim": "email", "header": "x-user-email"},
    {"claim": "realm_access.roles", "header": "x-realm-roles"},
    {"claim": "org.id", "header": "x-org"},
    {"claim": "https://claims.example/vip", "header": "x-vip"}]"#;

#[test]
fn chosen_claims_are_handed_on() {
    let full = mint(
        Algorithm::Hs256,
        r#""sub": "alice", "email": "alice@example.com", "realm_access": {"roles": ["a", "b"]},
            "org": {"id": 42}, "https://claims.example/vip": true"#,
    );
    let bare = mint(Algorithm::Hs256, r#""sub": "bob", "email": null, "realm_access": {"roles": []}, "org": {}"#);
    check(
        "auth",
        &config(HAND_ON),
        &format!(
            r#"
            3 times GET / authorization="Bearer {full}" -> 200
            saw GET / x-weir-user=alice x-weir-roles="a,b" x-user-email=alice@example.com x-realm-roles="a,b" x-org=42 x-vip=true
            GET / authorization="Bearer {bare}" x-vip=true x-org=1 -> 200
            saw GET / x-weir-user=bob !x-weir-roles !x-user-email !x-realm-roles !x-org !x-vip
            "#
        ),
    );
}

#[test]
fn a_claim_that_no_header_can_carry_refuses_the_token() {
    let mut lines = String::new();
    for claims in [
        r#""email": "a\r\nx-vip: true""#.to_owned(),
        r#""email": "a\u0000""#.into(),
        r#""email": {"a": 1}"#.into(),
        r#""org": {"id": ["a,b"]}"#.into(),
        r#""org": {"id": 9007199254740993}"#.into(),
        format!(r#""email": "{}""#, "x".repeat(2049)),
    ] {
        let token = mint(Algorithm::Hs256, &format!(r#""sub": "alice", {claims}"#));
        lines += &format!("GET / authorization=\"Bearer {token}\" -> 401 www-authenticate~invalid_token\n");
    }
    lines += "saw nothing\nlog~unusable_claim\n";
    check("auth", &config(HAND_ON), &lines);
}

#[test]
fn a_client_cannot_write_what_is_handed_on() {
    let routes = r#", "default": "optional", "routes": [{"match": {"prefix": "/open"}, "auth": "off"}]"#;
    let token = mint(Algorithm::Hs256, r#""sub": "alice", "email": "alice@example.com""#);
    let lies =
        "x-user-email=root@example.com X-User_Email=root@example.com x_user_email=a x_user_email=b x-vip=true x_org=1";
    let gone = "!x-user_email !x_user_email !x-vip !x_org !x-org";
    check(
        "auth",
        &config(&format!("{HAND_ON}{routes}")),
        &format!(
            r#"
            GET / {lies} x-vip="\xff\xfe" x-vip="" x-org="a"*60000 -> 200
            saw GET / !x-user-email {gone}
            GET /open {lies} authorization="Bearer {token}" -> 200
            saw GET /open !x-user-email {gone} authorization="Bearer {token}"
            GET / {lies} authorization="Bearer {token}" -> 200
            saw GET / x-user-email=alice@example.com {gone}
            GET / x-user-emails=kept x-vi=kept -> 200
            saw GET / x-user-emails=kept x-vi=kept
            "#
        ),
    );
}

#[test]
fn a_header_that_means_something_is_not_handed_on() {
    for header in ["host", "connection", "x-weir-user", "authorization", "x-request-id"] {
        let more = format!(r#", "hand_on": [{{"claim": "a", "header": "{header}"}}]"#);
        refuses("auth", &config(&more), "configuration refused: hand_on[0].header: must be a header of its own");
    }
}
