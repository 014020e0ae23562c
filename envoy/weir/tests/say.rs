//! Where what the command line says cannot be written: a disk is full, or nobody reads any more.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const GOOD: &str = "version: 1\nupstreams: {a: {url: http://127.0.0.1:1}}\nroutes: [{match: GET /a, upstream: a}]\n";

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Somebody who has had enough.
fn closed() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn run(folder: &Path, line: &str, to: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(folder).args(line.split(' ')).stdout(to).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_command_fails_whose_product_cannot_be_written_and_not_where_nobody_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.yaml"), GOOD).unwrap();
    fs::write(folder.path().join("other.yaml"), GOOD.replace("/a,", "/b,")).unwrap();
    fs::write(folder.path().join("bad.yaml"), GOOD.replace("routes", "roots")).unwrap();
    fs::write(folder.path().join("access.log"), "").unwrap();
    for (line, usual) in [
        ("check good.yaml", 0),
        ("check good.yaml --format json", 0),
        ("check good.yaml --format sarif", 0),
        ("check bad.yaml --format github", 1),
        ("explain good.yaml /a", 0),
        ("explain good.yaml /a --format json", 0),
        ("diff good.yaml other.yaml", 1),
        ("diff good.yaml other.yaml --format json", 1),
        ("replay good.yaml access.log", 0),
        ("replay good.yaml access.log --format json", 0),
        ("schema", 0),
        ("render envoy good.yaml", 0),
        ("render istio good.yaml", 0),
    ] {
        let output = run(folder.path(), line, full());
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = "weir: the answer cannot be written: No space left on device (os error 28)\n";
        assert!(output.status.code() == Some(2) && said.ends_with(reason), "{line}: {:?} {said}", output.status);
        let output = run(folder.path(), line, closed());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(usual) && !said.contains("written"), "{line}: {:?} {said}", output.status);
    }
}

#[test]
fn what_is_only_told_may_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.yaml"), GOOD).unwrap();
    for (line, code) in [
        ("check nowhere.yaml", 2),
        ("apply good.yaml --xds-dir xds --filters FILTERS", 0),
        ("apply nowhere.yaml --xds-dir xds", 2),
        ("rollback --xds-dir xds --admin 127.0.0.1:1", 2),
        ("rollout good.yaml --istio steps", 0),
        ("rollout good.yaml --fleet nowhere.yaml", 2),
        ("run nowhere.yaml", 1),
        ("push nowhere localhost:1/weir", 1),
    ] {
        let filters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm");
        let line = line.replace("FILTERS", &filters.display().to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.current_dir(folder.path()).args(line.split(' ')).stdout(full()).stderr(full());
        assert_eq!(command.status().unwrap().code(), Some(code), "{line}");
    }
    assert!(folder.path().join("xds/routes/weir.json").exists() && folder.path().join("steps/step-3.json").exists());
}

#[test]
fn a_check_whose_report_cannot_be_shown_fails() {
    let folder = tempfile::tempdir().unwrap();
    let warned = format!("{GOOD}ratelimit: {{undecided: allow}}\n");
    fs::write(folder.path().join("warned.yaml"), warned).unwrap();
    let check = |to: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.current_dir(folder.path()).args(["check", "warned.yaml"]).stdout(Stdio::null()).stderr(to);
        command.status().unwrap().code()
    };
    assert_eq!([check(Stdio::null()), check(full()), check(closed())], [Some(0), Some(2), Some(0)]);
}

#[test]
fn no_command_repeats_a_secret_that_it_warns_of() {
    let folder = tempfile::tempdir().unwrap();
    // A warning whose place is the secret itself.
    let policy = GOOD.replace("http://127.0.0.1:1", "http://127.0.0.1:1, headers: {x-api-key: hunter2hunter2}");
    fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    fs::write(folder.path().join("fleet.yaml"), "proxies: [{name: a, xds_dir: a}]\n").unwrap();
    let filters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm");
    for line in ["check policy.yaml", "apply policy.yaml --xds-dir a", "rollout policy.yaml --fleet fleet.yaml"] {
        let line =
            if line.starts_with("check") { line.to_owned() } else { format!("{line} --filters {}", filters.display()) };
        let output = run(folder.path(), &line, Stdio::piped());
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("W207") && said.contains("x-api-key: ******"), "{line}: {said}");
        assert!(!said.contains("hunter"), "{line}: {said}");
    }
}

#[test]
fn a_file_without_end_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("fleet.yaml"), "proxies: [{name: a, xds_dir: a}]\n").unwrap();
    for (line, expected) in [
        ("check /dev/zero", 1),
        ("diff /dev/zero /dev/zero", 2),
        ("explain /dev/zero /a", 1),
        ("rollout /dev/zero --fleet fleet.yaml", 1),
        ("apply /dev/zero --xds-dir a", 1),
    ] {
        let output = run(folder.path(), line, Stdio::piped());
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("the file is too large"), "{line}: {}", said.get(..2000).unwrap_or(&said));
        assert_eq!(output.status.code(), Some(expected), "{line}");
    }
}
