//! The policy's routes as `HTTPRoute`s (Gateway API), one or more for each upstream.

use serde_json::{Value as Json, json};

use crate::envoy::{self, set};
use crate::envoygateway::{Settings, backend};
use crate::gateway::written;
use crate::kubernetes;
use crate::policy::header::Content;
use crate::policy::route::COMPOSED;
use crate::policy::{Matcher, Pattern, Policy, Route, Upstream};

/// No more rules are in one route (Gateway API).
const RULES_MAX: usize = 16;
const API: &str = "gateway.networking.k8s.io/v1";

/// How early a route is tried there: exact paths first, then expressions, then prefixes, the longer ones first; then those with a
/// method, then those with more headers.
pub fn rank(matcher: &Matcher) -> (bool, u8, usize, bool, usize) {
    let (kind, length) = match &matcher.pattern {
        Pattern::Exact(path) => (3, path.len()),
        Pattern::Template(template) => (2, expression(template).len()),
        Pattern::Below(prefix) | Pattern::AtOrBelow(prefix) => (1, prefix.len()),
        Pattern::Any => (0, 0),
    };
    (!matcher.hosts.is_empty(), kind, length, !matcher.methods.is_empty(), matcher.headers.len())
}

/// The routes to an upstream, and how they call it.
///
/// # Errors
/// What of a route cannot be said there.
pub fn objects(policy: &Policy, upstream: &Upstream, settings: &Settings) -> Result<Vec<Json>, String> {
    let (mut objects, mut names) = (Vec::new(), Vec::new());
    for (index, (hosts, group)) in groups(policy, &upstream.name.value).iter().enumerate() {
        let mut rules = Vec::new();
        let name = format!("{}-{}", kubernetes::named(&upstream.name.value), index + 1);
        for (place, route) in group.iter().enumerate() {
            let filter = by_expression(route, upstream, &format!("{name}-{}", place + 1), settings);
            rules.push(rule(policy, route, upstream, filter.as_ref())?);
            objects.extend(filter);
        }
        objects.push(object(&name, hosts, &rules, settings));
        names.push(name);
    }
    if !names.is_empty() {
        objects.push(backend::traffic(upstream, &names, settings));
    }
    Ok(objects)
}

/// The routes that a filter answers. Where it does not, nothing is there that could.
pub fn composed(policy: &Policy, settings: &Settings) -> Vec<Json> {
    let name = kubernetes::named(COMPOSED);
    let reference = json!({"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": name});
    let filters = json!([{"type": "ExtensionRef", "extensionRef": reference}]);
    let rule = |route: &&Route| json!({"matches": matches(&route.matcher), "filters": filters});
    let groups = groups(policy, COMPOSED);
    let routes = groups.iter().enumerate().map(|(index, (hosts, group))| {
        let rules: Vec<_> = group.iter().map(rule).collect();
        object(&format!("{name}-{}", index + 1), hosts, &rules, settings)
    });
    let answer = json!({"directResponse": {"statusCode": 503}});
    let answer =
        (!groups.is_empty()).then(|| settings.place.object(backend::VERSION, "HTTPRouteFilter", &name, &answer));
    routes.chain(answer).collect()
}

/// The routes of clients to an upstream, as many in one as may be. Hosts are a whole route's.
fn groups<'p>(policy: &'p Policy, upstream: &str) -> Vec<(&'p [String], Vec<&'p Route>)> {
    let mut groups: Vec<(&[String], Vec<&Route>)> = Vec::new();
    for route in policy.routes.iter().filter(|route| !route.inside && route.upstream.value == upstream) {
        let hosts = route.matcher.hosts.as_slice();
        match groups.iter_mut().find(|(own, rules)| *own == hosts && rules.len() < RULES_MAX) {
            Some((_, rules)) => rules.push(route),
            None => groups.push((hosts, vec![route])),
        }
    }
    groups
}

fn object(name: &str, hosts: &[String], rules: &[Json], settings: &Settings) -> Json {
    let gateway = json!({"name": settings.gateway, "sectionName": settings.listener});
    let mut spec = json!({"parentRefs": [gateway], "rules": rules});
    if !hosts.is_empty() {
        set(&mut spec, "hostnames", json!(hosts));
    }
    settings.place.object(API, "HTTPRoute", name, &spec)
}

fn rule(policy: &Policy, route: &Route, upstream: &Upstream, filter: Option<&Json>) -> Result<Json, String> {
    let timeout = route.timeout.unwrap_or(upstream.timeout);
    let reference =
        json!({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": kubernetes::named(&upstream.name.value)});
    let mut rule = json!({
        "matches": matches(&route.matcher),
        "backendRefs": [reference],
        "timeouts": {"request": kubernetes::duration(timeout.length())},
    });
    let mut filters = Vec::new();
    if let Some(rewrite) = rewrite(route, upstream)? {
        filters.push(json!({"type": "URLRewrite", "urlRewrite": rewrite}));
    }
    if let Some(filter) = filter {
        let reference = json!({"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": filter.pointer("/metadata/name")});
        filters.push(json!({"type": "ExtensionRef", "extensionRef": reference}));
    }
    let added = upstream.headers.iter().filter_map(|header| match &header.value {
        Content::Literal(text) => Some(json!({"name": header.name, "value": text})),
        Content::Variable(_) => None,
    });
    let added: Vec<_> = added.collect();
    if added.len() < upstream.headers.len() {
        return Err(format!(
            "`{}` has a header from the environment, which an HTTPRoute cannot say",
            upstream.name.value
        ));
    }
    let mut modifier = json!({"set": added});
    if !upstream.internal {
        set(&mut modifier, "remove", json!(envoy::route::removed(policy, upstream)));
    }
    // What the provider filter has made needs nothing more.
    if upstream.provider.is_none() && (!upstream.internal || !upstream.headers.is_empty()) {
        filters.push(json!({"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}));
    }
    if !filters.is_empty() {
        set(&mut rule, "filters", json!(filters));
    }
    Ok(rule)
}

fn matches(matcher: &Matcher) -> Vec<Json> {
    let path = match &matcher.pattern {
        Pattern::Any => json!({"type": "PathPrefix", "value": "/"}),
        Pattern::Exact(path) => json!({"type": "Exact", "value": path}),
        // Of one that ends in a slash, what lies below is meant; there, the path itself is matched, too.
        Pattern::Below(prefix) | Pattern::AtOrBelow(prefix) => json!({"type": "PathPrefix", "value": prefix}),
        Pattern::Template(template) => json!({"type": "RegularExpression", "value": expression(template)}),
    };
    let headers: Vec<_> =
        matcher.headers.iter().map(|(name, value)| json!({"type": "Exact", "name": name, "value": value})).collect();
    let with = |method: Option<&String>| {
        let mut one = json!({"path": path});
        {
            if let Some(method) = method {
                set(&mut one, "method", json!(method));
            }
            if !headers.is_empty() {
                set(&mut one, "headers", json!(headers));
            }
        }
        one
    };
    if matcher.methods.is_empty() {
        return vec![with(None)];
    }
    matcher.methods.iter().map(|method| with(Some(method))).collect()
}

fn expression(template: &str) -> String {
    envoy::route::template_regex(template)
}

/// The object that rewrites the paths of a template, whose place a prefix cannot take; `None` where nothing is rewritten so.
fn by_expression(route: &Route, upstream: &Upstream, name: &str, settings: &Settings) -> Option<Json> {
    let base = upstream.address.base.as_str();
    let is_template = matches!(route.matcher.pattern, Pattern::Template(_));
    if !is_template || upstream.provider.is_some() || (route.strip.is_empty() && base.is_empty()) {
        return None;
    }
    let (pattern, substitution) = envoy::route::expressions(&route.strip, base);
    let replaced = json!({"pattern": pattern, "substitution": substitution});
    let spec = json!({"urlRewrite": {"path": {"type": "ReplaceRegexMatch", "replaceRegexMatch": replaced}}});
    Some(settings.place.object(backend::VERSION, "HTTPRouteFilter", name, &spec))
}

/// What is stripped comes off, and the upstream's base before the rest; `None` where neither is.
fn rewrite(route: &Route, upstream: &Upstream) -> Result<Option<Json>, String> {
    let base = upstream.address.base.as_str();
    let host = match (&upstream.address.host, upstream.internal) {
        (crate::policy::upstream::Name::Domain(name), false) if upstream.provider.is_none() => Some(name),
        _ => None,
    };
    let path = if upstream.provider.is_some() || (route.strip.is_empty() && base.is_empty()) {
        None
    } else {
        let literal = route.matcher.pattern.literal();
        let rest = literal.strip_prefix(route.strip.as_str()).unwrap_or(literal);
        let replaced = format!("{base}{rest}");
        let replaced = if replaced.is_empty() { "/".to_owned() } else { replaced };
        match &route.matcher.pattern {
            Pattern::Exact(_) => Some(json!({"type": "ReplaceFullPath", "replaceFullPath": replaced})),
            // That takes an expression, and an object of its own.
            Pattern::Template(_) if host.is_none() => None,
            Pattern::Template(_) => {
                let name = written(route);
                return Err(format!(
                    "`{name}` is a template whose path and host are rewritten, which an HTTPRoute cannot say; use a prefix"
                ));
            }
            Pattern::Any | Pattern::Below(_) | Pattern::AtOrBelow(_) => {
                Some(json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": replaced}))
            }
        }
    };
    let mut rewrite = serde_json::Map::new();
    rewrite.extend(host.map(|host| ("hostname".to_owned(), json!(host))));
    rewrite.extend(path.map(|path| ("path".to_owned(), path)));
    Ok((!rewrite.is_empty()).then(|| rewrite.into()))
}
