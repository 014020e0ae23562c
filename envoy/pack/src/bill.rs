//! What a module was made of, as a software bill of materials: `CycloneDX` 1.5 in JSON.
//!
//! Made of what cargo resolves for the very package, target and features that the module is built with. Parts that are inside the
//! module are `required`; those that only ran while it was built are `excluded`. It has neither a time nor a serial number, which
//! would be another one each time.

use serde_json::{Value as Json, json};

use crate::workspace::{Graph, Module, Part, Workspace};
use crate::{Failure, sha256};

/// The bill of one module, whose bytes these are.
pub fn of(workspace: &Workspace, module: &Module, bytes: &[u8]) -> Result<Json, Failure> {
    let (inside, beside) = workspace.graphs(module)?;
    let root = inside.keys().chain(beside.keys()).find(|part| part.name == module.package);
    let root = root.ok_or_else(|| Failure::of(&module.package, "cargo does not know what it is made of"))?;
    let all = |graph: &Graph, scope: &str| -> Vec<Json> {
        let others = graph.keys().filter(|part| *part != root);
        others.map(|part| component(workspace, part, scope)).collect()
    };
    let mut components = all(&inside, "required");
    components.push(json!({
        "type": "library",
        "bom-ref": format!("std@{}", workspace.compiler),
        "name": "std",
        "version": workspace.compiler,
        "description": "The standard library of Rust",
        "scope": "required",
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
        "purl": format!("pkg:generic/rust-std@{}", workspace.compiler),
    }));
    components.extend(all(&beside, "excluded"));
    let edges = inside
        .iter()
        .chain(&beside)
        .map(|(part, on)| json!({"ref": reference(part), "dependsOn": on.iter().map(reference).collect::<Vec<_>>()}));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": reference(root),
                "name": format!("{}.wasm", module.name),
                "version": module.version,
                "hashes": [{"alg": "SHA-256", "content": sha256(bytes)}],
                "licenses": [{"expression": module.licence}],
                "purl": format!("pkg:generic/weir/{}.wasm@{}", module.name, module.version),
            },
        },
        "components": components,
        "dependencies": edges.collect::<Vec<_>>(),
    }))
}

fn reference(part: &Part) -> String {
    format!("{}@{}", part.name, part.version)
}

fn component(workspace: &Workspace, part: &Part, scope: &str) -> Json {
    let origin = workspace.origin(part);
    let checksum = origin.and_then(|origin| origin.checksum.as_ref());
    let kind = if checksum.is_some() { "cargo" } else { "generic/weir" };
    // SPDX has no slash; old manifests mean `OR`.
    let licence = origin.and_then(|origin| origin.licence.as_ref()).map(|licence| licence.replace('/', " OR "));
    json!({
        "type": "library",
        "bom-ref": reference(part),
        "name": part.name,
        "version": part.version,
        "scope": scope,
        "hashes": checksum.map(|sum| json!({"alg": "SHA-256", "content": sum})).into_iter().collect::<Vec<_>>(),
        "licenses": licence.map(|licence| json!({"expression": licence})).into_iter().collect::<Vec<_>>(),
        // What is in a purl is percent-encoded: the `+` of a build's metadata, which cargo allows in a version.
        "purl": format!("pkg:{kind}/{}@{}", part.name, part.version.replace('+', "%2B")),
    })
}
