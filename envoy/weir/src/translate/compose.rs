//! The compose filter: the routes whose answers are made of several calls.

use crate::code::Code;
use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::envoy::internal;
use crate::gateway::written;
use crate::policy::batch::Call;
use crate::policy::route::Auth;
use crate::policy::{Policy, Route, sample};
use crate::translate::{options, ratelimit};

/// The filter's name in the chain.
pub const NAME: &str = "compose";

/// The filter's configuration; `None` where nothing is composed.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Option<Draft> {
    let elsewhere = [("compositions", "each route has a `compose`"), ("cluster", "it is the proxy's own way back in")];
    let mut draft = options(policy, NAME, &elsewhere, mistakes);
    let compositions: Vec<_> = policy.routes.iter().filter_map(|route| entry(policy, route, mistakes)).collect();
    if compositions.is_empty() {
        return None;
    }
    draft.set("cluster", Draft::leaf(internal::NAME, &policy.span));
    draft.set("compositions", Draft::list(compositions, &policy.span));
    Some(draft)
}

fn entry(policy: &Policy, route: &Route, mistakes: &mut Mistakes) -> Option<Draft> {
    let mut entry = route.compose.clone()?;
    if let Some(mut batch) = entry.take("batch") {
        if batch.has("cluster") {
            mistakes.add(
                &batch.locate_key("cluster"),
                "`cluster` is not said here",
                "it is the proxy's own way back in",
            );
        }
        if is_charged(policy) {
            batch.set("cluster", Draft::leaf(internal::CHARGED, batch.span()));
        }
        entry.set("batch", batch);
        route.calls.iter().for_each(|call| note_reach(policy, route, call, mistakes));
    }
    entry.set("match", route.matcher.draft.clone());
    Some(entry)
}

/// Whether what a batch asks for has to pass its caller's own limit: one request may not be a way to send fifty.
pub fn is_charged(policy: &Policy) -> bool {
    policy.routes.iter().any(|route| !route.calls.is_empty())
        && policy.routes.iter().any(|route| route.compose.is_none() && ratelimit::concerns(policy, route))
}

/// Notes the first request that a batch may hold and that its caller could not send alone: nobody is asked again for a
/// credential on the way inside.
fn note_reach(policy: &Policy, batch: &Route, call: &Call, mistakes: &mut Mistakes) {
    let matchers = policy.routes.iter().map(|route| &route.matcher).chain([&call.matcher]);
    let depth = sample::depth(matchers);
    for route in &policy.routes {
        let Some(why) = more(policy, route, batch) else { continue };
        let is_its = |sample: &sample::Sample| {
            let taker = policy.routes.iter().find(|other| sample.is_of(&other.matcher));
            taker.is_some_and(|taker| std::ptr::eq(taker, route))
        };
        if let Some(sample) = sample::of_both(&call.matcher, &route.matcher, depth).into_iter().find(is_its) {
            let wrong = format!("a batch could ask for `{}` by `{}`, which {why}", sample.shown(), written(route));
            let expected = "name in `calls` what every caller of the batch may ask for, or demand as much of the batch";
            return mistakes.add_as(Code::OpenBatch, &call.span, wrong, expected);
        }
    }
}

/// What a route demands that a batch does not.
fn more(policy: &Policy, route: &Route, batch: &Route) -> Option<&'static str> {
    let unsaid = if policy.identity.is_some() { Auth::Required } else { Auth::Off };
    let rank = |route: &Route| match route.auth.unwrap_or(unsaid) {
        Auth::Off => 0,
        Auth::Optional => 1,
        Auth::Required => 2,
    };
    let demands = |route: &Route| {
        let items = route.allow.iter().flat_map(Draft::items);
        items.map(Draft::to_json).collect::<Vec<_>>()
    };
    let own = demands(batch);
    match route {
        route if route.compose.is_some() => Some("is composed, and answers clients alone"),
        route if route.inside => Some("is no client's"),
        route if rank(route) > rank(batch) => Some("asks for more of a credential"),
        route if demands(route).iter().any(|demand| !own.contains(demand)) => Some("allows fewer callers"),
        _ => None,
    }
}
