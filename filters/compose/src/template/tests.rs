//! Tests of templates.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const BODY: &str = r#"{"object": {"items": {"list": {"object": {"id": {"id": 9}}}, "length": [1, 9]}, "codes": {"text": 9, "optional": true}}}"#;

fn read(template: &str) -> Result<Template, String> {
    let shape = Shape::read(serde_json::from_str(BODY).unwrap()).unwrap();
    let names = [("body", Known::Shaped(&shape)), ("path", Known::Members(&["id"])), ("price", Known::Open)];
    Template::read(serde_json::from_str(template).unwrap(), &names).map_err(|mistake| mistake.to_string())
}

fn filled(template: &str) -> Result<String, String> {
    let value = |json: &str| Value::parse(json.as_bytes()).unwrap();
    let (body, path) = (value(r#"{"items":[{"id":"a b"}]}"#), value(r#"{"id":"x"}"#));
    let price = value(r#"[{"p":"0.10","n":1,"a~b/c":7},{"p":0.20,"n":1,"l":[]}]"#);
    let scope = [("body", &body), ("path", &path), ("price", &price)];
    read(template).unwrap().fill(&scope).map(|value| value.to_json()).map_err(|unfilled| unfilled.0)
}

#[test]
fn places_are_filled() {
    for (template, expected) in [
        (r#""${body/items/0}""#, r#"{"id":"a b"}"#),
        (r#""ORDER-${body/items/0/id:1}$$""#, r#""ORDER-a$""#),
        (r#"{"a": "${price/0/n}", "b": ["n${price/0/n}", 7, null, true]}"#, r#"{"a":1,"b":["n1",7,null,true]}"#),
        (r#""${body/codes?[]}""#, "[]"),
        (r#""${price/0/a~0b~1c}""#, "7"),
        (r#"{"$merge": ["${path}", {"id": 2, "more": 3}]}"#, r#"{"id":2,"more":3}"#),
        (
            r#"{"$zip": ["${price}", [{"p": 1}, {"x": 2}]]}"#,
            r#"[{"p":1,"n":1,"a~b/c":7},{"p":0.20,"n":1,"l":[],"x":2}]"#,
        ),
        (r#"{"$sum": "${price}", "of": "/p"}"#, "0.30"),
        (r#"{"$same": "${price}", "of": "/n"}"#, "1"),
        (r#"{"$sum": [1, 2]}"#, "3"),
    ] {
        assert_eq!(filled(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn what_cannot_be_filled_says_why() {
    for (template, expected) in [
        (r#""${body/codes}""#, "there is no body/codes"),
        (r#""x${price/1/l}""#, "price/1/l is no text"),
        (r#"{"$merge": ["${price}"]}"#, "what is to be merged is no object"),
        (r#"{"$zip": ["${price}", []]}"#, "what is to be zipped differs in length"),
        (r#"{"$sum": "${price}", "of": "/l"}"#, "there is no /l"),
        (r#"{"$sum": "${price}"}"#, "what is to be summed is no amount"),
        (r#"{"$same": "${price}", "of": "/p"}"#, "what is to be the same differs"),
        (r#"{"$same": []}"#, "there is nothing to be the same"),
    ] {
        assert_eq!(filled(template).unwrap_err(), expected, "{template}");
    }
}

#[test]
fn a_name_that_there_is_not_is_a_mistake() {
    for (template, expected) in [
        (r#"{"a": ["${prise}"]}"#, "a[0]: ${prise}: there is no prise here, only body, path, price"),
        (r#""${body/item}""#, "${body/item}: body has no item"),
        (r#""${body/items/x}""#, "${body/items/x}: body has no x"),
        (r#""${body/items/0/id/x}""#, "${body/items/0/id/x}: body has no x"),
        (r#""${path/name}""#, "${path/name}: path has no name"),
        (r#""${path/id/x}""#, "${path/id/x}: path has no x"),
        (r#""${price/~2}""#, "${price/~2}: is no JSON Pointer"),
        (r#""${price:x}""#, "${price:x}: what follows : must be a number"),
        (r#""${price?x}""#, "${price?x}: what follows ? must be JSON"),
        (r#""${price""#, "has a $ that is neither $$ nor ${…}"),
        (r#""5 $""#, "has a $ that is neither $$ nor ${…}"),
        (r#"{"$merge": {}}"#, "$merge: must be a list"),
        (r#"{"$max": []}"#, "$max: must be one of $merge, $zip, $sum and $same"),
        (r#"{"$sum": [], "on": "/a"}"#, "on: cannot stand beside $sum"),
        (r#"{"$sum": [], "of": "a"}"#, "of: must be a JSON Pointer, as in \"/price\""),
        ("1.5", "must be a whole number, or a text"),
    ] {
        assert_eq!(read(template).unwrap_err(), expected, "{template}");
    }
}

#[test]
fn a_path_takes_nothing_that_would_lead_elsewhere() {
    let names = [("item", Known::Open)];
    let text = Text::read("/p/${item}?q=${item}", &names).unwrap();
    for (item, expected) in [
        ("a b&c=é#?", Ok("/p/a%20b%26c%3D%C3%A9%23%3F?q=a%20b%26c%3D%C3%A9%23%3F".to_owned())),
        ("..", Err(Unfilled("item cannot stand in a path".to_owned()))),
        ("a/b", Err(Unfilled("item cannot stand in a path".to_owned()))),
        ("", Err(Unfilled("item cannot stand in a path".to_owned()))),
    ] {
        assert_eq!(text.fill(&[("item", &Value::text(item))], true), expected, "{item}");
    }
    assert_eq!(text.literal(), "/p/");
}
