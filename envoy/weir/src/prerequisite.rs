//! What a cluster must have for objects to work there, and no object of ours can bring: told on standard error, beside the objects.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::envoy::Plan;
use crate::istio::service;
use crate::kubernetes::{self, NAME, Place, Variable};
use crate::say;

/// What objects of Istio need.
pub fn of_istio(plan: &Plan<'_>, objects: &[Json], place: &Place) -> Vec<String> {
    let variables = listed(plan).map(|listed| {
        format!(
            "the gateway's containers need {listed}: put them into a Secret, and that into `envFrom` of the deployment"
        )
    });
    let patched = patched(objects);
    let pulled = place.pull_secret.as_ref().filter(|_| !patched.is_empty()).map(|secret| {
        let images = patched.into_iter().collect::<Vec<_>>().join(", ");
        format!(
            "`{secret}` is for what comes as WasmPlugin; {images} come as EnvoyFilter, and are pulled without a secret"
        )
    });
    variables.into_iter().chain(pulled).chain(service::notes(plan.policy)).collect()
}

/// What objects of Envoy Gateway need.
pub fn of_envoy_gateway(plan: &Plan<'_>, objects: &[Json]) -> Vec<String> {
    let has = |kind: &str| objects.iter().any(|object| object["kind"] == kind);
    let mut enabled = vec!["enableBackend: true"];
    enabled.extend(has("EnvoyPatchPolicy").then_some("enableEnvoyPatchPolicy: true"));
    let mut notes = vec![format!("EnvoyGateway must say `extensionApis: {{{}}}`", enabled.join(", "))];
    if has("EnvoyProxy") {
        notes.push(format!("the Gateway must name the EnvoyProxy `{NAME}` in its `infrastructure.parametersRef`"));
    }
    notes.extend(listed(plan).map(|listed| {
        format!(
            "the EnvoyProxy takes {listed} from a Secret called `{NAME}`, which must be where the gateway's pods are"
        )
    }));
    notes.extend(apart(plan, objects));
    notes
}

/// The upstreams that several rules lead to, each of which has connections of its own; `None` where there are none.
fn apart(plan: &Plan<'_>, objects: &[Json]) -> Option<String> {
    let rules = objects.iter().filter_map(|object| object.pointer("/spec/rules")?.as_array()).flatten();
    let reached: Vec<_> = rules.filter_map(|rule| rule.pointer("/backendRefs/0/name")?.as_str()).collect();
    let several = |name: &String| {
        let own = kubernetes::named(name);
        let count = reached.iter().filter(|other| **other == own).count();
        (count > 1).then(|| format!("{name} ({count})"))
    };
    let names = plan.policy.upstreams.iter().map(|upstream| &upstream.name.value);
    let several: Vec<_> = names.filter_map(several).collect();
    let listed = several.join(", ");
    (!several.is_empty()).then(|| {
        format!(
            "`pool` and `retry.budget` count for each rule alone, of which some upstreams have more than one: {listed}"
        )
    })
}

/// Tells what was found.
pub fn tell(notes: &[String]) {
    for note in notes {
        say::complain(format_args!("note: {note}"));
    }
}

/// The variables, with where the policy has their values from; `None` where there are none.
fn listed(plan: &Plan<'_>) -> Option<String> {
    let one = |variable: &Variable| {
        let name = &variable.name;
        let file = plan.policy.files().find(|secret| secret.variable == *name);
        match file {
            Some(secret) => format!("{name} (what is in {})", secret.file.display()),
            None if variable.has_default => format!("{name} (or its default)"),
            None => name.clone(),
        }
    };
    let variables: Vec<_> = kubernetes::variables(plan).iter().map(one).collect();
    (!variables.is_empty()).then(|| variables.join(", "))
}

/// The modules whose images no plugin asks for.
fn patched(objects: &[Json]) -> BTreeSet<&str> {
    let patches = objects.iter().filter_map(|object| object.pointer("/spec/configPatches")?.as_array()).flatten();
    let code = "/patch/value/typed_config/config/vm_config/code/remote/http_uri/uri";
    let images = patches.filter_map(|patch| patch.pointer(code)?.as_str()?.rsplit('/').next());
    images.filter_map(|image| image.split([':', '@']).next()).collect()
}
