//! The cache filter: the routes whose answers are kept, and those that may change what is kept.

use policy::method::is_unsafe;
use serde_json::Value as Json;

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::envoy::internal;
use crate::policy::route::Auth;
use crate::policy::{Identity, Policy, Route};
use crate::translate::{admin, options, through};

/// The filter's configuration.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let elsewhere = [
        ("routes", "each route has a `cache`"),
        ("state", "it is the policy's own `state`"),
        ("orders", "it hears those whom `admin.operators` names"),
    ];
    let mut draft = options(policy, "cache", &elsewhere, mistakes);
    let routes = policy.routes.iter().filter_map(|route| {
        let Some(mut entry) = route.cache.clone() else { return idle(policy, route) };
        let stale = policy.upstream(&route.upstream.value).and_then(|upstream| upstream.fallback.stale.as_ref());
        if let Some(stale) = stale.filter(|_| !entry.has("stale_if_error")) {
            entry.set("stale_if_error", stale.clone());
        }
        isolation(policy, route, &entry, mistakes);
        entry.set("match", route.matcher.draft.clone());
        entry.set("upstream", Draft::leaf(route.upstream.value.as_str(), &route.upstream.span));
        Some(entry)
    });
    let routes = routes.collect();
    for upstream in &policy.upstreams {
        let is_cached = |route: &Route| route.upstream.value == upstream.name.value && route.cache.is_some();
        if let Some(stale) = upstream.fallback.stale.as_ref().filter(|_| !policy.routes.iter().any(is_cached)) {
            mistakes.add(stale.span(), "nothing is stored of this upstream", "expected a route to it with a `cache`");
        }
    }
    if let (Some(state), true) = (&policy.state, draft.has("l2")) {
        draft.set("state", state.draft.clone());
    }
    through::check(policy, &draft, mistakes);
    let mut refresh = draft.take("refresh").unwrap_or_else(|| Draft::object(&policy.span));
    if refresh.has("cluster") {
        mistakes.add(&refresh.locate_key("cluster"), "`cluster` is not said here", "it is the proxy's own way back in");
    }
    refresh.set("cluster", Draft::leaf(internal::NAME, &policy.span));
    draft.set("refresh", refresh);
    if admin::orders_caches(policy) {
        draft.set("orders", Draft::leaf(true, &policy.span));
    }
    draft.set("routes", Draft::list(routes, &policy.span));
    draft
}

/// Whether the filter has anything to do on a route: what is kept ends with what changes it (RFC 9111 §4.4), whoever's that
/// is. A composed request never comes as far as the cache: what is kept of its URL ends with its calls ([`hears_parts`]).
pub fn concerns(policy: &Policy, route: &Route) -> bool {
    route.cache.is_some()
        || may_change(route) && route.compose.is_none() && keeps(policy) && !through::takes(policy, route)
}

/// Whether a composition's calls have to say of which request they are part, since that may change what is kept.
pub fn hears_parts(policy: &Policy) -> bool {
    keeps(policy) && policy.routes.iter().any(|route| route.compose.is_some() && may_change(route))
}

fn may_change(route: &Route) -> bool {
    let methods = &route.matcher.methods;
    methods.is_empty() || methods.iter().any(|method| is_unsafe(method.as_bytes()))
}

/// Whether anything is kept.
fn keeps(policy: &Policy) -> bool {
    policy.routes.iter().any(|route| route.cache.is_some())
}

/// A route that keeps nothing, as the filter reads it: no request of it is one of a later route. Inside, composed routes do
/// not count.
fn idle(policy: &Policy, route: &Route) -> Option<Draft> {
    if !keeps(policy) || route.compose.is_some() {
        return None;
    }
    let mut entry = Draft::object(&route.span);
    entry.set("match", route.matcher.draft.clone());
    entry.set("keeps", Draft::leaf(false, &route.span));
    Some(entry)
}

/// Callers can only be told apart where somebody has said who they are.
fn isolation(policy: &Policy, route: &Route, cache: &Draft, mistakes: &mut Mistakes) {
    let said = cache.to_json();
    let word = said.get("isolate").and_then(|word| word.as_str());
    let Some(word) = word.filter(|word| matches!(*word, "user" | "tier")) else { return };
    let expected = if policy.identity.is_none() {
        "an `identity`, by which callers are told apart"
    } else if word == "user" && policy.identity.as_ref().is_some_and(shares_names) {
        let wrong = "`isolate: user` takes users of several issuers for one, where they are called alike";
        let expected = "a `user_prefix` of each issuer, none of which begins with another";
        mistakes.add(&cache.locate("isolate"), wrong, expected);
        return;
    } else if route.auth == Some(Auth::Off) {
        "`auth: required` or `auth: optional` on this route"
    } else {
        return;
    };
    mistakes.add(&cache.locate("isolate"), format!("`isolate: {word}` has nobody to tell apart"), expected);
}

/// Whether two issuers can hand on the same user.
fn shares_names(identity: &Identity) -> bool {
    let json = identity.draft.to_json();
    let issuers = json.get("issuers").and_then(Json::as_array).map_or([].as_slice(), Vec::as_slice);
    let prefix = |issuer: &Json| issuer.get("user_prefix").and_then(Json::as_str).unwrap_or_default().to_owned();
    let prefixes: Vec<_> = issuers.iter().map(prefix).collect();
    let begins = |(index, prefix): (usize, &String)| {
        prefixes.iter().enumerate().any(|(other, name)| other != index && name.starts_with(prefix.as_str()))
    };
    prefixes.iter().enumerate().any(begins)
}
