//! `weir push`: images of filters, as `make package` makes them, to a registry.
//!
//! [`reference`] is where to, [`layout`] what, [`registry`] speaks the OCI distribution protocol, and [`credential`] knows as whom.

pub mod credential;
pub mod layout;
pub mod reference;
pub mod registry;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::push::layout::Layout;
use crate::push::reference::Reference;
use crate::push::registry::Registry;
use crate::say;

/// What is to be pushed, and where to.
#[derive(Args, Debug)]
pub struct Options {
    /// What `make package` has made, or one OCI image layout.
    #[arg(value_name = "DIR")]
    source: PathBuf,
    /// A layout's repository, `registry.example/weir/auth:1.0`; what that of each module begins with, `registry.example/weir`.
    #[arg(value_name = "REPOSITORY")]
    destination: String,
    /// Speaks HTTP without TLS, as it does to this machine anyway.
    #[arg(long)]
    plain_http: bool,
}

/// Why something was not pushed.
#[derive(Debug, Eq, PartialEq)]
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

/// Pushes, and says where each image is; or says what is wrong.
pub fn main(options: &Options) -> bool {
    let environment = |name: &str| std::env::var(name).ok();
    let outcome = pushes(&options.source, &options.destination).and_then(|pushes| {
        for (layout, to) in pushes {
            let credential = credential::of(&to.registry, &environment)?;
            let registry = Registry::new(&to, credential, options.plain_http)?;
            for place in push(&layout, &to, &registry)? {
                say::progress(place);
            }
        }
        Ok(())
    });
    if let Err(failure) = &outcome {
        say::complain(format_args!("weir: {failure}"));
    }
    outcome.is_ok()
}

/// Each layout with its repository.
fn pushes(source: &Path, destination: &str) -> Result<Vec<(Layout, Reference)>, Failure> {
    if Layout::is_at(source) {
        return Ok(vec![(Layout::read(source)?, Reference::parse(destination)?)]);
    }
    modules(source)?
        .into_iter()
        .map(|(name, folder)| Ok((Layout::read(&folder)?, Reference::parse(&format!("{destination}/{name}"))?)))
        .collect()
}

/// The modules of what `make package` has made, by name, each with the folder of its layout.
pub fn modules(package: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let folder = package.join("oci");
    let entries = fs::read_dir(&folder).map_err(|error| Failure::of(folder.display(), error))?;
    let found = entries.flatten().filter(|entry| Layout::is_at(&entry.path()));
    let mut modules: Vec<_> =
        found.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect();
    modules.sort();
    if modules.is_empty() { Err(Failure::of(folder.display(), "there are no images in it")) } else { Ok(modules) }
}

/// The digest of the image of each module, that for any registry, in what `make package` has made.
pub fn digests(package: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let first = |(name, folder): (String, PathBuf)| {
        let layout = Layout::read(&folder)?;
        Ok(layout.images.into_iter().next().map(|image| (name, image.manifest.digest)))
    };
    modules(package)?.into_iter().filter_map(|module| first(module).transpose()).collect()
}

/// Sends the images of a layout: first what each consists of, then what names it. Answers where each is.
pub fn push(layout: &Layout, to: &Reference, registry: &Registry) -> Result<Vec<String>, Failure> {
    let mut places = Vec::new();
    for image in &layout.images {
        for blob in &image.blobs {
            if !registry.has(&blob.digest)? {
                registry.upload(&blob.digest, &layout.bytes(blob)?)?;
            }
        }
        let tag = layout.tag(image, to.tag.as_deref());
        registry.name(&tag, &image.manifest.kind, &layout.bytes(&image.manifest)?)?;
        places.push(format!("{}/{}:{tag}@{}", to.registry, to.repository, image.manifest.digest));
    }
    Ok(places)
}
