//! What a bill of materials says of the real filters.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;

use pack::workspace::Workspace;
use pack::{bill, sha256};
use serde_json::{Value as Json, json};

#[test]
fn a_bill_lists_what_is_in_the_module_with_licence_and_checksum() {
    let workspace = Workspace::read().unwrap();
    let names: Vec<_> = workspace.modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(
        names,
        ["admin", "auth", "breaker", "cache", "compose", "correlation", "guard", "provider", "ratelimit", "weir"]
    );
    let auth = &workspace.modules[1];
    let bill = bill::of(&workspace, auth, b"the module").unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    let main = &bill["metadata"]["component"];
    assert_eq!((&main["name"], &main["hashes"][0]["content"]), (&json!("auth.wasm"), &json!(sha256(b"the module"))));
    let components = bill["components"].as_array().unwrap();
    let of = |name: &str| components.iter().find(|component| component["name"] == name);
    let json_parser = of("serde_json").unwrap();
    assert_eq!(
        (&json_parser["scope"], &json_parser["licenses"]),
        (&json!("required"), &json!([{"expression": "MIT OR Apache-2.0"}]))
    );
    assert_eq!(json_parser["hashes"][0]["content"].as_str().unwrap().len(), 64);
    assert!(json_parser["purl"].as_str().unwrap().starts_with("pkg:cargo/serde_json@1."));
    assert_eq!(of("serde_derive").unwrap()["scope"], "excluded", "a macro is in no module");
    assert_eq!(
        (of("policy").unwrap()["scope"].as_str(), &of("policy").unwrap()["hashes"]),
        (Some("required"), &json!([]))
    );
    assert!(of("std").is_some());
    for (name, why) in
        [("rsa", "its tests sign with it"), ("wasmtime", "its host in tests"), ("clap", "the command line's")]
    {
        assert!(of(name).is_none(), "{name}: {why}");
    }
    assert!(components.iter().all(|component| component["licenses"][0]["expression"].is_string()));
}

#[test]
fn whatever_a_bill_refers_to_is_in_it() {
    let workspace = Workspace::read().unwrap();
    let all = workspace.modules.last().unwrap();
    let bill = bill::of(&workspace, all, b"").unwrap();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let listed = bill["components"].as_array().unwrap().iter().chain([&bill["metadata"]["component"]]);
    let mut known = BTreeSet::new();
    for component in listed {
        assert!(known.insert(text(&component["bom-ref"])), "{} stands there twice", component["bom-ref"]);
    }
    for edge in bill["dependencies"].as_array().unwrap() {
        let on = edge["dependsOn"].as_array().unwrap().iter().map(text);
        for reference in on.chain([text(&edge["ref"])]) {
            assert!(known.contains(&reference), "{reference}");
        }
    }
    for filter in ["auth", "cache", "provider", "policy"] {
        assert!(known.iter().any(|reference| reference.starts_with(&format!("{filter}@"))), "{filter}");
    }
    assert!(!bill.to_string().contains(env!("CARGO_MANIFEST_DIR")), "no path of this machine");
}
