//! The cache filter: the routes whose answers are kept.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::route::Auth;
use crate::policy::{Policy, Route};
use crate::translate::options;

/// The filter's configuration.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let elsewhere = [("routes", "each route has a `cache`"), ("state", "it is the policy's own `state`")];
    let mut draft = options(policy, "cache", &elsewhere, mistakes);
    let routes = policy.routes.iter().filter_map(|route| {
        let mut entry = route.cache.clone()?;
        isolation(policy, route, &entry, mistakes);
        entry.set("match", route.matcher.draft.clone());
        entry.set("upstream", Draft::leaf(route.upstream.value.as_str(), &route.upstream.span));
        Some(entry)
    });
    let routes = routes.collect();
    if let (Some(state), true) = (&policy.state, draft.has("l2")) {
        draft.set("state", state.draft.clone());
    }
    draft.set("routes", Draft::list(routes, &policy.span));
    draft
}

/// Callers can only be told apart where somebody has said who they are.
fn isolation(policy: &Policy, route: &Route, cache: &Draft, mistakes: &mut Mistakes) {
    let said = cache.to_json();
    let word = said.get("isolate").and_then(|word| word.as_str());
    let Some(word) = word.filter(|word| matches!(*word, "user" | "tier")) else { return };
    let expected = if policy.identity.is_none() {
        "an `identity`, by which callers are told apart"
    } else if route.auth == Some(Auth::Off) {
        "`auth: required` or `auth: optional` on this route"
    } else {
        return;
    };
    mistakes.add(&cache.locate("isolate"), format!("`isolate: {word}` has nobody to tell apart"), expected);
}
