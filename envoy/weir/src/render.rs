//! `weir render`: what a proxy reads, on standard output or in a folder.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value as Json;

use crate::document::Reading;
use crate::envoy::{Plan, bootstrap};
use crate::envoygateway::internal::Code;
use crate::kubernetes::{self, Place};
use crate::say;
use crate::{command, envoygateway, istio, prerequisite, push, run, translate, xds};

/// For whom.
#[derive(Debug, Subcommand)]
pub enum Target {
    /// A bootstrap for Envoy 1.37 to 1.40, in one JSON file; or, with `--xds-dir`, files that Envoy follows.
    Envoy {
        /// The policy.
        #[command(flatten)]
        policy: Source,
        /// The folder of the filters' `.wasm` files, as Envoy will see it.
        #[arg(long, value_name = "DIR", default_value = run::FILTERS)]
        filters: PathBuf,
        /// Writes listeners, routes, clusters and filters into this folder, which is to hold no other policy, and the bootstrap of an
        /// Envoy that follows them; `weir apply` changes what is there.
        #[arg(long, value_name = "DIR")]
        xds_dir: Option<PathBuf>,
    },
    /// Objects for an ingress gateway of Istio, as one list in JSON for `kubectl apply -f -`.
    Istio {
        /// The policy.
        #[command(flatten)]
        policy: Source,
        /// The namespace of the gateway.
        #[arg(long, default_value = "istio-system")]
        namespace: String,
        /// The label of the gateway's pods.
        #[arg(long, value_name = "NAME=VALUE", default_value = "istio=ingressgateway", value_parser = label)]
        selector: (String, String),
        /// Where the filters' images are.
        #[command(flatten)]
        images: Images,
    },
    /// Objects for a `Gateway` of Envoy Gateway, as one list in JSON for `kubectl apply -f -`.
    EnvoyGateway {
        /// The policy.
        #[command(flatten)]
        policy: Source,
        /// The namespace of the `Gateway`.
        #[arg(long, default_value = "default")]
        namespace: String,
        /// The name of the `Gateway`.
        #[arg(long, default_value = "eg")]
        gateway: String,
        /// The name of its listener.
        #[arg(long, default_value = "http")]
        listener: String,
        /// Where the filters' images are.
        #[command(flatten)]
        images: Images,
        /// Where the modules of the package are served, as in `URL/auth.wasm`, for filters to come back into the proxy.
        #[arg(long, value_name = "URL", requires = "package")]
        code: Option<String>,
    },
}

/// The policy.
#[derive(Args, Debug)]
pub struct Source {
    /// The policy.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Stands for the sandbox's address in the policy.
    #[arg(long, value_name = "URL")]
    sandbox: Option<String>,
    /// Takes all filters out of the one module that has them all, `weir.wasm`.
    #[arg(long)]
    one_module: bool,
}

/// Where the filters' images are.
#[derive(Args, Debug)]
pub struct Images {
    /// What the names of the filters' images begin with.
    #[arg(long = "images", value_name = "PREFIX", default_value = IMAGES)]
    prefix: String,
    /// What `make package` has made and `weir push` has pushed: images are then named by their digests.
    #[arg(long, value_name = "DIR")]
    package: Option<PathBuf>,
    /// The `Secret` with which images are pulled, of the type kubernetes.io/dockerconfigjson, in the same namespace.
    #[arg(long, value_name = "NAME")]
    pull_secret: Option<String>,
}

impl Images {
    /// The place, with the digests of what is in the package.
    pub(crate) fn place(&self, namespace: &str) -> Result<Place, String> {
        let digests = self.package.as_ref().map_or(Ok(BTreeMap::new()), |folder| push::digests(folder));
        let digests = digests.map_err(|failure| failure.to_string())?;
        let (images, pull_secret) = (self.prefix.clone(), self.pull_secret.clone());
        Ok(Place { namespace: namespace.to_owned(), images, digests, pull_secret })
    }
}

/// Where images are looked for unless somebody says otherwise: a registry on this machine.
const IMAGES: &str = "localhost:5000/weir";

pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    let (name, value) = parts.ok_or_else(|| "expected a label, like istio=ingressgateway".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Renders a policy; says what is wrong where it cannot.
pub fn main(target: &Target) -> ExitCode {
    let (Target::Envoy { policy, .. } | Target::Istio { policy, .. } | Target::EnvoyGateway { policy, .. }) = target;
    let reading = Reading { sandbox: policy.sandbox.as_deref(), ..Reading::default() };
    let Some(document) = command::load(&policy.file, &reading) else { return ExitCode::FAILURE };
    let wasm = if let Target::Envoy { filters, .. } = target { filters.as_path() } else { Path::new("") };
    let filters = if policy.one_module { translate::bundled(&document.filters) } else { document.filters };
    let plan = Plan { policy: &document.policy, filters: &filters, wasm };
    match rendered(target, &plan, &policy.file) {
        Ok(Some(rendered)) => say::last(format_args!("{rendered:#}\n"), ExitCode::SUCCESS),
        Ok(None) => ExitCode::SUCCESS,
        Err(reason) => {
            say::complain(format_args!("weir: {reason}"));
            ExitCode::FAILURE
        }
    }
}

/// What is to be printed; nothing, where it has been written into a folder.
fn rendered(target: &Target, plan: &Plan<'_>, policy: &Path) -> Result<Option<Json>, String> {
    match target {
        Target::Envoy { xds_dir: None, .. } => Ok(Some(bootstrap::standalone(plan))),
        Target::Envoy { xds_dir: Some(folder), .. } => {
            let said = |error: io::Error| format!("{}: {error}", folder.display());
            xds::write(plan, &policy.display().to_string(), folder).map(|()| None).map_err(said)
        }
        Target::Istio { namespace, selector, images, .. } => {
            let settings = istio::Settings { place: images.place(namespace)?, selector: selector.clone() };
            let objects = istio::objects(plan, &settings)?;
            prerequisite::tell(&prerequisite::of_istio(plan, &objects, &settings.place));
            Ok(Some(kubernetes::list(&objects)))
        }
        Target::EnvoyGateway { namespace, gateway, listener, images, code, .. } => {
            let (gateway, listener) = (gateway.clone(), listener.clone());
            let code = code.as_ref().zip(images.package.as_ref());
            let code = code.map(|(url, package)| Code::of(url, package)).transpose()?;
            let settings = envoygateway::Settings { place: images.place(namespace)?, gateway, listener, code };
            let objects = envoygateway::objects(plan, &settings)?;
            prerequisite::tell(&prerequisite::of_envoy_gateway(plan, &objects));
            Ok(Some(kubernetes::list(&objects)))
        }
    }
}
