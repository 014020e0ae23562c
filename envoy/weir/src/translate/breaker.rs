//! The breaker filter: one breaker for each upstream that has one, and the routes that lead there.

use policy::Seed;

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::{Policy, Route};
use crate::translate::options;

/// The filter's configuration.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let elsewhere = [
        ("breakers", "each upstream has a `breaker`"),
        ("routes", "routes have a place of their own"),
        ("state", "it has its own place at the top of the policy"),
    ];
    let mut draft = options(policy, "breaker", &elsewhere, mistakes);
    let mut breakers = Draft::object(&policy.span);
    for upstream in &policy.upstreams {
        if let Some(breaker) = &upstream.breaker {
            breakers.set(&upstream.name.value, breaker.clone());
        }
    }
    draft.set("breakers", breakers);
    let routes = policy.routes.iter().filter(|route| concerns(policy, route)).map(|route| {
        let mut entry = Draft::object(&route.span);
        entry.set("match", route.matcher.draft.clone());
        entry.set("upstream", Draft::leaf(route.upstream.value.as_str(), &route.upstream.span));
        if has_breaker_of_its_own(policy, route) {
            entry.set("name", Draft::leaf(name(route), &route.span));
        }
        entry
    });
    let routes = routes.collect();
    draft.set("routes", Draft::list(routes, &policy.span));
    // Without a fleet's votes, there may still be an operator's orders.
    if let Some(state) =
        policy.state.as_ref().filter(|_| policy.upstreams.iter().any(|upstream| upstream.breaker.is_some()))
    {
        draft.set("state", state.draft.clone());
    }
    draft
}

fn has_breaker_of_its_own(policy: &Policy, route: &Route) -> bool {
    let breaker = policy.upstream(&route.upstream.value).and_then(|upstream| upstream.breaker.as_ref());
    breaker.is_some_and(|breaker| breaker.to_json().get("per").is_some_and(|per| per == "route"))
}

/// What the breaker of a route is called: by what the route matches, so that it is the same breaker wherever in the policy the
/// route stands. A part for people to read, and one that no other route has.
fn name(route: &Route) -> String {
    const READABLE: usize = 48;
    let matcher = route.matcher.draft.to_json();
    let path =
        ["path", "prefix", "template"].iter().find_map(|member| matcher.get(member)?.as_str()).unwrap_or_default();
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut readable = words.collect::<Vec<_>>().join("-");
    readable.truncate(READABLE);
    let print = Seed::from_random([0; 16]).fingerprint([matcher.to_string().as_bytes()]).to_bytes();
    let print = u32::from_le_bytes(print.first_chunk().copied().unwrap_or_default());
    [readable, format!("{print:08x}")].join(".").trim_start_matches('.').to_owned()
}

/// Whether the filter has anything to do on a route.
pub fn concerns(policy: &Policy, route: &Route) -> bool {
    policy.upstream(&route.upstream.value).is_some_and(|upstream| upstream.breaker.is_some())
}
