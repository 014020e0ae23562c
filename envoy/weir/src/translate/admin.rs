//! The admin filter: who operates, which cache is purged, and where a fleet is ordered.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::{Operation, Policy};

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
    Some(draft)
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
