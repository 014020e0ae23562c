//! The files that a running Envoy follows: written whole, and put in place by a rename, so that it never reads half.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::envoy::bootstrap::{self, CLUSTERS, LISTENERS};
use crate::envoy::cluster;
use crate::run::Failure;
use crate::run::admin::Admin;
use crate::run::plan::Launch;
use crate::xds::{self, BOOTSTRAP};

/// A folder that is gone when the run is over.
pub struct Folder(TempDir);

impl Folder {
    /// A new one.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn new() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("weir-").tempdir();
        folder.map(Self).map_err(|error| Failure::because(format!("no temporary folder: {error}")))
    }

    /// Writes everything that Envoy starts with.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, launch: &Launch<'_>) -> Result<(), Failure> {
        let plan = launch.plan();
        self.replace(CLUSTERS, &bootstrap::clusters(cluster::all(&plan), "1"))?;
        self.replace(LISTENERS, &bootstrap::listeners(&plan, "1"))?;
        self.replace(BOOTSTRAP, &bootstrap::followed(&plan, self.0.path()))
    }

    /// Puts a new file in the place of an old one.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn replace(&self, name: &str, content: &Json) -> Result<(), Failure> {
        let written = xds::replace(self.0.path(), name, content);
        written.map_err(|error| Failure::because(format!("{}: {error}", self.0.path().join(name).display())))
    }

    /// The file that Envoy is started with.
    pub fn bootstrap(&self) -> PathBuf {
        self.0.path().join(BOOTSTRAP)
    }

    /// The file in which Envoy says where its administration interface is.
    pub fn admin_file(&self) -> PathBuf {
        self.0.path().join("admin")
    }

    /// Envoy's administration interface, once it is there.
    pub fn admin(&self) -> Option<Admin> {
        fs::read_to_string(self.admin_file()).ok()?.trim().parse().ok().map(Admin::at)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
