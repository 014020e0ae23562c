//! How a file reads: what a machine can check of the style.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "the files are our own")]

use tidy::{files, none, sources};

/// Lines that a file may have.
const FILE_LINES_MAX: usize = 400;
/// Lines that a callback of the host may have.
const CALLBACK_LINES_MAX: usize = 25;

#[test]
fn a_file_says_first_what_it_is_for() {
    let findings: Vec<_> =
        sources().into_iter().filter(|file| !file.text.starts_with("//! ")).map(|file| file.path).collect();
    none("a source begins with a sentence in `//!`", &findings);
}

#[test]
fn a_file_is_read_in_one_sitting() {
    let findings: Vec<_> = sources()
        .into_iter()
        .map(|file| (file.text.lines().count(), file.path))
        .filter(|(lines, _)| *lines > FILE_LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    none("a source is split by noun when it grows", &findings);
}

#[test]
fn a_callback_fetches_asks_and_acts() {
    let mut findings = Vec::new();
    for file in sources().into_iter().filter(|file| file.filter().is_some() && file.stem() == "filter") {
        let lines: Vec<_> = file.text.lines().collect();
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("    fn on_")) {
            let length = lines[index..].iter().position(|line| *line == "    }").unwrap_or(0) + 1;
            if length > CALLBACK_LINES_MAX {
                findings.push(format!("{}:{}: {length} lines: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    none("a callback has no decision in it", &findings);
}

#[test]
fn names_say_what_a_thing_is() {
    let mut findings = Vec::new();
    for file in sources() {
        if ["common", "core", "utils", "util", "helpers", "helper", "manager", "misc"].contains(&file.stem()) {
            findings.push(format!("{}: says nothing", file.path));
        }
        for (number, line) in file.code() {
            let name = line.split("fn ").nth(1).filter(|_| line.trim_start().contains("fn ")).unwrap_or_default();
            // `get_type` is a method of the SDK's trait, which `make bench` measures.
            let ours = !name.starts_with("get_type(");
            if ours && ["get_", "do_", "handle_", "process_"].iter().any(|prefix| name.starts_with(prefix)) {
                findings.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none("a function is verb and object, a file is a noun", &findings);
}

#[test]
fn nothing_is_left_for_later() {
    let words: Vec<String> = ["TO-DO", "FIX-ME", "un-implemented!", "to-do!", "db-g!", "#[ig-nore"]
        .iter()
        .map(|word| word.replace('-', ""))
        .collect();
    let started = ["#[ig", "nore = \"started by"].concat();
    let mut findings = Vec::new();
    for file in files().into_iter().filter(|file| !file.path.ends_with(".lock")) {
        for (index, line) in file.text.lines().enumerate() {
            // A string that is such a word is data (Last.fm answers with one); a test that another one starts is not left out.
            let line = line.replace(&started, "");
            if words.iter().any(|word| line.contains(word.as_str()) && !line.contains(&format!("\"{word}\""))) {
                findings.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    none("what is there is whole", &findings);
}

#[test]
fn the_command_line_has_one_mouth() {
    let mut findings = Vec::new();
    for file in sources().into_iter().filter(|file| file.path.starts_with("envoy/weir/src/") && file.stem() != "say") {
        for (number, line) in file.code() {
            if ["print!(", "println!(", "io::stdout()", "io::stderr()"].iter().any(|words| line.contains(words)) {
                findings.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none("whatever the command line says goes by `say`, since `println!` panics where a disk is full", &findings);
}

#[test]
fn no_private_key_is_committed() {
    let mark = ["PRIVATE", "KEY-----"].join(" ");
    let findings: Vec<_> = files().into_iter().filter(|file| file.text.contains(&mark)).map(|file| file.path).collect();
    none("secrets come from the environment or a file outside", &findings);
}

#[test]
fn a_scenario_owns_its_time() {
    let mut findings = Vec::new();
    let sleepless = ["filters/", "tests/host/", "tests/suite/tests/"];
    for file in sources().into_iter().filter(|file| sleepless.iter().any(|folder| file.path.starts_with(folder))) {
        for (index, line) in file.text.lines().enumerate() {
            if line.contains("thread::sleep") {
                findings.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    none("a scenario waits for what happens, never for time to pass", &findings);
}
