//! The validator against the public test suite of JSON Schema, what clients are told, and what a hostile body costs.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Files of the [JSON Schema Test Suite](https://github.com/json-schema-org/JSON-Schema-Test-Suite), draft 2020-12, at commit
/// 44401e0c046704b476ec9d2e2fccdaee618f259d, unchanged; their licence (MIT) stands beside them.
macro_rules! suite {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("suite/", $name, ".json")))),+] };
}

#[rustfmt::skip]
const SUITE: [(&str, &str); 44] = suite![
    "additionalProperties", "allOf", "anyOf", "boolean_schema", "const", "contains", "default", "defs", "dependentRequired",
    "dependentSchemas", "enum", "exclusiveMaximum", "exclusiveMinimum", "float-overflow", "format-date", "format-date-time",
    "format-ipv4", "format-ipv6", "format-uuid", "if-then-else", "infinite-loop-detection", "items", "maxContains",
    "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum",
    "multipleOf", "not", "oneOf", "pattern", "patternProperties", "prefixItems", "properties", "propertyNames", "ref",
    "required", "type", "uniqueItems",
];

fn read(json: &str) -> Json {
    serde_json::from_str(json).unwrap()
}

fn text(json: &Json) -> &str {
    if let Json::Text(text) = json { text } else { "" }
}

fn list(json: Option<&Json>) -> &[Json] {
    if let Some(Json::List(list)) = json { list } else { &[] }
}

fn member<'j>(json: &'j Json, name: &str) -> Option<&'j Json> {
    if let Json::Object(members) = json { members.find(name) } else { None }
}

#[test]
fn the_public_test_suite_agrees() {
    let (mut held, mut wrong, mut refused) = (0, Vec::new(), Vec::new());
    for (file, json) in SUITE {
        for group in list(Some(&read(json))) {
            let title = text(member(group, "description").unwrap());
            let schema = match Schema::compile(member(group, "schema").unwrap()) {
                Ok(schema) => schema,
                Err(mistake) => {
                    refused.push((format!("{file}: {title}"), mistake.path));
                    continue;
                }
            };
            for case in list(member(group, "tests")) {
                let is_valid = member(case, "valid") == Some(&Json::Bool(true));
                let found = schema.check(member(case, "data").unwrap());
                held += 1;
                if found.is_ok() != is_valid {
                    wrong.push(format!("{file}: {title}: {}: {found:?}", text(member(case, "description").unwrap())));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(held, 1030);
    // What is not offered is refused as such, and at its place.
    for (title, path) in &refused {
        let known = ["$id", "$ref", "unevaluatedProperties", "pattern", "patternProperties.^\\p{Letter}+$"];
        assert!(known.iter().any(|keyword| path.ends_with(keyword)), "{title}: {path}");
    }
    assert_eq!(refused.len(), REFUSED);
}

/// Groups of the suite that need what is not offered: `$id`, references to other documents, classes of Unicode.
const REFUSED: usize = 27;

/// Bodies, and what is said of them: nothing where they fit.
#[track_caller]
fn check(schema: &str, rows: &[(&str, &str)]) {
    let schema = Schema::compile(&read(schema)).unwrap();
    for (body, expected) in rows {
        let said = schema.check(&read(body)).err().map(|misfit| format!("{}: {}", misfit.place, misfit.reason));
        assert_eq!(said.as_deref().unwrap_or_default(), *expected, "{body}");
    }
}

#[test]
fn a_client_learns_the_place_and_the_reason() {
    check(
        r##"{
            "type": "object", "required": ["items"], "additionalProperties": false,
            "properties": {
                "items": {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": true, "items": {"$ref": "#/$defs/item"}},
                "kind": {"enum": ["new", "used"]}, "at": {"format": "date-time"}, "a/b~c": {"type": ["null", "string"]},
                "price": {"multipleOf": 0.01, "exclusiveMinimum": 0}, "level": {"enum": [1, 2]},
                "name": {"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^[a-z]+$"}
            },
            "$defs": {"item": {"type": "object", "properties": {"quantity": {"type": "integer", "minimum": 1, "maximum": 9}}}}
        }"##,
        &[
            (r#"{"items": [{"quantity": 1}, {}], "kind": "new", "at": "2026-01-31T12:00:00Z", "price": 19.99}"#, ""),
            ("[]", ": must be an object"),
            ("{}", "/items: is missing"),
            (r#"{"items": [{"quantity": 0}]}"#, "/items/0/quantity: must be at least 1"),
            (r#"{"items": [{}, {"quantity": 10}]}"#, "/items/1/quantity: must be at most 9"),
            (r#"{"items": [{"quantity": 1.5}]}"#, "/items/0/quantity: must be a whole number"),
            (r#"{"items": [{"quantity": 1}, {"quantity": 1.0}]}"#, "/items: must not have an element twice"),
            (r#"{"items": []}"#, "/items: must have at least 1 element"),
            (r#"{"items": [{}, {}, {}]}"#, "/items: must have at most 2 elements"),
            (r#"{"items": [{}], "other": 1}"#, "/other: is not known here"),
            (r#"{"items": [{}], "kind": "old"}"#, "/kind: must be new or used"),
            (r#"{"items": [{}], "level": 3}"#, "/level: must be one of the values that are allowed here"),
            (r#"{"items": [{}], "a/b~c": 3}"#, "/a~1b~0c: must be null or a string"),
            (r#"{"items": [{}], "at": "tomorrow"}"#, "/at: must be a date and time like 2026-01-31T12:00:00Z"),
            (r#"{"items": [{}], "price": 0}"#, "/price: must be above 0"),
            (r#"{"items": [{}], "price": 0.005}"#, "/price: must be a multiple of what is asked for here"),
            (r#"{"items": [{}], "name": ""}"#, "/name: must have at least 1 character"),
            (r#"{"items": [{}], "name": "äöü"}"#, "/name: must match the pattern that is asked for here"),
            (r#"{"items": [{}], "name": "abcd"}"#, "/name: must have at most 3 characters"),
        ],
    );
    check(
        r#"{"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "not": {"required": ["c"]}, "propertyNames": {"maxLength": 1}}"#,
        &[
            (r#"{"a": 1}"#, ""),
            (r#"{"a": 1, "b": 1}"#, ": is of more than one form, and must be of exactly one"),
            (r#"{"d": 1}"#, ": is of none of the forms that are allowed here"),
            (r#"{"a": 1, "c": 1}"#, ": is of a form that is not allowed here"),
            (r#"{"a": 1, "dd": 1}"#, "/dd: must have at most 1 character"),
        ],
    );
}

#[test]
fn a_place_of_any_depth_and_any_names_is_bounded() {
    let schema = Schema::compile(&read(r##"{"type": "object", "additionalProperties": {"$ref": "#"}}"##)).unwrap();
    let name = "n".repeat(100_000);
    let deep = format!(r#"{{"{name}": "#).repeat(3) + "1" + &"}".repeat(3);
    let said = schema.check(&read(&deep)).unwrap_err();
    assert_eq!(said.place, format!("/{}", &name[..NAME]).repeat(3));
    let deep = format!(r#"{{"{name}": "#).repeat(60) + "1" + &"}".repeat(60);
    let said = schema.check(&read(&deep)).unwrap_err();
    assert!((PLACE..2 * PLACE).contains(&said.place.len()), "{}", said.place.len());
}

/// What [`value`] shows of names and places.
const NAME: usize = 64;
const PLACE: usize = 512;

#[test]
fn whatever_a_body_says_it_is_checked_in_so_many_steps() {
    for (schema, body) in [
        // Each level is looked at four times as often as the one around it.
        (
            r##"{"type": "array", "anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}],
             "$defs": {"a": {"items": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}}"##,
            "[".repeat(20) + "false" + &"]".repeat(20),
        ),
        (r#"{"pattern": "(a|aa|aaa|aaaa|b|bb)*c"}"#, format!("\"{}\"", "a".repeat(2 << 20))),
        (r#"{"uniqueItems": true}"#, format!("[{}0]", "0,".repeat(50_000))),
    ] {
        let schema = Schema::compile(&read(schema)).unwrap();
        let found = schema.check(&read(&body)).unwrap_err();
        assert_eq!((found.reason.as_str(), found.place.as_str()), ("takes too long to be checked", ""));
    }
    let schema =
        Schema::compile(&read(r#"{"items": {"type": "integer", "minimum": 0}, "uniqueItems": true}"#)).unwrap();
    let long: Vec<_> = (0..10_000).map(|number| number.to_string()).collect();
    assert_eq!(schema.check(&read(&format!("[{}]", long.join(",")))), Ok(()));
}

#[test]
fn a_mistake_in_a_schema_is_told_with_its_place() {
    for (schema, expected) in [
        (r#""object""#, "must be a schema: an object, true or false"),
        (r#"{"typ": "object"}"#, "typ: unknown field `typ`, expected one of `$comment`"),
        (r#"{"properties": {"a": {"minimun": 1}}}"#, "properties.a.minimun: unknown field `minimun`"),
        (r#"{"type": "int"}"#, "type: must be one of null, boolean, integer, number, string, array, object"),
        (r#"{"type": []}"#, "type: must name at least one type"),
        (r#"{"allOf": [{}, {"type": 1}]}"#, "allOf[1].type: must be one of"),
        (r#"{"anyOf": []}"#, "anyOf: must be a list of schemas"),
        (r#"{"items": [{}]}"#, "items: must be a schema: an object, true or false"),
        (r#"{"minLength": -1}"#, "minLength: must be a whole number from 0"),
        (r#"{"maximum": "1"}"#, "maximum: must be a number"),
        (r#"{"multipleOf": 0}"#, "multipleOf: must be a number above 0"),
        (r#"{"required": "a"}"#, "required: must be a list of names"),
        (r#"{"dependentRequired": {"a": [1]}}"#, "dependentRequired.a: must be a list of names"),
        (r#"{"uniqueItems": 1}"#, "uniqueItems: must be true or false"),
        (r#"{"enum": 1}"#, "enum: must be a list"),
        (r#"{"format": "email"}"#, "format: unknown format `email`, expected one of `date`, `date-time`"),
        (r#"{"pattern": "(?=a)"}"#, "pattern: is no regular expression that is known here"),
        (r#"{"pattern": "((a{99}){99}){99}"}"#, "pattern: is no regular expression that is known here"),
        (r#"{"patternProperties": {"(": {}}}"#, "patternProperties.(: is no regular expression"),
        (r##"{"items": {"$ref": "#/$defs/a"}}"##, "items.$ref: there is no schema at #/$defs/a"),
        (r#"{"$ref": "other.json#/a"}"#, "$ref: must be a place in the same schema"),
        (r##"{"$ref": "#"}"##, "refers to itself without looking any deeper into a value"),
        (r##"{"anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#"}}}}"##, "refers to itself"),
        (
            r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#,
            "$schema: must be https://json-schema.org/draft/2020-12",
        ),
        (r#"{"unevaluatedItems": false}"#, "unevaluatedItems: unknown field"),
    ] {
        let said = Schema::compile(&read(schema)).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{schema}: {said}");
    }
    let deep = r#"{"not": "#.repeat(40) + "true" + &"}".repeat(40);
    assert!(Schema::compile(&read(&deep)).unwrap_err().reason.starts_with("has too many schemas"));
}
