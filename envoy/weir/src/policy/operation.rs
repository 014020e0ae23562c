//! Who operates the proxy, and where: the mapping `admin`, or the address alone.
//!
//! With the mapping, the proxy answers `/health`, `/metrics` and, to operators, `/admin` itself, before any of the policy's own
//! routes; `admin: 127.0.0.1:9901` only says where Envoy's administration interface is.

use std::net::SocketAddr;

use policy::route::Target;

use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::reader::{self, Fields, Spanned};
use crate::yaml::{Node, Value};

/// What is answered beside the policy's routes.
#[derive(Debug)]
pub struct Operation {
    /// Who is told anything but the proxy's health, as the admin filter reads it.
    pub operators: Option<Draft>,
    /// Where a mistake about it is shown.
    pub span: Span,
}

impl Operation {
    /// Whether operators are known by a role, which the auth filter finds; and whether by nothing else.
    pub fn role(&self) -> Option<Exclusive> {
        let operators = self.operators.as_ref().filter(|operators| operators.has("role"))?;
        Some(if operators.has("key_sha256") { Exclusive::No } else { Exclusive::Yes })
    }
}

/// What the proxy answers itself, by its path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Own {
    /// How it is.
    Health,
    /// What operators ask, and say.
    Admin,
    /// What Envoy counts.
    Metrics,
}

impl Own {
    /// A path of each.
    pub const PATHS: [&str; 3] = ["/health", "/metrics", "/admin/status"];

    /// What a request is for, as [`crate::envoy::operation`] has Envoy's routes tell it; `None` where it is for the policy's.
    pub fn of(target: &Target<'_>) -> Option<Self> {
        let below = |name: &[u8]| {
            let rest = target.path.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let is_read = matches!(target.method, b"GET" | b"HEAD");
        match target.path {
            _ if below(b"/health") => Some(Self::Health),
            _ if below(b"/admin") => Some(Self::Admin),
            b"/metrics" if is_read => Some(Self::Metrics),
            _ => None,
        }
    }
}

/// Whether there is no other way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exclusive {
    /// There is none.
    Yes,
    /// There is another.
    No,
}

/// Reads `admin`: the address of Envoy's administration interface, and what is answered to whom.
pub fn read(
    node: Option<&Node>,
    default: Spanned<SocketAddr>,
    mistakes: &mut Mistakes,
) -> (Spanned<SocketAddr>, Option<Operation>) {
    let Some(node) = node else { return (default, None) };
    if !matches!(node.value, Value::Map(_)) {
        return (reader::address(node, mistakes).unwrap_or(default), None);
    }
    let Some(mut fields) = Fields::of(node, "`admin`", mistakes) else { return (default, None) };
    let listen = fields.optional("listen").and_then(|node| reader::address(node, mistakes));
    let operators = fields.optional("operators").map(Draft::of);
    fields.finish(mistakes);
    (listen.unwrap_or(default), Some(Operation { operators, span: node.span.clone() }))
}
