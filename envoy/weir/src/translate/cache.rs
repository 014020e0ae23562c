//! The cache filter: the routes whose answers are kept.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::envoy::internal;
use crate::policy::Policy;
use crate::translate::options;

/// The filter's configuration.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let elsewhere = [("routes", "each route has a `cache`"), ("state", "it is the policy's own `state`")];
    let mut draft = options(policy, "cache", &elsewhere, mistakes);
    let routes = policy.routes.iter().filter_map(|route| {
        let mut entry = route.cache.clone()?;
        entry.set("match", route.matcher.draft.clone());
        entry.set("upstream", Draft::leaf(route.upstream.value.as_str(), &route.upstream.span));
        Some(entry)
    });
    let routes = routes.collect();
    if let (Some(state), true) = (&policy.state, draft.has("l2")) {
        draft.set("state", state.draft.clone());
    }
    let mut refresh = draft.take("refresh").unwrap_or_else(|| Draft::object(&policy.span));
    if refresh.has("cluster") {
        mistakes.add(&refresh.locate_key("cluster"), "`cluster` is not said here", "it is the proxy's own way back in");
    }
    refresh.set("cluster", Draft::leaf(internal::NAME, &policy.span));
    draft.set("refresh", refresh);
    draft.set("routes", Draft::list(routes, &policy.span));
    draft
}
