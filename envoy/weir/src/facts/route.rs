//! Where Envoy sends a request, as what, and how patiently.

use policy::Headers;
use policy::route::without_query;
use serde_json::{Map, Value as Json};

use crate::policy::header::{Content, is_credential};
use crate::policy::upstream::Retry;
use crate::policy::{Policy, Route, Upstream};

/// A line for each thing that Envoy does with a request.
pub fn says(policy: &Policy, route: &Route, headers: &Headers) -> Vec<String> {
    let Some(upstream) = policy.upstream(&route.upstream.value) else { return Vec::new() };
    let mut lines = vec![format!("to `{}` at {}", upstream.name.value, place(upstream))];
    if upstream.provider.is_none() {
        lines.push(format!("as {}", path(route, upstream, headers)));
    }
    let timeout = route.timeout.unwrap_or(upstream.timeout);
    let (connect, pool) = (upstream.connect_timeout, upstream.pool);
    lines.push(format!(
        "within {timeout} ({connect} to connect), {} connections, {} waiting, {} under way at most",
        pool.connections, pool.pending, pool.requests
    ));
    lines.push(upstream.retry.as_ref().map_or_else(|| "without retries".to_owned(), retries));
    let open = upstream.headers.iter().filter_map(|header| match &header.value {
        Content::Literal(_) if is_credential(&header.name) => None,
        Content::Literal(text) => Some(format!("{}: {text}", header.name)),
        Content::Variable(name) => Some(format!("{}: ${name}", header.name)),
    });
    let open: Vec<_> = open.collect();
    if !open.is_empty() {
        lines.push(format!("with {}", open.join(", ")));
    }
    let told = if upstream.internal { "who calls, and what the client has sent" } else { "nothing of who calls" };
    lines.push(format!("which learns {told}"));
    if let Some(stale) = &upstream.fallback.stale {
        lines.push(format!(
            "stored answers stand in for it, stale for up to {}",
            stale.to_json().as_str().unwrap_or_default()
        ));
    }
    lines
}

/// The credentials that stand in the policy as they are, without their values, and with them.
pub fn secrets(policy: &Policy, route: &Route) -> Option<(String, Json)> {
    let secret = policy.upstream(&route.upstream.value)?.headers.iter().filter_map(|header| match &header.value {
        Content::Literal(text) if is_credential(&header.name) => Some((header.name.clone(), text.as_str().into())),
        _ => None,
    });
    let secret: Map<String, Json> = secret.collect();
    let names: Vec<_> = secret.keys().map(|name| format!("`{name}`")).collect();
    (!secret.is_empty()).then(|| (format!("with a credential in {}, not shown", names.join(", ")), secret.into()))
}

fn place(upstream: &Upstream) -> String {
    let address = &upstream.address;
    format!("{}://{}", if address.tls { "https" } else { "http" }, address.authority())
}

/// The path that leaves: what is stripped comes off, and the upstream's own base before the rest.
pub fn path(route: &Route, upstream: &Upstream, headers: &Headers) -> String {
    let whole = String::from_utf8_lossy(headers.first(":path").unwrap_or_default()).into_owned();
    let (path, query) = whole.split_at(without_query(whole.as_bytes()).len());
    let rest = path.strip_prefix(route.strip.as_str()).unwrap_or(path);
    let path = format!("{}{rest}", upstream.address.base);
    format!("{}{query}", if path.is_empty() { "/" } else { &path })
}

fn retries(retry: &Retry) -> String {
    let statuses: Vec<_> = retry.statuses.iter().map(u64::to_string).collect();
    format!(
        "{} retries of {} on {}, {} each, after {} to {}, {} % of the requests under way at most",
        retry.times,
        retry.methods.join("/"),
        statuses.join("/"),
        retry.per_try,
        retry.wait,
        retry.longest_wait,
        retry.budget
    )
}
