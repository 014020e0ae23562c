//! A module as images, in an [OCI image layout](https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md).
//!
//! Istio and Envoy Gateway both read the two variants of the Wasm image specification, of which each layout has both:
//!
//! - under the version's name, the one for any registry (`spec-compat.md`): an image with one layer, in which the module is `plugin.wasm`;
//! - with `-artifact` behind it, the one of types of its own (`spec.md`): a layer that says what the module is for, and the module as
//!   it is.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::workspace::Module;
use crate::{layer, sha256};

/// What an image for any registry calls the module.
pub const FILE: &str = "plugin.wasm";
/// An image's manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The layer of an image for any registry.
pub const ARCHIVE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The layer that is the module.
pub const MODULE: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
/// The layer that says what the module is for.
pub const PURPOSE: &str = "application/vnd.module.wasm.config.v1+json";
/// The annotation that names an image in a layout.
pub const NAME: &str = "org.opencontainers.image.ref.name";

/// Writes the layout of a module into a folder, which is made.
pub fn write(folder: &Path, module: &Module, bytes: &[u8]) -> io::Result<()> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let blob = |kind: &str, content: &[u8]| -> io::Result<Json> {
        let digest = sha256(content);
        fs::write(blobs.join(&digest), content)?;
        Ok(json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": content.len()}))
    };
    let named = |manifest: &Json, name: String| -> io::Result<Json> {
        let mut entry = blob(MANIFEST, manifest.to_string().as_bytes())?;
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("annotations".to_owned(), json!({NAME: name}));
        }
        Ok(entry)
    };
    let manifests = [
        named(&image(module, bytes, &blob)?, module.version.clone())?,
        named(&artifact(module, bytes, &blob)?, format!("{}-artifact", module.version))?,
    ];
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    fs::write(folder.join("index.json"), index.to_string())?;
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
}

/// The one for any registry.
fn image(module: &Module, bytes: &[u8], blob: &dyn Fn(&str, &[u8]) -> io::Result<Json>) -> io::Result<Json> {
    let archive = layer::archive(FILE, bytes);
    let config = json!({
        "architecture": "wasm",
        "os": "wasip1",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&archive))]},
    });
    let config = blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes())?;
    let layer = blob(ARCHIVE, &layer::compress(&archive)?)?;
    Ok(manifest(module, &config, &[layer]))
}

/// The one of types of its own. Its readers want two layers, whose order is that of the specification's example.
fn artifact(module: &Module, bytes: &[u8], blob: &dyn Fn(&str, &[u8]) -> io::Result<Json>) -> io::Result<Json> {
    let purpose = json!({"type": "envoy_proxy", "abiVersions": ["0.2.1"], "config": {"root_ids": module.roots}});
    let purpose = blob(PURPOSE, purpose.to_string().as_bytes())?;
    let content = blob(MODULE, bytes)?;
    Ok(manifest(module, &purpose, &[purpose.clone(), content]))
}

fn manifest(module: &Module, config: &Json, layers: &[Json]) -> Json {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": layers,
        "annotations": {
            "org.opencontainers.image.title": module.name,
            "org.opencontainers.image.version": module.version,
            "org.opencontainers.image.licenses": module.licence,
        },
    })
}
