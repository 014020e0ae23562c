//! How Envoy itself is to be run: an `EnvoyProxy`, for the `Gateway` to name in its `infrastructure.parametersRef`.

use serde_json::{Value as Json, json};

use crate::envoy::{Plan, internal as back, set};
use crate::envoygateway::{Settings, backend, internal};
use crate::kubernetes::{self, NAME, Variable};

/// What Envoy is started with where something comes back into it, and the variables that it needs, out of a `Secret` whose keys they are;
/// nothing where any Envoy does.
pub fn object(plan: &Plan<'_>, settings: &Settings) -> Option<Json> {
    let mut spec = json!({});
    if !internal::ways(plan, settings).is_empty() {
        let patch = json!({"op": "add", "path": "/bootstrap_extensions", "value": [back::extension()]});
        set(&mut spec, "bootstrap", json!({"type": "JSONPatch", "jsonPatches": [patch]}));
    }
    let variables: Vec<_> = kubernetes::variables(plan).iter().map(variable).collect();
    if !variables.is_empty() {
        let deployment = json!({"container": {"env": variables}});
        set(&mut spec, "provider", json!({"type": "Kubernetes", "kubernetes": {"envoyDeployment": deployment}}));
    }
    let is_needed = spec.as_object().is_some_and(|members| !members.is_empty());
    is_needed.then(|| settings.place.object(backend::VERSION, "EnvoyProxy", NAME, &spec))
}

/// A pod without a variable that it needs does not start, which is told where pods are; its filters would refuse everybody.
fn variable(Variable { name, has_default }: &Variable) -> Json {
    let mut source = json!({"name": NAME, "key": name});
    if *has_default {
        set(&mut source, "optional", true);
    }
    json!({"name": name, "valueFrom": {"secretKeyRef": source}})
}
