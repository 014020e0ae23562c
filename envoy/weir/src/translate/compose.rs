//! The compose filter: the routes whose answers are made of several calls.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::envoy::internal;
use crate::policy::{Policy, Route};
use crate::translate::options;

/// The filter's name in the chain.
pub const NAME: &str = "compose";

/// The filter's configuration; `None` where nothing is composed.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Option<Draft> {
    let elsewhere = [("compositions", "each route has a `compose`"), ("cluster", "it is the proxy's own way back in")];
    let mut draft = options(policy, NAME, &elsewhere, mistakes);
    let compositions: Vec<_> = policy.routes.iter().filter_map(entry).collect();
    if compositions.is_empty() {
        return None;
    }
    draft.set("cluster", Draft::leaf(internal::NAME, &policy.span));
    draft.set("compositions", Draft::list(compositions, &policy.span));
    Some(draft)
}

fn entry(route: &Route) -> Option<Draft> {
    let mut entry = route.compose.clone()?;
    entry.set("match", route.matcher.draft.clone());
    Some(entry)
}
