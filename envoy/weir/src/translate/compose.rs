//! The compose filter: the routes whose answers are made of several calls.

use serde_json::Value as Json;

use crate::code::Code;
use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::envoy::internal;
use crate::gateway::written;
use crate::policy::batch::Call;
use crate::policy::route::Auth;
use crate::policy::{Matcher, Policy, Route, sample};
use crate::translate::{cache, options, ratelimit};

/// The filter's name in the chain.
pub const NAME: &str = "compose";

/// Whether anything is composed.
pub fn is_used(policy: &Policy) -> bool {
    policy.routes.iter().any(|route| route.compose.is_some())
}

/// The filter's configuration, of no use where nothing is composed.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let elsewhere = [
        ("compositions", "each route has a `compose`"),
        ("cluster", "it is the proxy's own way back in"),
        ("tells_cache", "it does where any route has a `cache`"),
    ];
    let mut draft = options(policy, NAME, &elsewhere, mistakes);
    let compositions = policy.routes.iter().filter_map(|route| entry(policy, route, mistakes)).collect();
    draft.set("cluster", Draft::leaf(internal::NAME, &policy.span));
    if cache::hears_parts(policy) {
        draft.set("tells_cache", Draft::leaf(true, &policy.span));
    }
    draft.set("compositions", Draft::list(compositions, &policy.span));
    draft
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
    note_calls(policy, &entry, mistakes);
    entry.set("match", route.matcher.draft.clone());
    Some(entry)
}

/// Notes the calls of a composition that no route takes, and those that have to be the upstream's own doing where a route would have
/// somebody else answer them, or have them done twice. Composed routes take none: they answer clients alone.
fn note_calls(policy: &Policy, composition: &Draft, mistakes: &mut Mistakes) {
    let routes: Vec<_> = policy.routes.iter().filter(|route| route.compose.is_none()).collect();
    let steps = composition.clone().take("steps");
    for mut step in steps.iter().flat_map(Draft::items).cloned() {
        let undo = step.take("undo").and_then(|mut undo| undo.take("call"));
        let fate = if undo.is_some() { Fate::Once } else { Fate::Harmless };
        let call = step.take("call").map(|call| (call, fate));
        for (call, fate) in call.into_iter().chain(undo.map(|undo| (undo, Fate::Lasting))) {
            let Json::String(line) = call.to_json() else { continue };
            // What is no call is left to the filter to say.
            let Some(asked) = asked(&line, call.span()) else { continue };
            let depth = sample::depth(routes.iter().map(|route| &route.matcher).chain([&asked]));
            let takers: Vec<_> = routes
                .iter()
                .filter(|route| {
                    let samples = sample::of_both(&asked, &route.matcher, depth);
                    let first = |sample: &sample::Sample| routes.iter().find(|route| sample.is_of(&route.matcher));
                    samples.iter().any(|sample| first(sample).is_some_and(|first| std::ptr::eq(*first, **route)))
                })
                .collect();
            if takers.is_empty() {
                let wrong = format!("no route takes the call `{line}`");
                let expected = "calls take the policy's own routes; one for calls alone has `inside: true`";
                mistakes.add_as(Code::UnroutedCall, call.span(), wrong, expected);
            }
            if let Some((why, expected)) = takers.into_iter().find_map(|route| stand_in(policy, route, fate, &line)) {
                mistakes.add(call.span(), format!("the call `{line}` {why}"), expected);
            }
        }
    }
}

/// What must not become of a call.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// Nothing has to be taken back.
    Harmless,
    /// Only the upstream itself may say that it is done.
    Lasting,
    /// The same, and nobody else may send it again: the upstream would do it twice, or refuse the second one while the first is
    /// under way, and then nobody hears of what the first has done.
    Once,
}

/// What would stand in for the upstream on a route, or do a call twice; and what is expected instead.
fn stand_in(policy: &Policy, route: &Route, fate: Fate, line: &str) -> Option<(&'static str, &'static str)> {
    let upstream = policy.upstream(&route.upstream.value);
    let method = line.split(' ').next().unwrap_or_default();
    let is_stored = route.cache.as_ref().is_some_and(|cache| method == "GET" || cache.has("body"));
    let is_retried = upstream.and_then(|upstream| upstream.retry.as_ref());
    // Others do nothing (RFC 9110 §9.2.1).
    let is_retried = !matches!(method, "GET" | "HEAD" | "OPTIONS")
        && is_retried.is_some_and(|retry| retry.methods.iter().any(|own| own == method));
    let has_fallback = upstream.and_then(|upstream| upstream.breaker.as_ref());
    let has_fallback = has_fallback.is_some_and(|breaker| breaker.has("fallback"));
    match fate {
        Fate::Harmless => None,
        _ if is_stored => Some((
            "is one of a step with an `undo`, and would be answered by what is stored",
            "no `cache` on its route",
        )),
        _ if has_fallback => Some((
            "is one of a step with an `undo`, and would be answered by a `fallback`",
            "an upstream whose `breaker` has none: only the upstream itself can do or undo it",
        )),
        Fate::Once if is_retried => Some((
            "is one of a step with an `undo`, and may be retried: what a first try has done is not known after a second",
            "a `retry.methods` without it; what is in doubt is asked for again by `repeatable: true`",
        )),
        _ => None,
    }
}

/// What a call asks for, as a route would say it: a segment with a place in it may be any.
fn asked(line: &str, span: &Span) -> Option<Matcher> {
    const PLACE: char = ' ';
    let (method, mut rest) = line.split_once(' ')?;
    let mut target = String::new();
    while let Some((before, after)) = rest.split_once('$') {
        target.push_str(before);
        let (read, after) = match after.strip_prefix('{') {
            Some(place) => (PLACE, place.split_once('}')?.1),
            None => ('$', after.strip_prefix('$')?),
        };
        target.push(read);
        rest = after;
    }
    target.push_str(rest);
    let path = target.split_once('?').map_or(target.as_str(), |(path, _)| path);
    let segment = |segment| if str::contains(segment, PLACE) { "{place}" } else { segment };
    let (key, path) = if path.contains(PLACE) {
        ("template", path.split('/').map(segment).collect::<Vec<_>>().join("/"))
    } else {
        ("path", path.to_owned())
    };
    let mut draft = Draft::object(span);
    draft.set("methods", Draft::list(vec![Draft::leaf(method, span)], span));
    draft.set(key, Draft::leaf(path, span));
    Matcher::of_draft(draft, &mut Mistakes::default())
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
