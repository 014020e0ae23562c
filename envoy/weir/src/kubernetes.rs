//! What the two kinds of gateways in Kubernetes have in common: objects, images, and how a policy fits where Envoy's routes are
//! not ours.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::envoy::{internal, operation};
use crate::gateway::written;
use crate::policy::sample;
use crate::policy::{Policy, Route};
use crate::translate::{Filter, breaker, guard, provider, ratelimit};

/// Where a policy is to be applied.
#[derive(Clone, Debug)]
pub struct Place {
    /// The namespace of all objects.
    pub namespace: String,
    /// What the names of the filters' images begin with: `registry.example/weir` makes `registry.example/weir/auth:0.1.0`.
    pub images: String,
    /// The digests of images by module; one without is named by the version.
    pub digests: BTreeMap<String, String>,
}

/// What the names of all objects begin with.
pub const NAME: &str = "weir";

impl Place {
    /// One object.
    pub fn object(&self, version: &str, kind: &str, name: &str, spec: &Json) -> Json {
        json!({
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"app.kubernetes.io/managed-by": NAME}},
            "spec": spec,
        })
    }

    /// The image of a filter.
    pub fn image(&self, filter: &Filter) -> String {
        match self.digests.get(filter.module) {
            Some(digest) => format!("{}/{}@{digest}", self.images, filter.module),
            None => format!("{}/{}:{}", self.images, filter.module, env!("CARGO_PKG_VERSION")),
        }
    }
}

/// All objects as one.
pub fn list(objects: &[Json]) -> Json {
    json!({"apiVersion": "v1", "kind": "List", "items": objects})
}

/// A name as Kubernetes accepts it (RFC 1123), made of a policy's.
pub fn named(name: &str) -> String {
    format!("{NAME}-{}", name.replace('_', "-"))
}

/// Gives each cluster that a filter calls the name that it has there. The way back into the proxy is not there, so stale answers
/// are refreshed by the requests that find them, and clients come again whose provider refused a token; nor is a way to Envoy's administration. What a plugin reads is written anew on its
/// way, so nobody knows the digest of it.
pub fn adapted(filter: &Filter, cluster: &dyn Fn(&str) -> Option<String>) -> Filter {
    let mut filter = filter.clone();
    if let Some(members) = filter.config.as_object_mut() {
        members.retain(|key, value| {
            let leads_to = |cluster: &str| value.get("cluster").is_some_and(|name| name == cluster);
            !(key == "refresh" && leads_to(internal::NAME) || key == "envoy" && leads_to(operation::NAME))
        });
        let plugins = members.get_mut("plugins").and_then(Json::as_array_mut);
        for plugin in plugins.into_iter().flatten().filter_map(Json::as_object_mut) {
            plugin.remove("sha256");
        }
    }
    let providers = filter.config.get_mut("providers").and_then(Json::as_object_mut);
    for provider in providers.into_iter().flatten().filter_map(|(_, provider)| provider.as_object_mut()) {
        provider.remove("again");
    }
    rename(&mut filter.config, cluster);
    filter
}

/// Refuses what needs a way back into the proxy: the calls that a composition makes.
///
/// # Errors
/// The first route that does.
pub fn check(policy: &Policy) -> Result<(), String> {
    let found = policy.routes.iter().find(|route| route.compose.is_some() || route.inside);
    found.map_or(Ok(()), |route| {
        Err(format!(
            "`{}` belongs to a composition, whose calls come back into the proxy: only an Envoy of its own has the way",
            written(route)
        ))
    })
}

/// Renames clusters wherever a filter is told of one.
pub(crate) fn rename(value: &mut Json, cluster: &dyn Fn(&str) -> Option<String>) {
    match value {
        Json::Object(members) => {
            for (key, value) in members.iter_mut() {
                match value.as_str().and_then(cluster) {
                    Some(name) if key == "cluster" => *value = name.into(),
                    _ => rename(value, cluster),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| rename(item, cluster)),
        _ => {}
    }
}

/// Whether a filter waits for the body of requests whose headers it holds, which only Envoy's own configuration allows.
pub fn holds_bodies(policy: &Policy, filter: &Filter) -> bool {
    match filter.name {
        "provider" | provider::INPUT | guard::BODIES => true,
        "cache" => policy.routes.iter().filter_map(|route| route.cache.as_ref()).any(|cache| cache.has("body")),
        _ => false,
    }
}

/// Two routes of which a filter cannot tell the requests of the first from those of the second: only the second is its matter.
/// Where routes are ours, Envoy leaves it out of the first.
pub fn blind<'p>(policy: &'p Policy, filter: &Filter) -> Option<(&'p Route, &'p Route)> {
    let depth = sample::depth(policy.routes.iter().map(|route| &route.matcher));
    let concerns = |route: &Route| match filter.name {
        ratelimit::FRONT => ratelimit::is_fronted(policy, route),
        "ratelimit" => ratelimit::concerns(policy, route),
        guard::BODIES => guard::reads(route),
        "cache" => route.cache.is_some(),
        "quota" => ratelimit::has_quota(policy, route),
        "breaker" => breaker::concerns(policy, route),
        "provider" | provider::INPUT => provider::concerns(policy, route),
        _ => true,
    };
    let mut first = policy.routes.iter().enumerate().filter(|(_, route)| !concerns(route));
    first.find_map(|(index, route)| {
        let mut later = policy.routes.iter().skip(index + 1).filter(|later| concerns(later));
        let other = later.find(|later| !sample::of_both(&route.matcher, &later.matcher, depth).is_empty())?;
        Some((route, other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_promised_nothing_that_is_not_there() {
        let config = json!({
            "envoy": {"cluster": operation::NAME},
            "plugins": [{"name": "auth", "sha256": "0"}],
            "key_sets": [{"name": "a", "cluster": "jwks.https.a.443", "url": "b"}],
        });
        let admin = Filter { name: "admin", root: "admin", module: "admin", config, variables: Vec::new() };
        let adapted = adapted(&admin, &|name| name.strip_prefix("jwks.").map(str::to_owned)).config;
        let expected = json!({
            "plugins": [{"name": "auth"}],
            "key_sets": [{"name": "a", "cluster": "https.a.443", "url": "b"}],
        });
        assert_eq!(adapted, expected);
    }
}
