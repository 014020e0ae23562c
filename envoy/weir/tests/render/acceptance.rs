//! What each Envoy that Weir is for says of a bootstrap.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use super::{EVERYTHING, SECRET, read, rendered, repository};

/// One Envoy of each version before the newest that a bootstrap is for, where they were fetched.
fn older() -> Vec<PathBuf> {
    let (oldest, newest) = (weir::lint::proxy::OLDEST, weir::lint::proxy::NEWEST);
    let tools = std::fs::read_dir(repository().join(".tools")).into_iter().flatten();
    let of_version = |entry: std::fs::DirEntry| {
        let version: weir::lint::Version = entry.file_name().to_str()?.strip_prefix("envoy-")?.parse().ok()?;
        Some((version, entry.path().join("bin/envoy")))
    };
    let mut found: Vec<_> = tools.filter_map(|entry| of_version(entry.ok()?)).collect();
    found.retain(|(version, program)| (oldest..newest).contains(version) && program.is_file());
    found.sort();
    found.dedup_by_key(|(version, _)| *version);
    let versions: Vec<_> = found.iter().map(|(version, _)| version.to_string()).collect();
    let is_whole = versions == ["1.37", "1.38", "1.39"];
    assert!(is_whole || std::env::var_os("CI").is_none(), "`make envoy` fetches more than {versions:?}");
    found.into_iter().map(|(_, program)| program).collect()
}

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
