//! What the rules about the code look at: the files of this project, and how a finding is shown.
//!
//! The rules themselves are the tests of this package; each names the invariant that it keeps.

#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "the files are our own")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// One text file of the project.
pub struct File {
    /// Its path from the project's root, with `/`.
    pub path: String,
    /// What stands in it.
    pub text: String,
}

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("this package lies two folders deep")
}

/// Every text file of the project, sorted; what git ignores is no part of it.
pub fn files() -> Vec<File> {
    let mut files = Vec::new();
    walk(&root(), "", &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 40, "only {} files found: is this the root?", files.len());
    files
}

/// Every Rust source of the project.
pub fn sources() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a folder of the project is readable").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if matches!(path.as_str(), ".git" | "target" | ".tools") {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), &path, files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push(File { path, text });
        }
    }
}

impl File {
    /// The package under `filters/` that this file is part of.
    pub fn filter(&self) -> Option<&str> {
        self.path.strip_prefix("filters/")?.split_once('/').map(|(package, _)| package)
    }

    /// The file's own name, without folders and ending.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.split_once('.').map_or(name, |(stem, _)| stem)
    }

    /// Its lines with their numbers, up to the tests that stand at its end.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.take_while(|(_, line)| line.trim_end() != "#[cfg(test)]")
    }
}

/// Fails with one line for each finding.
///
/// # Panics
/// Where there is a finding.
pub fn none(rule: &str, findings: &[String]) {
    let mut said = String::new();
    for finding in findings {
        let _ = writeln!(said, "  {finding}");
    }
    assert!(findings.is_empty(), "{rule}:\n{said}");
}
