//! Images in a folder: an [OCI image layout](https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::push::Failure;

/// The annotation that names an image in a layout.
const NAME: &str = "org.opencontainers.image.ref.name";

/// A layout.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    /// Its images, in its order.
    pub images: Vec<Image>,
}

/// One image.
#[derive(Debug)]
pub struct Image {
    /// What the layout calls it.
    pub name: String,
    /// What says of what it consists.
    pub manifest: Blob,
    /// Of what it consists.
    pub blobs: Vec<Blob>,
}

/// Some bytes in the layout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Blob {
    /// Their media type.
    pub kind: String,
    /// `sha256:` and the digits.
    pub digest: String,
    size: u64,
}

impl Layout {
    /// Whether a folder is one.
    pub fn is_at(folder: &Path) -> bool {
        folder.join("oci-layout").is_file()
    }

    /// Reads its index and its manifests.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let mut layout = Self { folder: folder.to_owned(), images: Vec::new() };
        let path = folder.join("index.json");
        let bytes = fs::read(&path).map_err(|error| Failure::of(path.display(), error))?;
        let wrong = |why: &str| Failure::of(path.display(), why);
        let index: Json = serde_json::from_slice(&bytes).map_err(|error| Failure::of(path.display(), error))?;
        let entries = index.get("manifests").and_then(Json::as_array).filter(|entries| !entries.is_empty());
        for entry in entries.ok_or_else(|| wrong("it lists no manifests"))? {
            let manifest = Blob::of(entry).ok_or_else(|| wrong("a descriptor lacks its type, digest or size"))?;
            let name = entry.get("annotations").and_then(|all| all.get(NAME)).and_then(Json::as_str);
            let name = name.ok_or_else(|| wrong("a manifest has no name"))?.to_owned();
            let blobs = layout.parts(&manifest)?;
            layout.images.push(Image { name, manifest, blobs });
        }
        Ok(layout)
    }

    /// Of what an image consists: its configuration and its layers.
    fn parts(&self, manifest: &Blob) -> Result<Vec<Blob>, Failure> {
        let wrong = |why: &str| Failure::of(self.path(manifest).display(), why);
        let json: Json = serde_json::from_slice(&self.bytes(manifest)?).map_err(|error| wrong(&error.to_string()))?;
        let layers = json.get("layers").and_then(Json::as_array).ok_or_else(|| wrong("it has no layers"))?;
        let all = json.get("config").into_iter().chain(layers);
        let mut blobs: Vec<Blob> = Vec::new();
        for descriptor in all {
            let blob = Blob::of(descriptor).ok_or_else(|| wrong("a descriptor lacks its type, digest or size"))?;
            if !blobs.iter().any(|other| other.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        Ok(blobs)
    }

    /// The bytes, which are those that the digest says.
    pub fn bytes(&self, blob: &Blob) -> Result<Vec<u8>, Failure> {
        let path = self.path(blob);
        let bytes = fs::read(&path).map_err(|error| Failure::of(path.display(), error))?;
        if digest(&bytes) != blob.digest || bytes.len() as u64 != blob.size {
            return Err(Failure::of(path.display(), "its bytes are not those that it is named after"));
        }
        Ok(bytes)
    }

    /// Under which tag an image is pushed: the one that was asked for, with what its name has beyond that of the first image behind it;
    /// its name, where none was.
    pub fn tag(&self, image: &Image, asked: Option<&str>) -> String {
        let Some(asked) = asked else { return image.name.clone() };
        let first = self.images.first().map_or("", |first| first.name.as_str());
        format!("{asked}{}", image.name.strip_prefix(first).unwrap_or(&image.name))
    }

    fn path(&self, blob: &Blob) -> PathBuf {
        self.folder.join("blobs").join(blob.digest.replacen(':', "/", 1))
    }
}

impl Blob {
    /// What a descriptor says. A digest is part of a path, so nothing but the one kind is taken.
    fn of(descriptor: &Json) -> Option<Self> {
        let text = |key: &str| descriptor.get(key)?.as_str().map(str::to_owned);
        let digest = text("digest")?;
        let digits = digest.strip_prefix("sha256:")?;
        let is_sound = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_sound.then_some(())?;
        Some(Self { kind: text("mediaType")?, size: descriptor.get("size")?.as_u64()?, digest })
    }
}

/// What bytes are called: `sha256:` and the digits.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}
