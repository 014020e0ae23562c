//! Tests of the configuration: what an operator reads.

use policy::Headers;
use policy::route::Target;

use super::*;
use crate::value::Value;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PRODUCTS: &str = include_str!("../run/products.json");

fn said(json: &str) -> String {
    Config::from_json(json.as_bytes()).map_or_else(|mistake| mistake.to_string(), |_| "fine".to_owned())
}

/// One composition with these steps and this answer.
fn with(steps: &str, answer: &str) -> String {
    let matching = r#"{"template": "/p/{id}"}"#;
    format!(r#"{{"compositions": [{{"name": "c", "match": {matching}, "steps": [{steps}], "answer": {answer}}}]}}"#)
}

#[test]
fn defaults_are_what_the_documentation_says() {
    let config = Config::from_json(b"").unwrap();
    assert_eq!((config.cluster.as_str(), config.running_max, config.journal_slots), ("weir_internal", 500, 128));
    assert_eq!((config.key_slots, config.answer_bytes_max, config.undo_for.as_secs()), (4096, 65_536, 600));
    let config = Config::from_json(PRODUCTS.as_bytes()).unwrap();
    assert_eq!(config.names().collect::<Vec<_>>(), ["product", "check", "order"]);
    let order = config.named("order").unwrap();
    assert!(order.has_undo() && config.has_undo() && !config.named("check").unwrap().has_undo());
    assert_eq!((order.deadline.as_secs(), order.at_once, order.status, order.body_bytes_max), (15, 10, 200, 65_536));
}

#[test]
fn a_mistake_is_said_with_its_place() {
    let step = r#"{"name": "a", "call": "GET /a"}"#;
    for (json, expected) in [
        (with(step, "1"), "fine"),
        (with("", "1"), "compositions[0].steps: must be 1 to 32"),
        (with(r#"{"name": "a"}"#, "1"), "compositions[0].steps[0].call: is missing"),
        (with(r#"{"name": "self", "call": "GET /a"}"#, "1"), "compositions[0].steps[0].name: is taken, got \"self\""),
        (with(&format!("{step},{step}"), "1"), "compositions[0].steps[1].name: is taken, got \"a\""),
        (
            with(r#"{"name": "a", "call": "/a"}"#, "1"),
            "compositions[0].steps[0].call: must be a method and a path, as in \"GET /x\", got \"/a\"",
        ),
        (
            with(r#"{"name": "a", "call": "GET ${path/id}"}"#, "1"),
            "compositions[0].steps[0].call: must be a method and a path, as in \"GET /x\", got \"GET ${path/id}\"",
        ),
        (
            with(r#"{"name": "a", "call": "GET /${path/name}"}"#, "1"),
            "compositions[0].steps[0].call: ${path/name}: path has no name",
        ),
        (
            with(r#"{"name": "a", "call": "GET /${item}"}"#, "1"),
            "compositions[0].steps[0].call: ${item}: there is no item here, only request, path",
        ),
        (
            with(&format!(r#"{step}, {{"name": "b", "call": "POST /b", "body": {{"x": ["${{a/y}}"]}}}}"#), "1"),
            "compositions[0].steps[1].body.x[0]: ${a/y}: there is no a here, only request, path",
        ),
        (
            with(&format!(r#"{step}, {{"name": "b", "after": ["c"], "call": "GET /b"}}"#), "1"),
            "compositions[0].steps[1].after[0]: no step before this one, got \"c\"",
        ),
        (
            with(r#"{"name": "a", "call": "GET /a", "undo": {"call": "GET /u", "boby": 1}}"#, "1"),
            "compositions[0].steps[0].undo.boby: unknown field `boby`, expected one of `call`, `body`",
        ),
        (
            with(r#"{"name": "a", "call": "GET /a", "required": false, "undo": {"call": "GET /u"}}"#, "1"),
            "compositions[0].steps[0].undo: belongs to a step that is required and not unique",
        ),
        (
            with(r#"{"name": "a", "call": "GET /a", "failure": "${error/text}"}"#, "1"),
            "compositions[0].steps[0].failure: ${error/text}: error has no text",
        ),
        (with(step, r#"{"x": "${b}"}"#), "compositions[0].answer.x: ${b}: there is no b here, only request, path, a"),
        (with(step, r#"1, "needs": 2"#), "compositions[0].needs: must be at most the number of steps"),
        (with(step, r#"1, "deadline": "0s""#), "compositions[0].deadline: must not be zero"),
        (
            with(step, r#"1, "idempotency": {"wait": "1y"}"#),
            "compositions[0].idempotency.wait: must be a length of time like \"250ms\" or \"30s\", at most 5m",
        ),
        (
            r#"{"compositions": [{"name": "a", "match": {"template": "/{x}/{x}"}}]}"#.to_owned(),
            "compositions[0].match.template: names two segments alike, got \"x\"",
        ),
        (r#"{"running_max": 0}"#.to_owned(), "running_max: must be a whole number from 1 to 10000"),
    ] {
        assert_eq!(said(&json), expected, "{json}");
    }
}

#[test]
fn a_parameter_is_what_stands_in_the_path() {
    let config = Config::from_json(PRODUCTS.as_bytes()).unwrap();
    for (path, expected) in [
        (&b"/api/v1/products/a"[..], Ok("a")),
        (b"/api/v1/products/a%20%C3%A9", Ok("a \u{e9}")),
        (b"/api/v1/products/%2e%2e", Err("id")),
        (b"/api/v1/products/a%2Fb", Err("id")),
        (b"/api/v1/products/a%2", Err("id")),
        (b"/api/v1/products/%+1", Err("id")),
        (b"/api/v1/products/%ff", Err("id")),
        (b"/api/v1/products/%00", Err("id")),
    ] {
        let headers = Headers::from_pairs(&[(b":method", b"GET"), (b":path", path)]);
        let plan = config.find(&Target::of(&headers)).unwrap();
        let found = plan.parameters(path).map(|value| value.member("id").and_then(Value::as_text).unwrap().to_owned());
        assert_eq!(found.as_deref().map_err(|name| *name), expected, "{path:?}");
    }
}
