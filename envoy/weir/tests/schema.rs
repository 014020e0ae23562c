//! The schemas in the repository are what the command prints, and agree with what the command accepts.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "schema/leaf.rs"]
mod leaf;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use weir::diagnostic::Mistakes;
use weir::document::{self, Document, Reading};
use weir::draft::Draft;
use weir::schema::{self, POLICY};
use weir::translate::MODULES;
use weir::yaml;

/// Nearly everything that a policy can say.
const FULL: &str = include_str!("schema/full.yaml");
/// What the variables of the tests hold.
const SECRET: &str = "dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIGluIGJhc2U2NHVybA";
/// Judges pairs of a schema's name and a document, one a line, after the schemas: whether each is valid, or where it is not.
const JUDGE: &str = "
import json, sys
from jsonschema import Draft202012Validator
schemas = json.loads(sys.stdin.readline())
for schema in schemas.values(): Draft202012Validator.check_schema(schema)
judges = {name: Draft202012Validator(schema) for name, schema in schemas.items()}
for line in sys.stdin:
    name, document = json.loads(line)
    errors = [e.json_path + ': ' + e.message[:200] for e in judges[name].iter_errors(document)]
    print(json.dumps(errors))
";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is wrong with each document by the schema of this name.
fn judged(documents: &[(&str, &Json)]) -> Vec<Vec<String>> {
    let names = MODULES.into_iter().chain([POLICY]);
    let schemas: serde_json::Map<_, _> = names.map(|name| (name.to_owned(), schema::of(name).unwrap())).collect();
    let mut lines = format!("{}\n", Json::from(schemas));
    for document in documents {
        lines += &format!("{}\n", json!(document));
    }
    let python = repository().join(".tools/schema/bin/python");
    let mut judge = Command::new(&python)
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: run `make tools`", python.display()));
    let mut stdin = judge.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = judge.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<_> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verdicts.len(), documents.len());
    verdicts
}

fn read(text: &str, folder: &Path) -> Result<Document, String> {
    let variable = |name: &str| (name != "WEIR_NO_SUCH").then(|| SECRET.to_owned());
    let reading = Reading { variable: Some(&variable), ..Reading::default() };
    document::read(&folder.join("p.yaml"), text.as_bytes(), &reading).map_err(|report| report.render(false))
}

/// A policy as an editor sees it.
fn plain(text: &str) -> Json {
    let root = yaml::parse(text, &mut Mistakes::default()).unwrap();
    Draft::of(&root).to_json()
}

/// The policies that ship.
fn shipped() -> Vec<(String, String)> {
    let files = std::fs::read_dir(repository().join("envoy/policies")).unwrap().map(|entry| entry.unwrap().path());
    let policies = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    policies.map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn the_repository_has_what_the_command_prints() {
    for name in MODULES.into_iter().chain([POLICY]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.arg("schema").args((name != POLICY).then_some(name));
        let printed = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let file = repository().join(format!("envoy/schema/{name}.json"));
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            kept == printed,
            "{} is another: `target/native/weir schema {name}` prints what it shall be",
            file.display()
        );
    }
}

#[test]
fn a_policy_that_is_accepted_and_what_its_filters_read_are_valid() {
    let mut policies = shipped();
    assert!(policies.len() >= 3);
    policies.push(("full.yaml".to_owned(), FULL.to_owned()));
    let mut documents = Vec::new();
    for (name, text) in &policies {
        documents.push((name.clone(), POLICY, plain(text)));
        let policy = read(text, &repository().join("envoy/policies")).unwrap_or_else(|said| panic!("{said}"));
        for filter in policy.filters {
            documents.push((format!("{name}: {}", filter.name), filter.module, filter.config));
        }
    }
    let pairs: Vec<_> = documents.iter().map(|(_, schema, document)| (*schema, document)).collect();
    let judged = documents.iter().zip(judged(&pairs));
    let wrong: Vec<_> =
        judged.filter(|(_, errors)| !errors.is_empty()).map(|((name, ..), errors)| (name, errors)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every object of a document, by its JSON pointer.
fn objects(document: &Json, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Json)> = match document {
        Json::Object(members) => {
            found.push(at.to_owned());
            members.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Json::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => return,
    };
    for (key, value) in children {
        objects(value, &format!("{at}/{key}"), found);
    }
}

/// The policy with one thing changed in one object, as text.
fn changed(policy: &Json, at: &str, change: impl Fn(&mut serde_json::Map<String, Json>)) -> Json {
    let mut other = policy.clone();
    change(other.pointer_mut(at).unwrap().as_object_mut().unwrap());
    other
}

#[test]
fn a_word_that_no_policy_has_is_refused_by_both_wherever_it_stands() {
    let policy = plain(FULL);
    let mut places = Vec::new();
    objects(&policy, "", &mut places);
    let others: Vec<_> = places
        .iter()
        .map(|at| changed(&policy, at, |members| drop(members.insert("zzz".to_owned(), json!([[]])))))
        .collect();
    let verdicts = judged(&others.iter().map(|other| (POLICY, other)).collect::<Vec<_>>());
    let judged = places.iter().zip(&others).zip(verdicts);
    let apart: Vec<_> = judged
        .filter(|((_, other), errors)| errors.is_empty() != read(&other.to_string(), Path::new("")).is_ok())
        .map(|((at, _), errors)| (at, errors))
        .collect();
    assert!(apart.is_empty(), "where `zzz` stands in one of these, only one of both refuses it: {apart:#?}");
}

#[test]
fn what_may_be_left_out_may_be_left_out_in_the_schema() {
    let policy = plain(FULL);
    let mut places = Vec::new();
    objects(&policy, "", &mut places);
    let mut without = Vec::new();
    for at in &places {
        for key in policy.pointer(at).unwrap().as_object().unwrap().keys() {
            without.push((format!("{at}/{key}"), changed(&policy, at, |members| drop(members.remove(key)))));
        }
    }
    let verdicts = judged(&without.iter().map(|(_, other)| (POLICY, other)).collect::<Vec<_>>());
    let refused = without.iter().zip(verdicts).filter(|(_, errors)| !errors.is_empty());
    let (mut needed, mut wrong) = (BTreeSet::new(), Vec::new());
    for ((at, other), errors) in refused {
        if read(&other.to_string(), Path::new("")).is_ok() {
            wrong.push((at, errors));
        }
        needed.insert(at.rsplit('/').next().unwrap().to_owned());
    }
    assert!(wrong.is_empty(), "a policy may do without these: {wrong:#?}");
    for key in ["version", "upstreams", "routes", "url", "match", "learn", "title", "issuer", "steps", "env"] {
        assert!(needed.contains(key), "{key} may be left out by the schema");
    }
}

#[test]
fn values_of_another_kind_are_refused() {
    let policy = plain("version: 1\nupstreams: {a: {url: http://a.example}}\nroutes: [{match: GET /a, upstream: a}]\n");
    let wrong: Vec<Json> = [
        ("", "version", json!(2)),
        ("", "listen", json!("8080")),
        ("", "tiers", json!({"anonymous": {"per_second": 0}})),
        ("", "cache", json!({"budget_bytes": "64MB"})),
        ("/upstreams/a", "url", json!("a.example")),
        ("/upstreams/a", "timeout", json!(30)),
        ("/upstreams/a", "retry", json!({"statuses": [200]})),
        ("/upstreams/a", "breaker", json!({"failure_rate": 101})),
        ("/upstreams/a", "limit", json!({"rate": "10 a second"})),
        ("/routes/0", "match", json!("a")),
        ("/routes/0", "auth", json!("on")),
        ("/routes/0", "cache", json!({"ttl": "1w"})),
    ]
    .into_iter()
    .map(|(at, key, value)| changed(&policy, at, |members| drop(members.insert(key.to_owned(), value.clone()))))
    .collect();
    for (other, errors) in wrong.iter().zip(judged(&wrong.iter().map(|other| (POLICY, other)).collect::<Vec<_>>())) {
        assert!(!errors.is_empty() && read(&other.to_string(), Path::new("")).is_err(), "{other}");
    }
}
