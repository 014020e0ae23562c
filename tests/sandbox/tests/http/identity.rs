//! The identity provider over HTTP.

use base64ct::{Base64UrlUnpadded, Encoding};
use sandbox::{AUDIENCE, Claims, ISSUER, Sandbox};
use serde_json::{Value, json};

use crate::client::get;

fn parts(token: &str) -> [Value; 2] {
    let mut parts = token.split('.');
    let mut next = || serde_json::from_slice(&Base64UrlUnpadded::decode_vec(parts.next().unwrap()).unwrap()).unwrap();
    [next(), next()]
}

#[test]
fn a_token_can_be_had_for_every_tier() {
    let sandbox = Sandbox::start();
    for tier in ["free", "pro", "enterprise"] {
        let answer = get(&sandbox, &format!("/id/token?tier={tier}&user=u1"), &[]);
        let [header, claims] = parts(&answer.text());
        assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("JWT")));
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(AUDIENCE)));
        assert_eq!((&claims["tier"], &claims["sub"]), (&json!(tier), &json!("u1")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let [header, _] = parts(&get(&sandbox, "/id/token?alg=EdDSA", &[]).text());
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(get(&sandbox, "/id/token?alg=none", &[]).status, 400);
}

#[test]
fn no_two_tokens_share_an_id() {
    let sandbox = Sandbox::start();
    let id = |token: String| parts(&token)[1]["jti"].clone();
    assert_ne!(id(sandbox.token(&Claims::default())), id(get(&sandbox, "/id/token", &[]).text()));
}

#[test]
fn the_key_set_is_the_one_that_the_program_prints() {
    let sandbox = Sandbox::start();
    let served = get(&sandbox, "/id/jwks.json", &[]).json();
    assert_eq!(served, serde_json::from_str::<Value>(&sandbox::jwks()).unwrap());
    let [header, _] = parts(&sandbox.token(&Claims::default()));
    assert_eq!(served["keys"][0]["kid"], header["kid"]);
}
