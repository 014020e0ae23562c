//! The admin filter: who operates, which cache is purged, where a fleet is ordered, and what of the other filters is shown.

use serde_json::{Value as Json, json};

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::envoy::{operation, set};
use crate::policy::{Operation, Policy};
use crate::translate::Filter;

/// What a cache is called that has no name of its own.
const CACHE: &str = "weir";
/// What the answers of a route are called that does not say it.
const DATA_TYPE: &str = "default";

/// The filter's configuration; `None` where the policy has nobody answer for the proxy.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Option<Draft> {
    let operation = policy.operation.as_ref()?;
    let mut draft = Draft::object(&operation.span);
    if let Some(operators) = &operation.operators {
        if operation.role().is_some() && policy.identity.is_none() {
            let expected = "an `identity`, by which callers have roles";
            mistakes.add(&operators.locate("role"), "nobody has a role in this policy", expected);
        }
        draft.set("operators", operators.clone());
    }
    if policy.routes.iter().any(|route| route.cache.is_some()) {
        draft.set("cache", cache(policy, operation));
    }
    if let Some(state) = &policy.state {
        draft.set("state", state.draft.clone());
    }
    let mut envoy = Draft::object(&operation.span);
    envoy.set("cluster", Draft::leaf(operation::NAME, &operation.span));
    draft.set("envoy", envoy);
    Some(draft)
}

/// Tells the admin filter, where there is one, what the others are to run with, and which keys `auth` fetches.
pub fn watch(filters: &mut [Filter]) {
    let others = filters.iter().filter(|filter| filter.name != "admin");
    let plugins: Vec<_> =
        others.map(|filter| json!({"name": filter.name, "sha256": digest(&filter.config.to_string())})).collect();
    let auth = filters.iter().find(|filter| filter.name == "auth");
    let issuers = auth.and_then(|auth| auth.config.get("issuers")?.as_array());
    let key_sets: Vec<_> = issuers.into_iter().flatten().filter_map(key_set).collect();
    if let Some(admin) = filters.iter_mut().find(|filter| filter.name == "admin") {
        set(&mut admin.config, "plugins", plugins);
        set(&mut admin.config, "key_sets", key_sets);
    }
}

/// Tells it anew, in its own configuration, where what the others read is not what they were translated to: `read` is that, and
/// nothing where a plugin does not run.
pub fn watch_anew(config: &mut Json, read: &dyn Fn(&str) -> Option<String>) {
    let Some(plugins) = config.get_mut("plugins").and_then(Json::as_array_mut) else { return };
    plugins.retain_mut(|plugin| {
        let Some(text) = plugin.get("name").and_then(Json::as_str).and_then(read) else { return false };
        set(plugin, "sha256", digest(&text));
        true
    });
}

/// The digest of what a plugin reads.
fn digest(config: &str) -> String {
    ::admin::credential::digest(config.as_bytes())
}

/// A key set that is fetched.
fn key_set(issuer: &Json) -> Option<Json> {
    let jwks = issuer.get("jwks")?;
    Some(json!({"name": issuer.get("issuer")?, "cluster": jwks.get("cluster")?, "url": jwks.get("url")?}))
}

/// Whether operators purge.
pub fn orders_caches(policy: &Policy) -> bool {
    policy.operation.as_ref().is_some_and(|operation| operation.operators.is_some())
}

fn cache(policy: &Policy, operation: &Operation) -> Draft {
    let span = &operation.span;
    let options = policy.options.iter().find(|(option, _)| *option == "cache");
    let name = options.and_then(|(_, draft)| draft.to_json().get("name")?.as_str().map(str::to_owned));
    let mut known = Vec::new();
    for route in &policy.routes {
        let Some(cache) = &route.cache else { continue };
        let said = cache.to_json();
        let data_type = said.get("data_type").and_then(|word| word.as_str()).unwrap_or(DATA_TYPE).to_owned();
        let labels = (route.upstream.value.clone(), data_type);
        if !known.contains(&labels) {
            known.push(labels);
        }
    }
    let data = known.into_iter().map(|(provider, data_type)| {
        let mut entry = Draft::object(span);
        entry.set("provider", Draft::leaf(provider, span));
        entry.set("data_type", Draft::leaf(data_type, span));
        entry
    });
    let mut draft = Draft::object(span);
    draft.set("name", Draft::leaf(name.unwrap_or_else(|| CACHE.to_owned()), span));
    draft.set("shared", Draft::leaf(options.is_some_and(|(_, draft)| draft.has("l2")), span));
    draft.set("data", Draft::list(data.collect(), span));
    draft
}
