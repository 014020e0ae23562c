//! The projects' own schemas of their objects: read from their resource definitions, and kept to as strictly as by an API server
//! that warns of nothing and refuses. What is written in the common expression language is not evaluated. Where the definitions are
//! not at hand, and for what they have no word on, there are packages: validators of Istio's and the Gateway API's objects
//! (`make crds`), and a description of what is rendered for Envoy Gateway beside this file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value as Json};

/// Schemas by kind and version, and the folder of the packages.
pub(crate) struct Schemas {
    definitions: HashMap<(String, String), Vec<Json>>,
    packages: Option<PathBuf>,
}

/// The version of what is described beside this file.
const ENVOY_GATEWAY: &str = "gateway.envoyproxy.io/v1alpha1";

/// The folder of resource definitions, which lies beside the project: `WEIR_CRDS`, or `shared/crds` in a folder above.
fn folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("WEIR_CRDS") {
        return Some(folder.into());
    }
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/crds"));
    above.into_iter().find(|folder| folder.is_dir())
}

impl Schemas {
    /// All that are there.
    pub(crate) fn read() -> Self {
        let mut schemas = Self::described();
        if let Some(folder) = folder() {
            schemas.add(&folder);
        }
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/crds");
        schemas.packages = packages.join("ready").is_file().then_some(packages);
        let is_whole = schemas.packages.is_some();
        assert!(is_whole || std::env::var_os("CI").is_none(), "`make crds` fetches the packages");
        schemas
    }

    /// Those that are described beside this file.
    pub(crate) fn described() -> Self {
        let Json::Object(kinds) = yaml(include_str!("envoy-gateway.yaml")) else {
            panic!("it has a schema for each kind")
        };
        let of_kind = |(kind, spec): (String, Json)| {
            ((ENVOY_GATEWAY.to_owned(), kind), vec![serde_json::json!({"properties": {"spec": spec}})])
        };
        Self { definitions: kinds.into_iter().map(of_kind).collect(), packages: None }
    }

    fn add(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            let definition = yaml(&fs::read_to_string(&path).unwrap());
            let (group, kind) = (&definition["spec"]["group"], &definition["spec"]["names"]["kind"]);
            for version in definition["spec"]["versions"].as_array().unwrap() {
                let name = format!("{}/{}", group.as_str().unwrap(), version["name"].as_str().unwrap());
                let schema = version["schema"]["openAPIV3Schema"].clone();
                self.definitions.entry((name, kind.as_str().unwrap().to_owned())).or_default().push(schema);
            }
        }
    }

    /// What is wrong with each object; `None` where there is no schema of its kind.
    pub(crate) fn mistakes(&self, objects: &[Json]) -> Vec<Option<Vec<String>>> {
        let packages =
            self.packages.as_ref().map_or_else(|| vec![None; objects.len()], |place| by_packages(place, objects));
        let both = |(object, by_package): (&Json, Option<Vec<String>>)| {
            let by_definition = self.by_definition(object);
            let known = by_package.is_some() || by_definition.is_some();
            known.then(|| [by_package, by_definition].into_iter().flatten().flatten().collect())
        };
        objects.iter().zip(packages).map(both).collect()
    }

    /// Whether there is a schema of every kind that is rendered.
    pub(crate) fn is_whole(&self) -> bool {
        self.packages.is_some()
    }

    fn by_definition(&self, object: &Json) -> Option<Vec<String>> {
        let name = |key: &str| object[key].as_str().unwrap().to_owned();
        let schemas = self.definitions.get(&(name("apiVersion"), name("kind")))?;
        let mut mistakes = Vec::new();
        for schema in schemas {
            // What every object has is the API server's own.
            check(&object["spec"], &schema["properties"]["spec"], "spec", &mut mistakes);
        }
        Some(mistakes)
    }
}

/// What the packages' validators say.
fn by_packages(place: &Path, objects: &[Json]) -> Vec<Option<Vec<String>>> {
    let mut node = Command::new("node");
    node.current_dir(place).args(["--input-type=module", "--eval", include_str!("models.mjs")]);
    let mut node = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node");
    node.stdin.take().unwrap().write_all(Json::from(objects).to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).expect("a list of what is wrong with each")
}

fn check(value: &Json, schema: &Json, path: &str, mistakes: &mut Vec<String>) {
    let is_any = |key: &str| schema[key] == Json::Bool(true);
    if !is_of(value, schema) {
        mistakes.push(format!("{path}: is no {}: {value}", schema["type"]));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        mistakes.push(format!("{path}: {value} is none of {}", schema["enum"]));
    }
    bounds(value, schema, path, mistakes);
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !Regex::new(pattern).unwrap().is_match(text)
    {
        mistakes.push(format!("{path}: {value} does not match {pattern}"));
    }
    if let Some(members) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !members.contains_key(name.as_str().unwrap()) {
                mistakes.push(format!("{path}: {name} is missing"));
            }
        }
        for (key, value) in members {
            let path = format!("{path}.{key}");
            match (schema["properties"].get(key), &schema["additionalProperties"]) {
                (Some(schema), _) => check(value, schema, &path, mistakes),
                (None, more @ Json::Object(_)) => check(value, more, &path, mistakes),
                (None, _) if is_any("x-kubernetes-preserve-unknown-fields") => {}
                (None, _) => mistakes.push(format!("{path}: is not known")),
            }
        }
    }
    if schema.get("items").is_none() && is_any("x-kubernetes-preserve-unknown-fields") {
        return;
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(item, &schema["items"], &format!("{path}[{index}]"), mistakes);
    }
}

fn is_of(value: &Json, schema: &Json) -> bool {
    if schema["x-kubernetes-int-or-string"] == Json::Bool(true) {
        return value.is_u64() || value.is_i64() || value.is_string();
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    }
}

fn bounds(value: &Json, schema: &Json, path: &str, mistakes: &mut Vec<String>) {
    let length = match value {
        Json::String(text) => Some(("Length", text.chars().count())),
        Json::Array(items) => Some(("Items", items.len())),
        Json::Object(members) => Some(("Properties", members.len())),
        _ => None,
    };
    if let Some((what, length)) = length {
        let bound = |side: &str| schema[format!("{side}{what}")].as_u64();
        let length = length as u64;
        if bound("min").is_some_and(|least| length < least) || bound("max").is_some_and(|most| length > most) {
            mistakes.push(format!("{path}: has {length}"));
        }
    }
    if let Some(number) = value.as_f64() {
        let bound = |key: &str| schema[key].as_f64();
        if bound("minimum").is_some_and(|least| number < least) || bound("maximum").is_some_and(|most| number > most) {
            mistakes.push(format!("{path}: {value} is out of range"));
        }
    }
}

/// One YAML document as JSON, without aliases, of which resource definitions have none.
fn yaml(text: &str) -> Json {
    let mut parser = Parser::new_from_str(text);
    loop {
        match next(&mut parser) {
            Event::StreamStart | Event::DocumentStart(_) => {}
            event => return node(&mut parser, event),
        }
    }
}

fn next<'a>(parser: &mut Parser<'a, StrInput<'a>>) -> Event<'a> {
    parser.next_event().unwrap().unwrap().0
}

fn node<'a>(parser: &mut Parser<'a, StrInput<'a>>, event: Event<'a>) -> Json {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => plain(text),
        Event::Scalar(text, ..) => text.into_owned().into(),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match next(parser) {
                    Event::SequenceEnd => return items.into(),
                    event => items.push(node(parser, event)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut members = Map::new();
            loop {
                match next(parser) {
                    Event::MappingEnd => return members.into(),
                    Event::Scalar(key, ..) => {
                        let event = next(parser);
                        members.insert(key.into_owned(), node(parser, event));
                    }
                    event => panic!("{event:?} is no key"),
                }
            }
        }
        event => panic!("{event:?} is no value"),
    }
}

fn plain(text: Cow<'_, str>) -> Json {
    match serde_json::from_str(&text) {
        Ok(value @ (Json::Number(_) | Json::Bool(_) | Json::Null)) => value,
        _ => text.into_owned().into(),
    }
}
