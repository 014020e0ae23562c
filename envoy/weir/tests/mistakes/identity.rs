//! Mistakes about who may call: issuers, keys, credentials and permissions.

use super::{GOOD, check, mistakes};

#[test]
fn a_mistake_about_keys_that_are_fetched_is_said_where_it_is() {
    let policy = |jwks: &str| {
        format!(
            "\
version: 1
identity: {{jwt: [{{issuer: i, audiences: [], jwks: {jwks}}}]}}
upstreams: {{a: {{url: http://127.0.0.1:1}}}}
routes: [{{match: GET /a, upstream: a}}]
"
        )
    };
    for (jwks, expected) in [
        (
            "{url: id.example}",
            "2:57 `id.example` is not the URL of a key set | expected http:// or https://, a host, \
             and perhaps a port and a path",
        ),
        (
            "{url: https://a/, cluster: b}",
            "2:69 unknown key `cluster` | expected `file`, `url`, `refresh`, `timeout`, `keep`, `cooldown`, `wait`, `waiting_max` or `bytes_max`",
        ),
        ("{url: https://a/, keys: []}", "2:69 unknown key `keys` | did you mean `keep`?"),
        ("{url: https://a/, refresh: 10m, keep: 1m}", "2:89 `keep`: must not be shorter than refresh | "),
        ("{url: https://a/, wait: 2}", "2:75 `wait`: must be a string | "),
    ] {
        check(&[(&policy(jwks), &[expected])]);
    }
}

#[test]
fn what_is_wrong_with_credentials_is_said_where_it_stands() {
    let digest = "ab".repeat(32);
    let identity = |text: &str| format!("{GOOD}identity:\n{}\n", text.replace("DIGEST", &digest));
    let moment = r#"must be a moment like "2027-01-01T00:00:00Z", or one in seconds since 1970"#;
    let rows = [
        ("  realm: a", "6:1 `jwt` is missing | expected the key `jwt` here".to_owned()),
        (
            "  api_keys: {keys: [{id: a, sha256: DIGEST}]}\n  jwtt: []",
            "8:3 unknown key `jwtt` | did you mean `jwt`?".to_owned(),
        ),
        (
            "  api_keys:\n    keys:\n    - {id: a, sha256: DIGEST}\n    - {id: b, sha256: the-key-itself}",
            "10:23 `sha256`: must be the digest of a key, in 64 hexadecimal digits | ".to_owned(),
        ),
        (
            "  api_keys:\n    pepper: {env: WEIR_NO_SUCH}\n    keys: [{id: a, hmac: DIGEST}]",
            "8:19 `env`: the environment has no text under \"WEIR_NO_SUCH\" | set it".to_owned(),
        ),
        ("  api_keys: {keys: [{id: a, sha256: DIGEST, expires: soon}]}", format!("7:112 `expires`: {moment} | ")),
        (
            "  hand_on: [{claim: a, header: host}]\n  api_keys: {keys: [{id: a, sha256: DIGEST}]}",
            "7:32 `header`: \"host\" is wrong here | must be a header of its own".to_owned(),
        ),
        (
            "  tokens: {from: [{query: a}]}\n  api_keys: {keys: [{id: a, sha256: DIGEST}]}",
            "7:12 `from`: must have a place, and issuers somebody who issues tokens | ".to_owned(),
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(mistakes(identity(text).as_bytes()), [expected], "{text}");
    }
    assert_eq!(mistakes(identity("  api_keys: {keys: [{id: a, sha256: DIGEST}]}").as_bytes()), [""; 0]);
}

#[test]
fn a_permission_is_checked_by_the_filter_that_decides_it() {
    const POLICY: &str = "\
version: 1
identity:
  jwt:
  - issuer: i
    audiences: []
    jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}
    EXPECTED
permissions: PERMISSIONS
upstreams:
  a: {url: http://127.0.0.1:1}
routes:
- {match: GET /a, upstream: a, AUTH}
";
    let rows: [(&str, &str, &str, &[&str]); 8] = [
        ("max_age: 5m", "{editors: {role: editor}}", "allow: editors", &[]),
        (
            "max_age: soon",
            "{}",
            "auth: required",
            &["7:14 `max_age`: must be a length of time like \"250ms\" or \"30s\", at most 366d | "],
        ),
        (
            "require_expiry: false",
            "{}",
            "auth: required",
            &["7:21 `require_expiry`: must be true, or max_age must say when tokens end | "],
        ),
        ("typ: [JWT]", "{editors: {rol: editor}}", "auth: required", &["8:30 `rol`: is not known here | "]),
        (
            "typ: [JWT]",
            "{editors: {any: [{role: a}, {role: [b]}]}}",
            "allow: editors",
            &["8:43 `role`: must be the name of one | "],
        ),
        (
            "typ: [JWT]",
            "{editors: {role: editor}}",
            "allow: [editors, writers]",
            &["12:49 `allow`: \"writers\" is wrong here | must be a rule or the name of a permission"],
        ),
        (
            "typ: [JWT]",
            "{}",
            "allow: {role: a, tier: b}",
            &["12:32 `allow`: must say one thing, or all or any of several; a claim needs one test | "],
        ),
        (
            "typ: [JWT]",
            "{}",
            "auth: off, allow: {role: a}",
            &["12:43 `allow`: must not stand where auth is off: nobody knows the caller there | "],
        ),
    ];
    for (expectation, permissions, auth, expected) in rows {
        let text = POLICY.replace("EXPECTED", expectation).replace("PERMISSIONS", permissions).replace("AUTH", auth);
        assert_eq!(mistakes(text.as_bytes()), *expected, "\n{text}");
    }
}

#[test]
fn whoever_is_told_apart_must_have_been_judged() {
    let policy = |auth: &str| {
        let digest = "ab".repeat(32);
        let route = format!("{{match: GET /a, upstream: a, cache: {{isolate: tier}}{auth}}}");
        let identity = format!("identity: {{api_keys: {{keys: [{{id: a, sha256: {digest}}}]}}}}\n");
        GOOD.replace("{match: GET /a, upstream: a}", &route) + &identity
    };
    check(&[
        (&policy(""), &[]),
        (&policy(", auth: optional"), &[]),
        (
            &policy(", auth: off"),
            &["5:49 `isolate: tier` has nobody to tell apart | `auth: required` or `auth: optional` on this route"],
        ),
    ]);
}

#[test]
fn a_cache_for_users_needs_issuers_whose_users_have_names_of_their_own() {
    let policy = |word: &str, issuers: &[(&str, &str)]| {
        let key = "jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}";
        let issuers: Vec<_> =
            issuers.iter().map(|(name, more)| format!("{{issuer: {name}, audiences: [a], {key}{more}}}")).collect();
        let route = format!("{{match: GET /a, upstream: a, cache: {{isolate: {word}}}}}");
        let identity = format!("identity: {{jwt: [{}]}}\n", issuers.join(", "));
        GOOD.replace("{match: GET /a, upstream: a}", &route) + &identity
    };
    let expected: &[&str] =
        &["5:49 `isolate: user` takes users of several issuers for one, where they are called alike | \
                              a `user_prefix` of each issuer, none of which begins with another"];
    let (a, ab, b) = (", user_prefix: a", ", user_prefix: ab", ", user_prefix: b");
    check(&[
        (&policy("user", &[("i", "")]), &[]),
        (&policy("user", &[("i", a), ("j", b)]), &[]),
        (&policy("user", &[("i", ""), ("j", "")]), expected),
        (&policy("user", &[("i", a), ("j", "")]), expected),
        (&policy("user", &[("i", a), ("j", a)]), expected),
        (&policy("user", &[("i", ab), ("j", b), ("k", a)]), expected),
        (&policy("tier", &[("i", ""), ("j", "")]), &[]),
    ]);
}
