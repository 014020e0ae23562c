//! Where state is kept that a fleet shares: the mapping `state`.

use std::time::Duration;

use policy::Period;

use crate::code::Code;
use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::upstream::{self, Pool, Upstream};
use crate::policy::{Fallback, Surroundings};
use crate::reader::{self, Fields, Spanned};
use crate::yaml::Node;

/// The name of its cluster.
pub const CLUSTER: &str = "state";
/// How long an answer may take.
const PATIENCE: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(1);

/// A Redis behind an HTTP bridge.
#[derive(Debug)]
pub struct Store {
    /// Where the bridge is.
    pub upstream: Upstream,
    /// What a filter reads about it.
    pub draft: Draft,
    /// The variable of the environment that holds its password or token.
    pub variable: Option<String>,
}

impl Store {
    /// Reads the mapping `state`; `None` where everything is in memory.
    pub fn read(node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        let mut fields = Fields::of(node, "the state store", mistakes)?;
        let store = fields.required("store", mistakes);
        let is_redis = store.and_then(|node| reader::word(node, &[("memory", false), ("redis", true)], mistakes));
        let store = if is_redis == Some(true) { Self::redis(&mut fields, surroundings, mistakes) } else { None };
        // What is said of a store that cannot be read is not wrong for that.
        if is_redis == Some(false) || store.is_some() {
            fields.finish(mistakes);
        }
        store
    }

    fn redis(fields: &mut Fields<'_>, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        let span = fields.span.clone();
        let address = fields.required("url", mistakes).and_then(|node| upstream::address(node, mistakes));
        let dialects = [("webdis", "webdis"), ("upstash", "upstash")];
        let dialect = match fields.optional("dialect") {
            None => Some("webdis"),
            Some(node) => reader::word(node, &dialects, mistakes),
        };
        let mut draft = Draft::object(&span);
        draft.set("cluster", Draft::leaf(CLUSTER, &span));
        draft.set("dialect", Draft::leaf(dialect.unwrap_or("webdis"), &span));
        if dialect == Some("webdis")
            && let Some(node) = fields.optional("user")
        {
            draft.set("user", Draft::of(node));
        }
        let secret = fields.optional(if dialect == Some("upstash") { "token" } else { "password" });
        let variable = secret.and_then(|node| variable(node, surroundings, mistakes));
        if let Some(variable) = &variable {
            draft.set("env", Draft::leaf(variable.value.as_str(), &variable.span));
        }
        if let Some(node) = fields.optional("timeout")
            && reader::period(node, PATIENCE, mistakes).is_some()
        {
            draft.set("timeout", Draft::of(node));
        }
        if let Some(node) = fields.optional("prefix") {
            draft.set("prefix", Draft::of(node));
        }
        let address = address?;
        draft.set("authority", Draft::leaf(address.authority(), &span));
        draft.set("path", Draft::leaf(format!("{}/", address.base), &span));
        let upstream = Upstream {
            name: Spanned::new(CLUSTER.to_owned(), span),
            address,
            internal: true,
            headers: Vec::new(),
            timeout: Period::of_seconds(1),
            connect_timeout: Period::of_seconds(1),
            retry: None,
            // A worker or two ask at a time beside the requests, and the cache for each that it cannot answer itself.
            pool: Pool { connections: 32, pending: 512, requests: 512 },
            breaker: None,
            fallback: Fallback::default(),
            limit: None,
            slow_down: None,
            provider: None,
        };
        Some(Self { upstream, draft, variable: variable.map(|variable| variable.value) })
    }
}

/// The name of the variable that holds a secret: secrets are never written into a policy.
fn variable(node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Spanned<String>> {
    let mut fields = Fields::of(node, "`{env: NAME}`", mistakes)?;
    let name = fields.required("env", mistakes).and_then(|node| reader::text(node, mistakes));
    fields.finish(mistakes);
    let name = name?;
    if (surroundings.variable)(&name.value).is_none() {
        let wrong = format!("the environment has no variable `{}`", name.value);
        mistakes.add_as(Code::UnknownVariable, &name.span, wrong, "set it");
        return None;
    }
    Some(name)
}
