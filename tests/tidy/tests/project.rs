//! What a newcomer relies on: the map is true, the licences fit, what ships is small.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "the files are our own")]

use std::fs;
use std::process::Command;

use tidy::{files, none, root};

/// Bytes that a filter may have.
const WASM_BYTES_MAX: u64 = 400 * 1024;
/// Licences that Apache-2.0 code may be built with.
const LICENCES: [&str; 11] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "MIT-0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Zlib",
    "Unlicense",
    "CC0-1.0",
];

#[test]
fn the_root_holds_only_what_must_be_there() {
    let allowed = [
        ".cargo",
        ".ci",
        ".git",
        ".gitignore",
        ".tools",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "Makefile",
        "README.md",
        "envoy",
        "filters",
        "rust-toolchain.toml",
        "rustfmt.toml",
        "clippy.toml",
        "target",
        "tests",
    ];
    let found = fs::read_dir(root()).expect("the root is readable").flatten();
    let findings: Vec<_> = found
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !allowed.contains(&name.as_str()))
        .collect();
    none("a new thing at the root needs a reason", &findings);
}

#[test]
fn every_path_in_the_documents_exists() {
    let mut findings = Vec::new();
    for file in files().into_iter().filter(|file| file.path.ends_with(".md")) {
        for (index, line) in file.text.lines().enumerate() {
            for quoted in line.split('`').skip(1).step_by(2) {
                let path = quoted.split_whitespace().next().unwrap_or_default();
                let ours = ["filters/", "envoy/", "tests/", ".ci/"].iter().any(|folder| path.starts_with(folder));
                if ours && !path.contains(['*', '<', '{', '…']) && !root().join(path).exists() {
                    findings.push(format!("{}:{}: {path}", file.path, index + 1));
                }
            }
        }
    }
    none("every path that a document names exists", &findings);
}

#[test]
fn every_target_in_the_documents_is_in_the_makefile() {
    let makefile = fs::read_to_string(root().join("Makefile")).expect("there is a Makefile");
    let mut findings = Vec::new();
    for file in files().into_iter().filter(|file| file.path.ends_with(".md")) {
        for (index, line) in file.text.lines().enumerate() {
            for target in line.split("`make ").skip(1) {
                let name: String = target.chars().take_while(char::is_ascii_lowercase).collect();
                if !name.is_empty() && !makefile.contains(&format!("\n{name}:")) {
                    findings.push(format!("{}:{}: make {name}", file.path, index + 1));
                }
            }
        }
    }
    none("every target that a document names exists", &findings);
}

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    let ci = fs::read_to_string(root().join(".ci/run")).expect("there is a CI script");
    let commands: Vec<_> = ci.lines().filter(|line| !line.starts_with(['#']) && !line.starts_with("set ")).collect();
    assert_eq!(commands, [r#"cd "$(dirname "$0")/..""#, "make test"]);
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    assert!(readme.contains("make test"));
}

#[test]
fn every_dependency_has_a_licence_that_fits() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo tells its packages");
    let packages = metadata["packages"].as_array().expect("cargo lists packages");
    assert!(packages.len() > 50, "only {} packages", packages.len());
    let mut findings = Vec::new();
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        let fits = licence.replace('/', " OR ").split(" OR ").any(|choice| {
            let parts = choice.trim_matches(['(', ')']);
            parts.split(" AND ").all(|part| LICENCES.contains(&part.trim_matches(['(', ')', ' '])))
        });
        if !fits {
            findings.push(format!("{}: {licence}", package["name"]));
        }
    }
    none("every dependency may be shipped under Apache-2.0", &findings);
}

#[test]
fn every_filter_is_small() {
    let folder = std::env::var_os("WEIR_WASM_DIR").map_or_else(|| root().join("target/wasm"), Into::into);
    let mut findings = Vec::new();
    for filter in ["correlation", "guard", "auth", "ratelimit", "admin", "cache", "breaker", "provider"] {
        let path = folder.join(format!("{filter}.wasm"));
        match fs::metadata(&path).map(|file| file.len()) {
            Ok(bytes) if bytes <= WASM_BYTES_MAX => {}
            Ok(bytes) => findings.push(format!("{filter}.wasm: {bytes} bytes")),
            Err(error) => findings.push(format!("{}: {error}: run `make wasm`", path.display())),
        }
    }
    none("a filter is at most 400 KiB", &findings);
}

#[test]
fn no_module_knows_where_it_was_built() {
    let folder = std::env::var_os("WEIR_WASM_DIR").map_or_else(|| root().join("target/wasm"), Into::into);
    let places = [root().display().to_string(), "/registry/src/".to_owned()];
    let mut findings = Vec::new();
    for entry in fs::read_dir(&folder).expect("`make wasm` has been run").flatten() {
        let module = fs::read(entry.path()).expect("a module is readable");
        for place in &places {
            if module.windows(place.len()).any(|window| window == place.as_bytes()) {
                findings.push(format!("{}: {place}; build it with `make wasm`", entry.path().display()));
            }
        }
    }
    none("the same source makes the same bytes anywhere", &findings);
}
