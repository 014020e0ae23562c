//! A changed policy, brought to a running Envoy without losing a request.
//!
//! Filters and routes change together, with the listener: a route never meets another policy's filters. A connection
//! that is open at that moment stays with the old policy for one more answer, which asks the client to close it.
//! Clusters come before the listener and go long after it: a new route finds its cluster, and an old one keeps its own
//! until Envoy has closed the last connection that could take it.
//!
//! A policy with a mistake stops at the check, and whatever Envoy itself refuses leaves the old configuration serving.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::envoy::bootstrap::{self, CLUSTERS, LISTENERS};
use crate::envoy::cluster;
use crate::run::Failure;
use crate::run::admin::Admin;
use crate::run::folder::Folder;
use crate::run::plan::Launch;

/// How long Envoy may take to take a file over.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long Envoy keeps the connections of an old listener.
pub const DRAIN: Duration = Duration::from_secs(30);
/// How long a cluster is kept that no route of the current policy needs.
const KEPT: Duration = Duration::from_secs(35);
const LDS: &str = "listener_manager.lds";
const CDS: &str = "cluster_manager.cds";

/// Brings changes to one Envoy.
pub struct Reloader<'a> {
    folder: &'a Folder,
    admin: &'a Admin,
    /// Of the last file that was written. Envoy was started on version 1.
    version: u64,
    /// Clusters of old policies, and when they may go.
    retiring: Vec<(Json, Instant)>,
}

impl<'a> Reloader<'a> {
    /// For an Envoy that was started on the files of this folder.
    pub const fn new(folder: &'a Folder, admin: &'a Admin) -> Self {
        Self { folder, admin, version: 1, retiring: Vec::new() }
    }

    /// Reads the policy again and brings it to Envoy; says what became of it.
    pub fn reload(&mut self, launch: &mut Launch<'_>) {
        let file = launch.options.file.display();
        let Ok(document) = launch.document_of() else {
            eprintln!(
                "weir: what {file} says has changed and has mistakes; the policy before the change keeps serving"
            );
            return;
        };
        let document = launch.placed(document);
        let started = Instant::now();
        let (before, after) = (launch.plan(), launch.plan_of(&document));
        let (frame_before, frame_after) = (bootstrap::frame(&before), bootstrap::frame(&after));
        let (old, new) = (cluster::all(&before), cluster::all(&after));
        match self.bring(&old, &new, |version| bootstrap::listeners(&after, version)) {
            Ok(()) => {
                eprintln!(
                    "weir: what {file} says has changed; the new policy serves after {} ms",
                    started.elapsed().as_millis()
                );
                if frame_before != frame_after {
                    eprintln!("weir: a changed limit of connections takes effect at the next start");
                }
                launch.document = document;
            }
            Err(failure) => {
                eprintln!(
                    "weir: what {file} says has changed, but {failure}; the policy before the change keeps serving"
                );
            }
        }
    }

    /// When [`Reloader::retire`] has something to do next.
    pub fn due(&self) -> Option<Instant> {
        self.retiring.iter().map(|(_, due)| *due).min()
    }

    /// Takes away the clusters whose time has come.
    pub fn retire(&mut self, launch: &Launch<'_>) {
        let now = Instant::now();
        self.retiring.retain(|(_, due)| *due > now);
        let current = cluster::all(&launch.plan());
        if let Err(failure) = self.put_clusters(&current) {
            eprintln!("weir: unused clusters stay: {failure}");
        }
    }

    fn bring(&mut self, old: &[Json], new: &[Json], listeners: impl Fn(&str) -> Json) -> Result<(), Failure> {
        let due = Instant::now() + KEPT;
        self.retiring.retain(|(cluster, _)| !contains(old, cluster));
        self.retiring.extend(old.iter().map(|cluster| (cluster.clone(), due)));
        self.retiring.retain(|(cluster, _)| !contains(new, cluster));
        self.put_clusters(new)?;
        let put = self.put(LDS, LISTENERS, listeners);
        if put.is_err() {
            self.retiring.retain(|(cluster, _)| !contains(old, cluster));
            self.put_clusters(old)?;
        }
        put
    }

    /// The clusters of the current policy, and those that old connections may still need.
    fn put_clusters(&mut self, current: &[Json]) -> Result<(), Failure> {
        let all = current.iter().chain(self.retiring.iter().map(|(cluster, _)| cluster)).cloned().collect();
        self.put(CDS, CLUSTERS, |version| bootstrap::clusters(all, version))
    }

    /// Writes a file and waits until Envoy has taken it over.
    fn put(&mut self, kind: &str, file: &str, content: impl FnOnce(&str) -> Json) -> Result<(), Failure> {
        self.version += 1;
        let version = self.version.to_string();
        let refused = self.admin.refused(kind);
        self.folder.replace(file, &content(&version))?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.admin.refused(kind) > refused {
                return Err(Failure::because("Envoy refused it; its log says why"));
            }
            if self.admin.version(kind).as_deref() == Some(&version) && self.admin.warming() == 0 {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(Failure::because("Envoy did not take it over in time"))
    }
}

fn contains(clusters: &[Json], cluster: &Json) -> bool {
    clusters.iter().any(|other| other.get("name") == cluster.get("name"))
}
