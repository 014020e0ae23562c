//! The route table: the policy's routes in the policy's order, matched as [`policy::Match`] matches.

use policy::handover::{header, state};
use serde_json::{Value as Json, json};

use crate::envoy::listener::Side;
use crate::envoy::{Plan, duration, filter, guard, literal, operation, set};
use crate::policy::header::{Content, Header};
use crate::policy::slowdown::SlowDown;
use crate::policy::upstream::Retry;
use crate::policy::{Matcher, Pattern, Policy, Route, Upstream};
use crate::translate::{breaker, cache, compose, guard as bodies, provider, ratelimit};

/// All routes.
pub fn table(plan: &Plan<'_>, side: Side) -> Vec<Json> {
    let rewritten = departures(plan.policy).into_iter().map(|(_, entry)| entry);
    let routes = plan.policy.routes.iter().flat_map(|route| match side {
        Side::Outer if route.inside => vec![closed(plan, route)],
        Side::Outer if route.compose.is_some() => vec![composed(plan, route)],
        // A composition whose calls led to itself would have no end.
        Side::Inner if route.compose.is_some() => Vec::new(),
        Side::Outer | Side::Inner => of_route(plan, route),
    });
    let operation = if side == Side::Outer { operation::routes(plan.policy) } else { Vec::new() };
    let preflight = if side == Side::Outer { guard::preflight(plan) } else { None };
    rewritten.chain(operation).chain(preflight).chain(routes).collect()
}

/// A route of the proxy's own calls, as a client finds it: there is no such thing, and no filter hears of it.
fn closed(plan: &Plan<'_>, route: &Route) -> Json {
    let names: Vec<_> = plan.filters.iter().map(|filter| filter.name).filter(|name| *name != "correlation").collect();
    answered(route, 404, &names)
}

/// A route that the compose filter answers. Where it does not, nothing is there that could.
fn composed(plan: &Plan<'_>, route: &Route) -> Json {
    let mut entry = answered(route, 503, &idle(plan, route));
    if let (Some(action), Some(members)) = (guard::nowhere(plan.policy), entry.as_object_mut()) {
        members.remove("direct_response");
        members.insert("route".to_owned(), action);
    }
    entry
}

/// A route that leads nowhere.
fn answered(route: &Route, status: u16, idle: &[&str]) -> Json {
    let mut entry = json!({"match": conditions(&route.matcher), "direct_response": {"status": status}});
    set(&mut entry, "typed_per_filter_config", filter::switched_off(idle));
    entry
}

/// The routes of requests that have become a third party's own, each with the name of the upstream.
pub(crate) fn departures(policy: &Policy) -> Vec<(&str, Json)> {
    let hidden = policy.upstreams.iter().filter(|upstream| upstream.provider.is_some());
    hidden.map(|upstream| (upstream.name.value.as_str(), departure(upstream))).collect()
}

/// A route to its upstream. Before it, where another upstream may stand in, one to that: it matches what the breaker filter
/// says so of, which no client can say, and which has Envoy look for a route once more.
fn of_route(plan: &Plan<'_>, route: &Route) -> Vec<Json> {
    let Some(upstream) = plan.policy.upstream(&route.upstream.value) else { return Vec::new() };
    let diverted = diversion(plan, route).map(|(_, entry)| entry);
    diverted.into_iter().chain([render(plan, route, upstream)]).collect()
}

/// The route to what stands in for a route's upstream, with the name of that; `None` where nothing does.
pub(crate) fn diversion<'p>(plan: &Plan<'p>, route: &Route) -> Option<(&'p str, Json)> {
    let upstream = plan.policy.upstream(&route.upstream.value)?;
    let other = plan.policy.upstream(&upstream.fallback.upstream.as_ref()?.value)?;
    let mut entry = render(plan, route, other);
    let said = json!([{"key": format!("wasm.{}", state::FALLBACK), "string_match": {"exact": other.name.value}}]);
    if let Some(conditions) = entry.get_mut("match") {
        set(conditions, "filter_state", said);
    }
    Some((other.name.value.as_str(), entry))
}

/// The route of requests that the provider filter has made a third party's own. Envoy chooses a route anew where a filter has
/// changed a path; a client cannot choose this one, which goes by what only a filter can say.
fn departure(upstream: &Upstream) -> Json {
    let key = format!("wasm.{}", state::PROVIDER);
    let said = json!([{"key": key, "string_match": {"exact": upstream.name.value}}]);
    let action = action(upstream, upstream.timeout, Rewrite::None);
    // The filter has left nothing of the client but this, which Envoy itself needed until here to find a route.
    leaving(json!({"match": {"prefix": "/", "filter_state": said}, "route": action}), upstream, &["x-forwarded-proto"])
}

fn render(plan: &Plan<'_>, route: &Route, upstream: &Upstream) -> Json {
    let timeout = route.timeout.unwrap_or(upstream.timeout);
    let rewrite = match upstream.provider {
        // The filter rewrites it as a whole.
        Some(_) => Rewrite::None,
        None => rewrite(&route.matcher.pattern, &route.strip, &upstream.address.base),
    };
    let action = action(upstream, timeout, rewrite);
    let entry = json!({"match": conditions(&route.matcher), "route": action});
    let mut entry = leaving(entry, upstream, &removed(plan.policy, upstream));
    let idle = idle(plan, route);
    if !idle.is_empty() {
        set(&mut entry, "typed_per_filter_config", filter::switched_off(&idle));
    }
    entry
}

/// The filters that have nothing to do with a route.
fn idle(plan: &Plan<'_>, route: &Route) -> Vec<&'static str> {
    let mut idle = Vec::new();
    if ratelimit::has_front(plan.policy) && !ratelimit::is_fronted(plan.policy, route) {
        idle.push(ratelimit::FRONT);
    }
    let hides = plan.filters.iter().any(|filter| filter.name == "provider");
    for (name, concerned) in [
        ("admin", plan.policy.operation.is_none()),
        ("ratelimit", ratelimit::concerns(plan.policy, route)),
        (bodies::BODIES, bodies::reads(route) || !plan.filters.iter().any(|filter| filter.name == bodies::BODIES)),
        ("cache", cache::concerns(plan.policy, route)),
        ("quota", ratelimit::has_quota(plan.policy, route)),
        ("breaker", breaker::concerns(plan.policy, route)),
        (provider::INPUT, !hides || provider::concerns(plan.policy, route)),
        ("provider", !hides || provider::concerns(plan.policy, route)),
    ] {
        if !concerned {
            idle.push(name);
        }
    }
    if route.compose.is_none() && plan.filters.iter().any(|filter| filter.name == compose::NAME) {
        idle.push(compose::NAME);
    }
    idle
}

/// Where a request goes, as what, and how patiently.
fn action(upstream: &Upstream, timeout: policy::Period, rewrite: Rewrite) -> Json {
    let mut action = json!({"cluster": upstream.name.value, "timeout": duration(timeout)});
    match rewrite {
        Rewrite::None => {}
        Rewrite::Prefix(prefix) => set(&mut action, "prefix_rewrite", prefix),
        Rewrite::Regex { pattern, substitution } => {
            set(&mut action, "regex_rewrite", json!({"pattern": {"regex": pattern}, "substitution": substitution}));
        }
    }
    if !upstream.internal {
        set(&mut action, "host_rewrite_literal", upstream.address.authority());
    }
    if let Some(policy) = retries(upstream, timeout) {
        set(&mut action, "retry_policy", policy);
    }
    action
}

/// What is sent once more to an upstream, when and how often, where an answer may take so long; `None` where nothing is.
pub(crate) fn retries(upstream: &Upstream, timeout: policy::Period) -> Option<Json> {
    upstream.retry.as_ref().map(|policy| retry(policy, timeout, upstream.slow_down.as_ref()))
}

/// What changes of a request's headers on its way out.
fn leaving(mut entry: Json, upstream: &Upstream, removed: &[&str]) -> Json {
    if !removed.is_empty() {
        set(&mut entry, "request_headers_to_remove", removed);
    }
    if !upstream.headers.is_empty() {
        set(&mut entry, "request_headers_to_add", upstream.headers.iter().map(added).collect::<Json>());
    }
    entry
}

/// What a third party must not learn: the caller's credentials, name and address.
pub(crate) fn removed<'a>(policy: &'a Policy, upstream: &Upstream) -> Vec<&'a str> {
    if upstream.internal {
        return Vec::new();
    }
    let known = [header::USER, header::TIER, header::ROLES, header::API_KEY];
    let mut private = vec!["authorization", "cookie", "x-forwarded-for"];
    private.extend(known);
    let more = policy.identity.iter().flat_map(|identity| identity.headers.iter().map(String::as_str));
    private.extend(more.filter(|name| *name != "authorization"));
    let set = |name: &&str| upstream.headers.iter().any(|header| header.name == **name);
    private.into_iter().filter(|name| !set(name)).collect()
}

fn added(header: &Header) -> Json {
    let value = match &header.value {
        Content::Literal(text) => literal(text),
        Content::Variable(name) => format!("%ENVIRONMENT({name})%"),
    };
    json!({"header": {"key": header.name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
}

fn conditions(matcher: &Matcher) -> Json {
    let mut conditions = match &matcher.pattern {
        Pattern::Any => json!({"prefix": "/"}),
        Pattern::Exact(path) => json!({"path": path}),
        Pattern::Below(prefix) => json!({"prefix": prefix}),
        Pattern::AtOrBelow(prefix) => json!({"path_separated_prefix": prefix}),
        Pattern::Template(template) => json!({"safe_regex": {"regex": template_regex(template)}}),
    };
    let mut headers = Vec::new();
    match matcher.methods.as_slice() {
        [] => {}
        [method] => headers.push(json!({"name": ":method", "string_match": {"exact": method}})),
        methods => headers.push(regex_header(":method", &methods.join("|"))),
    }
    if !matcher.hosts.is_empty() {
        let hosts: Vec<String> = matcher.hosts.iter().map(|host| host_regex(host)).collect();
        headers.push(regex_header(":authority", &format!("(?i)({})(:[0-9]*)?", hosts.join("|"))));
    }
    for (name, value) in &matcher.headers {
        headers.push(json!({"name": name, "string_match": {"exact": value}}));
    }
    if !headers.is_empty() {
        set(&mut conditions, "headers", headers);
    }
    conditions
}

fn regex_header(name: &str, regex: &str) -> Json {
    json!({"name": name, "string_match": {"safe_regex": {"regex": regex}}})
}

fn host_regex(host: &str) -> String {
    match host.strip_prefix('*') {
        Some(suffix) => format!(".+{}", escaped(suffix)),
        None => escaped(host),
    }
}

/// Envoy compares a `safe_regex` with the whole path.
pub(crate) fn template_regex(template: &str) -> String {
    let segment = |part: &str| if part.starts_with('{') { "[^/]+".to_owned() } else { escaped(part) };
    let segments = |template: &str| template.split('/').map(segment).collect::<Vec<_>>().join("/");
    template.strip_suffix("/*").map_or_else(|| segments(template), |base| segments(base) + "/.*")
}

/// Text as RE2 matches it literally.
fn escaped(text: &str) -> String {
    let mut regex = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '/' | '_' | '-') {
            regex.push('\\');
        }
        regex.push(c);
    }
    regex
}

#[derive(Debug, Eq, PartialEq)]
enum Rewrite {
    None,
    /// The matched path or prefix becomes this.
    Prefix(String),
    Regex {
        pattern: String,
        substitution: String,
    },
}

/// How `strip` comes off and `base` is put in its place.
fn rewrite(pattern: &Pattern, strip: &str, base: &str) -> Rewrite {
    if strip.is_empty() && base.is_empty() {
        return Rewrite::None;
    }
    let matched = match pattern {
        Pattern::Exact(path) | Pattern::Below(path) | Pattern::AtOrBelow(path) => path.as_str(),
        Pattern::Any => "/",
        Pattern::Template(_) => return by_regex(strip, base),
    };
    let rest = matched.strip_prefix(strip).unwrap_or(matched);
    match (format!("{base}{rest}"), pattern) {
        // What follows begins with a slash, which an empty prefix would leave alone but Envoy does not accept.
        (prefix, Pattern::AtOrBelow(_)) if prefix.is_empty() => by_regex(strip, base),
        (prefix, _) if prefix.is_empty() => Rewrite::Prefix("/".to_owned()),
        (prefix, _) => Rewrite::Prefix(prefix),
    }
}

fn by_regex(strip: &str, base: &str) -> Rewrite {
    let (pattern, substitution) = expressions(strip, base);
    Rewrite::Regex { pattern, substitution }
}

/// What is looked for at the beginning of a path, and what is put in its place.
pub(crate) fn expressions(strip: &str, base: &str) -> (String, String) {
    (format!("^{}/?", escaped(strip)), format!("{base}/").replace('\\', r"\\"))
}

/// No status is retried by which the upstream asks to be left alone: to send the same request again would not be that,
/// and the filter would hear of it only after the last try.
fn retry(retry: &Retry, timeout: policy::Period, slow_down: Option<&SlowDown>) -> Json {
    let heeded = slow_down.map(|slow_down| slow_down.statuses.as_slice()).unwrap_or_default();
    // To wait for longer than the request may take is to answer 504 instead of what the upstream said.
    let patience = policy::Period::of(timeout.length() / 2);
    let methods = retry.methods.join("|");
    let statuses: Vec<_> = retry.statuses.iter().filter(|status| !heeded.contains(status)).collect();
    // The first stands for 502, 503 and 504, which `statuses` names where they are to be tried again.
    let retry_on = "gateway-error,reset,connect-failure,refused-stream,retriable-status-codes";
    let retry_on = if heeded.contains(&503) { retry_on.trim_start_matches("gateway-error,") } else { retry_on };
    let mut resets = vec![json!({"name": "retry-after", "format": "SECONDS"})];
    if slow_down.is_some_and(|slow_down| !slow_down.headers.is_empty()) {
        // Seconds or a moment, it is not said which: a moment is no patience's number of seconds, and seconds are a moment long gone.
        let formats = ["SECONDS", "UNIX_TIMESTAMP"];
        resets.extend(formats.map(|format| json!({"name": "x-ratelimit-reset", "format": format})));
    }
    json!({
        "retry_on": retry_on,
        "num_retries": retry.times,
        "per_try_timeout": duration(retry.per_try),
        "retriable_status_codes": statuses,
        "retriable_request_headers": [regex_header(":method", &methods)],
        "retry_back_off": {"base_interval": duration(retry.wait), "max_interval": duration(retry.longest_wait)},
        "rate_limited_retry_back_off": {
            "reset_headers": resets,
            "max_interval": duration(retry.longest_wait.min(patience)),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstreams_base_takes_the_place_of_what_is_stripped() {
        let prefix = |text: &str| Rewrite::Prefix(text.to_owned());
        let regex =
            |pattern: &str, text: &str| Rewrite::Regex { pattern: pattern.to_owned(), substitution: text.to_owned() };
        let below = Pattern::Below("/api/spotify/".into());
        let at = Pattern::AtOrBelow("/api/x".into());
        let exact = Pattern::Exact("/api/x".into());
        let template = Pattern::Template("/api/x/{id}".into());
        for (pattern, strip, base, expected) in [
            (&below, "", "", Rewrite::None),
            (&below, "/api/spotify", "/v1", prefix("/v1/")),
            (&below, "/api/spotify", "", prefix("/")),
            (&below, "", "/v1", prefix("/v1/api/spotify/")),
            (&below, "/api", "/v1", prefix("/v1/spotify/")),
            (&at, "/api/x", "/v1", prefix("/v1")),
            (&at, "/api/x", "", regex("^/api/x/?", "/")),
            (&exact, "/api/x", "/2.0", prefix("/2.0")),
            (&exact, "/api/x", "", prefix("/")),
            (&template, "/api", "/v1", regex("^/api/?", "/v1/")),
            (&template, "", "/v1", regex("^/?", "/v1/")),
            (&Pattern::Any, "", "/v1", prefix("/v1/")),
        ] {
            assert_eq!(rewrite(pattern, strip, base), expected, "{pattern:?} {strip} {base}");
        }
    }

    #[test]
    fn a_template_is_a_regex_of_whole_segments() {
        assert_eq!(template_regex("/a.b/{id}/c"), r"/a\.b/[^/]+/c");
        assert_eq!(template_regex("/a/{id}/c/*"), "/a/[^/]+/c/.*");
        assert_eq!(host_regex("*.a.example"), r".+\.a\.example");
    }
}
