//! What the two kinds of gateways in Kubernetes have in common: objects, images, and how a policy fits where Envoy's routes are
//! not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::envoy::{Plan, internal, operation};
use crate::policy::sample;
use crate::policy::{Policy, Route};
use crate::translate::{Filter, breaker, compose, guard, provider, ratelimit};

/// Where a policy is to be applied.
#[derive(Clone, Debug)]
pub struct Place {
    /// The namespace of all objects.
    pub namespace: String,
    /// What the names of the filters' images begin with: `registry.example/weir` makes `registry.example/weir/auth:0.1.0`.
    pub images: String,
    /// The digests of images by module; one without is named by the version.
    pub digests: BTreeMap<String, String>,
    /// The `Secret` with which a registry is asked for images, where one is needed.
    pub pull_secret: Option<String>,
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

/// A length of time as the Gateway API writes it (GEP-2257): hours to milliseconds, of up to five digits each.
pub fn duration(length: Duration) -> String {
    let whole = length.as_millis();
    let parts = [(whole / 3_600_000, "h"), (whole / 60_000 % 60, "m"), (whole / 1000 % 60, "s"), (whole % 1000, "ms")];
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.concat() }
}

/// All objects as one.
pub fn list(objects: &[Json]) -> Json {
    json!({"apiVersion": "v1", "kind": "List", "items": objects})
}

/// A name as Kubernetes accepts it (RFC 1123), made of a policy's.
pub fn named(name: &str) -> String {
    format!("{NAME}-{}", name.replace('_', "-"))
}

/// Refuses names that Kubernetes does not accept, and two that would be one there, of which the second would replace the first.
///
/// # Errors
/// The name, or both.
pub fn check_names<'n>(names: impl Iterator<Item = &'n str>) -> Result<(), String> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for name in names {
        let own = named(name);
        if !is_subdomain(&own) {
            return Err(format!(
                "`{name}` would be called `{own}` in Kubernetes, where each part of a name has 1 to 63 of a-z 0-9 -, and a letter or a \
                 digit at both ends"
            ));
        }
        if let Some(other) = taken.insert(own.clone(), name).filter(|other| *other != name) {
            return Err(format!(
                "`{other}` and `{name}` would both be called `{own}` in Kubernetes, whose names have no _"
            ));
        }
    }
    Ok(())
}

/// What a name of an object is (RFC 1123).
fn is_subdomain(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(fine) && !label.starts_with('-');
    name.len() <= 253 && name.split('.').all(|label| is_label(label) && !label.ends_with('-'))
}

/// A variable that filters, or headers of upstreams, read of a gateway's environment.
#[derive(Debug, Eq, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Whether the policy says what to do without it.
    pub has_default: bool,
}

/// What must be in the environment of the gateway's containers, by name.
pub fn variables(plan: &Plan<'_>) -> Vec<Variable> {
    let headers = plan.policy.upstreams.iter().flat_map(|upstream| &upstream.headers);
    let of_headers: BTreeSet<&String> = headers.filter_map(|header| header.value.variable()).collect();
    let mut defaults = BTreeMap::new();
    plan.filters.iter().for_each(|filter| has_defaults(&filter.config, &mut defaults));
    let names = plan.filters.iter().flat_map(|filter| &filter.variables).chain(of_headers.iter().copied());
    let names: BTreeSet<&String> = names.collect();
    let one = |name: &String| {
        let has_default = !of_headers.contains(name) && defaults.get(name.as_str()).copied().unwrap_or_default();
        Variable { name: name.clone(), has_default }
    };
    names.into_iter().map(one).collect()
}

/// Which variables have a default wherever a filter is told of them.
fn has_defaults<'j>(config: &'j Json, defaults: &mut BTreeMap<&'j str, bool>) {
    match config {
        Json::Object(members) => {
            if let Some(name) = members.get("env").and_then(Json::as_str) {
                *defaults.entry(name).or_insert(true) &= members.contains_key("default");
            }
            members.values().for_each(|value| has_defaults(value, defaults));
        }
        Json::Array(items) => items.iter().for_each(|item| has_defaults(item, defaults)),
        _ => {}
    }
}

/// Gives each cluster that a filter calls the name that it has there. Of the ways back into the proxy, `ways` are there: without
/// its own, stale answers are refreshed by the requests that find them, and clients come again whose provider refused a token. There
/// is no way to Envoy's administration. What a plugin reads is written anew on its way, so nobody knows the digest of it.
pub fn adapted(filter: &Filter, ways: &[&str], cluster: &dyn Fn(&str) -> Option<String>) -> Filter {
    let mut filter = filter.clone();
    let is_lost = |said: &Json, way: &str| said["cluster"] == *way && !ways.contains(&way);
    if let Some(members) = filter.config.as_object_mut() {
        members.retain(|key, value| match key.as_str() {
            "refresh" => !is_lost(value, internal::NAME),
            "envoy" => !is_lost(value, operation::NAME),
            _ => true,
        });
        let plugins = members.get_mut("plugins").and_then(Json::as_array_mut);
        for plugin in plugins.into_iter().flatten().filter_map(Json::as_object_mut) {
            plugin.remove("sha256");
        }
    }
    // What objects of the cache went through went that way, too.
    if filter.name == "cache"
        && filter.config.get("refresh").is_none()
        && let Some(Json::Object(level)) = filter.config.get_mut("l2")
    {
        level.remove("through");
    }
    let providers = filter.config.get_mut("providers").and_then(Json::as_object_mut);
    for provider in providers.into_iter().flatten().filter_map(|(_, provider)| provider.as_object_mut()) {
        if provider.get("again").is_some_and(|again| is_lost(again, internal::AGAIN)) {
            provider.remove("again");
        }
    }
    rename(&mut filter.config, cluster);
    filter
}

/// The filters that stand in any of these ways back into the proxy.
pub fn inside<'f>(filters: &'f [Filter], ways: &[&str]) -> Vec<&'f Filter> {
    filters.iter().filter(|filter| ways.iter().any(|way| !internal::leaves_out(way, filter.name))).collect()
}

/// The listeners and the clusters of these ways, as a gateway has them: with its own form of our filters and of routes. Access logs
/// and spans are the gateway's matter, which knows nothing of these listeners: they have none.
pub fn inward(
    plan: &Plan<'_>,
    ways: &[&str],
    filter: &dyn Fn(&str) -> Option<Json>,
    fit: &dyn Fn(&mut Json),
) -> (Vec<Json>, Vec<Json>) {
    let is_way = |one: &Json| ways.iter().any(|way| one["name"] == **way);
    let mut listeners: Vec<_> = internal::listeners(plan).into_iter().filter(is_way).collect();
    for manager in listeners.iter_mut().filter_map(|one| one.pointer_mut("/filter_chains/0/filters/0/typed_config")) {
        if let Some(members) = manager.as_object_mut() {
            members.retain(|key, _| !["access_log", "tracing", "request_id_extension"].contains(&key.as_str()));
        }
        let filters = manager.get_mut("http_filters").and_then(Json::as_array_mut);
        for entry in filters.into_iter().flatten() {
            if let Some(own) = entry["name"].as_str().and_then(filter) {
                *entry = own;
            }
        }
        let routes = manager.pointer_mut("/route_config/virtual_hosts/0/routes").and_then(Json::as_array_mut);
        routes.into_iter().flatten().for_each(fit);
    }
    (listeners, internal::clusters(plan).into_iter().filter(is_way).collect())
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
        "provider" | provider::INPUT | guard::BODIES | compose::NAME => true,
        "cache" => policy.routes.iter().filter_map(|route| route.cache.as_ref()).any(|cache| cache.has("body")),
        _ => false,
    }
}

/// Two of these routes of which a filter cannot tell the requests of the first from those of the second: only the second is its matter.
/// Where routes are ours, Envoy leaves it out of the first.
pub fn blind<'p>(policy: &Policy, routes: &[&'p Route], filter: &Filter) -> Option<(&'p Route, &'p Route)> {
    let depth = sample::depth(routes.iter().map(|route| &route.matcher));
    let concerns = |route: &Route| match filter.name {
        ratelimit::FRONT => ratelimit::is_fronted(policy, route),
        "ratelimit" => ratelimit::concerns(policy, route),
        guard::BODIES => guard::reads(route),
        compose::NAME => route.compose.is_some(),
        // It is told of those that keep nothing, but not of composed ones.
        "cache" => route.compose.is_none(),
        "quota" => ratelimit::has_quota(policy, route),
        "breaker" => breaker::concerns(policy, route),
        "provider" | provider::INPUT => provider::concerns(policy, route),
        _ => true,
    };
    let is_mistaken = |route: &Route| concerns(route) && (filter.name != "cache" || route.cache.is_some());
    let mut first = routes.iter().enumerate().filter(|(_, route)| !concerns(route));
    first.find_map(|(index, route)| {
        let mut later = routes.iter().skip(index + 1).filter(|later| is_mistaken(later));
        let other = later.find(|later| !sample::of_both(&route.matcher, &later.matcher, depth).is_empty())?;
        Some((*route, *other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_few_digits() {
        let rows = [
            (0, "0s"),
            (250, "250ms"),
            (5000, "5s"),
            (100_500, "1m40s500ms"),
            (120_000, "2m"),
            (150_000, "2m30s"),
            (90_061_001, "25h1m1s1ms"),
        ];
        for (milliseconds, expected) in rows {
            assert_eq!(duration(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn names_are_those_of_kubernetes_and_of_one_thing_each() {
        let long = "a".repeat(59);
        let rows: [(&[&str], Option<&str>); 7] = [
            (&["a", "a-b", "a_c", "jwks.https.id.example.443", "a"], None),
            (&["a_b", "c", "a-b"], Some("`a_b` and `a-b` would both be called `weir-a-b` in Kubernetes")),
            (&["a_"], Some("`a_` would be called `weir-a-` in Kubernetes")),
            (&["a-"], Some("`a-` would be called `weir-a-` in Kubernetes")),
            (&["jwks.https.::1.443"], Some("`jwks.https.::1.443` would be called")),
            (&[&long], Some("`aaaaaaaaaaaaa")),
            (&[&long[1..]], None),
        ];
        for (names, expected) in rows {
            let said = check_names(names.iter().copied()).err();
            assert_eq!(said.is_some(), expected.is_some(), "{names:?}: {said:?}");
            assert!(said.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{names:?}");
        }
    }

    #[test]
    fn objects_go_straight_where_they_cannot_come_back() {
        let config = json!({"refresh": {"cluster": internal::NAME}, "l2": {"through": "/kept", "stale": "1m"}});
        let cache = Filter { name: "cache", root: "cache", module: "cache", config, variables: Vec::new() };
        let of = |ways: &[&str]| adapted(&cache, ways, &|_| None).config;
        assert_eq!(of(&[internal::NAME]), cache.config);
        assert_eq!(of(&[]), json!({"l2": {"stale": "1m"}}));
    }

    #[test]
    fn an_operator_is_promised_nothing_that_is_not_there() {
        let config = json!({
            "envoy": {"cluster": operation::NAME},
            "plugins": [{"name": "auth", "sha256": "0"}],
            "key_sets": [{"name": "a", "cluster": "jwks.https.a.443", "url": "b"}],
        });
        let admin = Filter { name: "admin", root: "admin", module: "admin", config, variables: Vec::new() };
        let adapted = adapted(&admin, &[], &|name| name.strip_prefix("jwks.").map(str::to_owned)).config;
        let expected = json!({
            "plugins": [{"name": "auth"}],
            "key_sets": [{"name": "a", "cluster": "https.a.443", "url": "b"}],
        });
        assert_eq!(adapted, expected);
    }
}
