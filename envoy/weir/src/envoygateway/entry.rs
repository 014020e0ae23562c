//! The policy's routes as `HTTPRoute`s have to say them, so that each request takes the route that it takes in the policy.
//!
//! Two things are otherwise there. **A prefix that ends in a slash** matches the path without it, too (`/ops` for `/ops/`), and
//! before anything that is shorter or no exact path. So that path has entries of its own, which are chosen first: one for each
//! route that the policy has for it, and behind them one that answers 404. **A route for any host** is not for those that other
//! routes name: Envoy looks for a host first and never elsewhere. So routes are entered for each host that they are for.

use std::collections::BTreeSet;

use policy::Headers;
use policy::route::Target;

use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::envoy::route::template_regex;
use crate::gateway::written;
use crate::policy::{Matcher, Pattern, Policy, Route, sample};

/// So many hosts can be said of one `HTTPRoute`.
const HOSTS_MAX: usize = 16;

/// One route as it is entered.
#[derive(Debug)]
pub struct Entry<'p> {
    /// The policy's route; `None` for a path that no route is for.
    pub route: Option<&'p Route>,
    /// The path that stands in the place of the route's own, with the rest of what it matches.
    exact: Option<Matcher>,
    /// The hosts that it is entered for; none stands for those that no other names.
    pub hosts: Vec<String>,
}

impl Entry<'_> {
    /// What requests are matched with, but for their hosts.
    pub fn matcher(&self) -> Option<&Matcher> {
        self.exact.as_ref().or(self.route.map(|route| &route.matcher))
    }
}

/// The routes of clients, in the policy's order.
///
/// # Errors
/// Two of them of which the later would be chosen.
pub fn all(policy: &Policy) -> Result<Vec<Entry<'_>>, String> {
    let outward: Vec<&Route> = policy.routes.iter().filter(|route| !route.inside).collect();
    let names: BTreeSet<&String> = outward.iter().flat_map(|route| &route.matcher.hosts).collect();
    let bare: BTreeSet<&str> = outward.iter().filter_map(|route| bare(&route.matcher)).collect();
    let mut chosen = Vec::new();
    for route in &outward {
        let paths = bare.iter().filter(|path| is_of(path, &route.matcher));
        for matcher in paths.filter_map(|path| exact(path, &route.matcher, &route.span)) {
            if !is_taken(&matcher, &chosen) {
                chosen.push((*route, Some(matcher)));
            }
        }
        chosen.push((*route, None));
    }
    in_order(&chosen)?;
    let mut entries = Vec::new();
    for path in bare {
        let nowhere = nowhere(path, &chosen, &names);
        entries.extend(nowhere.into_iter().map(|(matcher, hosts)| Entry { route: None, exact: Some(matcher), hosts }));
    }
    for (route, exact) in &chosen {
        let of_hosts = |hosts| Entry { route: Some(route), exact: exact.clone(), hosts };
        entries.extend(hosts(&route.matcher, &names).into_iter().map(of_hosts));
    }
    Ok(entries)
}

/// The path that a prefix would match there, too.
fn bare(matcher: &Matcher) -> Option<&str> {
    match &matcher.pattern {
        Pattern::Below(prefix) => prefix.strip_suffix('/'),
        _ => None,
    }
}

/// Whether some request for this path is of a route that is not for it alone.
fn is_of(path: &str, matcher: &Matcher) -> bool {
    let method = matcher.methods.first().map_or("GET", String::as_str);
    let host = matcher.hosts.first().map_or("a".to_owned(), |host| host.replacen('*', "a", 1));
    let mut pairs: Vec<(&[u8], &[u8])> =
        vec![(b":method", method.as_bytes()), (b":authority", host.as_bytes()), (b":path", path.as_bytes())];
    pairs.extend(matcher.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let headers = Headers::from_pairs(&pairs);
    !matches!(matcher.pattern, Pattern::Exact(_)) && matcher.rule.matches(&Target::of(&headers))
}

/// What is left of a route for one path.
fn exact(path: &str, matcher: &Matcher, span: &Span) -> Option<Matcher> {
    let mut draft = matcher.draft.clone();
    for key in ["prefix", "template"] {
        draft.take(key);
    }
    draft.set("path", Draft::leaf(path, span));
    Matcher::of_draft(draft, &mut Mistakes::default())
}

/// Whether one route before takes all requests for a path.
fn is_taken(exact: &Matcher, before: &[Chosen<'_>]) -> bool {
    let samples = sample::all(exact, 0);
    before.iter().map(matcher).any(|other| other.pattern == exact.pattern && samples.iter().all(|one| one.is_of(other)))
}

/// A route, and the path that stands in the place of its own.
type Chosen<'p> = (&'p Route, Option<Matcher>);

fn matcher<'c>((route, exact): &'c Chosen<'_>) -> &'c Matcher {
    exact.as_ref().unwrap_or(&route.matcher)
}

/// The first of two routes must also be the one that is chosen for being narrower.
fn in_order(chosen: &[Chosen<'_>]) -> Result<(), String> {
    let depth = sample::depth(chosen.iter().map(matcher));
    for (index, earlier) in chosen.iter().enumerate() {
        for later in chosen.iter().skip(index + 1).filter(|later| !std::ptr::eq(later.0, earlier.0)) {
            let (ranks, hosts) =
                ([earlier, later].map(|one| rank(matcher(one))), [earlier, later].map(|one| &one.0.matcher.hosts));
            // For a path with entries of its own, the earlier one's counts.
            let has_own =
                later.1.is_some() && earlier.1.is_none() && !matches!(earlier.0.matcher.pattern, Pattern::Exact(_));
            // Rules of one object keep their order.
            let is_one = earlier.0.upstream.value == later.0.upstream.value && hosts[0] == hosts[1];
            let is_first = has_own || ranks[0] > ranks[1] || ranks[0] == ranks[1] && is_one;
            if !is_first && !sample::of_both(matcher(earlier), matcher(later), depth).is_empty() {
                return Err(disordered(earlier, later, ranks[0] == ranks[1]));
            }
        }
    }
    Ok(())
}

fn disordered(earlier: &Chosen<'_>, later: &Chosen<'_>, is_tie: bool) -> String {
    let of = |(route, exact): &Chosen<'_>| match exact {
        Some(path) => format!("{}` for `{}", written(route), path.pattern.literal()),
        None => written(route),
    };
    let (earlier, later) = (of(earlier), of(later));
    if is_tie {
        return format!(
            "`{earlier}` comes before `{later}`, and to an HTTPRoute neither is narrower; make the former narrower"
        );
    }
    format!(
        "`{earlier}` comes before `{later}`, which an HTTPRoute prefers for being narrower; put it first, or make the former narrower"
    )
}

/// How early a route is tried among those of a host (`internal/gatewayapi/sort.go`): exact paths first, then expressions, then
/// prefixes, the longer ones first; then those with more headers, of which a method is one.
fn rank(matcher: &Matcher) -> (u8, usize, usize) {
    let (kind, length) = match &matcher.pattern {
        Pattern::Exact(path) => (2, path.len()),
        Pattern::Template(template) => (1, template_regex(template).len()),
        Pattern::Below(prefix) | Pattern::AtOrBelow(prefix) => (0, prefix.len()),
        Pattern::Any => (0, 0),
    };
    (kind, length, matcher.headers.len() + usize::from(!matcher.methods.is_empty()))
}

/// Who has nothing for a path that a prefix would match: the hosts where no route takes all requests for it.
fn nowhere(path: &str, chosen: &[Chosen<'_>], names: &BTreeSet<&String>) -> Vec<(Matcher, Vec<String>)> {
    let takes_all = |matcher: &Matcher| {
        let is_exact = matches!(&matcher.pattern, Pattern::Exact(own) if own == path);
        is_exact && matcher.methods.is_empty() && matcher.headers.is_empty()
    };
    let is_open = |host: Option<&str>| {
        let there = || chosen.iter().filter(|one| is_for(&one.0.matcher.hosts, host)).map(matcher);
        there().any(|matcher| bare(matcher) == Some(path)) && !there().any(takes_all)
    };
    let open: Vec<String> =
        names.iter().filter(|host| is_open(Some(host.as_str()))).map(|host| (*host).clone()).collect();
    let rest = is_open(None).then(Vec::new);
    let groups = rest.into_iter().chain(open.chunks(HOSTS_MAX).map(<[String]>::to_vec));
    let of = chosen.iter().find(|one| bare(matcher(one)) == Some(path));
    let matcher = of.and_then(|(route, _)| {
        let mut draft = Draft::object(&route.span);
        draft.set("path", Draft::leaf(path, &route.span));
        Matcher::of_draft(draft, &mut Mistakes::default())
    });
    groups.filter_map(|hosts| Some((matcher.clone()?, hosts))).collect()
}

/// The hosts that a route is entered for, as many at a time as may be; none stands for those that no route names.
fn hosts(matcher: &Matcher, names: &BTreeSet<&String>) -> Vec<Vec<String>> {
    let own = names.iter().filter(|name| is_for(&matcher.hosts, Some(name.as_str())));
    let own: Vec<String> = own.map(|name| (*name).clone()).collect();
    let rest = is_for(&matcher.hosts, None).then(Vec::new);
    rest.into_iter().chain(own.chunks(HOSTS_MAX).map(<[String]>::to_vec)).collect()
}

/// Whether what is for these hosts is for this one, a name or `*.` and a name, too; none stands for any other.
fn is_for(hosts: &[String], host: Option<&str>) -> bool {
    let Some(host) = host else { return hosts.is_empty() };
    let takes = |own: &String| {
        own == host || own.strip_prefix('*').is_some_and(|suffix| host.trim_start_matches('*').ends_with(suffix))
    };
    hosts.is_empty() || hosts.iter().any(takes)
}
