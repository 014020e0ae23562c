//! The ratelimit filter, twice: what a caller's tier allows is asked of every request, and what an upstream allows us only
//! of those that are about to be sent there, behind the cache. An answer from the cache costs the upstream nothing.
//!
//! Where the policy says `ratelimit: {per_address: …}`, a third time, in front of everything that looks at a credential:
//! so often may one address try. A request that another limit refuses costs it nothing; one that is refused for its credential
//! was a try.

use policy::Period;

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::limit::note_two_words;
use crate::policy::route::Limit;
use crate::policy::{Policy, Route, Upstream};
use crate::translate::options;

/// The rule of the callers' tiers, as clients see it in `RateLimit-Policy`.
const TIERS: &str = "client";

/// The plugin that counts addresses.
pub const FRONT: &str = "front";

/// The rule of addresses, as metrics name it where no route has an upstream.
const ADDRESSES: &str = "address";

/// What an operator says to the filter that is not meant for every place it stands in.
const OWN: [&str; 3] = ["per_address", "overrides", "shadow"];

/// The configuration before anybody is known: one rule for all addresses; none where the policy has no such limit.
pub fn front(policy: &Policy) -> Option<Draft> {
    let (_, options) = policy.options.iter().find(|(option, _)| *option == "ratelimit")?;
    let mut draft = options.clone();
    let limit = draft.take("per_address")?;
    draft.take("overrides");
    draft.take("shadow");
    let span = limit.span().clone();
    let mut rules = Vec::new();
    if let Some((mut rule, routes)) = rule(ADDRESSES, policy, &|route| is_fronted(policy, route)) {
        let counted_later = |route: &Route| concerns(policy, route) || has_limit(policy, route);
        rule.set("routes", entries(policy, &routes, &counted_later, false));
        rule.set("key", Draft::list(vec![Draft::leaf("address", &span)], &span));
        // The caller's own limits are told where there are any; these would stand in their place.
        rule.set("headers", Draft::leaf(false, &span));
        limits(&mut rule, limit);
        rules.push(rule);
    }
    draft.set("rules", Draft::list(rules, &policy.span));
    Some(draft)
}

/// Whether there is a limit on addresses.
pub fn has_front(policy: &Policy) -> bool {
    policy.options.iter().any(|(option, draft)| *option == "ratelimit" && draft.has("per_address"))
}

/// Whether the limit on addresses is about a route.
pub fn is_fronted(policy: &Policy, route: &Route) -> bool {
    has_front(policy) && route.limit == Limit::Tier
}

/// The configuration in front of the cache: one rule for all tiers, which counts each request under the upstream that it
/// is for. What passes and meets that upstream's own limit behind the cache is counted there.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let (mut draft, [_, overrides, shadow]) = own(policy, mistakes);
    let mut rules = Vec::new();
    for said in [&overrides, &shadow].into_iter().flatten().filter(|_| policy.tiers.is_empty()) {
        mistakes.add(said.span(), "this is about the limits of the callers' tiers", "expected `tiers` in this policy");
    }
    if let Some((first, _)) = policy.tiers.first() {
        let tiers = tiers(policy);
        for (name, _) in &policy.tiers {
            note_impatience(policy, &tiers, &name.value, mistakes);
        }
        draft.set("tiers", tiers);
        rules.extend(of_callers(policy).map(|mut rule| {
            rule.set("key", Draft::list(vec![Draft::leaf("user", &first.span)], &first.span));
            rule.set("tiers", Draft::leaf(true, &first.span));
            for (name, said) in [("overrides", &overrides), ("shadow", &shadow)] {
                if let Some(said) = said {
                    rule.set(name, said.clone());
                }
            }
            rule
        }));
    }
    draft.set("rules", Draft::list(rules, &policy.span));
    draft
}

/// The configuration behind the cache: one rule for each upstream that has a limit.
pub fn quota(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let (mut draft, _) = own(policy, &mut Mistakes::default());
    let rules = policy.upstreams.iter().filter_map(|upstream| of_upstream(policy, upstream, mistakes)).collect();
    draft.set("rules", Draft::list(rules, &policy.span));
    if policy.upstreams.iter().any(queues) && policy.tiers.iter().any(|(_, tier)| tier.has("priority")) {
        draft.set("tiers", tiers(policy));
    }
    let upstreams: Vec<_> =
        policy.upstreams.iter().filter_map(|upstream| of_cool_down(policy, upstream, mistakes)).collect();
    if !upstreams.is_empty() {
        draft.set("upstreams", Draft::list(upstreams, &policy.span));
        if let Some(state) = &policy.state {
            draft.set("state", state.draft.clone());
        }
    }
    draft
}

/// What the callers of each tier may, and who is sent first of those who wait.
fn tiers(policy: &Policy) -> Draft {
    let mut tiers = Draft::object(policy.tiers.first().map_or(&policy.span, |(first, _)| &first.span));
    for (name, tier) in &policy.tiers {
        let mut tier = tier.clone();
        wait(&mut tier);
        tiers.set(&name.value, tier);
    }
    tiers
}

/// Whether requests wait for the limit of an upstream.
fn queues(upstream: &Upstream) -> bool {
    let waits = |limit: &Draft| limit.items().iter().any(|limit| limit.has("queue") || limit.has("when_empty"));
    upstream.limit.as_ref().is_some_and(waits)
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
    let upstreams = policy.upstreams.iter().filter(unused).filter_map(|upstream| {
        let mut draft = upstream.slow_down.as_ref()?.draft.clone();
        draft.set("name", Draft::leaf(upstream.name.value.as_str(), &upstream.name.span));
        Some(draft)
    });
    let upstreams = upstreams.collect();
    let mut draft = Draft::object(&policy.span);
    if let Some(state) = &policy.state {
        draft.set("state", state.draft.clone());
    }
    draft.set("rules", Draft::list(rules, &policy.span));
    draft.set("upstreams", Draft::list(upstreams, &policy.span));
    draft
}

/// What is said of callers and no route is about: the limit of addresses, `overrides` and `shadow`, and what requests cost.
pub fn idle_callers(policy: &Policy) -> Draft {
    let rule = |name: &str, key: &str| {
        let mut rule = Draft::object(&policy.span);
        rule.set("name", Draft::leaf(name, &policy.span));
        rule.set("key", Draft::list(vec![Draft::leaf(key, &policy.span)], &policy.span));
        rule
    };
    let mut draft = Draft::object(&policy.span);
    if let Some(state) = &policy.state {
        draft.set("state", state.draft.clone());
    }
    let mut rules = Vec::new();
    let (_, [per_address, overrides, shadow]) = own(policy, &mut Mistakes::default());
    if let Some(limit) = per_address.filter(|_| policy.routes.iter().all(|route| !is_fronted(policy, route))) {
        let mut rule = rule(ADDRESSES, "address");
        limits(&mut rule, limit);
        rules.push(rule);
    }
    if !policy.tiers.is_empty() && of_callers(policy).is_none() {
        let mut rule = rule(TIERS, "user");
        rule.set("tiers", Draft::leaf(true, &policy.span));
        for (name, said) in [("overrides", overrides), ("shadow", shadow)] {
            if let Some(said) = said {
                rule.set(name, said);
            }
        }
        draft.set("tiers", tiers(policy));
        rules.push(rule);
    }
    let entries = policy.routes.iter().filter(|route| !concerns(policy, route)).filter_map(|route| {
        let mut entry = Draft::object(&route.span);
        entry.set("match", route.matcher.draft.clone());
        entry.set("upstream", Draft::leaf(route.upstream.value.as_str(), &route.upstream.span));
        entry.set("cost", route.cost.clone()?);
        Some(entry)
    });
    let entries: Vec<_> = entries.collect();
    if !entries.is_empty() {
        let mut rule = rule("cost", "address");
        let mut limit = Draft::object(&policy.span);
        limit.set("rate", Draft::leaf("1000000/s", &policy.span));
        // As many at once as any request may cost.
        limit.set("burst", Draft::leaf(u32::MAX, &policy.span));
        rule.set("limit", limit);
        rule.set("routes", Draft::list(entries, &policy.span));
        rules.push(rule);
    }
    draft.set("rules", Draft::list(rules, &policy.span));
    draft
}

/// Whether the filter has anything to do on a route in front of the cache.
pub fn concerns(policy: &Policy, route: &Route) -> bool {
    !policy.tiers.is_empty() && route.limit == Limit::Tier && !route.inside
}

/// Whether the filter has anything to do on a route behind the cache.
pub fn has_quota(policy: &Policy, route: &Route) -> bool {
    let has = |upstream: &Upstream| upstream.limit.is_some() || upstream.slow_down.is_some();
    policy.upstream(&route.upstream.value).is_some_and(has)
}

/// Whether requests on a route are counted behind the cache.
fn has_limit(policy: &Policy, route: &Route) -> bool {
    policy.upstream(&route.upstream.value).is_some_and(|upstream| upstream.limit.is_some())
}

/// What the operator says to the filter everywhere, and what to one place each ([`OWN`]).
fn own(policy: &Policy, mistakes: &mut Mistakes) -> (Draft, [Option<Draft>; 3]) {
    let elsewhere = [
        ("tiers", "it has its own place at the top of the policy"),
        ("rules", "each upstream has a `limit`"),
        ("upstreams", "each upstream has a `slow_down`"),
        ("state", "it has its own place at the top of the policy"),
    ];
    let mut draft = options(policy, "ratelimit", &elsewhere, mistakes);
    let mut own = OWN.map(|name| draft.take(name));
    let [per_address, overrides, _] = &mut own;
    if let Some(limit) = per_address {
        note_two_words(limit, mistakes);
    }
    for exception in overrides.iter_mut().flat_map(Draft::items_mut) {
        for name in ["limit", "limits"] {
            if let Some(mut limit) = exception.take(name) {
                note_two_words(&mut limit, mistakes);
                limit.items_mut().iter_mut().for_each(wait);
                exception.set(name, limit);
            }
        }
    }
    if let Some(state) = policy.state.as_ref().filter(|_| is_shared(policy)) {
        draft.set("state", state.draft.clone());
    }
    (draft, own)
}

/// Whether any limit is kept by a fleet, which needs the state store: `ratelimit: {scope: fleet}` says it of all limits, and
/// `limit: {scope: fleet}` of an upstream's own.
pub fn is_shared(policy: &Policy) -> bool {
    let says = |draft: &Draft| draft.has("scope");
    let general = policy.options.iter().any(|(name, draft)| *name == "ratelimit" && says(draft));
    general
        || policy
            .upstreams
            .iter()
            .filter_map(|upstream| upstream.limit.as_ref())
            .any(|limit| limit.items().iter().any(says))
}

fn of_upstream(policy: &Policy, upstream: &Upstream, mistakes: &mut Mistakes) -> Option<Draft> {
    let name = &upstream.name;
    upstream.limit.as_ref()?;
    if name.value == TIERS || name.value == ADDRESSES && has_front(policy) {
        // Their buckets would have the same names.
        mistakes.add(
            &name.span,
            format!("`{}` is the name of the callers' own limit", name.value),
            "expected another name",
        );
    }
    let about = |route: &Route| route.upstream.value == name.value;
    note_overlaps(policy, &about, mistakes);
    let (mut rule, routes) = rule(&name.value, policy, &about)?;
    let matches = routes.iter().map(|route| route.matcher.draft.clone()).collect();
    rule.set("match", Draft::list(matches, &routes.first()?.span));
    bind(&mut rule, upstream)?;
    // One limit, or the first of several, says it for the rule.
    for place in ["limit", "limits[0]"] {
        note_impatience(policy, &rule, place, mistakes);
    }
    Some(rule)
}

/// Envoy closes a stream on which nothing moves, and on one whose request waits nothing does. `place` is that of a limit or a tier.
fn note_impatience(policy: &Policy, draft: &Draft, place: &str, mistakes: &mut Mistakes) {
    let (json, idle) = (draft.to_json(), policy.clients.idle_timeout);
    let pointer = format!("/{}/when_empty/queue/max_wait", place.replace("[0]", "/0"));
    let wait = json.pointer(&pointer);
    if wait.and_then(|wait| Period::parse(wait.as_str()?)).is_some_and(|wait| wait >= idle) {
        let expected =
            format!("expected less than `clients.idle_timeout`, after which Envoy closes the stream: {idle}");
        let place = draft.locate(&format!("{place}.when_empty.queue.max_wait"));
        mistakes.add(&place, "nobody can wait for so long", expected);
    }
}

/// An upstream that is left alone when it says so; `None` where it is not listened to, or nothing leads there.
fn of_cool_down(policy: &Policy, upstream: &Upstream, mistakes: &mut Mistakes) -> Option<Draft> {
    let mut draft = upstream.slow_down.as_ref()?.draft.clone();
    let name = &upstream.name;
    let about = |route: &Route| route.upstream.value == name.value;
    if upstream.limit.is_none() {
        note_overlaps(policy, &about, mistakes);
    }
    let routes: Vec<_> = policy.routes.iter().filter(|route| about(route)).collect();
    let first = routes.first()?;
    draft.set("name", Draft::leaf(name.value.as_str(), &name.span));
    let matches = routes.iter().map(|route| route.matcher.draft.clone()).collect();
    draft.set("match", Draft::list(matches, &first.span));
    Some(draft)
}

/// The rule of the tiers without its limits; none where no route is about it.
fn of_callers(policy: &Policy) -> Option<Draft> {
    let (mut rule, routes) = rule(TIERS, policy, &|route| concerns(policy, route))?;
    rule.set("routes", entries(policy, &routes, &|route| has_limit(policy, route), true));
    Some(rule)
}

/// Routes with the upstreams that their requests are for; those that are `counted_later` are not counted here when they
/// pass. A route's cost is what its caller pays, where it is `costly`; an address's try is a try.
fn entries(policy: &Policy, routes: &[&Route], counted_later: &dyn Fn(&Route) -> bool, costly: bool) -> Draft {
    let entry = |route: &&Route| {
        let mut entry = Draft::object(&route.span);
        entry.set("match", route.matcher.draft.clone());
        entry.set("upstream", Draft::leaf(route.upstream.value.as_str(), &route.upstream.span));
        if counted_later(route) {
            entry.set("count_allowed", Draft::leaf(false, &route.span));
        }
        if let Some(cost) = route.cost.as_ref().filter(|_| costly) {
            entry.set("cost", cost.clone());
        }
        entry
    };
    Draft::list(routes.iter().map(entry).collect(), &policy.span)
}

/// Says `when_empty: {queue: …}` of a limit, or of a tier, as a policy does: `queue`.
fn wait(limit: &mut Draft) {
    let queue = limit.take("queue");
    if let (Some(queue), false) = (queue, limit.has("when_empty")) {
        let mut when_empty = Draft::object(queue.span());
        when_empty.set("queue", queue);
        limit.set("when_empty", when_empty);
    }
}

/// Gives a rule its limit, or its limits where there is a list, and takes out of it what is about the rule.
fn limits(rule: &mut Draft, mut limit: Draft) {
    for name in ["shadow", "scope"] {
        if let Some(said) = limit.items_mut().first_mut().and_then(|limit| limit.take(name)) {
            rule.set(name, said);
        }
    }
    limit.items_mut().iter_mut().for_each(wait);
    let member = if limit.is_list() { "limits" } else { "limit" };
    rule.set(member, limit);
}

/// Makes a rule that of an upstream's one bucket; `None` where it has no limit.
fn bind(rule: &mut Draft, upstream: &Upstream) -> Option<()> {
    let name = &upstream.name;
    rule.set("key", Draft::list(vec![Draft::leaf("upstream", &name.span)], &name.span));
    rule.set("upstream", Draft::leaf(name.value.as_str(), &name.span));
    limits(rule, upstream.limit.clone()?);
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
