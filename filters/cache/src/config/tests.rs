//! Tests of the module around this one.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_configuration_has_defaults() {
    let config = Config::from_json(b"").unwrap();
    assert_eq!((config.name.as_str(), config.object_bytes_max), ("weir", 256 << 10));
    assert_eq!(config.packing, Packing::Remote);
    assert!(config.routes.is_empty());
    assert_eq!(config.recent_bytes_max, 4 << 20);
    let config = Config::from_json(br#"{"compress": "never", "budget_bytes": "1MiB"}"#).unwrap();
    assert_eq!((config.packing, config.recent_bytes_max), (Packing::Never, 128 << 10));
    let config = Config::from_json(br#"{"routes": [{"match": {}, "ttl": "30d"}]}"#).unwrap();
    let route = &config.routes[0];
    let forced = route.forced(200).unwrap();
    assert_eq!((route.forced(404), route.isolation, &route.query, route.search), (None, None, &None, None));
    assert_eq!((route.upstream.as_str(), route.shared, route.heuristic_max), ("default", false, 0));
    assert_eq!((route.while_revalidate, route.if_error), (0, 0));
    assert_eq!((forced.lifetime, forced.statuses.as_slice()), (2_592_000, [200].as_slice()));
    assert!(forced.despite == super::Despite::default());
}

#[test]
fn a_request_waits_briefly_for_the_second_level() {
    let level = |l2: &str| {
        let json = format!(r#"{{"state": {{}}, "l2": {l2}}}"#);
        let level = Config::from_json(json.as_bytes()).unwrap().level.unwrap();
        [level.budget, level.refresh].map(|length| length.as_millis())
    };
    assert_eq!(level("{}"), [20, 500]);
    assert_eq!(level(r#"{"budget": "50ms", "refresh": "1s"}"#), [50, 1000]);
}

#[test]
fn bytes_are_a_number_or_a_text() {
    for (json, sets) in [
        (r#"{"budget_bytes": 67108864}"#, 233),
        (r#"{"budget_bytes": "64MiB"}"#, 233),
        (r#"{"budget_bytes": "1GiB", "object_bytes_max": "1MiB"}"#, 1000),
        (r#"{"budget_bytes": "4GiB", "object_bytes_max": 1024}"#, 27594),
    ] {
        let config = Config::from_json(json.as_bytes()).unwrap();
        assert_eq!(config.arena.sets().get(), sets, "{json}");
    }
}

#[test]
fn a_mistake_says_what_would_be_right() {
    for (json, expected) in [
        (r#"{"name": "w w"}"#, r#"name: must be a letter, then up to 31 letters, digits, - _ or ., got "w w""#),
        (r#"{"name": ""}"#, "name: must be a letter"),
        (r#"{"budget_bytes": "64MB"}"#, "budget_bytes: must be a number of bytes, or a text like"),
        (r#"{"budget_bytes": "99999999999GiB"}"#, "budget_bytes: must be a number of bytes"),
        (r#"{"compress": true}"#, "compress: must be"),
        (r#"{"compress": "l1"}"#, "compress: must be l2, everywhere or never, got \"l1\""),
        (r#"{"budget_bytes": 1000}"#, "budget_bytes: must be from "),
        (r#"{"budget_bytes": "5GiB"}"#, "budget_bytes: must be from "),
        (r#"{"object_bytes_max": "17MiB"}"#, "object_bytes_max: must be from 1KiB to 16MiB"),
        (r#"{"object_bytes_max": 0}"#, "object_bytes_max: must be from 1KiB to 16MiB"),
        (r#"{"route": []}"#, "route: unknown field `route`, expected one of `name`, "),
        (r#"{"routes": [{}]}"#, "routes[0].match: is missing"),
        (r#"{"routes": [{"match": {"path": "a"}}]}"#, "routes[0].match.path: must begin with /"),
        (r#"{"routes": [{"match": {}}, {"keeps": false}]}"#, "routes[1].match: is missing"),
        (
            r#"{"routes": [{"match": {}, "keeps": false, "ttl": "1h"}]}"#,
            "routes[0].ttl: unknown field `ttl`, expected one of `match`, `keeps`",
        ),
        (r#"{"routes": [{"match": {}, "keeps": "no"}]}"#, "routes[0].keeps: must be"),
        (r#"{"routes": [{"match": {}, "upstream": ""}]}"#, "routes[0].upstream: must not be empty"),
        (r#"{"tag_fields": ["cache-tag", "Tag"]}"#, "tag_fields[1]: must be a field's name in lower case"),
        (r#"{"tag_fields": ["a", "b", "c", "d", "e"]}"#, "tag_fields: must be no more than 4"),
        (
            r#"{"routes": [{"match": {}, "purge_key_sha256": "secret"}]}"#,
            "routes[0].purge_key_sha256: must be the 64 hexadecimal digits of a SHA-256",
        ),
        (r#"{"routes": [{"match": {}, "data_type": ""}]}"#, "routes[0].data_type: must not be empty"),
        (r#"{"routes": [{"match": {}, "ttl": "soon"}]}"#, "routes[0].ttl: must be a length of time like"),
        (r#"{"routes": [{"match": {}, "ttl": "900ms"}]}"#, "routes[0].ttl: must be at least 1s"),
        (r#"{"routes": [{"match": {}, "statuses": [200]}]}"#, "routes[0].statuses: needs a ttl"),
        (r#"{"routes": [{"match": {}, "despite": ["private"]}]}"#, "routes[0].despite: needs a ttl"),
        (
            r#"{"routes": [{"match": {}, "isolate": "user", "shared": true}]}"#,
            "routes[0].isolate: must be none where all callers are answered alike",
        ),
        (r#"{"routes": [{"match": {}, "isolate": "role"}]}"#, "routes[0].isolate: must be user, tier or none"),
        (r#"{"routes": [{"match": {}, "query": {"ignore": ["*"]}}]}"#, "routes[0].query.ignore[0]: must be"),
        (r#"{"routes": [{"match": {"methods": ["GET"]}, "body": {}}]}"#, "routes[0].body: needs a route"),
        (r#"{"routes": [{"match": {}, "ttl": "1s", "statuses": []}]}"#, "routes[0].statuses: must not be empty"),
        (
            r#"{"routes": [{"match": {}, "ttl": "1s", "statuses": [200, 206]}]}"#,
            "routes[0].statuses[1]: must be the status of a response that can be stored, got 206",
        ),
        (
            r#"{"routes": [{"match": {}, "ttl": "1s", "despite": ["cookies"]}]}"#,
            "routes[0].despite[0]: must be private, no-store or set-cookie, got \"cookies\"",
        ),
    ] {
        let said = Config::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}
