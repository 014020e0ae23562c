//! The provider filter: the upstreams that have a profile, and the routes that lead there.
//!
//! It stands in the chain twice. Behind the breaker, where it has to be for the breaker and the limit to read answers as it has
//! made them, it sends; before the limit, it refuses what cannot be sent, which so costs nothing and waits for nothing.

use std::time::Duration;

use policy::Period;

use crate::complaint;
use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::envoy::internal;
use crate::policy::provider::Provider;
use crate::policy::{Policy, Route, Surroundings, Upstream};
use crate::translate::Filter;

/// The plugin that judges requests and sends none.
pub const INPUT: &str = "input";
/// The plugin that sends them, and the module of both.
const NAME: &str = "provider";

/// Puts both plugins where they belong, none where no upstream has a profile; what is wrong in either is noted.
pub fn insert(policy: &Policy, surroundings: &Surroundings<'_>, filters: &mut Vec<Filter>, mistakes: &mut Mistakes) {
    let Some(sending) = draft(policy, mistakes) else { return };
    let judging = input(policy);
    // With other variables, they could not share a virtual machine.
    let of = |name, draft: &Draft| Filter {
        name,
        root: name,
        module: NAME,
        config: draft.to_json(),
        variables: variables(policy),
    };
    // What is stored was good; what is not good is not counted, and waits for nothing.
    let behind = filters.iter().position(|filter| filter.name == "quota").unwrap_or(filters.len());
    filters.insert(behind, of(INPUT, &judging));
    filters.push(of(NAME, &sending));
    let environment = |name: &str| {
        let file = policy.files().find(|secret| secret.variable == name);
        file.map_or_else(|| (surroundings.variable)(name), |secret| secret.read().ok())
    };
    complaint::read(judging, ::provider::Config::from_json, mistakes);
    complaint::read(sending, |json| ::provider::Config::with_environment(json, &environment), mistakes);
}

/// What it reads.
fn input(policy: &Policy) -> Draft {
    let mut providers = Draft::object(&policy.span);
    for upstream in &policy.upstreams {
        if let Some(provider) = &upstream.provider {
            let mut judged = Draft::object(&upstream.name.span);
            if let Some(profile) = provider.draft.clone().take("profile") {
                judged.set("profile", profile);
            }
            providers.set(&upstream.name.value, judged);
        }
    }
    let mut draft = Draft::object(&policy.span);
    draft.set("checks_only", Draft::leaf(true, &policy.span));
    draft.set("providers", providers);
    draft.set("routes", routes(policy));
    draft
}

/// What the filter reads that sends; `None` where no upstream has a profile.
fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Option<Draft> {
    let mut providers = Draft::object(&policy.span);
    for upstream in &policy.upstreams {
        if let Some(Provider { draft, endpoint, .. }) = &upstream.provider {
            let mut draft = draft.clone();
            if endpoint.is_some() {
                draft.set("again", again(policy, &upstream.name.span));
                leeway(upstream, &mut draft, mistakes);
            }
            draft.set("base", Draft::leaf(upstream.address.base.as_str(), &upstream.name.span));
            providers.set(&upstream.name.value, draft);
        }
    }
    for route in policy.routes.iter().filter(|route| route.timeout.is_some() && concerns(policy, route)) {
        let expected = "say it of the upstream: all of a provider's requests leave by one route";
        mistakes.add(&route.span, "`timeout` is not said here", expected);
    }
    policy.upstreams.iter().any(|upstream| upstream.provider.is_some()).then(|| {
        let mut draft = Draft::object(&policy.span);
        draft.set("providers", providers);
        draft.set("routes", routes(policy));
        draft
    })
}

/// By which way a request goes once more whose token was refused. The line at the limit and the upstream have their own times
/// there; Envoy keeps the first request, on which nothing moves, for this long.
fn again(policy: &Policy, span: &Span) -> Draft {
    let timeout = policy.clients.idle_timeout.min(AGAIN_MAX);
    let mut again = Draft::object(span);
    again.set("cluster", Draft::leaf(internal::AGAIN, span));
    again.set("timeout", Draft::leaf(timeout.to_string(), span));
    again
}

/// The longest that the filter waits.
const AGAIN_MAX: Period = Period::of_seconds(3600);

/// Envoy's retries show the token that a request left with. None of them may leave after its end, so a token is taken to end
/// earlier by all the time that a request has.
fn leeway(upstream: &Upstream, draft: &mut Draft, mistakes: &mut Mistakes) {
    let (timeout, span) = (upstream.timeout, &upstream.name.span);
    if upstream.retry.is_none() {
        return;
    }
    let json = draft.to_json();
    let said = json.pointer("/credentials/oauth2/leeway").map(|said| said.as_str().and_then(Period::parse));
    match said {
        None if timeout.length() <= LEEWAY => {}
        None if timeout.length() <= LEEWAY_MAX => {
            let Some(mut credentials) = draft.take("credentials") else { return };
            if let Some(mut grant) = credentials.take("oauth2") {
                grant.set("leeway", Draft::leaf(timeout.to_string(), span));
                credentials.set("oauth2", grant);
            }
            draft.set("credentials", credentials);
        }
        // What is no time, the filter refuses.
        Some(None) => {}
        Some(Some(leeway)) if leeway >= timeout => {}
        Some(Some(_)) => {
            let expected =
                format!("expected at least the `timeout` of `{}`, {timeout}, or `retry: off`", upstream.name.value);
            let place = draft.locate("credentials.oauth2.leeway");
            mistakes.add(&place, "a retry could show a token that has ended", expected);
        }
        None => {
            let expected = format!("expected a `timeout` of at most {}, or `retry: off`", Period::of(LEEWAY_MAX));
            mistakes.add(span, "a retry could show a token that has ended", expected);
        }
    }
}

/// What the filter does without being told, and the most that it can be told.
const LEEWAY: Duration = Duration::from_secs(10);
const LEEWAY_MAX: Duration = Duration::from_mins(5);

/// Whether any upstream is shown tokens that are fetched.
pub fn fetches_tokens(policy: &Policy) -> bool {
    policy.upstreams.iter().filter_map(|upstream| upstream.provider.as_ref()).any(|one| one.endpoint.is_some())
}

/// The routes that lead to a provider.
fn routes(policy: &Policy) -> Draft {
    let routes = policy.routes.iter().filter(|route| concerns(policy, route)).map(entry);
    Draft::list(routes.collect(), &policy.span)
}

fn entry(route: &Route) -> Draft {
    let mut entry = Draft::object(&route.span);
    entry.set("match", route.matcher.draft.clone());
    entry.set("provider", Draft::leaf(route.upstream.value.as_str(), &route.upstream.span));
    entry.set("strip", Draft::leaf(route.strip.as_str(), &route.span));
    entry
}

/// The variables of Envoy's environment that the filter needs.
fn variables(policy: &Policy) -> Vec<String> {
    let providers = policy.upstreams.iter().filter_map(|upstream| upstream.provider.as_ref());
    let mut variables: Vec<_> = providers.flat_map(|provider| provider.variables.iter().cloned()).collect();
    variables.sort();
    variables.dedup();
    variables
}

/// Whether the filter has anything to do on a route.
pub fn concerns(policy: &Policy, route: &Route) -> bool {
    policy.upstream(&route.upstream.value).is_some_and(|upstream| upstream.provider.is_some())
}
