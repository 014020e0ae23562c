//! Which request goes to which upstream, and what it meets on the way.

use std::time::Duration;

use policy::Period;

use crate::code::Code;
use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::policy::batch::{self, Call};
use crate::policy::guard;
use crate::policy::{Matcher, Upstream};
use crate::reader::{self, Fields, Spanned};
use crate::yaml::{Node, Value};

/// One route. The first one that matches a request is the only one that counts.
#[derive(Debug)]
pub struct Route {
    /// Which requests.
    pub matcher: Matcher,
    /// The name of the upstream; [`COMPOSED`] where there is none.
    pub upstream: Spanned<String>,
    /// How an answer is made of several calls, as the compose filter reads it.
    pub compose: Option<Draft>,
    /// What a client may ask for together by it, where it is a batch.
    pub calls: Vec<Call>,
    /// Whether it is for the proxy's own requests alone, as calls of a composition are, and no client's.
    pub inside: bool,
    /// What is taken off the beginning of the path before the upstream's own base path is put there.
    pub strip: String,
    /// Whether a token is needed.
    pub auth: Option<Auth>,
    /// What its callers must be, as the auth filter reads it.
    pub allow: Option<Draft>,
    /// Whether the caller's tier limits it.
    pub limit: Limit,
    /// How many tokens of its caller's a request takes, as the ratelimit filter reads it.
    pub cost: Option<Draft>,
    /// What its requests' bodies may be, as the guard filter reads it.
    pub accepts: Option<Draft>,
    /// How answers are kept, as the cache filter reads it.
    pub cache: Option<Draft>,
    /// How long an answer may take, where it is not the upstream's `timeout`.
    pub timeout: Option<Period>,
    /// Where a mistake about the route as a whole is shown.
    pub span: Span,
}

/// What stands in the place of an upstream where a route's answers are composed: no upstream may be called so.
pub const COMPOSED: &str = "composed";

/// What a route asks of a caller's credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Auth {
    /// There must be a good one.
    Required,
    /// There need not be one, but a bad one is refused.
    Optional,
    /// Nobody looks at it.
    Off,
}

impl Auth {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Off => "off",
        }
    }
}

/// What limits a route's callers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    /// The caller's tier.
    Tier,
    /// Nothing but the upstream's own limit.
    Off,
}

/// Reads the list `routes`.
pub fn read(node: &Node, upstreams: &[Upstream], mistakes: &mut Mistakes) -> Vec<Route> {
    let items = reader::items(node, "routes", mistakes).unwrap_or_default();
    let mut routes: Vec<Route> = Vec::new();
    for item in items {
        let Some(route) = route(item, upstreams, mistakes) else { continue };
        let same = |other: &&Route| {
            let is_apart = other.compose.is_some() && route.inside || other.inside && route.compose.is_some();
            !is_apart && other.matcher.draft.to_json() == route.matcher.draft.to_json()
        };
        if routes.iter().any(|other| same(&other)) {
            let wrong = "this route is never reached: one before it matches the same requests";
            mistakes.add_as(Code::UnreachableRoute, &route.span, wrong, "take one of the two out");
        }
        routes.push(route);
    }
    routes
}

fn route(node: &Node, upstreams: &[Upstream], mistakes: &mut Mistakes) -> Option<Route> {
    let mut fields = Fields::of(node, "a route", mistakes)?;
    let matcher = fields.required("match", mistakes).map(|node| (Matcher::read(node, mistakes), node.span.clone()));
    let mut calls = Vec::new();
    let composed = fields.optional("compose");
    let compose = composed.and_then(|node| {
        let mut draft = reader::mapping(node, "the keys of `compose`", mistakes)?;
        calls = batch::read(node, &mut draft, mistakes);
        Some(draft)
    });
    let upstream = match (&compose, composed) {
        (Some(draft), _) => Some(Spanned::new(COMPOSED.to_owned(), draft.span().clone())),
        (None, Some(_)) => fields.optional("upstream").and_then(|node| upstream(node, upstreams, mistakes)),
        (None, None) => fields.required("upstream", mistakes).and_then(|node| upstream(node, upstreams, mistakes)),
    };
    let inside = fields.optional("inside").and_then(|node| reader::boolean(node, mistakes)).unwrap_or(false);
    let strip = fields.optional("strip").and_then(|node| reader::text(node, mistakes));
    let modes = [("required", Auth::Required), ("optional", Auth::Optional), ("off", Auth::Off)];
    let auth = fields.optional("auth").and_then(|node| reader::word(node, &modes, mistakes));
    let allow = fields.optional("allow").and_then(|node| allow(node, mistakes));
    let limits = [("tier", Limit::Tier), ("off", Limit::Off)];
    let limit = fields.optional("limit").and_then(|node| reader::word(node, &limits, mistakes));
    let cost = fields.optional("cost").map(Draft::of);
    let accepts = fields.optional("accepts");
    let accepts = accepts.and_then(|node| reader::mapping(node, "the keys of `accepts`", mistakes));
    if let Some(accepts) = &accepts {
        guard::check_length(accepts, mistakes);
    }
    let cache = fields.optional("cache").filter(|node| !reader::is_off(node));
    let cache = cache.and_then(|node| reader::mapping(node, "the keys of `cache`, or `off`", mistakes));
    let patience = Duration::from_millis(1)..=Duration::from_hours(1);
    let timeout = fields.optional("timeout").and_then(|node| reader::period(node, patience, mistakes));
    if compose.is_some() && (strip.is_some() || cache.is_some() || timeout.is_some() || inside) {
        let expected = "`strip`, `cache`, `timeout` and `inside` are for the routes of its calls";
        mistakes.add(&fields.span, "this means nothing where an answer is composed", expected);
    }
    fields.finish(mistakes);
    let (Some((Some(matcher), span)), Some(upstream)) = (matcher, upstream) else { return None };
    let strip = strip.map(|text| stripped(&text, &matcher, mistakes)).unwrap_or_default();
    let limit = limit.unwrap_or(Limit::Tier);
    Some(Route {
        matcher,
        upstream,
        compose,
        calls,
        inside,
        strip,
        auth,
        allow,
        limit,
        cost,
        accepts,
        cache,
        timeout,
        span,
    })
}

/// A rule, the name of one, or a list; the auth filter says whether they are any.
fn allow(node: &Node, mistakes: &mut Mistakes) -> Option<Draft> {
    if matches!(node.value, Value::Null) {
        mistakes.add(&node.span, "nothing stands here", "expected a rule, the name of a permission, or a list of them");
        return None;
    }
    Some(Draft::of(node))
}

fn upstream(node: &Node, upstreams: &[Upstream], mistakes: &mut Mistakes) -> Option<Spanned<String>> {
    let name = reader::text(node, mistakes)?;
    check_upstream(&name, upstreams, mistakes);
    Some(name)
}

/// Notes a name that no upstream has.
pub fn check_upstream(name: &Spanned<String>, upstreams: &[Upstream], mistakes: &mut Mistakes) {
    if upstreams.iter().all(|upstream| upstream.name.value != name.value) {
        let names: Vec<&str> = upstreams.iter().map(|upstream| upstream.name.value.as_str()).collect();
        let expected = match reader::nearest(&name.value, names.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("expected {}", reader::one_of(&names)),
        };
        mistakes.add_as(Code::UnknownUpstream, &name.span, format!("there is no upstream `{}`", name.value), expected);
    }
}

/// The part to strip: whole segments that every path of the route begins with.
fn stripped(text: &Spanned<String>, matcher: &Matcher, mistakes: &mut Mistakes) -> String {
    let strip = text.value.trim_end_matches('/');
    let literal = matcher.pattern.literal();
    let whole = literal.strip_prefix(strip).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !whole {
        let expected = format!("expected whole segments at the beginning of `{literal}`");
        mistakes.add(&text.span, format!("not every path of this route begins with `{}`", text.value), expected);
    }
    strip.to_owned()
}
