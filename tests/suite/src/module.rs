//! Where the filters' modules are: what is tested is the `.wasm` that ships.

use std::path::{Path, PathBuf};

/// The module of a filter: in `$WEIR_WASM_DIR`, else where `make wasm` puts it.
///
/// # Panics
/// When it has not been built.
pub fn path(filter: &str) -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm");
    let folder = std::env::var_os("WEIR_WASM_DIR").map_or_else(built, PathBuf::from);
    let path = folder.join(format!("{filter}.wasm"));
    assert!(path.is_file(), "{} is missing: run `make wasm`", path.display());
    path.canonicalize().unwrap_or(path)
}
