//! The provider filter: the upstreams that have a profile, and the routes that lead there.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::provider::Provider;
use crate::policy::{Policy, Route, Upstream};

/// The filter's configuration; `None` where no upstream has a profile.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Option<Draft> {
    let mut providers = Draft::object(&policy.span);
    for upstream in &policy.upstreams {
        if let Some(Provider { draft, endpoint, .. }) = &upstream.provider {
            let mut draft = draft.clone();
            if endpoint.is_some() {
                draft.set("again", again(upstream));
            }
            draft.set("base", Draft::leaf(upstream.address.base.as_str(), &upstream.name.span));
            providers.set(&upstream.name.value, draft);
        }
    }
    for route in policy.routes.iter().filter(|route| route.timeout.is_some() && concerns(policy, route)) {
        let expected = "say it of the upstream: all of a provider's requests leave by one route";
        mistakes.add(&route.span, "`timeout` is not said here", expected);
    }
    let routes: Vec<_> = policy.routes.iter().filter(|route| concerns(policy, route)).map(entry).collect();
    policy.upstreams.iter().any(|upstream| upstream.provider.is_some()).then(|| {
        let mut draft = Draft::object(&policy.span);
        draft.set("providers", providers);
        draft.set("routes", Draft::list(routes, &policy.span));
        draft
    })
}

/// Where a request goes once more whose token was refused: the same place, past the routes.
fn again(upstream: &Upstream) -> Draft {
    let span = &upstream.name.span;
    let timeout = upstream.retry.as_ref().map_or(upstream.timeout, |retry| retry.per_try);
    let mut again = Draft::object(span);
    again.set("cluster", Draft::leaf(upstream.name.value.as_str(), span));
    again.set("authority", Draft::leaf(upstream.address.authority(), span));
    again.set("timeout", Draft::leaf(timeout.to_string(), span));
    again
}

fn entry(route: &Route) -> Draft {
    let mut entry = Draft::object(&route.span);
    entry.set("match", route.matcher.draft.clone());
    entry.set("provider", Draft::leaf(route.upstream.value.as_str(), &route.upstream.span));
    entry.set("strip", Draft::leaf(route.strip.as_str(), &route.span));
    entry
}

/// The variables of Envoy's environment that the filter needs.
pub fn variables(policy: &Policy) -> Vec<String> {
    let providers = policy.upstreams.iter().filter_map(|upstream| upstream.provider.as_ref());
    let mut variables: Vec<_> = providers.flat_map(|provider| provider.variables.iter().cloned()).collect();
    variables.sort();
    variables.dedup();
    variables
}

/// Whether the filter has anything to do on a route.
pub fn concerns(policy: &Policy, route: &Route) -> bool {
    policy.upstream(&route.upstream.value).is_some_and(|upstream| upstream.provider.is_some())
}
