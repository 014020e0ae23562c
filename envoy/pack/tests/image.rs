//! An image is what those read who load it: Istio's agent and Envoy Gateway, whose rules are followed here step by step.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use pack::workspace::Module;
use pack::{image, sha256};
use serde_json::Value as Json;

/// More than one block of an archive, and no whole number of them.
const LENGTH: usize = 70_001;

fn module() -> Module {
    let text = |text: &str| text.to_owned();
    Module {
        name: text("auth"),
        package: text("auth"),
        version: text("1.2.3"),
        licence: text("Apache-2.0"),
        roots: vec![text("auth")],
    }
}

fn content() -> Vec<u8> {
    (0..LENGTH).map(|index| u8::try_from(index % 251).unwrap()).collect()
}

fn json(path: &Path) -> Json {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A blob, of which everything that its descriptor says is true.
fn blob(folder: &Path, descriptor: &Json) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let bytes = fs::read(folder.join("blobs/sha256").join(digest)).unwrap();
    assert_eq!((sha256(&bytes).as_str(), bytes.len() as u64), (digest, descriptor["size"].as_u64().unwrap()));
    bytes
}

/// As both readers go about it: the last layer as an archive, else one of two layers as the module (`extractOCIStandardImage` and
/// `extractOCIArtifactImage` in `imagefetcher.go` of Istio's `pkg/wasm` and Envoy Gateway's `internal/wasm`).
fn fetch(folder: &Path, manifest: &Json) -> Result<Vec<u8>, String> {
    let layers = manifest["layers"].as_array().unwrap();
    let last = layers.last().ok_or("number of layers must be greater than zero")?;
    if last["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip" {
        return plugin(&blob(folder, last));
    }
    if layers.len() != 2 {
        return Err(format!("number of layers must be 2 but got {}", layers.len()));
    }
    let found = layers.iter().find(|layer| layer["mediaType"] == "application/vnd.module.wasm.content.layer.v1+wasm");
    found.map(|layer| blob(folder, layer)).ok_or_else(|| "could not find the layer".to_owned())
}

/// The file whose base name is `plugin.wasm` in a compressed archive, whose headers are sound (POSIX, `ustar`).
fn plugin(layer: &[u8]) -> Result<Vec<u8>, String> {
    let mut archive = Vec::new();
    GzDecoder::new(layer).read_to_end(&mut archive).map_err(|error| error.to_string())?;
    assert!(archive.len().is_multiple_of(512) && archive.ends_with(&[0; 1024]));
    let mut rest = archive.as_slice();
    while rest[0] != 0 {
        let (header, after) = rest.split_at(512);
        let text = |at: usize, length: usize| {
            let field = header[at..at + length].split(|byte| *byte == 0).next().unwrap();
            String::from_utf8(field.to_vec()).unwrap()
        };
        let octal = |at, length| usize::from_str_radix(text(at, length).trim(), 8).unwrap();
        let sum: usize = header
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { usize::from(*byte) })
            .sum();
        assert_eq!((octal(148, 8), text(257, 6), octal(100, 8)), (sum, "ustar".to_owned(), 0o644));
        let size = octal(124, 12);
        if Path::new(&text(0, 100)).file_name().is_some_and(|name| name == "plugin.wasm") {
            return Ok(after[..size].to_vec());
        }
        rest = &after[size.next_multiple_of(512)..];
    }
    Err("plugin.wasm not found in the archive".to_owned())
}

#[test]
fn both_variants_hold_the_module_that_their_readers_find() {
    let folder = tempfile::tempdir().unwrap();
    image::write(folder.path(), &module(), &content()).unwrap();
    assert_eq!(json(&folder.path().join("oci-layout"))["imageLayoutVersion"], "1.0.0");
    let index = json(&folder.path().join("index.json"));
    let entries = index["manifests"].as_array().unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry["annotations"][image::NAME].as_str().unwrap()).collect();
    assert_eq!(names, ["1.2.3", "1.2.3-artifact"]);
    for entry in entries {
        let manifest: Json = serde_json::from_slice(&blob(folder.path(), entry)).unwrap();
        assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        blob(folder.path(), &manifest["config"]);
        assert_eq!(fetch(folder.path(), &manifest).as_ref(), Ok(&content()));
    }
}

#[test]
fn an_image_s_configuration_names_its_layer_as_it_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    image::write(folder.path(), &module(), &content()).unwrap();
    let index = json(&folder.path().join("index.json"));
    let manifest: Json = serde_json::from_slice(&blob(folder.path(), &index["manifests"][0])).unwrap();
    let config: Json = serde_json::from_slice(&blob(folder.path(), &manifest["config"])).unwrap();
    let mut archive = Vec::new();
    let layer = blob(folder.path(), &manifest["layers"][0]);
    GzDecoder::new(layer.as_slice()).read_to_end(&mut archive).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256(&archive)));
}

#[test]
fn the_same_module_makes_the_same_image() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, other] = folders.each_ref().map(|folder| {
        image::write(folder.path(), &module(), &content()).unwrap();
        fs::read(folder.path().join("index.json")).unwrap()
    });
    assert_eq!(one, other);
}
