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

/// Notes every fallback to an upstream that there is not.
pub fn check(upstreams: &[Upstream], mistakes: &mut Mistakes) {
    for name in upstreams.iter().filter_map(|upstream| upstream.fallback.upstream.as_ref()) {
        route::check_upstream(name, upstreams, mistakes);
    }
}
