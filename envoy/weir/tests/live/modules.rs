//! The filters as they ship, as other code, and only some of them.

// Each test has use for some of these.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where the filters are.
pub(crate) fn filters() -> PathBuf {
    std::env::var_os("WEIR_WASM_DIR").map_or_else(|| repository().join("target/wasm"), PathBuf::from)
}

/// The same filters, these as other code: a custom section (WebAssembly core specification, 2.5.2) says nothing and is other bytes.
pub(crate) fn with_other_code(of: &[&str]) -> TempDir {
    with(|name, mut bytes| {
        if of.contains(&name) {
            bytes.extend(b"\x00\x06\x05other");
        }
        bytes
    })
}

/// These filters alone; the others let everything pass, and are loaded in no time.
pub(crate) fn only(these: &[&str]) -> TempDir {
    let noop = fs::read(filters().join("noop.wasm")).unwrap();
    with(|name, bytes| if these.contains(&name) { bytes } else { noop.clone() })
}

fn with(change: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(filters()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        fs::write(folder.path().join(path.file_name().unwrap()), change(name, fs::read(&path).unwrap())).unwrap();
    }
    folder
}
