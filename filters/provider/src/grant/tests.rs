//! What is said to a token endpoint, and what is said of a mistake.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CLIENT: &str = r#""client_id": {"env": "ID"}, "client_secret": {"env": "SECRET"}"#;

fn read(rest: &str) -> Result<Grant, String> {
    let json = format!(r#"{{{CLIENT}, "cluster": "id"{rest}}}"#);
    of(&json)
}

fn of(json: &str) -> Result<Grant, String> {
    let variables = |name: &str| match name {
        "ID" => Some("client:of/ours".to_owned()),
        "SECRET" => Some("secret&of+ours".to_owned()),
        _ => None,
    };
    let fields = Fields::read(json.as_bytes()).unwrap();
    Grant::read(fields, Some(&variables)).map_err(|mistake| mistake.to_string())
}

#[test]
fn a_client_shows_who_it_is_in_one_of_two_ways() {
    let url = r#", "token_url": "https://id.example:8443/api/token?x=1""#;
    let pair = base64::encode(b"client%3Aof%2Fours:secret%26of%2Bours");
    for (rest, authorization, body) in [
        ("", Some(format!("Basic {pair}")), "grant_type=client_credentials"),
        (
            r#", "style": "basic", "scope": "a b""#,
            Some(format!("Basic {pair}")),
            "grant_type=client_credentials&scope=a%20b",
        ),
        (
            r#", "style": "form""#,
            None,
            "grant_type=client_credentials&client_id=client%3Aof%2Fours&client_secret=secret%26of%2Bours",
        ),
    ] {
        let grant = read(&[url, rest].concat()).ok().unwrap();
        let headers = grant.headers();
        let find = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        assert_eq!(find("authorization"), authorization.as_deref(), "{rest}");
        assert_eq!((find(":authority"), find(":path")), (Some("id.example:8443"), Some("/api/token?x=1")));
        assert_eq!(find("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(std::str::from_utf8(grant.body()), Ok(body), "{rest}");
    }
}

#[test]
fn a_token_is_kept_under_all_that_it_was_got_with() {
    let key = |rest: &str| read(rest).ok().unwrap().key("");
    let first = key(r#", "token_url": "https://id.example/""#);
    assert_eq!(first, key(r#", "token_url": "https://id.example/", "wait": "1s", "timeout": "1s""#));
    for other in [
        r#", "token_url": "https://id.example/x""#,
        r#", "token_url": "https://id.example/", "scope": "a""#,
        r#", "token_url": "https://id.example/", "style": "form""#,
    ] {
        assert_ne!(first, key(other), "{other}");
    }
    assert!(!first.contains("secret") && first.len() < 64, "{first}");
}

#[test]
fn what_is_not_said_has_a_default() {
    let grant = read(r#", "token_url": "http://127.0.0.1:9400""#).ok().unwrap();
    let seconds = [grant.timeout, grant.wait, grant.refresh_before, grant.leeway].map(|period| period.as_secs());
    assert_eq!((seconds, grant.waiting_max), ([5, 5, 60, 10], 256));
    assert!(grant.headers().contains(&(":path", "/")));
}

#[test]
fn a_mistake_says_where_it_is_and_nothing_of_a_secret() {
    let with = |rest: &str| format!(r#"{{{CLIENT}, "cluster": "id", "token_url": "https://id.example/"{rest}}}"#);
    for (json, expected) in [
        (format!("{{{CLIENT}}}"), "token_url: is missing"),
        (format!(r#"{{{CLIENT}, "token_url": "https://id.example/"}}"#), "cluster: is missing"),
        (format!(r#"{{{CLIENT}, "token_url": "https://id.example/", "cluster": ""}}"#), "cluster: must not be empty"),
        (r#"{"token_url": "https://id.example/", "cluster": "id"}"#.to_owned(), "client_id.env: is missing"),
        (
            r#"{"token_url": "https://id.example/", "cluster": "id", "client_id": {"env": "ID"}, "client_secret": "x"}"#.to_owned(),
            "client_secret: must be an object",
        ),
        (
            r#"{"token_url": "https://id.example/", "cluster": "id", "client_id": {"env": "NONE"}}"#.to_owned(),
            "client_id.env: the environment has no variable NONE",
        ),
        (with(r#", "style": "post""#), "style: must be basic or form, got \"post\""),
        (with(r#", "scope": "a\"b""#), "scope: must be printable ASCII"),
        (with(r#", "timeout": "0""#), "timeout: must be more than nothing"),
        (with(r#", "wait": "61s""#), "wait: must be a length of time"),
        (with(r#", "refresh_before": "2h""#), "refresh_before: must be a length of time"),
        (with(r#", "leeway": "6m""#), "leeway: must be a length of time"),
        (with(r#", "waiting_max": -1"#), "waiting_max: must be a whole number from 0 to 65536"),
        (with(r#", "secret": "x""#), "secret: is not known here"),
    ] {
        let said = of(&json).err().unwrap();
        assert!(said.starts_with(expected) && !said.contains("ours"), "{json}: {said}");
    }
    for url in
        ["id.example/a", "ftp://id.example/", "https://", "http://a@b/", "http://a/ b", "http://a/#b", "http://a?b"]
    {
        let said = read(&format!(r#", "token_url": "{url}""#)).err().unwrap();
        assert!(said.starts_with("token_url: must be like https://id.example/token"), "{url}: {said}");
    }
}
