//! The breaker filter: one breaker for each upstream that has one, and the routes that lead there.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::{Policy, Route};
use crate::translate::options;

/// The filter's configuration.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let elsewhere = [("breakers", "each upstream has a `breaker`"), ("routes", "routes have a place of their own")];
    let mut draft = options(policy, "breaker", &elsewhere, mistakes);
    let mut breakers = Draft::object(&policy.span);
    for upstream in &policy.upstreams {
        if let Some(breaker) = &upstream.breaker {
            breakers.set(&upstream.name.value, breaker.clone());
        }
    }
    draft.set("breakers", breakers);
    let routes = policy.routes.iter().filter(|route| concerns(policy, route)).map(|route| {
        let mut entry = Draft::object(&route.span);
        entry.set("match", route.matcher.draft.clone());
        entry.set("upstream", Draft::leaf(route.upstream.value.as_str(), &route.upstream.span));
        entry
    });
    let routes = routes.collect();
    draft.set("routes", Draft::list(routes, &policy.span));
    draft
}

/// Whether the filter has anything to do on a route.
pub fn concerns(policy: &Policy, route: &Route) -> bool {
    policy.upstream(&route.upstream.value).is_some_and(|upstream| upstream.breaker.is_some())
}
