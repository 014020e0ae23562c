//! `weir render envoy-gateway`: a policy for a `Gateway` of Envoy Gateway.
//!
//! All filters come in one `EnvoyExtensionPolicy`, in their order; each upstream as a `Backend`, with an `HTTPRoute` for the policy's
//! routes to it and a `BackendTrafficPolicy` for its pool and time. What these cannot say comes as an `EnvoyPatchPolicy`:
//! that a filter holds bodies, what may be sent once more, the routes that only a filter can choose, and the clusters that only
//! filters call.
//!
//! Envoy Gateway gives every filter a space of shared data of its own. Nothing that filters say to each other is in there, but the seed
//! of fingerprints, of which each then has one. Filters out of the one module are patched into one space, and so are all where some come
//! back into the proxy.
//!
//! `HTTPRoute`s are matched by how narrow they are, not by their order ([`entry`]), and no filter can be left out of one. A policy that
//! needs either is refused, with the two routes that show it.

pub mod backend;
pub mod entry;
pub mod extension;
pub mod internal;
pub mod proxy;
pub mod route;

use serde_json::Value as Json;

use crate::envoy::Plan;
use crate::envoygateway::internal::Code;
use crate::gateway::written;
use crate::kubernetes::{self, Place};
use crate::policy::{Policy, Route, sample};

/// Which gateway a policy is applied to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace, which is that of the gateway, and the images.
    pub place: Place,
    /// The name of the `Gateway`.
    pub gateway: String,
    /// The name of its listener that the policy is for.
    pub listener: String,
    /// Where Envoy fetches the code of filters by which others come back into the proxy, where that is somewhere.
    pub code: Option<Code>,
}

/// All objects.
///
/// # Errors
/// What of the policy cannot be said there.
pub fn objects(plan: &Plan<'_>, settings: &Settings) -> Result<Vec<Json>, String> {
    let policy = plan.policy;
    kubernetes::check_names(policy.upstreams.iter().map(|upstream| upstream.name.value.as_str()))?;
    check(plan, settings)?;
    let entries = entry::all(policy)?;
    let mut objects: Vec<Json> = policy.upstreams.iter().map(|upstream| backend::place(upstream, settings)).collect();
    let mut actions = Vec::new();
    for upstream in &policy.upstreams {
        let rendered = route::objects(policy, &entries, upstream, settings)?;
        objects.extend(rendered.objects);
        actions.extend(rendered.actions);
    }
    objects.extend(route::answered(&entries, settings));
    objects.extend(extension::objects(plan, &actions, settings)?);
    Ok(objects)
}

/// Refuses what would mean something else there.
fn check(plan: &Plan<'_>, settings: &Settings) -> Result<(), String> {
    let policy = plan.policy;
    let found = policy.routes.iter().find(|route| route.compose.is_some() || route.inside);
    if let Some(route) = found.filter(|_| settings.code.is_none()) {
        return Err(format!(
            "`{}` belongs to what comes back into the proxy, by filters of its own: `--code` says where Envoy finds the code of \
             these",
            written(route)
        ));
    }
    // What is inside has no route there at all.
    let outward: Vec<&Route> = policy.routes.iter().filter(|route| !route.inside).collect();
    outward.iter().try_for_each(|route| route::check(route))?;
    if policy.guard.as_ref().is_some_and(|guard| guard.cors.is_some()) {
        return Err("`cors` of `guard` answers on routes of its own there: say it in a `SecurityPolicy` for the gateway, and take it out \
                    here"
            .to_owned());
    }
    for filter in plan.filters {
        if let Some((route, other)) = kubernetes::blind(policy, &outward, filter) {
            return Err(format!(
                "`{}` would also see requests of `{}`, which it takes for those of `{}`, and no filter can be left out of a \
                 route there; make the latter narrower",
                filter.name,
                written(route),
                written(other)
            ));
        }
    }
    let depth = sample::depth(policy.routes.iter().map(|route| &route.matcher));
    shut(policy, depth)
}

/// What clients ask for of a route that is inside must not be taken by one that comes later.
fn shut(policy: &Policy, depth: usize) -> Result<(), String> {
    for (index, inside) in policy.routes.iter().enumerate().filter(|(_, route)| route.inside) {
        let mut later = policy.routes.iter().skip(index + 1).filter(|later| !later.inside);
        if let Some(later) = later.find(|later| !sample::of_both(&inside.matcher, &later.matcher, depth).is_empty()) {
            return Err(format!(
                "`{}` is inside, and `{}` would take what clients ask for of it; make the latter narrower",
                written(inside),
                written(later)
            ));
        }
    }
    Ok(())
}
