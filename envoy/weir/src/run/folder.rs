//! The folder that the Envoy of a run follows: as [`crate::xds`] has it, and gone when the run is over.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::apply::{self, Outcome, Target};
use crate::document::Document;
use crate::run::Failure;
use crate::run::admin::Admin;
use crate::run::plan::Launch;
use crate::xds::BOOTSTRAP;
use crate::xds::rendering::Rendering;

/// A folder that is gone when the run is over.
pub struct Folder {
    place: TempDir,
    target: Target,
}

impl Folder {
    /// A new one, with everything that Envoy starts with.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn new(launch: &Launch<'_>) -> Result<Self, Failure> {
        let place = tempfile::Builder::new().prefix("weir-").tempdir();
        let place = place.map_err(|error| Failure::because(format!("no temporary folder: {error}")))?;
        let target = Target::new(&place.path().join("xds"), None).map_err(said)?;
        let folder = Self { place, target };
        folder.bring(launch, &launch.document).map_err(said)?;
        Ok(folder)
    }

    /// Brings a policy to the Envoy that follows the folder, or to the one that is to be started.
    ///
    /// # Errors
    /// Why it does not serve; what served before serves on.
    pub fn bring(&self, launch: &Launch<'_>, document: &Document) -> Result<Outcome, apply::Failure> {
        let render = |folder: &_| Rendering::of(&launch.plan_of(document), folder);
        self.target.apply(&launch.options.file.display().to_string(), render)
    }

    /// Empties the slot that no policy uses any more.
    pub fn settle(&self) {
        self.target.settle();
    }

    /// The file that Envoy is started with.
    pub fn bootstrap(&self) -> PathBuf {
        self.target.folder.path().join(BOOTSTRAP)
    }

    /// The file in which Envoy says where its administration interface is.
    pub fn admin_file(&self) -> PathBuf {
        self.place.path().join("admin")
    }

    /// Envoy's administration interface, once it is there.
    pub fn admin(&self) -> Option<Admin> {
        fs::read_to_string(self.admin_file()).ok()?.trim().parse().ok().map(Admin::at)
    }
}

fn said(failure: apply::Failure) -> Failure {
    match failure {
        apply::Failure::Mistakes => Failure::Said,
        apply::Failure::Unable(reason) | apply::Failure::Refused(reason) => Failure::Because(reason),
    }
}
