//! Where Envoy's spans go: the mapping `tracing`.
//!
//! ```yaml
//! tracing: {otlp: "http://127.0.0.1:4318", sampled: 10%, service: gateway}
//! ```

use crate::diagnostic::{Mistakes, Span};
use crate::policy::Address;
use crate::reader::{self, Fields};
use crate::yaml::Node;

/// Which requests are traced, and who is told of them.
#[derive(Debug)]
pub struct Tracing {
    /// A collector that takes OTLP over HTTP.
    pub collector: Address,
    /// How many of a hundred requests are traced, of those whose sender has not decided it (W3C Trace Context).
    pub sampled: f64,
    /// What the proxy is called in traces.
    pub service: String,
    /// Where it is said.
    pub span: Span,
}

/// Of a hundred requests.
const SAMPLED: f64 = 10.0;

impl Tracing {
    /// Reads the mapping `tracing`.
    pub fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let mut fields = Fields::of(node, "`tracing`", mistakes)?;
        let collector = fields.required("otlp", mistakes).and_then(|node| collector(node, mistakes));
        let sampled = fields.optional("sampled").and_then(|node| share(node, mistakes));
        let service = fields.optional("service").and_then(|node| reader::text(node, mistakes));
        fields.finish(mistakes);
        let service = service.map_or_else(|| "weir".to_owned(), |service| service.value);
        Some(Self { collector: collector?, sampled: sampled.unwrap_or(SAMPLED), service, span: node.span.clone() })
    }
}

fn collector(node: &Node, mistakes: &mut Mistakes) -> Option<Address> {
    let text = reader::text(node, mistakes)?;
    match Address::parse(&text.value) {
        Ok((address, _)) => Some(address),
        Err(why) => {
            mistakes.add(&text.span, format!("`{}` is not an address", text.value), why);
            None
        }
    }
}

fn share(node: &Node, mistakes: &mut Mistakes) -> Option<f64> {
    let text = reader::text(node, mistakes)?;
    let share = text.value.strip_suffix('%').and_then(|number| number.parse().ok());
    let share = share.filter(|share| (0.0..=100.0).contains(share));
    if share.is_none() {
        mistakes.add(&text.span, format!("`{}` is not a share", text.value), "expected one like 10% or 0.5%");
    }
    share
}
