//! What an operator may write, and what is said of mistakes.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn what_is_left_out_has_a_default() {
    let config = Config::from_json(b"").unwrap();
    assert!(config.checks_paths && config.routes.is_empty());
    assert_eq!(config.body_bytes_max, 1 << 20);
    let most = |json: &str| {
        let config = Config::from_json(json.as_bytes()).unwrap();
        config.routes.iter().map(|route| route.body_bytes_max).collect::<Vec<_>>()
    };
    for (json, expected) in [
        (r#"{"routes": [{}, {"schema": true}]}"#, [1 << 20, 60 << 10]),
        (r#"{"body_max": 5, "routes": [{}, {"schema": true}]}"#, [5, 5]),
        (r#"{"body_max": "off", "routes": [{"body_max": "2GiB"}, {"schema": true}]}"#, [2 << 30, 60 << 10]),
        (r#"{"routes": [{"body_max": "off"}, {"body_max": "1MiB", "schema": true}]}"#, [ANY, 1 << 20]),
        (r#"{"routes": [{"body_max": 0}, {"body_max": 0, "schema": true}]}"#, [0, 0]),
    ] {
        assert_eq!(most(json), expected, "{json}");
    }
    let config = Config::from_json(br#"{"routes": [{}, {"schema": true}, {"schema": true, "types": []}]}"#).unwrap();
    assert_eq!(config.routes.iter().map(|route| route.types.len()).collect::<Vec<_>>(), [0, 2, 0]);
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (json, expected) in [
        ("[]", "invalid type: sequence, expected JSON"),
        (r#"{"path": true}"#, "path: unknown field `path`, expected one of `paths`, `body_max`, `routes`"),
        (r#"{"paths": 1}"#, "paths: must be true or false"),
        (
            r#"{"body_max": "1MB"}"#,
            r#"body_max: must be a number of bytes, a text like "64KiB", "1MiB" or "1GiB", or "off""#,
        ),
        (r#"{"body_max": -1}"#, "body_max: must be a number of bytes"),
        (r#"{"body_max": 1.5}"#, "body_max: must be a number of bytes"),
        (r#"{"routes": {}}"#, "routes: must be a list"),
        (
            r#"{"routes": [{}, {"math": {}}]}"#,
            "routes[1].math: unknown field `math`, expected one of `match`, `body_max`",
        ),
        (r#"{"routes": [{"match": {"path": "a"}}]}"#, "routes[0].match.path: must begin with /"),
        (r#"{"routes": [{"types": ["json"]}]}"#, "routes[0].types[0]: must be a media type like"),
        (r#"{"routes": [{"schema": {"items": 1}}]}"#, "routes[0].schema.items: must be a schema"),
        (r#"{"routes": [{"schema": {}, "body_max": "2MiB"}]}"#, "routes[0].body_max: must be at most 1MiB"),
        (r#"{"routes": [{"schema": {}, "body_max": "off"}]}"#, "routes[0].body_max: must be at most 1MiB"),
    ] {
        let said = Config::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{json}: {said}");
    }
}
