//! What each Envoy that Weir is for says of a bootstrap.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use super::older::older;
use super::{EVERYTHING, SECRET, read, rendered};

/// Envoy, and those before it, accept a bootstrap without a complaint. The older ones load another module for the filters: theirs
/// is the same ABI, and to compile all of them would take a minute.
#[track_caller]
pub(super) fn accepted(bootstrap: &Json) {
    validated(&proxy::envoy::program(), &bootstrap.to_string());
    let mut light = bootstrap.clone();
    with_other_code(&mut light);
    let light = light.to_string();
    for program in older() {
        validated(&program, &light);
    }
}

fn with_other_code(value: &mut Json) {
    match value {
        Json::Object(members) => {
            for (key, value) in members.iter_mut() {
                match value.as_str() {
                    Some(file) if key == "filename" && Path::new(file).extension() == Some("wasm".as_ref()) => {
                        *value = Path::new(file).with_file_name("noop.wasm").to_string_lossy().into();
                    }
                    _ => with_other_code(value),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(with_other_code),
        _ => {}
    }
}

#[track_caller]
fn validated(program: &Path, bootstrap: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bootstrap.json");
    std::fs::write(&file, bootstrap).unwrap();
    let mut envoy = Command::new(program);
    envoy
        .envs([("WEIR_PEPPER", SECRET), ("WEIR_SECRET", SECRET)])
        .args(["--mode", "validate", "--log-level", "warning", "--use-dynamic-base-id", "--config-path"])
        .arg(&file);
    let output = envoy.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{envoy:?}: {said}");
    for complaint in ["deprecated", "unknown field", "[warning]", "[error]"] {
        assert!(!said.to_ascii_lowercase().contains(complaint), "{envoy:?}: {said}");
    }
}

#[test]
fn every_envoy_loads_the_filters() {
    let bootstrap = rendered(&read("everything.yaml", EVERYTHING)).to_string();
    for program in older() {
        validated(&program, &bootstrap);
    }
}
