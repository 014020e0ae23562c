//! The words that schemas are made of.

use serde_json::{Map, Value as Json, json};

/// A member of an object: its name, with a `!` behind it where it must be there; what it is; what it means.
pub(super) type Member<'a> = (&'a str, Json, &'a str);

/// An object with these members and no others.
pub(super) fn object(members: &[Member<'_>]) -> Json {
    with(json!({"type": "object", "additionalProperties": false, "properties": {}}), members)
}

/// The object with further members; one of the same name is replaced.
pub(super) fn with(mut object: Json, members: &[Member<'_>]) -> Json {
    let mut required: Vec<Json> = object.get("required").and_then(Json::as_array).cloned().unwrap_or_default();
    for (name, schema, meaning) in members {
        let key = name.trim_end_matches('!');
        let needed = key.len() < name.len();
        if needed && !required.iter().any(|other| other == key) {
            required.push(key.into());
        }
        if let Some(Json::Object(properties)) = object.get_mut("properties") {
            properties.insert(key.to_owned(), meant(schema.clone(), meaning));
        }
    }
    put(&mut object, "required", required.into());
    object
}

/// The object without some of its members.
pub(super) fn without(mut object: Json, names: &[&str]) -> Json {
    if let Some(Json::Object(properties)) = object.get_mut("properties") {
        properties.retain(|name, _| !names.contains(&name.as_str()));
    }
    if let Some(Json::Array(required)) = object.get_mut("required") {
        required.retain(|name| name.as_str().is_none_or(|name| !names.contains(&name)));
    }
    object
}

/// A schema that says what it is for.
pub(super) fn meant(mut schema: Json, meaning: &str) -> Json {
    put(&mut schema, "description", meaning.into());
    schema
}

pub(super) fn put(schema: &mut Json, key: &str, value: Json) {
    if let Some(members) = schema.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
}

fn of_type(kind: &str, key: &str, each: Json) -> Json {
    let mut schema = json!({"type": kind});
    put(&mut schema, key, each);
    schema
}

/// An object whose keys are the operator's own words.
pub(super) fn by_name(each: Json) -> Json {
    of_type("object", "additionalProperties", each)
}

/// A list.
pub(super) fn list(each: Json) -> Json {
    of_type("array", "items", each)
}

/// Any of these.
pub(super) fn any<const N: usize>(schemas: [Json; N]) -> Json {
    let mut schema = anything();
    put(&mut schema, "anyOf", Vec::from(schemas).into());
    schema
}

/// One, or a list of them.
pub(super) fn one_or_more(each: Json) -> Json {
    any([each.clone(), list(each)])
}

/// A schema that stands elsewhere in the document.
pub(super) fn defined(name: &str) -> Json {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// Text.
pub(super) fn text() -> Json {
    json!({"type": "string", "minLength": 1})
}

/// Text that need not be quoted where it looks like something else.
pub(super) fn scalar() -> Json {
    json!({"type": ["string", "number", "boolean"], "minLength": 1})
}

/// `true` or `false`.
pub(super) fn flag() -> Json {
    json!({"type": "boolean"})
}

/// One of a few words.
pub(super) fn words(words: &[&str]) -> Json {
    json!({"enum": words})
}

/// A whole number.
pub(super) fn whole(least: u64, most: u64) -> Json {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

/// A length of time.
pub(super) fn period() -> Json {
    json!({"type": "string", "pattern": "^(0|[0-9]+(ms|s|m|h|d))$"})
}

/// An amount of memory, with its unit.
pub(super) fn memory() -> Json {
    json!({"type": "string", "pattern": "^[0-9]+(KiB|MiB|GiB)$"})
}

/// An amount of memory, with a unit or in bytes.
pub(super) fn bytes() -> Json {
    any([memory(), json!({"type": "integer", "minimum": 0})])
}

/// An address and a port.
pub(super) fn address() -> Json {
    json!({"type": "string", "pattern": "^(\\[[0-9a-fA-F:.]+\\]|[0-9.]+):[0-9]+$"})
}

/// An `http` or `https` URL.
pub(super) fn url() -> Json {
    json!({"type": "string", "pattern": "^https?://"})
}

/// What only has to be there.
pub(super) fn anything() -> Json {
    Json::Object(Map::new())
}

/// What stands for itself in a segment of a path.
const LETTERS: &str = r#"[!"$-)+-.0->@-z|~]*"#;

/// A path that stands for itself.
fn literal() -> Json {
    json!({"type": "string", "pattern": format!("^(/{LETTERS})+$")})
}

/// A path in which segments may be variables, and `/*` at the end stands for all that lies below.
fn open() -> String {
    format!(r"((/(\{{[A-Za-z0-9_]+\}}|{LETTERS}))+(/\*)?|/\*)$")
}

fn template() -> Json {
    json!({"type": "string", "pattern": format!("^{}", open())})
}

/// Which requests, as one line: `GET|HEAD /things/{id}`.
pub(super) fn line() -> Json {
    json!({"type": "string", "pattern": format!(r"^([A-Z-]+(\|[A-Z-]+)* +)?{}", open())})
}

/// Which requests, as an object.
pub(super) fn matching() -> Json {
    object(&[
        ("path", literal(), "This path."),
        ("prefix", literal(), "Paths that begin with it; without a slash at its end, in whole segments."),
        ("template", template(), "Paths like `/things/{id}/parts`; with `/*` at the end, whatever lies below."),
        ("methods", list(text()), "One of these methods."),
        ("hosts", list(text()), "One of these hosts; `*.example` stands for all below it."),
        ("headers", by_name(text()), "All of these headers with these values."),
    ])
}

/// Where the state store of a fleet is, as a filter reads it.
pub(super) fn store() -> Json {
    object(&[
        ("cluster", text(), "Envoy's cluster that leads there. Default: `state`."),
        ("dialect", words(&["webdis", "upstash"]), "How it is spoken to. Default: `webdis`."),
        ("path", text(), "Where commands go. Default: `/`."),
        ("authority", text(), "What it is called in `Host`. Default: the cluster."),
        ("user", text(), "Who asks. Default: `weir`."),
        ("env", text(), "The variable with webdis's password or Upstash's token."),
        ("timeout", period(), "How long an answer may take. Default: 250ms."),
        ("prefix", text(), "What keys begin with. Default: `weir`."),
    ])
}
