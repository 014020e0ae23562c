//! `weir render envoy --xds-dir`: a folder of files that any Envoy follows: its clusters (CDS), routes (RDS) and listeners (LDS).
//!
//! Each file is written whole and put in place by a rename. Clusters come first and listeners last. A listener names the file of
//! its routes, which is named after what is in it, so filters never meet another policy's routes: a changed policy is a further file
//! of routes, and the listener that names it. Files of routes that no listener names any more are left for those that Envoy
//! still drains, until the next policy but one.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::envoy::bootstrap::{self, CLUSTERS, LISTENERS};
use crate::envoy::{Plan, cluster, listener, set, typed};
use crate::gateway::SEED;

/// The file that Envoy is started with.
pub const BOOTSTRAP: &str = "bootstrap.json";
/// What the names of files of routes begin with.
const ROUTES: &str = "routes-";
/// So many older files of routes are kept.
const KEPT: usize = 1;

/// Writes everything into a folder, which is made where it is not there.
///
/// # Errors
/// What the operating system says.
pub fn write(plan: &Plan<'_>, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let mut listeners = listener::all(plan);
    let routes = take_routes(&mut listeners).unwrap_or_default();
    let version = digest(&routes);
    let file = format!("{ROUTES}{version}.json");
    let watched = json!({"path": folder.to_string_lossy()});
    let path = folder.join(&file);
    let source = json!({
        "resource_api_version": "V3",
        "path_config_source": {"path": path.to_string_lossy(), "watched_directory": watched},
    });
    let name = routes.get("name").cloned().unwrap_or_default();
    for listener in &mut listeners {
        if let Some(manager) = manager(listener) {
            set(manager, "rds", json!({"config_source": source, "route_config_name": name}));
        }
    }
    let clusters = cluster::all(plan);
    let of = |kind: &str, all: Vec<Json>| {
        let all: Vec<_> = all.into_iter().map(|one| typed(kind, one)).collect();
        let version = digest(&json!(all));
        json!({"version_info": version, "resources": all})
    };
    replace(&folder, CLUSTERS, &of("envoy.config.cluster.v3.Cluster", clusters))?;
    replace(&folder, &file, &of("envoy.config.route.v3.RouteConfiguration", vec![routes]))?;
    replace(&folder, LISTENERS, &of("envoy.config.listener.v3.Listener", listeners))?;
    replace(&folder, BOOTSTRAP, &bootstrap::followed(plan, &folder))?;
    sweep(&folder, &file)
}

/// Puts a new file in the place of an old one.
///
/// # Errors
/// What the operating system says.
pub fn replace(folder: &Path, name: &str, content: &Json) -> io::Result<()> {
    let (new, place) = (folder.join(format!(".{name}")), folder.join(name));
    fs::write(&new, content.to_string())?;
    fs::rename(&new, &place)
}

/// Takes the routes out of all listeners, which have the same.
fn take_routes(listeners: &mut [Json]) -> Option<Json> {
    let taken = listeners.iter_mut().filter_map(|listener| manager(listener)?.as_object_mut()?.remove("route_config"));
    taken.last()
}

fn manager(listener: &mut Json) -> Option<&mut Json> {
    listener.pointer_mut("/filter_chains/0/filters/0/typed_config")
}

/// What tells one content from another.
fn digest(content: &Json) -> String {
    let print = SEED.fingerprint([content.to_string().as_bytes()]);
    format!("{:032x}", u128::from_be_bytes(print.to_bytes()))
}

/// Takes away what is older than what may still be drained.
fn sweep(folder: &Path, current: &str) -> io::Result<()> {
    let mut old = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(ROUTES) && name != current {
            old.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    old.sort();
    let more = old.len().saturating_sub(KEPT);
    old.into_iter().take(more).try_for_each(|(_, path)| fs::remove_file(path))
}
