//! What is never reached: routes behind others, upstreams, permissions and tiers that nothing leads to.

use std::net::IpAddr;

use crate::code::Code;
use crate::diagnostic::Mistakes;
use crate::gateway::{Gateway, written};
use crate::policy::sample::{self, Sample};
use crate::policy::upstream::Name;
use crate::policy::{Policy, Route};

/// Looks for what nothing leads to.
pub fn look(gateway: &Gateway<'_>, found: &mut Mistakes) {
    let policy = gateway.policy;
    let depth = sample::depth(policy.routes.iter().map(|route| &route.matcher));
    for (index, route) in policy.routes.iter().enumerate() {
        let earlier = policy.routes.get(..index).unwrap_or_default();
        if !is_unreachable(route, earlier, depth, found) {
            note_crossings(route, earlier, depth, found);
        }
    }
    unused_upstreams(policy, found);
    own_address(policy, found);
    unused_permissions(policy, found);
    unused_tiers(policy, found);
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
