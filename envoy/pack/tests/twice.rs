//! What is shipped is the same bytes, whenever and wherever it is made.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pack::sha256;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The digest of each file, by its path from the folder.
fn digests(folder: &Path) -> BTreeMap<PathBuf, String> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_path_buf()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_path_buf(), sha256(&fs::read(&path).unwrap()));
            }
        }
    }
    files
}

#[test]
fn the_same_modules_are_packed_to_the_same_bytes() {
    let place = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| {
        pack::all(&repository().join("target/wasm"), &place.path().join(name)).unwrap();
        digests(&place.path().join(name))
    });
    assert!(one.len() > 40 && one.contains_key(Path::new("SHA256SUMS")), "{one:?}");
    assert_eq!(one, other);
}

/// The digest of the smallest filter as `make wasm` has the compiler make it, from the sources in this folder with this `CARGO_HOME`.
fn built(folder: &Path, home: &Path) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(folder).env("CARGO_HOME", home).env_remove("RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    let names = ["weir", "crates"].into_iter().zip([folder.to_path_buf(), home.join("registry/src")]);
    let flags: Vec<_> = names.map(|(name, path)| format!("--remap-path-prefix={}={name}", path.display())).collect();
    cargo.env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", flags.join(" "));
    cargo.args(["rustc", "--quiet", "--release", "--locked", "--offline", "--target", "wasm32-wasip1"]);
    cargo.args(["-p", "correlation", "--crate-type", "cdylib", "--", "-C", "llvm-args=-inline-threshold=25"]);
    assert!(cargo.status().unwrap().success(), "{cargo:?}");
    sha256(&fs::read(folder.join("target/wasm32-wasip1/release/correlation.wasm")).unwrap())
}

#[cfg(unix)]
#[test]
fn a_filter_is_the_same_bytes_wherever_it_is_built() {
    let (here, place) = (repository(), tempfile::tempdir().unwrap());
    let (tree, home) = (place.path().join("tree"), place.path().join("cargo"));
    let listed = Command::new("git")
        .current_dir(&here)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .unwrap()
        .stdout;
    for file in String::from_utf8(listed).unwrap().split_terminator('\0') {
        let (from, to) = (here.join(file), tree.join(file));
        if !from.is_file() {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&from, &to).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    let own = env::var_os("CARGO_HOME")
        .map_or_else(|| PathBuf::from(env::var_os("HOME").unwrap()).join(".cargo"), PathBuf::from);
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::symlink(own.join("registry"), home.join("registry")).unwrap();
    assert_eq!(built(&tree, &home), built(&here, &own));
}
