//! Who may know whom: the arrows of the design.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "the files are our own")]

use tidy::{files, none, sources};

const FILTERS: [&str; 9] =
    ["admin", "auth", "breaker", "cache", "compose", "correlation", "guard", "provider", "ratelimit"];

#[test]
fn only_the_shell_of_a_filter_knows_the_host() {
    let mut findings = Vec::new();
    for file in sources() {
        let Some(package) = file.filter() else { continue };
        if package == "shell" || file.path.contains("/src/filter") || file.stem() == "build" {
            continue;
        }
        for (number, line) in file.code() {
            let code = line.split("//").next().unwrap_or_default();
            for word in ["proxy_wasm", "shell::", "log::", "SystemTime", "std::time::Instant", "std::env", "std::fs"] {
                if names(code, word) {
                    findings.push(format!("{}:{number}: {word}", file.path));
                }
            }
        }
    }
    none("only filter.rs and shell know the host, a clock, randomness or a log", &findings);
}

/// Whether this stands in a line, and is not the end of a longer name.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

#[test]
fn no_host_is_linked_off_wasi() {
    let mut findings = Vec::new();
    for file in files().into_iter().filter(|file| file.path.ends_with("Cargo.toml") && file.filter().is_some()) {
        let mut section = "";
        for (index, line) in file.text.lines().enumerate() {
            if line.starts_with('[') {
                section = line;
            }
            if line.starts_with("proxy-wasm") {
                findings.push(format!("{}:{}: {line}: `shell` stands in its place", file.path, index + 1));
            }
            let host = ["shell", "log"].iter().any(|name| line.starts_with(&format!("{name}.")));
            if host && section != "[target.'cfg(target_os = \"wasi\")'.dependencies]" {
                findings.push(format!("{}:{}: {line} under {section}", file.path, index + 1));
            }
        }
    }
    none("a filter depends on its host on WASI alone", &findings);
}

#[test]
fn filters_never_depend_on_each_other() {
    let mut findings = Vec::new();
    for file in files().into_iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        let Some(package) = file.filter() else { continue };
        for (index, line) in file.text.lines().enumerate() {
            if FILTERS.iter().any(|other| *other != package && line.starts_with(&format!("{other}."))) {
                findings.push(format!("{}:{}: {line}", file.path, index + 1));
            }
        }
    }
    none("what passes between filters is declared in policy", &findings);
}

#[test]
fn every_filter_denies_panics() {
    let findings: Vec<_> = files()
        .into_iter()
        .filter(|file| file.path.ends_with("Cargo.toml") && file.path != "Cargo.toml")
        .filter(|file| !file.text.contains("[lints]\nworkspace = true"))
        .map(|file| file.path)
        .collect();
    none("every package keeps the workspace's lints", &findings);
    let mut findings = Vec::new();
    for file in sources().into_iter().filter(|file| file.filter().is_some()) {
        for (number, line) in file.code() {
            let allowed = line.contains("allow(") || line.contains("expect(");
            if allowed && ["unwrap_used", "expect_used", "panic", "indexing_slicing"].iter().any(|l| line.contains(l)) {
                findings.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none("no file of a filter allows a panic for itself", &findings);
}

#[test]
fn unsafe_code_is_the_shell_s_alone() {
    let mut findings = Vec::new();
    for file in sources().into_iter().filter(|file| file.filter().is_some_and(|package| package != "shell")) {
        for (number, line) in file.code() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains("unsafe ") || code.contains("unsafe_code") {
                findings.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none("no filter has unsafe code of its own", &findings);
}

#[test]
fn a_filter_has_its_anatomy() {
    let files = sources();
    let mut findings = Vec::new();
    for filter in FILTERS {
        for name in ["lib", "config", "filter"] {
            let path = format!("filters/{filter}/src/{name}.rs");
            let Some(file) = files.iter().find(|file| file.path == path) else {
                findings.push(format!("{path} is missing"));
                continue;
            };
            if name == "lib" {
                let introduction = file.text.lines().filter(|line| line.starts_with("//!")).count();
                if !(10..=40).contains(&introduction) {
                    findings.push(format!("{path}: an introduction of {introduction} lines, not 10 to 40"));
                }
                if !file.text.contains("#[cfg(target_os = \"wasi\")]\nmod filter;") {
                    findings.push(format!("{path}: filter.rs is compiled off WASI"));
                }
            }
        }
    }
    none("lib.rs introduces, config.rs reads, filter.rs calls the host", &findings);
}

#[test]
fn a_filter_names_the_callbacks_that_it_has() {
    let files = files();
    let mut findings = Vec::new();
    for filter in FILTERS {
        let text = |path: String| files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str());
        let manifest = text(format!("filters/{filter}/Cargo.toml"));
        let list = manifest.split("callbacks = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
        let mut named: Vec<_> = list.split('"').skip(1).step_by(2).collect();
        let source = text(format!("filters/{filter}/src/filter.rs"));
        let mut defined: Vec<_> = source
            .lines()
            .filter_map(|line| line.strip_prefix("    fn ")?.split('(').next())
            .filter(|name| name.starts_with("on_") && !["on_configure", "on_vm_start"].contains(name))
            .collect();
        named.sort_unstable();
        defined.sort_unstable();
        defined.dedup();
        if named.is_empty() || named != defined {
            findings.push(format!("{filter}: the manifest names {named:?}, filter.rs has {defined:?}"));
        }
    }
    none("`trim` keeps what the manifest names and nothing else", &findings);
}
