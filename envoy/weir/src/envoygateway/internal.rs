//! The way back into the proxy ([`crate::envoy::internal`]): listeners without a socket, patched in beside the gateway's own.
//!
//! Envoy has to be started with what such listeners need ([`super::proxy`]). Where the code of the gateway's own filters is, only Envoy Gateway knows, so Envoy fetches that
//! of these from where somebody serves the package. Inside and outside, all filters are then in one space of shared data: what is
//! spent, open or stored is the same by either way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::envoy::{Plan, cluster, filter, internal, set};
use crate::envoygateway::{Settings, extension};
use crate::kubernetes::{self, NAME};
use crate::policy::{Address, Policy};
use crate::translate::Filter;

/// The cluster that code is fetched through.
const CLUSTER: &str = "weir_code";

/// Where Envoy fetches code.
#[derive(Clone, Debug)]
pub struct Code {
    url: String,
    address: Address,
    /// SHA-256 of each file there.
    sums: BTreeMap<String, String>,
}

impl Code {
    /// The modules of a package, served below a URL.
    ///
    /// # Errors
    /// What is wrong with the URL, or that this is no package.
    pub fn of(url: &str, package: &Path) -> Result<Self, String> {
        let (address, _) = Address::parse(url).map_err(|expected| format!("--code {url}: {expected}"))?;
        let file = package.join("SHA256SUMS");
        let sums = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let sums = sums.lines().filter_map(|line| line.split_once("  "));
        let sums = sums.map(|(sum, name)| (name.to_owned(), sum.to_owned())).collect();
        Ok(Self { url: url.trim_end_matches('/').to_owned(), address, sums })
    }

    /// A module, as Envoy is told of it.
    fn module(&self, name: &str) -> Option<Json> {
        let file = format!("{name}.wasm");
        let uri = json!({"uri": format!("{}/{file}", self.url), "cluster": CLUSTER, "timeout": "30s"});
        // Without, it is fetched twice and then never again.
        let retries = json!({"num_retries": 10, "retry_back_off": {"base_interval": "1s", "max_interval": "30s"}});
        let sum = self.sums.get(&file)?;
        Some(json!({"remote": {"http_uri": uri, "sha256": sum, "retry_policy": retries}}))
    }
}

/// The ways back that there are.
pub fn ways(plan: &Plan<'_>, settings: &Settings) -> Vec<&'static str> {
    if settings.code.is_some() { internal::ways(plan) } else { Vec::new() }
}

/// The listeners and the clusters.
///
/// # Errors
/// A module that the package has not.
pub fn patches(plan: &Plan<'_>, filters: &[Filter], settings: &Settings) -> Result<Vec<Json>, String> {
    let ways = ways(plan, settings);
    let Some(code) = settings.code.as_ref().filter(|_| !ways.is_empty()) else { return Ok(Vec::new()) };
    let mut inside = BTreeMap::new();
    for filter in kubernetes::inside(filters, &ways) {
        let module = code.module(filter.module).ok_or_else(|| format!("the package has no {}.wasm", filter.module))?;
        let mut config = filter::plugin(filter, NAME, &module);
        if let Some(machine) = config.pointer_mut("/config/vm_config") {
            set(machine, "configuration", extension::machine(filter));
        }
        inside.insert(filter.name, json!({"name": filter.name, "typed_config": config}));
    }
    let reached = reached(plan.policy);
    let fit = |entry: &mut Json| {
        if let Some(found) = entry.pointer_mut("/route/cluster")
            && let Some(name) = found.as_str().filter(|name| reached.contains(name))
        {
            *found = extension::of_upstream(name, settings).into();
        }
    };
    let (listeners, clusters) = kubernetes::inward(plan, &ways, &|name| inside.get(name).cloned(), &fit);
    // No other route leads to an upstream that is only asked inside.
    let upstreams = plan.policy.upstreams.iter().filter(|upstream| !reached.contains(upstream.name.value.as_str()));
    let upstreams = upstreams.map(cluster::of_upstream);
    let clusters = clusters.into_iter().chain(upstreams).chain([cluster::aside(CLUSTER, &code.address)]);
    let clusters = clusters.map(|cluster| extension::whole(extension::CLUSTERS, &cluster));
    Ok(clusters.chain(listeners.iter().map(|listener| extension::whole(extension::LISTENER, listener))).collect())
}

/// The upstreams that clients reach by routes of their own.
pub(super) fn reached(policy: &Policy) -> BTreeSet<&str> {
    let outward = policy.routes.iter().filter(|route| !route.inside);
    outward.map(|route| route.upstream.value.as_str()).collect()
}
