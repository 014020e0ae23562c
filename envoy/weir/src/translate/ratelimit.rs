//! The ratelimit filter, twice: what a caller's tier allows is asked of every request, and what an upstream allows us only
//! of those that are about to be sent there, behind the cache. An answer from the cache costs the upstream nothing.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::route::Limit;
use crate::policy::{Policy, Route, Upstream};
use crate::translate::options;

/// The rule of the callers' tiers, as clients see it in `RateLimit-Policy`.
const TIERS: &str = "client";

/// The configuration in front of the cache: one rule for all tiers, which counts each request under the upstream that it
/// is for. What passes and meets that upstream's own limit behind the cache is counted there.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let mut draft = own(policy, mistakes);
    let mut rules = Vec::new();
    if let Some((first, _)) = policy.tiers.first() {
        let mut tiers = Draft::object(&first.span);
        for (name, tier) in &policy.tiers {
            tiers.set(&name.value, tier.clone());
        }
        draft.set("tiers", tiers);
        rules.extend(of_callers(policy).map(|mut rule| {
            rule.set("key", Draft::list(vec![Draft::leaf("user", &first.span)], &first.span));
            rule.set("tiers", Draft::leaf(true, &first.span));
            rule
        }));
    }
    draft.set("rules", Draft::list(rules, &policy.span));
    draft
}

/// The configuration behind the cache: one rule for each upstream that has a limit.
pub fn quota(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let mut draft = own(policy, mistakes);
    let rules = policy.upstreams.iter().filter_map(|upstream| of_upstream(policy, upstream, mistakes)).collect();
    draft.set("rules", Draft::list(rules, &policy.span));
    draft
}

/// The limits of upstreams that no route leads to: nothing is done with them, but what is wrong with them is said.
pub fn idle(policy: &Policy) -> Draft {
    let unused = |upstream: &&Upstream| policy.routes.iter().all(|route| route.upstream.value != upstream.name.value);
    let rules = policy.upstreams.iter().filter(unused).filter_map(|upstream| {
        let mut rule = Draft::object(&upstream.name.span);
        rule.set("name", Draft::leaf(upstream.name.value.as_str(), &upstream.name.span));
        bind(&mut rule, upstream)?;
        Some(rule)
    });
    let rules = rules.collect();
    let mut draft = Draft::object(&policy.span);
    if let Some(state) = &policy.state {
        draft.set("state", state.draft.clone());
    }
    draft.set("rules", Draft::list(rules, &policy.span));
    draft
}

/// Whether the filter has anything to do on a route in front of the cache.
pub fn concerns(policy: &Policy, route: &Route) -> bool {
    !policy.tiers.is_empty() && route.limit == Limit::Tier
}

/// Whether the filter has anything to do on a route behind the cache.
pub fn has_quota(policy: &Policy, route: &Route) -> bool {
    policy.upstream(&route.upstream.value).is_some_and(|upstream| upstream.limit.is_some())
}

fn own(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let elsewhere = [
        ("tiers", "it has its own place at the top of the policy"),
        ("rules", "each upstream has a `limit`"),
        ("state", "it has its own place at the top of the policy"),
    ];
    let mut draft = options(policy, "ratelimit", &elsewhere, mistakes);
    if let Some(state) = policy.state.as_ref().filter(|_| is_shared(policy)) {
        draft.set("state", state.draft.clone());
    }
    draft
}

/// Whether any limit is kept by a fleet, which needs the state store: `ratelimit: {scope: fleet}` says it of all limits, and
/// `limit: {scope: fleet}` of an upstream's own.
pub fn is_shared(policy: &Policy) -> bool {
    let says = |draft: &Draft| draft.has("scope");
    let general = policy.options.iter().any(|(name, draft)| *name == "ratelimit" && says(draft));
    general || policy.upstreams.iter().filter_map(|upstream| upstream.limit.as_ref()).any(says)
}

fn of_upstream(policy: &Policy, upstream: &Upstream, mistakes: &mut Mistakes) -> Option<Draft> {
    let name = &upstream.name;
    upstream.limit.as_ref()?;
    if name.value == TIERS {
        // Their buckets would have the same names.
        mistakes.add(&name.span, format!("`{TIERS}` is the name of the callers' own limit"), "expected another name");
    }
    let about = |route: &Route| route.upstream.value == name.value;
    note_overlaps(policy, &about, mistakes);
    let (mut rule, routes) = rule(&name.value, policy, &about)?;
    let matches = routes.iter().map(|route| route.matcher.draft.clone()).collect();
    rule.set("match", Draft::list(matches, &routes.first()?.span));
    bind(&mut rule, upstream)?;
    Some(rule)
}

/// The rule of the tiers without its limits; none where no route is about it.
fn of_callers(policy: &Policy) -> Option<Draft> {
    let (mut rule, routes) = rule(TIERS, policy, &|route| concerns(policy, route))?;
    let entry = |route: &&Route| {
        let mut entry = Draft::object(&route.span);
        entry.set("match", route.matcher.draft.clone());
        entry.set("upstream", Draft::leaf(route.upstream.value.as_str(), &route.upstream.span));
        if has_quota(policy, route) {
            entry.set("count_allowed", Draft::leaf(false, &route.span));
        }
        entry
    };
    let entries = routes.iter().map(entry).collect();
    rule.set("routes", Draft::list(entries, &policy.span));
    Some(rule)
}

/// Makes a rule that of an upstream's one bucket; `None` where it has no limit.
fn bind(rule: &mut Draft, upstream: &Upstream) -> Option<()> {
    let name = &upstream.name;
    rule.set("key", Draft::list(vec![Draft::leaf("upstream", &name.span)], &name.span));
    rule.set("upstream", Draft::leaf(name.value.as_str(), &name.span));
    let mut limit = upstream.limit.clone()?;
    if let Some(scope) = limit.take("scope") {
        rule.set("scope", scope);
    }
    rule.set("limit", limit);
    Some(())
}

/// A named rule about some of the routes, and these; none where there are none.
fn rule<'p>(name: &str, policy: &'p Policy, about: &dyn Fn(&Route) -> bool) -> Option<(Draft, Vec<&'p Route>)> {
    let routes: Vec<&Route> = policy.routes.iter().filter(|route| about(route)).collect();
    let first = routes.first()?;
    let mut rule = Draft::object(&first.span);
    rule.set("name", Draft::leaf(name, &first.span));
    Some((rule, routes))
}

/// The filter asks every rule about every request that it sees, so the rule of one upstream must not reach into a route
/// to another one that has a limit, too.
fn note_overlaps(policy: &Policy, about: &dyn Fn(&Route) -> bool, mistakes: &mut Mistakes) {
    for (index, route) in
        policy.routes.iter().enumerate().filter(|(_, route)| !about(route) && has_quota(policy, route))
    {
        let mut later = policy.routes.iter().skip(index + 1);
        if let Some(later) = later.find(|later| about(later) && route.matcher.reaches(&later.matcher)) {
            let wrong = format!("the limit of `{}` would count these requests, too", later.upstream.value);
            let expected =
                format!("a later route matches them; make its `{}` narrower", later.matcher.pattern.literal());
            mistakes.add(&route.span, wrong, expected);
        }
    }
}
