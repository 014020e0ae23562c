//! What providers ask of those who use them, against what a policy does.

use std::time::Duration;

use policy::Period;
use provider::profile::{self, Terms};
use ratelimit::limit;
use ratelimit::rule::Rule;

use crate::code::Code;
use crate::diagnostic::Mistakes;
use crate::gateway::{Gateway, written};
use crate::policy::provider::Provider;
use crate::policy::{Pattern, Route, Upstream};

const DAY: u32 = 86_400;

/// Looks at each upstream that has a profile, and at the routes that lead there.
pub fn look(gateway: &Gateway<'_>, found: &mut Mistakes) {
    for upstream in &gateway.policy.upstreams {
        let Some((provider, terms)) = upstream.provider.as_ref().and_then(|one| Some((one, terms(one)?))) else {
            continue;
        };
        match &upstream.limit {
            None => {
                let wrong = format!("nothing limits what is sent to `{}`", upstream.name.value);
                let fix = format!("say the `limit` that the provider sets for us: {}", terms.limit());
                found.add_as(Code::UnlimitedProvider, &upstream.name.span, wrong, fix);
            }
            Some(_) => limit(gateway, upstream, terms, found),
        }
        credential(upstream, provider, terms, found);
    }
    let cached = gateway.policy.routes.iter().filter(|route| route.cache.is_some());
    // The filter's routes are the policy's that are cached, in their order.
    for (route, kept) in cached.zip(&gateway.cache.routes) {
        lifetime(gateway, route, kept, found);
    }
}

fn terms(provider: &Provider) -> Option<&'static Terms> {
    profile::find(provider.draft.to_json().get("profile")?.as_str()?).map(|profile| &profile.terms)
}

/// A limit by which more may leave than the provider wants. Of several, all hold at once: one that is low enough will do.
fn limit(gateway: &Gateway<'_>, upstream: &Upstream, terms: &Terms, found: &mut Mistakes) {
    let name = &upstream.name.value;
    let Some(rule) = gateway.quota.rules.iter().find(|rule| rule.name() == name) else { return };
    let least = Duration::from_secs(1) / terms.per_second;
    let is_kept = |limit: &limit::Terms| limit.pace() >= least && at_once(limit) <= terms.burst;
    let Some((_, taker)) = Rule::shared_bucket(rule) else { return };
    if !taker.limits.iter().any(|limit| is_kept(&limit.terms)) {
        let wrong = format!("more is sent to `{name}` than it allows");
        let place = upstream.limit.as_ref().map_or(&upstream.name.span, |limit| limit.span());
        found.add_as(Code::GenerousLimit, place, wrong, format!("say at most {}", terms.limit()));
    }
}

fn at_once(limit: &limit::Terms) -> u32 {
    match limit {
        limit::Terms::Bucket(quota) => quota.burst().get(),
        limit::Terms::Window(window) => window.count().get(),
    }
}

/// A credential of another kind than the provider looks for.
fn credential(upstream: &Upstream, provider: &Provider, terms: &Terms, found: &mut Mistakes) {
    let json = provider.draft.to_json();
    let said = json.get("credentials").and_then(|said| said.as_object()?.keys().next().cloned());
    let (Some(said), Some(wanted)) = (said, terms.credential) else { return };
    if said != wanted {
        let wrong = format!("`{}` does not look for a credential like `{said}`", upstream.name.value);
        let place = provider.draft.locate("credentials");
        found.add_as(Code::OtherCredential, &place, wrong, format!("say `credentials: {{{wanted}: …}}`"));
    }
}

/// Answers that are kept when they may not be true any more.
fn lifetime(gateway: &Gateway<'_>, route: &Route, kept: &cache::config::Route, found: &mut Mistakes) {
    let provider = gateway.policy.upstream(&route.upstream.value).and_then(|upstream| upstream.provider.as_ref());
    let Some((terms, draft)) = provider.and_then(terms).zip(route.cache.as_ref()) else { return };
    let days = terms.days(word(route));
    let longest = kept.lifetimes.iter().map(|forced| forced.lifetime).max().unwrap_or_default();
    if u64::from(longest) > u64::from(days * DAY) {
        let longest = Period::of_seconds(longest.into());
        let wrong = format!("answers to `{}` are kept for {longest}, and stay true for {days}d", written(route));
        found.add_as(Code::LongKept, &draft.locate("ttl"), wrong, format!("say `ttl: {days}d` at most"));
    }
}

/// What a route has its provider asked for: the first part of the path that is the same for all.
fn word(route: &Route) -> &str {
    let path = match &route.matcher.pattern {
        Pattern::Exact(path) | Pattern::Template(path) | Pattern::Below(path) | Pattern::AtOrBelow(path) => path,
        Pattern::Any => "",
    };
    let rest = path.strip_prefix(route.strip.as_str()).unwrap_or_default();
    rest.trim_start_matches('/').split('/').next().unwrap_or_default()
}
