//! A policy as Envoy reads it, for either slot; and as it is kept for the day on which somebody wants it back.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::envoy::{Plan, bootstrap, cluster, internal, listener, set, typed};
use crate::kubernetes;
use crate::translate::ORDER;
use crate::xds::folder::Folder;
use crate::xds::slot::{self, Slot};
use crate::xds::{digest, put};

/// Where a filter's code is, in its typed configuration.
const CODE: &str = "/config/vm_config/code/local/filename";
/// And where its own configuration is, as a text.
const CONFIG: &str = "/config/configuration/value";

/// Everything of a policy that Envoy reads. Nothing in it says which slot it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendering {
    /// What Envoy is started with.
    pub frame: Json,
    /// Where requests go.
    pub clusters: Vec<Json>,
    /// Where they arrive, with both slots of each filter.
    pub listeners: Vec<Json>,
    /// The routes of clients.
    outer: Json,
    /// The routes of the filters' own requests.
    inner: Json,
    /// The filters that it has, each with its configuration.
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
            let is_inner = listener["name"] == internal::NAME;
            let Some(manager) = listener.pointer_mut("/filter_chains/0/filters/0/typed_config") else { continue };
            if let Some(table) = manager.as_object_mut().and_then(|manager| manager.remove("route_config")) {
                tables.insert(is_inner, table);
            }
            let chain = manager["http_filters"].as_array().cloned().unwrap_or_default();
            in_order(&chain)?;
            let without: &[&str] = if is_inner { &internal::OUTER } else { &[] };
            let slotted = slot::chain(&chain, without, &|name| folder.source(&Folder::filter(name)));
            set(manager, "http_filters", slotted);
            filters.extend(chain.into_iter().filter_map(wasm));
            if is_inner {
                listeners.extend(Slot::BOTH.map(|slot| routed(&listener, &slot.of(internal::NAME), folder)));
            } else {
                let name = listener["name"].as_str().unwrap_or_default().to_owned();
                listeners.push(routed(&listener, &name, folder));
            }
        }
        for config in filters.values_mut() {
            keep_code(config, folder)?;
        }
        let (mut inward, mut clusters): (Vec<_>, Vec<_>) =
            cluster::all(plan).into_iter().partition(|cluster| cluster["name"] == internal::NAME);
        clusters.extend(inward.drain(..).flat_map(|cluster| Slot::BOTH.map(|slot| way_back(&cluster, slot))));
        let of_kind = |kind: &str, all: Vec<Json>| all.into_iter().map(|one| typed(kind, one)).collect();
        Ok(Self {
            frame: bootstrap::followed(plan, folder.path()),
            clusters: of_kind("envoy.config.cluster.v3.Cluster", clusters),
            listeners: of_kind("envoy.config.listener.v3.Listener", listeners),
            outer: tables.remove(&false).unwrap_or_default(),
            inner: tables.remove(&true).unwrap_or_default(),
            filters,
        })
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
        let filters: Vec<_> = self.filters.keys().map(String::as_str).collect();
        let table = slot::routes(table, name, &filters, slot);
        typed("envoy.config.route.v3.RouteConfiguration", table)
    }

    /// The configuration of a filter in this slot, where the policy has it. Its own requests come in behind this slot's door.
    pub fn filter(&self, name: &str, slot: Slot) -> Option<Json> {
        let mut config = self.filters.get(name)?.clone();
        let own = config.pointer_mut(CONFIG)?;
        let mut read: Json = serde_json::from_str(own.as_str()?).ok()?;
        kubernetes::rename(&mut read, &|cluster| (cluster == internal::NAME).then(|| slot.of(cluster)));
        *own = read.to_string().into();
        Some(config)
    }

    /// The names of the files of its code.
    pub fn code(&self) -> impl Iterator<Item = &str> {
        let files = self.filters.values().filter_map(|config| config.pointer(CODE)?.as_str());
        files.filter_map(|file| Path::new(file).file_name()?.to_str())
    }

    /// The variables of Envoy's environment that a filter needs.
    pub fn variables(&self, filter: &str) -> Vec<String> {
        let keys = self.filters.get(filter).and_then(|config| {
            config.pointer("/config/vm_config/environment_variables/host_env_keys")?.as_array()
        });
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

/// A filter that would have no place, or another one, in a chain that is there already must not be left out in silence.
fn in_order(chain: &[Json]) -> io::Result<()> {
    let names = chain.iter().filter(|filter| filter.pointer("/typed_config/@type").is_some_and(|kind| kind == slot::WASM));
    let places = names.map(|filter| ORDER.iter().position(|name| filter["name"] == **name));
    let places: Option<Vec<_>> = places.collect();
    match places {
        Some(places) if places.is_sorted() => Ok(()),
        _ => Err(io::Error::other("a filter has no place in the chain")),
    }
}

fn wasm(mut filter: Json) -> Option<(String, Json)> {
    let config = filter.get_mut("typed_config")?.take();
    (config.get("@type")? == slot::WASM).then(|| (filter["name"].as_str().unwrap_or_default().to_owned(), config))
}

/// A listener of this name, whose routes have the same name and a file of their own.
fn routed(listener: &Json, name: &str, folder: &Folder) -> Json {
    let mut listener = listener.clone();
    set(&mut listener, "name", name);
    if let Some(manager) = listener.pointer_mut("/filter_chains/0/filters/0/typed_config") {
        let source = folder.source(&Folder::routes(name));
        set(manager, "rds", json!({"config_source": source, "route_config_name": name}));
    }
    listener
}

/// The cluster that leads to this slot's listener. Both count as one.
fn way_back(cluster: &Json, slot: Slot) -> Json {
    let mut cluster = cluster.clone();
    let name = slot.of(internal::NAME);
    let place = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/envoy_internal_address";
    if let Some(address) = cluster.pointer_mut(place) {
        set(address, "server_listener_name", name.as_str());
        set(address, "endpoint_id", name.as_str());
    }
    set(&mut cluster, "name", name);
    set(&mut cluster, "alt_stat_name", internal::NAME);
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
