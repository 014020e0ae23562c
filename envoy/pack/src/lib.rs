//! Makes what is shipped of the filters' modules. The same modules make the same bytes.
//!
//! ```text
//! DESTINATION/SHA256SUMS        of all files but the images, for `sha256sum -c`
//!             auth.wasm         the module
//!             auth.cdx.json     what it was made of: an SBOM, CycloneDX 1.5
//!             oci/auth/         the module as images, in an OCI image layout
//! ```
//!
//! [`workspace`] asks cargo what there is, [`bill`] writes the SBOM, [`layer`] and [`image`] the images.

pub mod bill;
pub mod image;
pub mod layer;
pub mod workspace;

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::workspace::Workspace;

/// Why a package was not made.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// One that says what was attempted.
    pub fn of(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self(format!("{what}: {why}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// The SHA-256 of bytes, in lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Packs every filter whose module is in `source`; what `destination` held is replaced.
pub fn all(source: &Path, destination: &Path) -> Result<(), Failure> {
    let workspace = Workspace::read()?;
    match fs::remove_dir_all(destination) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Failure::of(destination.display(), error));
        }
        _ => {}
    }
    write(destination, |folder| fs::create_dir_all(folder))?;
    let mut sums = Vec::new();
    for module in &workspace.modules {
        let file = format!("{}.wasm", module.name);
        let path = source.join(&file);
        let bytes = fs::read(&path).map_err(|error| Failure::of(path.display(), error))?;
        let bill = format!("{:#}\n", bill::of(&workspace, module, &bytes)?);
        for (name, content) in [(file, bytes.as_slice()), (format!("{}.cdx.json", module.name), bill.as_bytes())] {
            write(&destination.join(&name), |path| fs::write(path, content))?;
            sums.push(format!("{}  {name}\n", sha256(content)));
        }
        let folder = destination.join("oci").join(&module.name);
        write(&folder, |folder| image::write(folder, module, &bytes))?;
    }
    sums.sort_by(|a, b| a.split_once(' ').map(|(_, name)| name).cmp(&b.split_once(' ').map(|(_, name)| name)));
    write(&destination.join("SHA256SUMS"), |path| fs::write(path, sums.concat()))
}

/// Writes something, and names it where that fails.
fn write(path: &Path, how: impl Fn(&Path) -> io::Result<()>) -> Result<(), Failure> {
    how(path).map_err(|error| Failure::of(path.display(), error))
}
