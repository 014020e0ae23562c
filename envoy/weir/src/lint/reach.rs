//! What is never reached: routes behind others, upstreams, permissions and tiers that nothing leads to.

use auth::source::Place;
use policy::handover::header;
use policy::route::Target;
use std::net::IpAddr;

use crate::code::Code;
use crate::diagnostic::Mistakes;
use crate::envoy::path::{self, Refused};
use crate::gateway::{Gateway, written};
use crate::policy::sample::{self, Sample};
use crate::policy::upstream::Name;
use crate::policy::{Pattern, Policy, Route};

/// Headers that filters set or take off, whatever a client sends.
const OURS: [&str; 9] = [
    header::REQUEST_ID,
    header::CORRELATION_ID,
    header::USER,
    header::TIER,
    header::ROLES,
    header::API_KEY,
    header::REFRESH,
    header::AGAIN,
    header::PART_OF,
];

/// Looks for what nothing leads to.
pub fn look(gateway: &Gateway<'_>, found: &mut Mistakes) {
    let policy = gateway.policy;
    let depth = sample::depth(policy.routes.iter().map(|route| &route.matcher));
    for (index, route) in policy.routes.iter().enumerate() {
        let earlier = policy.routes.get(..index).unwrap_or_default();
        let is_lost = is_misspelled(route, found)
            || is_answered(gateway, route, depth, found)
            || is_unreachable(route, earlier, depth, found);
        wildcard(route, found);
        changed_header(gateway, route, found);
        if !is_lost {
            note_crossings(route, earlier, depth, found);
        }
    }
    unused_upstreams(policy, found);
    own_address(policy, found);
    unused_permissions(policy, found);
    unused_tiers(policy, found);
}

/// Notes a route whose path is no request's when Envoy looks for a route.
fn is_misspelled(route: &Route, found: &mut Mistakes) -> bool {
    let (why, fix) = match respelled(&route.matcher.pattern) {
        Ok(None) => return false,
        Ok(Some(spelling)) => {
            ("no path is spelled so once Envoy has normalised it".to_owned(), format!("spell the path `{spelling}`"))
        }
        Err(refused) => (format!("Envoy answers 400 to a path with {}", refused.what()), "take it out".to_owned()),
    };
    let wrong = format!("`{}` is never reached: {why}", written(route));
    found.add_as(Code::OtherSpelling, &route.span, wrong, fix);
    true
}

/// What is asked for, as Envoy spells it; `None` where it is spelled so already.
fn respelled(pattern: &Pattern) -> Result<Option<String>, Refused> {
    let Pattern::Template(template) = pattern else {
        let path = pattern.literal();
        return Ok(Some(path::normalised(path)?).filter(|spelling| spelling != path));
    };
    // In the place of a variable is its number behind what the rest has nowhere, which every spelling keeps.
    let mut mark = "~".to_owned();
    while template.contains(&mark) {
        mark.push('~');
    }
    let mut variables = Vec::new();
    let numbered = template.split('/').map(|part| {
        if !part.starts_with('{') {
            return part.to_owned();
        }
        variables.push(part);
        format!("{mark}{}", variables.len())
    });
    let numbered = numbered.collect::<Vec<_>>().join("/");
    let spelling = path::normalised(&numbered)?;
    let variable = |part: &str| {
        let number = part.strip_prefix(&mark)?.parse::<usize>().ok()?;
        variables.get(number.checked_sub(1)?).copied()
    };
    let parts = spelling.split('/').map(|part| variable(part).unwrap_or(part));
    Ok((spelling != numbered).then(|| parts.collect::<Vec<_>>().join("/")))
}

/// Notes what other routers take for a variable.
fn wildcard(route: &Route, found: &mut Mistakes) {
    let path = match &route.matcher.pattern {
        Pattern::Template(template) => template,
        pattern => pattern.literal(),
    };
    let is_meant = |part: &&str| part.strip_prefix(':').is_some_and(|name| !name.is_empty());
    if let Some(part) = path.split('/').find(is_meant) {
        let wrong = format!("`{part}` of `{}` stands for nothing but itself", written(route));
        let fix = "say `{name}` for a segment that may be anything";
        found.add_as(Code::LiteralWildcard, &route.span, wrong, fix);
    }
}

/// Notes a route that goes by what is another one on the way: Envoy looks for it before any filter, and each filter when the
/// request comes to it. An answer of one route would be kept as another's.
fn changed_header(gateway: &Gateway<'_>, route: &Route, found: &mut Mistakes) {
    let auth = &gateway.auth;
    let taken_off = auth.sources.iter().filter(|source| !source.forward).filter_map(|source| match source.place {
        Place::Header => Some(source.name.as_str()),
        Place::Cookie => Some("cookie"),
        Place::Query => None,
    });
    let set = auth.attributes.iter().map(|attribute| attribute.header.as_str());
    let changed: Vec<_> = taken_off.chain(set).chain(OURS).collect();
    let is_changed = |name: &str| changed.iter().any(|other| other.eq_ignore_ascii_case(name));
    if let Some((name, _)) = route.matcher.headers.iter().find(|(name, _)| is_changed(name)) {
        // What the header has to say may be a secret.
        let wrong = format!("this route goes by `{name}`, which filters set or take off");
        let fix = "go by another header, by the path or by the host";
        found.add_as(Code::ChangedHeader, &route.span, wrong, fix);
    }
}

/// Notes a route for what the proxy answers itself, and says whether nothing is left for it. One for every path, which has no
/// sample there, is meant for the rest.
fn is_answered(gateway: &Gateway<'_>, route: &Route, depth: usize, found: &mut Mistakes) -> bool {
    let is_own = |sample: &Sample| !route.inside && gateway.own(&Target::of(&sample.to_headers())).is_some();
    let (own, left): (Vec<_>, Vec<_>) = sample::all(&route.matcher, depth).into_iter().partition(is_own);
    let Some(one) = own.first() else { return false };
    let (route, span) = (written(route), &route.span);
    if left.is_empty() {
        let wrong = format!("`{route}` is never reached: the proxy answers it itself");
        found.add_as(Code::OwnAnswer, span, wrong, "take it out, say another path, or take `admin` out");
    } else {
        let wrong = format!("`{route}` does not get `{}`, which the proxy answers itself", one.shown());
        found.add_as(Code::OwnAnswer, span, wrong, "name the methods that are left, or say another path");
    }
    left.is_empty()
}

/// Whether one route can take another's requests: what is composed answers clients, and leaves the proxy's own calls alone.
const fn competes(other: &Route, route: &Route) -> bool {
    other.compose.is_none() || !route.inside
}

/// Notes a route of whose requests earlier ones take all.
fn is_unreachable(route: &Route, earlier: &[Route], depth: usize, found: &mut Mistakes) -> bool {
    let taker = |sample: &Sample| earlier.iter().find(|other| competes(other, route) && sample.is_of(&other.matcher));
    let mut takers: Vec<String> = Vec::new();
    for sample in sample::all(&route.matcher, depth) {
        let Some(taker) = taker(&sample) else { return false };
        let name = written(taker);
        if !takers.contains(&name) {
            takers.push(name);
        }
    }
    let (takers, them) = (takers.join("` and `"), if takers.len() == 1 { "it" } else { "them" });
    let wrong = format!("`{}` is never reached: `{takers}` takes all of its requests", written(route));
    found.add_as(Code::UnreachableRoute, &route.span, wrong, format!("put this route before {them}, or take it out"));
    true
}

/// Notes each earlier route that takes some of a route's requests, but is no narrower one: a special case before the general
/// one is what order is for.
fn note_crossings(route: &Route, earlier: &[Route], depth: usize, found: &mut Mistakes) {
    for other in earlier.iter().filter(|other| competes(other, route)) {
        let narrower = sample::all(&other.matcher, depth).iter().all(|sample| sample.is_of(&route.matcher));
        if narrower {
            continue;
        }
        if let Some(both) = sample::of_both(&route.matcher, &other.matcher, depth).first() {
            let wrong =
                format!("`{}` does not get `{}`, which `{}` takes", written(route), both.shown(), written(other));
            let fix = "make the earlier route narrower, or say the common requests in a route of their own before both";
            found.add_as(Code::PartlyShadowed, &route.span, wrong, fix);
        }
    }
}

fn unused_upstreams(policy: &Policy, found: &mut Mistakes) {
    let named = |name: &str| {
        let by_fallback = policy.upstreams.iter().filter_map(|upstream| upstream.fallback.upstream.as_ref());
        let mut names = policy.routes.iter().map(|route| &route.upstream).chain(by_fallback);
        names.any(|other| other.value == name)
    };
    for upstream in policy.upstreams.iter().filter(|upstream| !named(&upstream.name.value)) {
        let wrong = format!("no route leads to `{}`", upstream.name.value);
        found.add_as(Code::UnusedUpstream, &upstream.name.span, wrong, "add a route to it, or take it out");
    }
}

/// Requests that would come back to where they came from.
fn own_address(policy: &Policy, found: &mut Mistakes) {
    let listen = policy.listen.value;
    let is_ours = |ip: IpAddr| ip == listen.ip() || ip.is_loopback() && listen.ip().is_unspecified();
    for upstream in &policy.upstreams {
        let is_here = match &upstream.address.host {
            Name::Ip(ip) => is_ours(*ip),
            Name::Domain(name) => name == "localhost" && (listen.ip().is_loopback() || listen.ip().is_unspecified()),
        };
        if is_here && upstream.address.port == listen.port() {
            let wrong = format!("`{}` is this very proxy, which listens at {listen}", upstream.name.value);
            found.add_as(Code::OwnAddress, &upstream.name.span, wrong, "say where the service is, or another `listen`");
        }
    }
}

/// Who has a tier is said by a token, a key or a certificate.
fn unused_tiers(policy: &Policy, found: &mut Mistakes) {
    if policy.identity.is_some() {
        return;
    }
    for (name, _) in policy.tiers.iter().filter(|(name, _)| name.value != auth::config::ANONYMOUS) {
        let wrong = format!("no caller can have the tier `{}`", name.value);
        found.add_as(Code::UnusedTier, &name.span, wrong, "say how callers are known (`identity`), or take it out");
    }
}

/// A permission is used where a route names it; those that say their rule themselves name none.
fn unused_permissions(policy: &Policy, found: &mut Mistakes) {
    let Some(permissions) = &policy.permissions else { return };
    let serde_json::Value::Object(named) = permissions.to_json() else { return };
    let allows: Vec<_> = policy.routes.iter().filter_map(|route| Some(route.allow.as_ref()?.to_json())).collect();
    let is_named = |name: &str| {
        allows.iter().any(|allow| match allow {
            serde_json::Value::Array(list) => list.iter().any(|one| one == name),
            one => one == name,
        })
    };
    for name in named.keys().filter(|name| !is_named(name)) {
        let wrong = format!("no route demands `{name}`");
        let fix = format!("say `allow: {name}` on a route, or take it out");
        found.add_as(Code::UnusedPermission, &permissions.locate_key(name), wrong, fix);
    }
}
