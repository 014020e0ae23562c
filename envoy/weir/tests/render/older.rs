//! The Envoys before the newest that Weir is for.

use std::path::{Path, PathBuf};

use weir::lint::Version;
use weir::lint::proxy::{NEWEST, OLDEST};

/// One of each version, the oldest first, where they were fetched.
pub(crate) fn older() -> Vec<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools");
    let of_version = |entry: std::fs::DirEntry| {
        let version: Version = entry.file_name().to_str()?.strip_prefix("envoy-")?.parse().ok()?;
        Some((version, entry.path().join("bin/envoy")))
    };
    let entries = std::fs::read_dir(tools).into_iter().flatten();
    let mut found: Vec<_> = entries.filter_map(|entry| of_version(entry.ok()?)).collect();
    found.retain(|(version, program)| (OLDEST..NEWEST).contains(version) && program.is_file());
    found.sort();
    found.dedup_by_key(|(version, _)| *version);
    let versions: Vec<_> = found.iter().map(|(version, _)| version.to_string()).collect();
    let is_whole = versions == ["1.37", "1.38", "1.39"];
    assert!(is_whole || std::env::var_os("CI").is_none(), "`make envoy` fetches more than {versions:?}");
    found.into_iter().map(|(_, program)| program).collect()
}
