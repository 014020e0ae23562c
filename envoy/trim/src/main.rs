//! Makes the `.wasm` files that ship of those that cargo built: without the callbacks that a filter does not have.
//!
//! `shell` exports every callback that a filter may have, and a host calls what is exported: each costs Envoy about a microsecond
//! for every filter and request, to be told that there is nothing to do. A filter names the callbacks that it has in
//! its manifest, by the names of the contexts' methods:
//!
//! ```toml
//! [package.metadata.host]
//! callbacks = ["on_http_request_headers", "on_http_response_headers"]
//! ```
//!
//! `module = "name"` beside them is what the file is called, where that is not the package's name.
//!
//! `names = false` beside them leaves out the names of functions, which the traces of a filter that panics would show: a sixth
//! of a module, for a filter that would be too large with them.
//!
//! What only the others needed goes too, which makes a filter some 30 KiB smaller. A module whose manifest names
//! `callbacks = "all"` is taken over as it is.
//!
//! `trim SOURCE DESTINATION` reads the manifests with `cargo metadata` and turns each `SOURCE/<package>.wasm` into
//! `DESTINATION/<module>.wasm`.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde::Deserialize;
use walrus::ModuleConfig;

/// What every filter exports: the host needs it to load the module and to begin and end a context.
const ALWAYS: [&str; 5] = [
    "proxy_on_memory_allocate",
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_delete",
];

/// Methods of the contexts, and what they are called in the ABI.
const CALLBACKS: [(&str, &str); 11] = [
    ("on_http_request_headers", "proxy_on_request_headers"),
    ("on_http_request_body", "proxy_on_request_body"),
    ("on_http_request_trailers", "proxy_on_request_trailers"),
    ("on_http_response_headers", "proxy_on_response_headers"),
    ("on_http_response_body", "proxy_on_response_body"),
    ("on_http_response_trailers", "proxy_on_response_trailers"),
    ("on_http_call_response", "proxy_on_http_call_response"),
    ("on_tick", "proxy_on_tick"),
    ("on_queue_ready", "proxy_on_queue_ready"),
    ("on_done", "proxy_on_done"),
    ("on_log", "proxy_on_log"),
];

/// Why a module was not made.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    metadata: Option<PackageMetadata>,
}

#[derive(Deserialize)]
struct PackageMetadata {
    host: Option<Host>,
}

#[derive(Deserialize)]
struct Host {
    callbacks: Callbacks,
    #[serde(default = "named")]
    names: bool,
    module: Option<String>,
}

/// Functions keep their names where nothing is said.
const fn named() -> bool {
    true
}

/// The callbacks that a filter has.
#[derive(Deserialize)]
#[serde(untagged)]
enum Callbacks {
    /// These.
    Some(Vec<String>),
    /// `"all"`: whatever the module exports.
    All(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, destination] = arguments.as_slice() else {
        eprintln!("usage: trim SOURCE DESTINATION");
        return ExitCode::from(2);
    };
    match trim_all(Path::new(source), Path::new(destination)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("trim: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn trim_all(source: &Path, destination: &Path) -> Result<(), Failure> {
    fs::create_dir_all(destination).map_err(|error| Failure(format!("{}: {error}", destination.display())))?;
    for package in packages()? {
        let Some(host) = package.metadata.and_then(|metadata| metadata.host) else { continue };
        let file = format!("{}.wasm", package.name);
        let said = |error: &dyn fmt::Display| Failure(format!("{}: {error}", package.name));
        let bytes = fs::read(source.join(&file)).map_err(|error| said(&error))?;
        let trimmed = match host.callbacks {
            Callbacks::All(word) if word == "all" => bytes,
            Callbacks::All(word) => return Err(said(&format!("callbacks: expected a list or \"all\", got {word:?}"))),
            Callbacks::Some(names) => trim(&bytes, &names, host.names).map_err(|error| said(&error))?,
        };
        let file = host.module.map_or(file, |module| format!("{module}.wasm"));
        // What is mapped by a running Envoy is replaced, never written into.
        let fresh = destination.join(format!(".{file}"));
        fs::write(&fresh, trimmed).map_err(|error| said(&error))?;
        fs::rename(&fresh, destination.join(&file)).map_err(|error| said(&error))?;
    }
    Ok(())
}

fn packages() -> Result<Vec<Package>, Failure> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .output()
        .map_err(|error| Failure(format!("cargo metadata: {error}")))?;
    if !output.status.success() {
        return Err(Failure(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|error| Failure(format!("cargo metadata: {error}")))?;
    Ok(metadata.packages)
}

/// The module without the callbacks that `names` does not name, and without what only they needed.
fn trim(module: &[u8], names: &[String], is_named: bool) -> Result<Vec<u8>, Failure> {
    let mut kept = ALWAYS.to_vec();
    for name in names {
        let callback = CALLBACKS.iter().find(|(known, _)| known == name);
        let (_, export) = callback.ok_or_else(|| Failure(format!("no callback of a host is called {name}")))?;
        kept.push(export);
    }
    let mut config = ModuleConfig::new();
    config.generate_name_section(is_named);
    let mut module = config.parse(module).map_err(|error| Failure(error.to_string()))?;
    if let Some(missing) = kept.iter().find(|name| module.exports.iter().all(|export| export.name != **name)) {
        return Err(Failure(format!("the module exports no {missing}")));
    }
    let callback = |name: &str| name.starts_with("proxy_on_") && !kept.contains(&name);
    let unneeded: Vec<_> =
        module.exports.iter().filter(|export| callback(&export.name)).map(walrus::Export::id).collect();
    for export in unneeded {
        module.exports.delete(export);
    }
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}

#[cfg(test)]
mod tests {
    use super::*;
    use walrus::{FunctionBuilder, Module};

    /// A module that exports these functions, which do nothing.
    fn module(exports: &[&str]) -> Vec<u8> {
        let mut module = Module::with_config(ModuleConfig::new());
        for name in exports {
            let function = FunctionBuilder::new(&mut module.types, &[], &[]).finish(vec![], &mut module.funcs);
            module.exports.add(name, function);
        }
        module.emit_wasm()
    }

    fn exports(module: &[u8]) -> Vec<String> {
        let module = Module::from_buffer(module).unwrap();
        assert_eq!(module.funcs.iter().count(), module.exports.iter().count(), "what nobody calls is gone");
        module.exports.iter().map(|export| export.name.clone()).collect()
    }

    #[test]
    fn names_of_functions_stay_or_go_as_the_manifest_says() {
        let mut module = Module::with_config(ModuleConfig::new());
        for name in ALWAYS {
            let mut function = FunctionBuilder::new(&mut module.types, &[], &[]);
            function.name(format!("called_{name}"));
            let function = function.finish(vec![], &mut module.funcs);
            module.exports.add(name, function);
        }
        let module = module.emit_wasm();
        let shows = |bytes: &[u8]| bytes.windows(7).any(|window| window == b"called_");
        assert!(shows(&trim(&module, &[], true).unwrap()));
        assert!(!shows(&trim(&module, &[], false).unwrap()));
    }

    #[test]
    fn a_callback_that_is_not_named_goes() {
        let all = [ALWAYS.as_slice(), &["_initialize", "proxy_abi_version_0_2_1", "proxy_on_log", "proxy_on_tick"]];
        let trimmed = trim(&module(&all.concat()), &["on_tick".into()], true).unwrap();
        let expected = [ALWAYS.as_slice(), &["_initialize", "proxy_abi_version_0_2_1", "proxy_on_tick"]].concat();
        assert_eq!(exports(&trimmed), expected);
    }

    #[test]
    fn a_callback_that_the_module_lacks_is_a_mistake() {
        let failure = trim(&module(&ALWAYS), &["on_log".into()], true).unwrap_err();
        assert_eq!(failure.to_string(), "the module exports no proxy_on_log");
    }

    #[test]
    fn a_callback_that_no_host_has_is_a_mistake() {
        let failure = trim(&module(&ALWAYS), &["on_logs".into()], true).unwrap_err();
        assert_eq!(failure.to_string(), "no callback of a host is called on_logs");
    }

    #[test]
    fn what_is_no_module_is_a_mistake() {
        assert!(trim(b"not wasm", &[], true).is_err());
    }
}
