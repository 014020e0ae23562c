//! What stands in for an upstream that is not asked: the mapping `fallback` of its `breaker`.
//!
//! The breaker filter reads most of it. What is stored is the cache's to send, and where another upstream is, Envoy's routes
//! know: those two are read here.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::{Upstream, route};
use crate::reader::{self, Spanned};
use crate::yaml::{Node, Value};

/// What of a fallback is not the breaker filter's alone.
#[derive(Debug, Default)]
pub struct Fallback {
    /// For how long after its time a stored answer may be sent, as the cache filter reads it.
    pub stale: Option<Draft>,
    /// The name of the upstream that stands in.
    pub upstream: Option<Spanned<String>>,
}

impl Fallback {
    /// Takes its part out of a breaker; the rest is the filter's.
    pub fn take(node: &Node, breaker: &mut Draft, mistakes: &mut Mistakes) -> Self {
        let Some(node) = member(node, "fallback") else { return Self::default() };
        let upstream = member(node, "upstream").and_then(|node| reader::text(node, mistakes));
        let Some(mut rest) = breaker.take("fallback") else { return Self::default() };
        let stale = rest.take("stale");
        if stale.is_none() || rest.has("static") || rest.has("upstream") {
            breaker.set("fallback", rest);
        }
        Self { stale, upstream }
    }
}

fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
}

/// Notes every fallback to an upstream that there is not, or that could not stand in: what leaves for a provider is a request
/// of that provider's own.
pub fn check(upstreams: &[Upstream], mistakes: &mut Mistakes) {
    for upstream in upstreams {
        let Some(name) = &upstream.fallback.upstream else { continue };
        route::check_upstream(name, upstreams, mistakes);
        let other = upstreams.iter().find(|other| other.name.value == name.value);
        if upstream.provider.is_some() {
            let expected = "expected `stale` or `static`";
            mistakes.add(&name.span, "no other upstream understands a provider's requests", expected);
        } else if other.is_some_and(|other| other.provider.is_some()) {
            let expected = "expected an upstream without a `profile`";
            mistakes.add(&name.span, format!("`{}` understands only requests of its own", name.value), expected);
        }
    }
}
