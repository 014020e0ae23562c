//! The guard filter: what any request may be, and what the routes take.
//!
//! It stands in the chain twice. In front of everything that reads a request, it looks at paths, lengths and types; behind
//! whatever judges its sender, at what a body says. So strangers cannot have bodies held and read that nobody will answer.

use crate::complaint;
use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::{Policy, Route};
use crate::translate::Filter;

/// The plugin in front.
pub const NAME: &str = "guard";
/// The plugin that reads bodies.
pub const BODIES: &str = "bodies";

/// Whether there is anything to guard.
fn is_used(policy: &Policy) -> bool {
    policy.guard.is_some() || policy.routes.iter().any(|route| route.accepts.is_some())
}

/// Whether what a request's body says is looked at.
pub fn reads(route: &Route) -> bool {
    route.accepts.as_ref().is_some_and(|accepts| accepts.has("schema"))
}

/// Puts both plugins where they belong, none where there is nothing for them to do; what is wrong in either is noted once.
pub fn insert(policy: &Policy, filters: &mut Vec<Filter>, mistakes: &mut Mistakes) {
    if !is_used(policy) {
        return;
    }
    complaint::read(front(policy, entry), ::guard::Config::from_json, mistakes);
    let of =
        |name, draft: &Draft| Filter { name, root: name, module: NAME, config: draft.to_json(), variables: Vec::new() };
    if policy.routes.iter().any(reads) {
        // Whoever is not to be answered has no body read.
        let behind = filters.iter().rposition(|filter| matches!(filter.name, "ratelimit" | "admin")).unwrap_or(0);
        filters.insert(behind + 1, of(BODIES, &bodies(policy)));
    }
    let without_schema = |route: &Route| {
        let mut entry = entry(route);
        entry.take("schema");
        entry
    };
    filters.insert(1, of(NAME, &front(policy, without_schema)));
}

/// All routes that are before one of which anything is said: the first that matches a request counts here as it does there.
fn front(policy: &Policy, entry: impl Fn(&Route) -> Draft) -> Draft {
    let mut draft = policy.guard.as_ref().map_or_else(|| Draft::object(&policy.span), |guard| guard.options.clone());
    let last = policy.routes.iter().rposition(|route| route.accepts.is_some());
    let routes = policy.routes.iter().take(last.map_or(0, |last| last + 1)).filter(|route| !route.inside);
    draft.set("routes", Draft::list(routes.map(entry).collect(), &policy.span));
    draft
}

fn bodies(policy: &Policy) -> Draft {
    let mut draft = Draft::object(&policy.span);
    draft.set("paths", Draft::leaf(false, &policy.span));
    let routes = policy.routes.iter().filter(|route| reads(route)).map(entry).collect();
    draft.set("routes", Draft::list(routes, &policy.span));
    draft
}

fn entry(route: &Route) -> Draft {
    let mut entry = route.accepts.clone().unwrap_or_else(|| Draft::object(&route.span));
    entry.set("match", route.matcher.draft.clone());
    entry
}
