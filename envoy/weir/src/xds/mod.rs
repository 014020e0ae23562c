//! Files that any Envoy follows: clusters (CDS), listeners (LDS), routes (RDS) and filters (ECDS).
//!
//! **Two slots.** Every place in a chain of filters that a policy may fill is there twice, as `auth.a` and `auth.b`, both switched
//! off; a table of routes switches those of its own slot on. A changed policy's filters are loaded into the slot that nobody
//! uses, while requests go on through the other, and then the routes are replaced by those that use it. So one rename of
//! one file changes filters and routes together, for each request as a whole: no route ever meets another policy's filters, no
//! connection is closed, and what Envoy or a filter refuses is refused where no request goes. Requests that began before end as
//! they began. What a filter asks for by the way back into the proxy has a listener for each slot, since it belongs to the policy
//! of whoever asks.
//!
//! A slot that nobody uses holds a filter that answers 503: what leads there by mistake finds a closed door.
//!
//! [`slot`] is that; [`rendering`] is a policy as it is rendered for either slot; [`folder`] is where the files are, with the
//! policies before, under a lock. [`crate::apply`] brings changes to a running Envoy.

pub mod folder;
pub mod rendering;
pub mod slot;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde_json::Value as Json;

use crate::envoy::Plan;
use crate::gateway::SEED;
use crate::xds::folder::{Folder, Kept};
use crate::xds::rendering::Rendering;

/// The file that Envoy is started with.
pub const BOOTSTRAP: &str = "bootstrap.json";

/// Writes a policy of this name into a folder that has none yet.
///
/// # Errors
/// A folder that has one, since an Envoy may follow it; what the operating system says.
pub fn write(plan: &Plan<'_>, name: &str, folder: &Path) -> io::Result<()> {
    let folder = Folder::open(folder)?;
    let _lock = folder.lock()?.ok_or_else(|| io::Error::other("somebody else is changing it"))?;
    if folder.current().is_some() {
        return Err(io::Error::other("there is a policy already: `weir apply` brings another in its place"));
    }
    let rendering = Rendering::of(plan, &folder)?;
    folder.keep(&Kept { number: 1, before: None, name: name.to_owned(), rendering: rendering.clone() })?;
    folder.begin(1, &rendering)
}

/// Puts a new file in the place of an old one, so that whoever reads finds the one or the other, whatever ends in between.
///
/// # Errors
/// What the operating system says.
pub fn replace(folder: &Path, name: &str, content: &Json) -> io::Result<()> {
    put(folder, name, content.to_string().as_bytes())
}

/// The same with bytes.
///
/// # Errors
/// What the operating system says.
pub fn put(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let new = folder.join(format!(".{name}"));
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, folder.join(name))
    };
    if let Err(error) = write() {
        // Where a disk is full, half a file would be in the way of all that are to be written back.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// What tells one content from another.
pub(crate) fn digest(content: &[u8]) -> String {
    format!("{:032x}", u128::from_be_bytes(SEED.fingerprint([content]).to_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_cannot_take_its_place_is_not_left_behind() {
        let place = tempfile::tempdir().unwrap();
        put(place.path(), "a", b"1").unwrap();
        // No file takes the place of a folder.
        fs::create_dir(place.path().join("b")).unwrap();
        assert!(put(place.path(), "b", b"2").is_err());
        let mut names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "b"]);
    }
}
