//! The policy's routes as `HTTPRoute`s (Gateway API), one or more for each upstream.

use serde_json::{Value as Json, json};

use crate::envoy::{self, set};
use crate::envoygateway::{Settings, backend};
use crate::gateway::written;
use crate::kubernetes;
use crate::policy::header::Content;
use crate::policy::route::COMPOSED;
use crate::policy::upstream::Name;
use crate::policy::{Matcher, Pattern, Policy, Route, Upstream};

/// No more rules are in one route (Gateway API), and no more matches in all of these.
const RULES_MAX: usize = 16;
const MATCHES_MAX: usize = 128;
/// The methods that a match can name.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
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

/// Refuses a match that the API server would refuse.
///
/// # Errors
/// What of it.
pub fn check(route: &Route) -> Result<(), String> {
    let matcher = &route.matcher;
    if let Some(method) = matcher.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return Err(format!("`{}` is for a method, {method}, that an HTTPRoute cannot name", written(route)));
    }
    let is_plain = match &matcher.pattern {
        Pattern::Exact(path) | Pattern::Below(path) | Pattern::AtOrBelow(path) => is_path(path),
        Pattern::Any | Pattern::Template(_) => true,
    };
    if is_plain { Ok(()) } else { Err(format!("`{}` has a path that an HTTPRoute cannot have", written(route))) }
}

/// Whether a match may compare paths with this.
fn is_path(path: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%".contains(c);
    let is_escape = |after: &str| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let is_other = ["//", "/./", "/../", "%2f", "%2F"].iter().any(|part| path.contains(part));
    path.chars().all(fine)
        && path.split('%').skip(1).all(is_escape)
        && !is_other
        && !path.ends_with("/..")
        && !path.ends_with("/.")
}

/// The routes to an upstream, and how they call it.
///
/// # Errors
/// What of a route cannot be said there.
pub fn objects(policy: &Policy, upstream: &Upstream, settings: &Settings) -> Result<Vec<Json>, String> {
    let (mut objects, mut names) = (Vec::new(), Vec::new());
    for (index, group) in groups(policy, &upstream.name.value, &|route| parts(route, upstream)).iter().enumerate() {
        let mut rules = Vec::new();
        let name = format!("{}-{}", kubernetes::named(&upstream.name.value), index + 1);
        for (place, route) in group.routes.iter().enumerate() {
            let filter = by_expression(route, upstream, &format!("{name}-{}", place + 1), settings);
            let matches = matches(&route.matcher);
            for part in matches.chunks(matches.len().div_ceil(parts(route, upstream))) {
                rules.push(rule(policy, route, upstream, part, filter.as_ref())?);
            }
            objects.extend(filter);
        }
        objects.push(object(&name, group.hosts, &rules, settings));
        names.push(name);
    }
    if !names.is_empty() {
        objects.push(backend::traffic(upstream, &names, settings));
    }
    Ok(objects)
}

/// How many rules a route becomes: one that replaces a prefix may have one match alone.
fn parts(route: &Route, upstream: &Upstream) -> usize {
    match rewriting(route, upstream) {
        Rewriting::Prefix(_) => route.matcher.methods.len().max(1),
        _ => 1,
    }
}

/// The routes that a filter answers. Where it does not, nothing is there that could.
pub fn composed(policy: &Policy, settings: &Settings) -> Vec<Json> {
    let name = kubernetes::named(COMPOSED);
    let reference = json!({"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": name});
    let filters = json!([{"type": "ExtensionRef", "extensionRef": reference}]);
    let rule = |route: &&Route| json!({"matches": matches(&route.matcher), "filters": filters});
    let groups = groups(policy, COMPOSED, &|_| 1);
    let routes = groups.iter().enumerate().map(|(index, group)| {
        let rules: Vec<_> = group.routes.iter().map(rule).collect();
        object(&format!("{name}-{}", index + 1), group.hosts, &rules, settings)
    });
    let answer = json!({"directResponse": {"statusCode": 503}});
    let answer =
        (!groups.is_empty()).then(|| settings.place.object(backend::VERSION, "HTTPRouteFilter", &name, &answer));
    routes.chain(answer).collect()
}

/// What becomes one `HTTPRoute`.
struct Group<'p> {
    /// Hosts are a whole route's.
    hosts: &'p [String],
    routes: Vec<&'p Route>,
    rules: usize,
    matches: usize,
}

/// The routes of clients to an upstream, as many in one as may be, where each becomes so many rules.
fn groups<'p>(policy: &'p Policy, upstream: &str, parts: &dyn Fn(&Route) -> usize) -> Vec<Group<'p>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for route in policy.routes.iter().filter(|route| !route.inside && route.upstream.value == upstream) {
        let hosts = route.matcher.hosts.as_slice();
        let (rules, matches) = (parts(route), route.matcher.methods.len().max(1));
        let last = groups.iter_mut().rfind(|group| group.hosts == hosts);
        match last.filter(|group| group.rules + rules <= RULES_MAX && group.matches + matches <= MATCHES_MAX) {
            Some(group) => {
                group.routes.push(route);
                group.rules += rules;
                group.matches += matches;
            }
            None => groups.push(Group { hosts, routes: vec![route], rules, matches }),
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

fn rule(
    policy: &Policy,
    route: &Route,
    upstream: &Upstream,
    matches: &[Json],
    filter: Option<&Json>,
) -> Result<Json, String> {
    let timeout = route.timeout.unwrap_or(upstream.timeout);
    let reference =
        json!({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": kubernetes::named(&upstream.name.value)});
    let mut rule = json!({
        "matches": matches,
        "backendRefs": [reference],
        "timeouts": {"request": kubernetes::duration(timeout.length())},
    });
    let mut filters = Vec::new();
    if let Some(rewrite) = rewrite(route, upstream) {
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

/// What becomes of a path on its way.
enum Rewriting {
    Nothing,
    /// Another path comes in its place.
    Whole(String),
    /// Something else comes in the place of what it begins with.
    Prefix(String),
    /// It is rewritten by an expression, which takes an object of its own.
    Expression,
}

/// What is stripped comes off, and the upstream's base before the rest.
fn rewriting(route: &Route, upstream: &Upstream) -> Rewriting {
    let base = upstream.address.base.as_str();
    if upstream.provider.is_some() || (route.strip.is_empty() && base.is_empty()) {
        return Rewriting::Nothing;
    }
    let literal = route.matcher.pattern.literal();
    let rest = literal.strip_prefix(route.strip.as_str()).unwrap_or(literal);
    let replaced = format!("{base}{rest}");
    let replaced = if replaced.is_empty() { "/".to_owned() } else { replaced };
    match &route.matcher.pattern {
        Pattern::Exact(_) => Rewriting::Whole(replaced),
        Pattern::Template(_) => Rewriting::Expression,
        // A final slash is taken off what comes in a prefix's place there, and this prefix is nothing but that slash.
        Pattern::Any if !base.is_empty() => Rewriting::Expression,
        Pattern::Any | Pattern::Below(_) | Pattern::AtOrBelow(_) => Rewriting::Prefix(replaced),
    }
}

/// The object that rewrites paths by an expression; `None` where nothing is rewritten so.
fn by_expression(route: &Route, upstream: &Upstream, name: &str, settings: &Settings) -> Option<Json> {
    if !matches!(rewriting(route, upstream), Rewriting::Expression) {
        return None;
    }
    let (pattern, substitution) = envoy::route::expressions(&route.strip, &upstream.address.base);
    let replaced = json!({"pattern": pattern, "substitution": substitution});
    let spec = json!({"urlRewrite": {"path": {"type": "ReplaceRegexMatch", "replaceRegexMatch": replaced}}});
    Some(settings.place.object(backend::VERSION, "HTTPRouteFilter", name, &spec))
}

/// What a rule itself says of path and host; `None` where neither is rewritten, or not by it.
fn rewrite(route: &Route, upstream: &Upstream) -> Option<Json> {
    let host = match (&upstream.address.host, upstream.internal) {
        (Name::Domain(name), false) if upstream.provider.is_none() => Some(name),
        _ => None,
    };
    let path = match rewriting(route, upstream) {
        Rewriting::Whole(path) => Some(json!({"type": "ReplaceFullPath", "replaceFullPath": path})),
        Rewriting::Prefix(prefix) => Some(json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix})),
        Rewriting::Nothing | Rewriting::Expression => None,
    };
    let mut rewrite = serde_json::Map::new();
    rewrite.extend(host.map(|host| ("hostname".to_owned(), json!(host))));
    rewrite.extend(path.map(|path| ("path".to_owned(), path)));
    (!rewrite.is_empty()).then(|| rewrite.into())
}
