//! The way by which the cache's objects go to the fleet's store, where that is not the straight one: `cache: {l2: {through: /kept}}`
//! has them enter the proxy again, where a route that is `inside` sends them to the bridge of `state` with all that its upstream has, a
//! breaker or a limit.

use policy::Headers;
use policy::route::Target;
use serde_json::Value as Json;

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::facts;
use crate::gateway::written;
use crate::policy::{Policy, Route, Upstream};

/// Notes what would keep them from the store, or let others go there.
pub fn check(policy: &Policy, cache: &Draft, mistakes: &mut Mistakes) {
    let (Some(path), Some(store)) = (path_of(&cache.to_json()), &policy.state) else { return };
    let Some(route) = taker(policy, &path) else {
        let expected = "expected a route with `inside: true` to the bridge of `state`";
        return mistakes.add(&cache.locate("l2.through"), format!("no route takes `POST {path}`"), expected);
    };
    let (Some(upstream), Some(request)) = (policy.upstream(&route.upstream.value), request(policy, &path)) else {
        return;
    };
    let takes = format!("`{}` takes what is stored in the fleet's store", written(route));
    let arrives = place(upstream, &facts::route::path(route, upstream, &request));
    let expected = place(&store.upstream, &format!("{}/", store.upstream.address.base));
    if !route.inside {
        mistakes.add(&route.span, format!("{takes}, and what clients send"), "expected `inside: true`");
    } else if route.cache.is_some() || upstream.provider.is_some() {
        mistakes.add(
            &route.span,
            format!("{takes}, and changes it"),
            "expected no `cache`, and an upstream that is no provider",
        );
    } else if arrives != expected {
        mistakes.add(&route.span, format!("{takes}, and has it arrive at {arrives}"), format!("expected {expected}"));
    } else if store.variable.is_some() && !shows_secret(upstream) {
        let expected = format!("expected `internal: true` of `{}`", upstream.name.value);
        mistakes.add(&route.span, format!("{takes}, and takes its secret off"), expected);
    }
}

/// Where a request arrives.
fn place(upstream: &Upstream, path: &str) -> String {
    let address = &upstream.address;
    format!("{}://{}{path}", if address.tls { "https" } else { "http" }, address.authority())
}

/// Whether a route is the one that they take: of what passes there, the cache has nothing to say.
pub fn takes(policy: &Policy, route: &Route) -> bool {
    let cache = policy.options.iter().find(|(name, _)| *name == "cache");
    let path = cache.and_then(|(_, cache)| path_of(&cache.to_json()));
    path.and_then(|path| taker(policy, &path)).is_some_and(|taker| std::ptr::eq(taker, route))
}

/// The path that the cache's options say.
fn path_of(cache: &Json) -> Option<String> {
    cache.get("l2")?.get("through")?.as_str().map(str::to_owned)
}

/// The route that takes such a request inside.
fn taker<'p>(policy: &'p Policy, path: &str) -> Option<&'p Route> {
    let headers = request(policy, path)?;
    let target = Target::of(&headers);
    policy.routes.iter().find(|route| route.compose.is_none() && route.matcher.rule.matches(&target))
}

/// What the cache sends, as far as a route goes by it.
fn request(policy: &Policy, path: &str) -> Option<Headers> {
    let authority = policy.state.as_ref()?.upstream.address.authority();
    let pairs = [(":method", "POST"), (":path", path), (":authority", &authority)];
    Some(Headers::from_pairs(&pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes()))))
}

/// Whether the store's secret comes with it: a third party gets none, unless it is the upstream's own.
fn shows_secret(upstream: &Upstream) -> bool {
    upstream.internal || upstream.headers.iter().any(|header| header.name == "authorization")
}
