//! A change, step by step: what can be refused comes before anything that a request could meet, and one rename decides.
//!
//! 0. The slot that nobody uses is empty, and Envoy knows it. It would take for granted what it has refused there before: of the
//!    same content, it only looks at the first.
//! 1. Clusters: those of both policies. Another one under the same name has another name here.
//! 2. Filters and inner routes, into the slot that nobody uses.
//! 3. Listeners, where they differ. Envoy then asks the clients of the old one, by and by, to connect anew: this is the one step
//!    that closes connections. It is needed for another address, other limits of clients, and a filter that no policy of this
//!    folder has used so far.
//! 4. What Envoy is started with, which no Envoy follows; then the routes of clients, which choose the slot.
//! 5. A while later, the old slot is emptied: two policies' filters would go on to do what is done beside requests. Those that are
//!    in it keep it until they end, and find the clusters that they knew, which stay until the change after this one; only what a
//!    composition then still asks for goes by the new policy's routes.
//!
//! Until the last of 4, everything is taken back where Envoy says no, nothing in time, or nothing ever again, and where something
//! cannot be written. After it, nothing fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::apply::Failure;
use crate::envoy::bootstrap::{CLUSTERS, LISTENERS};
use crate::envoy::internal;
use crate::run::admin::Admin;
use crate::say;
use crate::translate::ORDER;
use crate::xds::folder::{Folder, OUTER, Version};
use crate::xds::rendering::Rendering;
use crate::xds::slot;
use crate::xds::{BOOTSTRAP, put};

/// What Envoy's statistics call the routes of clients.
pub const ROUTES: &str = "http.weir.rds.weir";
const CDS: &str = "cluster_manager.cds";
const LDS: &str = "listener_manager.lds";
const FILTER: &str = "extension_config_discovery.http_filter.";
/// How often Envoy is asked.
const PAUSE: Duration = Duration::from_millis(20);
/// How long nobody may be at Envoy's address: one that takes over from another is there at once.
const GONE: Duration = Duration::from_secs(2);

/// A change of one Envoy.
pub struct Change<'a> {
    /// What it follows.
    pub folder: &'a Folder,
    /// Where it says what it has.
    pub admin: &'a Admin,
    /// The version to come.
    pub version: Version,
    /// How long each step may take.
    pub patience: Duration,
}

/// Whether Envoy lives, however slow it is to answer.
struct Pulse<'a> {
    admin: &'a Admin,
    felt: Instant,
}

impl<'a> Pulse<'a> {
    fn of(admin: &'a Admin) -> Self {
        Self { admin, felt: Instant::now() }
    }

    /// Whoever waits asks again and again.
    fn feel(&mut self) -> Result<(), Failure> {
        if self.admin.is_there() {
            self.felt = Instant::now();
        } else if self.felt.elapsed() > GONE {
            return Err(Failure::Unable(format!("the Envoy at {} has ended", self.admin.address())));
        }
        Ok(())
    }
}

/// Files as they were.
struct Before(Vec<(PathBuf, Vec<u8>)>);

impl Change<'_> {
    /// Brings `new` in the place of `old`.
    ///
    /// # Errors
    /// Envoy has refused something, or has not answered in time; `old` serves on.
    pub fn bring(&self, old: &Rendering, new: &Rendering) -> Result<(), Failure> {
        let mut before = Before(Vec::new());
        self.clear(old)?;
        if let Err(failure) = self.steps(old, new, &mut before) {
            before.restore();
            return Err(failure);
        }
        Ok(())
    }

    /// Makes sure that nothing is in the slot, whatever became of the change before this one.
    fn clear(&self, serving: &Rendering) -> Result<(), Failure> {
        let names: Vec<_> =
            serving.slots(&self.folder.listeners()).iter().map(|name| self.version.slot.of(name)).collect();
        let read = |name: &str| self.folder.read(&Folder::filter(name)).unwrap_or_default();
        let is_closed = |name: &String| read(name).pointer("/resources/0/typed_config") == Some(&slot::closed());
        if !names.iter().all(is_closed) {
            retire(self.folder, Version::new(self.version.number, self.version.slot.other()), serving)?;
        }
        let deadline = Instant::now() + self.patience;
        let mut pulse = Pulse::of(self.admin);
        loop {
            let versions = self.admin.versions();
            let known = |name: &String| versions.get(&format!("{FILTER}{name}")).map(String::as_str);
            if names.iter().all(|name| known(name) == read(name).get("version_info").and_then(Json::as_str)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Failure::Unable("Envoy is busy with a change before this one".to_owned()));
            }
            pulse.feel()?;
            thread::sleep(PAUSE);
        }
    }

    fn steps(&self, old: &Rendering, new: &Rendering, before: &mut Before) -> Result<(), Failure> {
        let (slot, text) = (self.version.slot, self.version.to_string());
        self.step(&[CDS.to_owned()], || before.put(self.folder, CLUSTERS, &text, &both(old, new)))?;
        let there = self.folder.listeners();
        let listeners = new.listeners(&there, self.folder);
        let used = new.used();
        let mut kinds: Vec<_> = used.iter().map(|name| format!("{FILTER}{}", slot.of(name))).collect();
        if new.has_inner(&there) {
            kinds.push(format!("http.{0}.rds.{1}", internal::NAME, slot.of(internal::NAME)));
        }
        // A listener that has more slots than before looks for what is in them as soon as it comes.
        if listeners != there {
            kinds.push(LDS.to_owned());
        }
        self.step(&kinds, || {
            let inner = slot.of(internal::NAME);
            before.put(self.folder, &Folder::routes(&inner), &text, &[new.inner(&inner, slot)])?;
            for name in new.slots(&there) {
                let config = new.filter(name, slot).filter(|_| used.contains(&name)).unwrap_or_else(slot::closed);
                before.put_filter(self.folder, &slot.of(name), &text, &config)?;
                if !self.folder.has(&Folder::filter(&slot.other().of(name))) {
                    self.folder.put_filter(&slot.other().of(name), &text, &slot::closed())?;
                }
            }
            if listeners == there { Ok(()) } else { before.put(self.folder, LISTENERS, &text, &listeners) }
        })
        .map_err(|failure| with_variables(failure, new))?;
        before.remember(self.folder, BOOTSTRAP);
        self.folder.put_frame(new)?;
        self.step(&[ROUTES.to_owned()], || {
            before.put(self.folder, &Folder::routes(OUTER), &text, &[new.outer(OUTER, slot)])
        })
    }

    /// Writes, and waits until Envoy has taken all of these kinds.
    fn step(&self, kinds: &[String], write: impl FnOnce() -> std::io::Result<()>) -> Result<(), Failure> {
        let refusals = |kinds: &[String]| -> Option<Vec<u64>> {
            let counts = self.admin.refusals()?;
            Some(kinds.iter().map(|kind| counts.get(kind).copied().unwrap_or_default()).collect())
        };
        let silent = || Failure::Unable(format!("the Envoy at {} does not answer", self.admin.address()));
        let known = refusals(kinds).or_else(|| refusals(kinds)).ok_or_else(silent)?;
        write()?;
        let text = self.version.to_string();
        let deadline = Instant::now() + self.patience;
        let mut pulse = Pulse::of(self.admin);
        loop {
            let versions = self.admin.versions();
            // Asked after that: what Envoy has refused and then reads once more, it calls taken. While it loads filters, it may
            // not answer for a while.
            let now = refusals(kinds);
            let late: Vec<_> = kinds.iter().filter(|kind| versions.get(*kind) != Some(&text)).collect();
            if late.is_empty() && now.as_ref() == Some(&known) && self.admin.warming() == Some(0) {
                return Ok(());
            }
            let counts = known.iter().zip(now.iter().flatten());
            if let Some((kind, _)) = kinds.iter().zip(counts).find(|(_, (known, now))| now > known) {
                return Err(Failure::Refused(self.reason(kind)));
            }
            if Instant::now() > deadline {
                let late = late.first().map_or("something that it waits for", |kind| kind.as_str());
                return Err(Failure::Refused(format!("Envoy has not taken it over in time (`{late}`)")));
            }
            pulse.feel()?;
            thread::sleep(PAUSE);
        }
    }

    /// Why Envoy refused something of this kind, as far as it says so anywhere but in its log.
    fn reason(&self, kind: &str) -> String {
        let (what, dump) = match kind {
            CDS => ("an upstream".to_owned(), None),
            LDS => ("the listener".to_owned(), Some("dynamic_listeners")),
            _ => match kind.strip_prefix(FILTER).and_then(|name| name.split_once('.')) {
                Some((name, _)) => (format!("the filter `{name}` with its configuration"), None),
                None => ("the routes".to_owned(), Some("dynamic_route_configs")),
            },
        };
        let details = dump.and_then(|dump| self.admin.details(dump)).map(|details| format!(": {details}"));
        format!("Envoy has refused {what}{}", details.unwrap_or_else(|| "; its log says why".to_owned()))
    }
}

/// Tells which variables a refused filter needs: Envoy's environment is not that of whoever brings a policy.
fn with_variables(failure: Failure, new: &Rendering) -> Failure {
    let Failure::Refused(reason) = failure else { return failure };
    let refused = ORDER.into_iter().find(|name| reason.contains(&format!("`{name}`")));
    let variables = refused.map(|name| new.variables(name)).unwrap_or_default();
    Failure::Refused(if variables.is_empty() {
        reason
    } else {
        format!("{reason}; of its environment, it needs {}", variables.join(", "))
    })
}

/// The clusters of both policies.
fn both(old: &Rendering, new: &Rendering) -> Vec<Json> {
    let name = |cluster: &Json| cluster["name"].clone();
    let mut all: BTreeMap<String, Json> = BTreeMap::new();
    for cluster in old.clusters.iter().chain(&new.clusters) {
        all.insert(name(cluster).to_string(), cluster.clone());
    }
    all.into_values().collect()
}

/// Empties the slot that this version does not use. What its last requests still ask for goes by the new policy's routes.
///
/// # Errors
/// What the operating system says.
pub fn retire(folder: &Folder, version: Version, serving: &Rendering) -> std::io::Result<()> {
    let (slot, text) = (version.slot.other(), format!("after-{version}"));
    let inner = slot.of(internal::NAME);
    folder.put(&Folder::routes(&inner), &text, &[serving.inner(&inner, version.slot)])?;
    serving
        .slots(&folder.listeners())
        .iter()
        .try_for_each(|name| folder.put_filter(&slot.of(name), &text, &slot::closed()))
}

impl Before {
    /// Remembers what a file holds before it changes. One that is not there yet is nobody's: it may stay.
    fn remember(&mut self, folder: &Folder, file: &str) {
        let path = folder.path().join(file);
        self.0.extend(fs::read(&path).ok().map(|bytes| (path, bytes)));
    }

    fn put(&mut self, folder: &Folder, file: &str, version: &str, resources: &[Json]) -> std::io::Result<()> {
        self.remember(folder, file);
        folder.put(file, version, resources)
    }

    fn put_filter(&mut self, folder: &Folder, name: &str, version: &str, config: &Json) -> std::io::Result<()> {
        self.remember(folder, &Folder::filter(name));
        folder.put_filter(name, version, config)
    }

    /// The last comes first. What cannot be written back stays where no request meets it.
    fn restore(self) {
        for (path, bytes) in self.0.into_iter().rev() {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { continue };
            if let Err(error) = put(folder, &name.to_string_lossy(), &bytes) {
                say::complain(format_args!("weir: {} stays as it is: {error}", path.display()));
            }
        }
    }
}
