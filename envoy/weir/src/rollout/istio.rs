//! The same steps for gateways that Istio configures: a list of objects for each, chosen by a label of the pods.
//!
//! Pods carry `weir-step: "1"`, `"2"`, … as their deployment says it (one of one replica, one of a quarter of them, one of the rest);
//! `kubectl apply -f step-1.json` moves those of the first step, and so on. What goes back is the list of the policy before. How
//! things are called (`DestinationRule`) goes by step too; what is called (`ServiceEntry`) is every gateway's at once, so it comes with
//! the first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};

use crate::document::Document;
use crate::envoy::{Plan, set};
use crate::istio::{self, Settings};
use crate::kubernetes;
use crate::prerequisite;
use crate::render::{self, Images};
use crate::rollout::fleet::Steps;
use crate::say;
use crate::translate;
use crate::xds::replace;

/// By which label of theirs a step chooses pods.
const LABEL: &str = "weir-step";
/// How a percentage becomes a number of pods: steps are counted, not pods.
const PODS: usize = 100;

/// Where lists go, and for which gateways.
#[derive(Args, Debug)]
pub struct Place {
    /// Writes what moves each step of a fleet that Istio configures into this folder, and moves nothing.
    #[arg(long, value_name = "DIR", conflicts_with = "fleet")]
    pub istio: Option<PathBuf>,
    /// The namespace of Istio's gateway.
    #[arg(long, default_value = "istio-system", requires = "istio")]
    namespace: String,
    /// The label of the pods of Istio's gateway.
    #[arg(long, value_name = "NAME=VALUE", default_value = "istio=ingressgateway", value_parser = render::label, requires = "istio")]
    selector: (String, String),
    /// Takes all filters out of the one module that has them all, `weir.wasm`.
    #[arg(long, requires = "istio")]
    one_module: bool,
    /// Where the filters' images are.
    #[command(flatten)]
    images: Images,
}

/// Writes a list for each step.
///
/// # Errors
/// What the operating system says, what is wrong with the package, or what Kubernetes does not accept.
pub fn write(document: &Document, steps: &Steps, place: &Place, folder: &Path) -> io::Result<()> {
    let bundled = place.one_module.then(|| translate::bundled(&document.filters));
    let filters = bundled.as_deref().unwrap_or(&document.filters);
    let plan = Plan { policy: &document.policy, filters, wasm: Path::new("") };
    let at = place.images.place(&place.namespace).map_err(io::Error::other)?;
    let settings = Settings { place: at, selector: place.selector.clone() };
    let objects = istio::objects(&plan, &settings).map_err(io::Error::other)?;
    prerequisite::tell(&prerequisite::of_istio(&plan, &objects, &settings.place));
    fs::create_dir_all(folder)?;
    for step in 1..=steps.of(PODS).len() {
        let list: Vec<_> = objects.iter().filter_map(|object| of_step(object, &place.selector, step)).collect();
        let name = format!("step-{step}.json");
        replace(folder, &name, &kubernetes::list(&list))?;
        say::progress(format_args!("{}: pods with {LABEL}={step}", folder.join(name).display()));
    }
    Ok(())
}

/// An object for the pods of one step.
fn of_step(object: &Json, (name, value): &(String, String), step: usize) -> Option<Json> {
    let mut object = object.clone();
    if object.get("kind").is_some_and(|kind| kind == "DestinationRule") {
        set(object.get_mut("spec")?, "workloadSelector", json!({"matchLabels": {name: value}}));
    }
    let labels = ["/spec/selector/matchLabels", "/spec/workloadSelector/labels", "/spec/workloadSelector/matchLabels"];
    let Some(place) = labels.into_iter().find(|place| object.pointer(place).is_some()) else {
        return (step == 1).then_some(object);
    };
    set(object.pointer_mut(place)?, LABEL, step.to_string());
    let name = format!("{}-step-{step}", object.pointer("/metadata/name")?.as_str()?);
    *object.pointer_mut("/metadata/name")? = json!(name);
    Some(object)
}
