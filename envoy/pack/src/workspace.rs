//! What cargo knows of the filters: which modules there are, and of which packages each is made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::Failure;

/// What modules are built for.
const TARGET: &str = "wasm32-wasip1";

/// A filter's module.
#[derive(Clone, Debug)]
pub struct Module {
    /// The name of its file, without `.wasm`.
    pub name: String,
    /// The package that it is built of.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// What a plugin's `root_id` may be.
    pub roots: Vec<String>,
}

/// A package that something is built of.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What is known of a part.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its licence, as an SPDX expression.
    pub licence: Option<String>,
    /// The SHA-256 of its archive in the registry; `None` where it is ours.
    pub checksum: Option<String>,
}

/// What one module is made of: every part with what it depends on itself, the package itself among them.
pub type Graph = BTreeMap<Part, Vec<Part>>;

/// The filters and everything that they are built of.
#[derive(Debug)]
pub struct Workspace {
    /// The modules.
    pub modules: Vec<Module>,
    /// The compiler's version, which is that of its standard library.
    pub compiler: String,
    origins: BTreeMap<Part, Origin>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    manifest_path: PathBuf,
    metadata: Option<PackageMetadata>,
}

#[derive(Deserialize)]
struct PackageMetadata {
    host: Option<Host>,
}

#[derive(Deserialize)]
struct Host {
    module: Option<String>,
}

impl Workspace {
    /// Asks cargo and the compiler.
    pub fn read() -> Result<Self, Failure> {
        let text = cargo(&["metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET])?;
        let metadata: Metadata = serde_json::from_str(&text).map_err(|error| Failure::of("cargo metadata", error))?;
        let lock = metadata.workspace_root.join("Cargo.lock");
        let lock = fs::read_to_string(&lock).map_err(|error| Failure::of(lock.display(), error))?;
        let checksums = checksums(&lock);
        let filters = metadata.workspace_root.join("filters");
        let mut modules: Vec<_> = metadata.packages.iter().filter_map(|package| module(package, &filters)).collect();
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        name_roots(&mut modules);
        let origins = metadata.packages.into_iter().map(|package| {
            let part = Part { name: package.name, version: package.version };
            let checksum = package.source.and_then(|_| checksums.get(&part).cloned());
            (part, Origin { licence: package.license, checksum })
        });
        let compiler = run("rustc", &["--version"])?;
        let compiler = compiler.split_whitespace().nth(1).unwrap_or_default().to_owned();
        Ok(Self { modules, compiler, origins: origins.collect() })
    }

    /// What is known of a part.
    pub fn origin(&self, part: &Part) -> Option<&Origin> {
        self.origins.get(part)
    }

    /// What a module is made of, and what only made it: procedural macros and scripts that ran while it was built.
    pub fn graphs(&self, module: &Module) -> Result<(Graph, Graph), Failure> {
        let inside = graph(&tree(module, "normal,no-proc-macro")?);
        let mut beside = graph(&tree(module, "normal,build")?);
        beside.retain(|part, _| !inside.contains_key(part));
        Ok((inside, beside))
    }
}

/// The module of a package, where it is a filter's.
fn module(package: &Package, filters: &Path) -> Option<Module> {
    let host = package.metadata.as_ref()?.host.as_ref()?;
    let name = host.module.clone().unwrap_or_else(|| package.name.clone());
    package.manifest_path.starts_with(filters).then(|| Module {
        name,
        package: package.name.clone(),
        version: package.version.clone(),
        licence: package.license.clone().unwrap_or_default(),
        roots: Vec::new(),
    })
}

/// A module that is called otherwise than its package holds all the others; each of those takes any `root_id`, so its own name.
fn name_roots(modules: &mut [Module]) {
    let single: Vec<_> =
        modules.iter().filter(|module| module.name == module.package).map(|module| module.name.clone()).collect();
    for module in modules {
        module.roots = if module.name == module.package { vec![module.name.clone()] } else { single.clone() };
    }
}

fn tree(module: &Module, edges: &str) -> Result<String, Failure> {
    let package = module.package.as_str();
    cargo(&["tree", "--locked", "-p", package, "--target", TARGET, "-e", edges, "--prefix", "depth", "--format", "{p}"])
}

/// Reads `cargo tree`, whose lines begin with their depth: `2itoa v1.0.18`.
fn graph(tree: &str) -> Graph {
    let mut graph = Graph::new();
    let mut above: Vec<Part> = Vec::new();
    for line in tree.lines() {
        let digits = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
        let (depth, rest) = line.split_at(digits);
        let mut words = rest.split_whitespace();
        let (Ok(depth), Some(name), Some(version)) = (depth.parse::<usize>(), words.next(), words.next()) else {
            continue;
        };
        let part = Part { name: name.to_owned(), version: version.trim_start_matches('v').to_owned() };
        above.truncate(depth);
        if let Some(parts) = above.last().and_then(|parent| graph.get_mut(parent))
            && !parts.contains(&part)
        {
            parts.push(part.clone());
        }
        graph.entry(part.clone()).or_default();
        above.push(part);
    }
    for parts in graph.values_mut() {
        parts.sort();
    }
    graph
}

/// Reads `Cargo.lock`: the SHA-256 of each package's archive.
fn checksums(lock: &str) -> BTreeMap<Part, String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line.map(|line| line.trim_end_matches('"').to_owned())
    };
    let package = |block: &str| {
        let part = Part { name: value(block, "name")?, version: value(block, "version")? };
        Some((part, value(block, "checksum")?))
    };
    lock.split("[[package]]").filter_map(package).collect()
}

fn cargo(arguments: &[&str]) -> Result<String, Failure> {
    run(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let what = || [&[program], arguments].concat().join(" ");
    let output = Command::new(program).args(arguments).output().map_err(|error| Failure::of(what(), error))?;
    if !output.status.success() {
        return Err(Failure::of(what(), String::from_utf8_lossy(&output.stderr).trim_end()));
    }
    String::from_utf8(output.stdout).map_err(|error| Failure::of(what(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, version: &str) -> Part {
        Part { name: name.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn a_tree_becomes_a_graph_whose_repeated_parts_are_one() {
        let tree = "0auth v0.1.0 (/a/b)\n1serde v1.0.0\n2core v1.0.1\n1json v2.0.0\n2core v1.0.1 (*)\n2core v0.9.0\n";
        let graph = graph(tree);
        let of = |name: &str, version: &str| graph.get(&part(name, version)).cloned();
        assert_eq!(graph.len(), 5);
        assert_eq!(of("auth", "0.1.0"), Some(vec![part("json", "2.0.0"), part("serde", "1.0.0")]));
        assert_eq!(of("json", "2.0.0"), Some(vec![part("core", "0.9.0"), part("core", "1.0.1")]));
        assert_eq!(of("core", "1.0.1"), Some(vec![]));
    }

    #[test]
    fn a_lock_file_knows_the_archives_of_what_is_not_ours() {
        let lock = "version = 4\n\n[[package]]\nname = \"auth\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"itoa\"\n\
                    version = \"1.0.18\"\nsource = \"registry+x\"\nchecksum = \"ab12\"\n";
        assert_eq!(checksums(lock), BTreeMap::from([(part("itoa", "1.0.18"), "ab12".to_owned())]));
    }
}
