//! A policy as Envoy reads it, for either slot; and as it is kept for the day on which somebody wants it back.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::envoy::{Plan, bootstrap, cluster, internal, listener, set, typed};
use crate::kubernetes;
use crate::translate::{ORDER, admin};
use crate::xds::folder::Folder;
use crate::xds::slot::{self, Slot};
use crate::xds::{digest, put};

/// What stands between a cluster's name and what tells it from others of that name.
pub const MARK: char = '~';
/// Where a listener's chain of filters is.
const CHAIN: &str = "/filter_chains/0/filters/0/typed_config/http_filters";
/// Where a filter's code is, in its typed configuration.
const CODE: &str = "/config/vm_config/code/local/filename";
/// And where its own configuration is, as a text.
const CONFIG: &str = "/config/configuration/value";
/// The filter that knows what the others were to read.
const WATCHER: &str = "admin";

/// Everything of a policy that Envoy reads. Nothing in it says which slot it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendering {
    /// What Envoy is started with.
    pub frame: Json,
    /// Where requests go.
    pub clusters: Vec<Json>,
    /// Where they arrive. Instead of filters of ours, chains have their names.
    listeners: Vec<Json>,
    /// The routes of clients.
    outer: Json,
    /// The routes of the filters' own requests.
    inner: Json,
    /// The filters that any of its routes needs, each with its configuration.
    filters: BTreeMap<String, Json>,
}

impl Rendering {
    /// Renders a policy, and puts the code that it needs into the folder, under names that tell one code from another.
    ///
    /// # Errors
    /// Code that cannot be read; a folder that cannot be written.
    pub fn of(plan: &Plan<'_>, folder: &Folder) -> io::Result<Self> {
        let mut filters = BTreeMap::new();
        let mut tables = BTreeMap::new();
        let mut listeners = Vec::new();
        for mut listener in listener::all(plan) {
            let is_inner = internal::is_one(&listener);
            let Some(manager) = listener.pointer_mut("/filter_chains/0/filters/0/typed_config") else { continue };
            if let Some(table) = manager.as_object_mut().and_then(|manager| manager.remove("route_config")) {
                tables.insert(is_inner, table);
            }
            let Some(chain) = manager.get_mut("http_filters").and_then(Json::as_array_mut) else { continue };
            in_order(chain)?;
            for filter in chain.iter_mut().filter(|filter| slot::is_wasm(filter)) {
                let name = filter["name"].as_str().unwrap_or_default().to_owned();
                let config = filter["typed_config"].take();
                set(filter, "typed_config", json!({"@type": slot::WASM}));
                filters.insert(name, config);
            }
            listeners.push(listener);
        }
        let (inward, mut clusters): (Vec<_>, Vec<_>) = cluster::all(plan).into_iter().partition(internal::is_one);
        clusters.extend(inward.iter().flat_map(|cluster| Slot::BOTH.map(|slot| way_back(cluster, slot))));
        let of_kind = |kind: &str, all: Vec<Json>| all.into_iter().map(|one| typed(kind, one)).collect();
        let mut rendering = Self {
            frame: bootstrap::followed(plan, folder.path()),
            clusters: of_kind("envoy.config.cluster.v3.Cluster", clusters),
            listeners: of_kind("envoy.config.listener.v3.Listener", listeners),
            outer: tables.remove(&false).unwrap_or_default(),
            inner: tables.remove(&true).unwrap_or_default(),
            filters,
        };
        rendering.name_clusters();
        let needed = rendering.needed();
        rendering.filters.retain(|name, _| needed.contains(&name.as_str()));
        rendering.filters.values_mut().try_for_each(|config| keep_code(config, folder))?;
        Ok(rendering)
    }

    /// Gives each cluster a name that no other one ever had, so that routes of one policy never lead to where another's do. Its
    /// statistics keep the name that it had.
    fn name_clusters(&mut self) {
        let mut names = BTreeMap::new();
        for cluster in &mut self.clusters {
            let Some(name) = cluster["name"].as_str().map(str::to_owned) else { continue };
            if cluster.get("alt_stat_name").is_none() {
                let print = digest(cluster.to_string().as_bytes());
                let own = format!("{name}{MARK}{}", print.get(..8).unwrap_or_default());
                set(cluster, "name", own.as_str());
                set(cluster, "alt_stat_name", name.as_str());
                names.insert(name, own);
            }
        }
        let renamed = |name: &str| names.get(name).cloned();
        kubernetes::rename(&mut self.outer, &renamed);
        kubernetes::rename(&mut self.inner, &renamed);
        self.filters.values_mut().for_each(|config| rename(config, &renamed));
    }

    /// The filters that have anything to do on any route.
    fn needed(&self) -> Vec<&'static str> {
        let tables = [&self.outer, &self.inner].into_iter();
        let routes = tables.filter_map(|table| table.pointer("/virtual_hosts/0/routes")?.as_array()).flatten();
        let off: Vec<_> = routes.map(|route| route.get("typed_per_filter_config")).collect();
        let is_on = |name: &&str| off.iter().any(|off| off.is_none_or(|off| off.get(name).is_none()));
        ORDER.into_iter().filter(is_on).collect()
    }

    /// The filters that it has, in their order.
    pub fn used(&self) -> Vec<&'static str> {
        ORDER.into_iter().filter(|name| self.filters.contains_key(*name)).collect()
    }

    /// Where requests arrive, with both slots of each filter that is used, and of those that are there already: a listener that
    /// changes asks its clients to connect anew, so it only grows. Each file that Envoy follows takes one of the kernel's
    /// `inotify` instances, of which a user has 128, so there are no more slots than that.
    pub fn listeners(&self, there: &[Json], folder: &Folder) -> Vec<Json> {
        let names = self.slots(there);
        let mut listeners = Vec::new();
        for listener in &self.listeners {
            let name = listener["name"].as_str().unwrap_or_default();
            if internal::is_one(listener) {
                let names: Vec<_> =
                    names.iter().copied().filter(|filter| !internal::leaves_out(name, filter)).collect();
                let inner = slotted(listener, &names, folder);
                let needed = if self.has_inner(there) { &Slot::BOTH[..] } else { &[] };
                let routes = |slot: &Slot| routed(&inner, &slot.of(name), &slot.of(internal::NAME), folder);
                listeners.extend(needed.iter().map(routes));
            } else {
                listeners.push(routed(&slotted(listener, &names, folder), name, name, folder));
            }
        }
        // What asks by a way in that is not needed any more may be on it.
        let is_left = |one: &&Json| {
            let ways = [internal::CHARGED, internal::AGAIN].map(|way| Slot::BOTH.map(|slot| slot.of(way)));
            ways.iter().flatten().any(|name| one["name"] == **name)
                && listeners.iter().all(|new| new["name"] != one["name"])
        };
        let left: Vec<_> = there.iter().filter(is_left).cloned().collect();
        listeners.extend(left);
        listeners
    }

    /// The filters that there are slots of, beside such listeners.
    pub fn slots(&self, there: &[Json]) -> Vec<&'static str> {
        let used = self.used();
        let had: Vec<_> = there
            .iter()
            .filter_map(|one| one.pointer(CHAIN)?.as_array())
            .flat_map(|chain| slot::names(chain))
            .collect();
        ORDER.into_iter().filter(|name| used.contains(name) || had.contains(name)).collect()
    }

    /// Whether filters ask for anything by the way back into the proxy, or might have.
    pub fn has_inner(&self, there: &[Json]) -> bool {
        let leads_back = |config: &String| internal::NAMES.iter().any(|name| config.contains(name));
        let asks = |name: &&str| self.filters.get(*name).map(Json::to_string).as_ref().is_some_and(leads_back);
        there.iter().any(|listener| listener["name"] == Slot::A.of(internal::NAME)) || self.used().iter().any(asks)
    }

    /// The routes of clients through this slot.
    pub fn outer(&self, name: &str, slot: Slot) -> Json {
        self.table(&self.outer, name, slot)
    }

    /// The routes through this slot of what filters ask for.
    pub fn inner(&self, name: &str, slot: Slot) -> Json {
        self.table(&self.inner, name, slot)
    }

    fn table(&self, table: &Json, name: &str, slot: Slot) -> Json {
        let table = slot::routes(table, name, &self.used(), slot);
        typed("envoy.config.route.v3.RouteConfiguration", table)
    }

    /// The configuration of a filter in this slot, where the policy has it. The one that watches the others is told what they read here,
    /// which is not what they were translated to: clusters have other names.
    pub fn filter(&self, name: &str, slot: Slot) -> Option<Json> {
        let mut config = self.in_slot(name, slot)?;
        if name == WATCHER {
            let text = |name: &str| Some(self.in_slot(name, slot)?.pointer(CONFIG)?.as_str()?.to_owned());
            change_own(&mut config, &|own| admin::watch_anew(own, &text));
        }
        Some(config)
    }

    /// A filter's own requests come in behind this slot's door.
    fn in_slot(&self, name: &str, slot: Slot) -> Option<Json> {
        let mut config = self.filters.get(name)?.clone();
        rename(&mut config, &|cluster| internal::NAMES.contains(&cluster).then(|| slot.of(cluster)));
        Some(config)
    }

    /// The names of the files of its code.
    pub fn code(&self) -> impl Iterator<Item = &str> {
        let files = self.filters.values().filter_map(|config| config.pointer(CODE)?.as_str());
        files.filter_map(|file| Path::new(file).file_name()?.to_str())
    }

    /// The variables of Envoy's environment that a filter needs.
    pub fn variables(&self, filter: &str) -> Vec<String> {
        let keys = self
            .filters
            .get(filter)
            .and_then(|config| config.pointer("/config/vm_config/environment_variables/host_env_keys")?.as_array());
        keys.into_iter().flatten().filter_map(|key| Some(key.as_str()?.to_owned())).collect()
    }

    /// What tells it from another.
    pub fn digest(&self) -> String {
        digest(self.to_json().to_string().as_bytes())
    }

    /// As it is kept.
    pub fn to_json(&self) -> Json {
        json!({
            "frame": self.frame, "clusters": self.clusters, "listeners": self.listeners,
            "outer": self.outer, "inner": self.inner, "filters": self.filters,
        })
    }

    /// What was kept; `None` where it is something else.
    pub fn from_json(kept: &Json) -> Option<Self> {
        let list = |name: &str| kept.get(name)?.as_array().cloned();
        let filters = kept.get("filters")?.as_object()?;
        Some(Self {
            frame: kept.get("frame")?.clone(),
            clusters: list("clusters")?,
            listeners: list("listeners")?,
            outer: kept.get("outer")?.clone(),
            inner: kept.get("inner")?.clone(),
            filters: filters.iter().map(|(name, config)| (name.clone(), config.clone())).collect(),
        })
    }
}

/// Renames the clusters that a filter's own configuration names.
fn rename(config: &mut Json, cluster: &dyn Fn(&str) -> Option<String>) {
    change_own(config, &|own| kubernetes::rename(own, cluster));
}

/// Changes a filter's own configuration, which is a text in what Envoy reads.
fn change_own(config: &mut Json, change: &dyn Fn(&mut Json)) {
    let Some(own) = config.pointer_mut(CONFIG) else { return };
    let Some(mut read) = own.as_str().and_then(|text| serde_json::from_str(text).ok()) else { return };
    change(&mut read);
    *own = read.to_string().into();
}

/// A filter that would have no place, or another one, in a chain that is there already must not be left out in silence.
fn in_order(chain: &[Json]) -> io::Result<()> {
    let names = chain.iter().filter(|filter| slot::is_wasm(filter));
    let places = names.map(|filter| ORDER.iter().position(|name| filter["name"] == **name));
    let places: Option<Vec<_>> = places.collect();
    match places {
        Some(places) if places.is_sorted() => Ok(()),
        _ => Err(io::Error::other("a filter has no place in the chain")),
    }
}

fn slotted(listener: &Json, names: &[&str], folder: &Folder) -> Json {
    let mut listener = listener.clone();
    if let Some(Json::Array(chain)) = listener.pointer_mut(CHAIN) {
        *chain = slot::chain(chain, names, &|name| folder.source(&Folder::filter(name)));
    }
    listener
}

/// A listener of this name, whose routes are in a file of theirs.
fn routed(listener: &Json, name: &str, routes: &str, folder: &Folder) -> Json {
    let mut listener = listener.clone();
    set(&mut listener, "name", name);
    if let Some(manager) = listener.pointer_mut("/filter_chains/0/filters/0/typed_config") {
        let source = folder.source(&Folder::routes(routes));
        set(manager, "rds", json!({"config_source": source, "route_config_name": routes}));
    }
    listener
}

/// The cluster that leads to this slot's listener. Both count as one.
fn way_back(cluster: &Json, slot: Slot) -> Json {
    let mut cluster = cluster.clone();
    let own = cluster.get("name").cloned().unwrap_or_default();
    let name = slot.of(own.as_str().unwrap_or_default());
    let place = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/envoy_internal_address";
    if let Some(address) = cluster.pointer_mut(place) {
        set(address, "server_listener_name", name.as_str());
        set(address, "endpoint_id", name.as_str());
    }
    set(&mut cluster, "name", name);
    set(&mut cluster, "alt_stat_name", own);
    cluster
}

/// Copies a filter's code into the folder, and has the filter load that: what is written over the original later is other code,
/// with another name, so Envoy sees that it changed, and what is kept can be gone back to.
fn keep_code(config: &mut Json, folder: &Folder) -> io::Result<()> {
    let Some(file) = config.pointer_mut(CODE) else { return Ok(()) };
    let original = Path::new(file.as_str().unwrap_or_default()).to_path_buf();
    let said = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", original.display()));
    let bytes = fs::read(&original).map_err(said)?;
    let stem = original.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{stem}-{}.wasm", digest(&bytes));
    let place = folder.code().join(&name);
    if !place.exists() {
        put(&folder.code(), &name, &bytes)?;
    }
    *file = place.to_string_lossy().into();
    Ok(())
}
