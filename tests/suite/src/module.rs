//! Where the filters' modules are: what is tested is the `.wasm` that ships.

use std::path::{Path, PathBuf};

/// Modules of the benchmark, which are no filters.
const OTHERS: [&str; 2] = ["callout", "noop"];

/// Whether all filters shall come out of the one module that has them all: `$WEIR_ONE_MODULE` is set.
pub fn is_one() -> bool {
    std::env::var_os("WEIR_ONE_MODULE").is_some()
}

/// Where all modules are.
pub fn folder() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm");
    let folder = std::env::var_os("WEIR_WASM_DIR").map_or_else(built, PathBuf::from);
    folder.canonicalize().unwrap_or(folder)
}

/// The module of a filter: in `$WEIR_WASM_DIR`, else where `make wasm` puts it.
///
/// # Panics
/// When it has not been built.
pub fn path(filter: &str) -> PathBuf {
    let module = if is_one() && !OTHERS.contains(&filter) { "weir" } else { filter };
    let path = folder().join(format!("{module}.wasm"));
    assert!(path.is_file(), "{} is missing: run `make wasm`", path.display());
    path
}
