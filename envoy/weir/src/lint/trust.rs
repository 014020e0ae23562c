//! Who is let in without having shown who they are, and what can be read on the way.

use auth::revocation::settings::Failing;
use ratelimit::config::WhenUndecided;
use ratelimit::fleet::WhenUnavailable;
use serde_json::Value as Json;

use crate::code::Code;
use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::gateway::{Gateway, written};
use crate::policy::header::{Content, is_credential};
use crate::policy::route::Auth;
use crate::policy::upstream::{Address, Name};
use crate::policy::{Identity, Policy, Upstream};

/// The methods that RFC 9110 §9.2.1 does not call safe, as far as gateways see them.
const UNSAFE: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// Looks for doors that stand open.
pub fn look(gateway: &Gateway<'_>, found: &mut Mistakes) {
    if let Some(identity) = &gateway.policy.identity {
        open_revocation(gateway, identity, found);
        issuers(identity, found);
        open_writes(gateway, found);
    }
    open_limits(gateway, found);
    shadows(gateway, found);
    for upstream in &gateway.policy.upstreams {
        plain_secrets(upstream, found);
        literal_secrets(upstream, found);
    }
    plain_store(gateway.policy, found);
}

fn open_revocation(gateway: &Gateway<'_>, identity: &Identity, found: &mut Mistakes) {
    let Some(following) = &gateway.auth.following else { return };
    for (failing, key) in [(following.when_unavailable, "when_unavailable"), (following.when_full, "when_full")] {
        if failing == Failing::Continue {
            let place = identity.draft.locate(&format!("revocation.{key}"));
            let wrong = format!("`{key}: continue` lets tokens in that may have been taken back");
            found.add_as(Code::OpenRevocation, &place, wrong, format!("say `{key}: stop`"));
        }
    }
}

fn issuers(identity: &Identity, found: &mut Mistakes) {
    let issuers = identity.draft.to_json().get("issuers").and_then(Json::as_array).cloned().unwrap_or_default();
    for (index, issuer) in issuers.iter().enumerate() {
        let at = |key: &str| identity.draft.locate(&format!("issuers[{index}].{key}"));
        if issuer.get("audiences").and_then(Json::as_array).is_some_and(Vec::is_empty) {
            let wrong = "tokens of this issuer are accepted whoever they were made for";
            found.add_as(Code::AnyAudience, &at("audiences"), wrong, "name this gateway in `audiences`");
        }
        let url = issuer.pointer("/jwks/url").and_then(Json::as_str);
        if let Some((address, _)) = url.and_then(|url| Address::parse(url).ok())
            && is_readable(&address)
        {
            let wrong = "the issuer's keys are fetched without encryption";
            found.add_as(Code::PlainSecret, &at("jwks.url"), wrong, "fetch them by https://");
        }
    }
}

/// Whether others can read along.
fn is_readable(address: &Address) -> bool {
    let is_here = match &address.host {
        Name::Ip(ip) => ip.is_loopback(),
        Name::Domain(name) => name == "localhost",
    };
    !address.tls && !is_here
}

fn plain_secrets(upstream: &Upstream, found: &mut Mistakes) {
    let name = &upstream.name;
    if let Some(provider) = &upstream.provider
        && provider.endpoint.as_ref().is_some_and(|endpoint| is_readable(&endpoint.address))
    {
        let wrong = format!("our credential for `{}` is sent for a token without encryption", name.value);
        let place = provider.draft.locate("credentials.oauth2.token_url");
        found.add_as(Code::PlainSecret, &place, wrong, "fetch tokens by https://");
    }
    if !is_readable(&upstream.address) {
        return;
    }
    let by_header = upstream.headers.iter().any(|header| matches!(header.value, Content::Variable(_)));
    let by_provider = upstream.provider.as_ref().is_some_and(|provider| provider.draft.has("credentials"));
    if by_header || by_provider {
        let wrong = format!("our credential for `{}` is sent without encryption", name.value);
        found.add_as(Code::PlainSecret, &name.span, wrong, "give the upstream an https:// URL");
    }
}

/// The state store's password or token, which every request to it shows.
fn plain_store(policy: &Policy, found: &mut Mistakes) {
    let Some(store) = policy.state.as_ref().filter(|store| store.variable.is_some()) else { return };
    if is_readable(&store.upstream.address) {
        let wrong = "the state store's secret is sent without encryption";
        let fix = "give the store an https:// URL, or one of the loopback";
        found.add_as(Code::PlainSecret, &store.draft.locate("env"), wrong, fix);
    }
}

/// Credentials that stand in the policy as they are.
fn literal_secrets(upstream: &Upstream, found: &mut Mistakes) {
    for header in upstream.headers.iter().filter(|header| is_credential(&header.name)) {
        let Some(place) = &header.literal else { continue };
        let wrong = format!("the `{}` of `{}` stands in the policy for all to read", header.name, upstream.name.value);
        found.add_as(Code::LiteralSecret, place, wrong, "say `{env: NAME}`, and put the value into that variable");
    }
}

/// Where nobody's credential is looked at, and something of ours changes.
fn open_writes(gateway: &Gateway<'_>, found: &mut Mistakes) {
    for route in &gateway.policy.routes {
        let is_ours = gateway.policy.upstream(&route.upstream.value).is_some_and(|upstream| upstream.internal);
        let writes = UNSAFE.iter().find(|method| route.matcher.rule.admits(method));
        if let (true, Some(method)) = (is_ours && route.auth == Some(Auth::Off), writes) {
            let wrong = format!("anybody may send `{method}` by `{}`", written(route));
            found.add_as(Code::OpenWrite, &route.span, wrong, "say `auth: required`, or name only safe methods");
        }
    }
}

fn open_limits(gateway: &Gateway<'_>, found: &mut Mistakes) {
    let Some((_, options)) = gateway.policy.options.iter().find(|(name, _)| *name == "ratelimit") else { return };
    let limiters = [gateway.front.as_ref(), Some(&gateway.callers), Some(&gateway.quota)];
    let mut limiters = limiters.into_iter().flatten();
    if limiters.clone().any(|limiter| limiter.undecided == WhenUndecided::Allow) {
        let wrong = "without its state, the proxy lets every request pass its limits";
        found.add_as(Code::OpenLimit, &options.locate("undecided"), wrong, "say `undecided: refuse`");
    }
    let is_open = |fleet: &ratelimit::fleet::Fleet| fleet.when_unavailable == WhenUnavailable::Open;
    if limiters.any(|limiter| limiter.fleet.as_ref().is_some_and(is_open)) {
        let wrong = "while Redis is away, every request passes the fleet's limits";
        found.add_as(
            Code::OpenLimit,
            &options.locate("fleet.when_unavailable"),
            wrong,
            "say `when_unavailable: share`",
        );
    }
}

/// Routes whose every demand is only tried.
fn shadows(gateway: &Gateway<'_>, found: &mut Mistakes) {
    let named = gateway.policy.permissions.as_ref().map(Draft::to_json).unwrap_or_default();
    let is_shadow = |demand: &Json| {
        let rule = demand.as_str().map_or(Some(demand), |name| named.get(name));
        rule.and_then(|rule| rule.get("shadow")) == Some(&Json::Bool(true))
    };
    for route in &gateway.policy.routes {
        let Some(allow) = &route.allow else { continue };
        if allow.items().iter().all(|demand| is_shadow(&demand.to_json())) {
            let wrong = format!("`{}` demands nothing: all that it allows by is in the shadow", written(route));
            found.add_as(
                Code::ShadowOnly,
                allow.span(),
                wrong,
                "take `shadow` off once the log shows nobody who would be turned away",
            );
        }
    }
}
