//! The policy's routes as `HTTPRoute`s (Gateway API), one or more for each upstream.

use serde_json::{Value as Json, json};

use crate::envoy::{self, set};
use crate::envoygateway::entry::Entry;
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

/// The objects of some routes, and what has to be patched of what Envoy Gateway makes of them.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The routes and what they refer to.
    pub objects: Vec<Json>,
    /// Members of Envoy's own actions of them, which no object has a word for.
    pub actions: Vec<Action>,
}

/// A member of the actions of some of Envoy's routes.
#[derive(Debug)]
pub struct Action {
    /// What the names of these routes match.
    pub routes: String,
    /// Its name.
    pub member: &'static str,
    /// What it is there.
    pub value: Json,
}

/// The routes to an upstream, and how they call it.
///
/// # Errors
/// What of a route cannot be said there.
pub fn objects(
    policy: &Policy,
    entries: &[Entry<'_>],
    upstream: &Upstream,
    settings: &Settings,
) -> Result<Rendered, String> {
    let (mut rendered, mut names) = (Rendered::default(), Vec::new());
    let own = |entry: &&Entry<'_>| entry.route.is_some_and(|route| route.upstream.value == upstream.name.value);
    let parts = |entry: &Entry<'_>| entry.route.map_or(1, |route| parts(entry, route, upstream));
    for (index, group) in groups(entries.iter().filter(own), &parts).iter().enumerate() {
        let (mut rules, mut actions) = (Vec::new(), Vec::new());
        let name = format!("{}-{}", kubernetes::named(&upstream.name.value), index + 1);
        for (place, entry) in group.entries.iter().enumerate() {
            let (Some(route), Some(matcher)) = (entry.route, entry.matcher()) else { continue };
            let rewriting = rewriting(matcher, route, upstream);
            let filter = by_expression(&rewriting, route, upstream, &format!("{name}-{}", place + 1), settings);
            let all = matches(matcher);
            for part in all.chunks(all.len().div_ceil(parts(entry))) {
                actions.extend(action(route, upstream).into_iter().map(|(member, value)| (rules.len(), member, value)));
                rules.push(rule(policy, route, upstream, part, &rewriting, filter.as_ref())?);
            }
            rendered.objects.extend(filter);
        }
        rendered.actions.extend(together(&name, rules.len(), actions, settings));
        rendered.objects.push(object(&name, group.hosts, &rules, settings));
        names.push(name);
    }
    if !names.is_empty() {
        rendered.objects.extend(backend::traffic(upstream, &names, settings));
    }
    Ok(rendered)
}

/// How many rules an entry becomes: one that replaces a prefix may have one match alone.
fn parts(entry: &Entry<'_>, route: &Route, upstream: &Upstream) -> usize {
    match entry.matcher().map(|matcher| rewriting(matcher, route, upstream)) {
        Some(Rewriting::Prefix(_)) => route.matcher.methods.len().max(1),
        _ => 1,
    }
}

/// What Envoy is to do with requests of a route that is beyond objects: what it sends once more, and under which name it calls a third
/// party that has more of one than a host. Of a provider, it is said where requests are the provider's own.
fn action(route: &Route, upstream: &Upstream) -> Vec<(&'static str, Json)> {
    if upstream.provider.is_some() {
        return Vec::new();
    }
    let mut members = Vec::new();
    let retries = envoy::route::retries(upstream, route.timeout.unwrap_or(upstream.timeout));
    members.extend(retries.map(|policy| ("retry_policy", policy)));
    if !upstream.internal {
        match &upstream.address.host {
            Name::Domain(name) if *name == upstream.address.authority() => {}
            _ => members.push(("host_rewrite_literal", json!(upstream.address.authority()))),
        }
        // Envoy Gateway hands on the host that the client has asked for.
        members.push(("append_x_forwarded_host", json!(false)));
    }
    members
}

/// What is the same of several rules of a route, said once.
fn together(name: &str, rules: usize, actions: Vec<(usize, &'static str, Json)>, settings: &Settings) -> Vec<Action> {
    let mut same: Vec<(Vec<usize>, &'static str, Json)> = Vec::new();
    for (rule, member, value) in actions {
        match same.iter_mut().find(|(_, other, what)| *other == member && *what == value) {
            Some((places, ..)) => places.push(rule),
            None => same.push((vec![rule], member, value)),
        }
    }
    let routes = |places: &[usize]| {
        let numbers: Vec<_> = places.iter().map(ToString::to_string).collect();
        let numbers = if places.len() == rules { "[0-9]+".to_owned() } else { format!("({})", numbers.join("|")) };
        format!("^httproute/{}/{name}/rule/{numbers}/match/", settings.place.namespace)
    };
    same.into_iter().map(|(places, member, value)| Action { routes: routes(&places), member, value }).collect()
}

/// What the names of the objects of answers end in that no upstream gives: no upstream's name has a dot.
const NOWHERE: &str = "not.found";

/// The routes that a filter answers, where there is nothing that could, and those that lead nowhere.
pub fn answered(entries: &[Entry<'_>], settings: &Settings) -> Vec<Json> {
    let composed = |entry: &&Entry<'_>| entry.route.is_some_and(|route| route.compose.is_some());
    let lost = |entry: &&Entry<'_>| entry.route.is_none();
    let mut objects = answering(COMPOSED, 503, entries.iter().filter(composed), settings);
    objects.extend(answering(NOWHERE, 404, entries.iter().filter(lost), settings));
    objects
}

fn answering<'e, 'p: 'e>(
    name: &str,
    status: u16,
    entries: impl Iterator<Item = &'e Entry<'p>>,
    settings: &Settings,
) -> Vec<Json> {
    let name = kubernetes::named(name);
    let reference = json!({"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": name});
    let filters = json!([{"type": "ExtensionRef", "extensionRef": reference}]);
    let rule = |matcher: &Matcher| json!({"matches": matches(matcher), "filters": filters});
    let groups = groups(entries, &|_| 1);
    let routes = groups.iter().enumerate().map(|(index, group)| {
        let rules: Vec<_> = group.entries.iter().filter_map(|entry| entry.matcher()).map(rule).collect();
        object(&format!("{name}-{}", index + 1), group.hosts, &rules, settings)
    });
    let answer = json!({"directResponse": {"statusCode": status}});
    let answer =
        (!groups.is_empty()).then(|| settings.place.object(backend::VERSION, "HTTPRouteFilter", &name, &answer));
    routes.chain(answer).collect()
}

/// What becomes one `HTTPRoute`.
struct Group<'e, 'p> {
    /// Hosts are a whole route's.
    hosts: &'e [String],
    entries: Vec<&'e Entry<'p>>,
    rules: usize,
    matches: usize,
}

/// These entries, as many in one as may be, where each becomes so many rules.
fn groups<'e, 'p: 'e>(
    entries: impl Iterator<Item = &'e Entry<'p>>,
    parts: &dyn Fn(&Entry<'_>) -> usize,
) -> Vec<Group<'e, 'p>> {
    let mut groups: Vec<Group<'e, 'p>> = Vec::new();
    for entry in entries {
        let hosts = entry.hosts.as_slice();
        let methods = entry.matcher().map_or(0, |matcher| matcher.methods.len());
        let (rules, matches) = (parts(entry), methods.max(1));
        let last = groups.iter_mut().rfind(|group| group.hosts == hosts);
        match last.filter(|group| group.rules + rules <= RULES_MAX && group.matches + matches <= MATCHES_MAX) {
            Some(group) => {
                group.entries.push(entry);
                group.rules += rules;
                group.matches += matches;
            }
            None => groups.push(Group { hosts, entries: vec![entry], rules, matches }),
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
    rewriting: &Rewriting,
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
    if let Some(rewrite) = rewrite(rewriting, upstream) {
        filters.push(json!({"type": "URLRewrite", "urlRewrite": rewrite}));
    }
    if let Some(filter) = filter {
        let reference = json!({"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": filter.pointer("/metadata/name")});
        filters.push(json!({"type": "ExtensionRef", "extensionRef": reference}));
    }
    let added = upstream.headers.iter().filter_map(|header| match &header.value {
        // Envoy Gateway hands values on as they are, and Envoy looks for commands in them.
        Content::Literal(text) => Some(json!({"name": header.name, "value": envoy::literal(text)})),
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
        // One that ends in a slash matches the path without it, too, which therefore has entries of its own.
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
fn rewriting(matcher: &Matcher, route: &Route, upstream: &Upstream) -> Rewriting {
    let base = upstream.address.base.as_str();
    if upstream.provider.is_some() || (route.strip.is_empty() && base.is_empty()) {
        return Rewriting::Nothing;
    }
    let literal = matcher.pattern.literal();
    let rest = literal.strip_prefix(route.strip.as_str()).unwrap_or(literal);
    let replaced = format!("{base}{rest}");
    let replaced = if replaced.is_empty() { "/".to_owned() } else { replaced };
    match &matcher.pattern {
        Pattern::Exact(_) => Rewriting::Whole(replaced),
        Pattern::Template(_) => Rewriting::Expression,
        // A final slash is taken off what comes in a prefix's place there, and this prefix is nothing but that slash.
        Pattern::Any if !base.is_empty() => Rewriting::Expression,
        Pattern::Any | Pattern::Below(_) | Pattern::AtOrBelow(_) => Rewriting::Prefix(replaced),
    }
}

/// The object that rewrites paths by an expression; `None` where nothing is rewritten so.
fn by_expression(
    rewriting: &Rewriting,
    route: &Route,
    upstream: &Upstream,
    name: &str,
    settings: &Settings,
) -> Option<Json> {
    if !matches!(rewriting, Rewriting::Expression) {
        return None;
    }
    let (pattern, substitution) = envoy::route::expressions(&route.strip, &upstream.address.base);
    let replaced = json!({"pattern": pattern, "substitution": substitution});
    let spec = json!({"urlRewrite": {"path": {"type": "ReplaceRegexMatch", "replaceRegexMatch": replaced}}});
    Some(settings.place.object(backend::VERSION, "HTTPRouteFilter", name, &spec))
}

/// What a rule itself says of path and host; `None` where neither is rewritten, or not by it.
fn rewrite(rewriting: &Rewriting, upstream: &Upstream) -> Option<Json> {
    let host = match (&upstream.address.host, upstream.internal) {
        (Name::Domain(name), false) if upstream.provider.is_none() => Some(name),
        _ => None,
    };
    let path = match rewriting {
        Rewriting::Whole(path) => Some(json!({"type": "ReplaceFullPath", "replaceFullPath": path})),
        Rewriting::Prefix(prefix) => Some(json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix})),
        Rewriting::Nothing | Rewriting::Expression => None,
    };
    let mut rewrite = serde_json::Map::new();
    rewrite.extend(host.map(|host| ("hostname".to_owned(), json!(host))));
    rewrite.extend(path.map(|path| ("path".to_owned(), path)));
    (!rewrite.is_empty()).then(|| rewrite.into())
}
