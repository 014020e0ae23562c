//! What clients may do before any rule looks at them: connections, hops in front of us, sizes and patience.

use std::time::Duration;

use policy::Period;

use crate::diagnostic::Mistakes;
use crate::reader::{self, Fields};
use crate::yaml::Node;

/// Limits on everything that connects.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// Connections at the same time, over all workers.
    pub connections: u64,
    /// Trusted proxies in front of Envoy, each of which adds one address to `X-Forwarded-For`.
    pub trusted_hops: u64,
    /// How long a stream on which nothing moves is kept.
    pub idle_timeout: Period,
    /// How long a client may take to send a whole request.
    pub request_timeout: Period,
    /// Header fields in a request.
    pub headers: u64,
    /// Size of all header fields of a request together.
    pub header_bytes: u64,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            connections: 25_000,
            trusted_hops: 0,
            idle_timeout: Period::of_seconds(300),
            request_timeout: Period::of_seconds(60),
            headers: 100,
            header_bytes: 60 << 10,
        }
    }
}

impl Clients {
    /// Reads the mapping `clients`.
    pub fn read(node: &Node, mistakes: &mut Mistakes) -> Self {
        let mut clients = Self::default();
        let Some(mut fields) = Fields::of(node, "`clients`", mistakes) else { return clients };
        let patience = Duration::from_secs(1)..=Duration::from_hours(24);
        let mut number = |key, slot: &mut u64, range, mistakes: &mut Mistakes| {
            let value = fields.optional(key).and_then(|node| reader::whole(node, range, mistakes));
            *slot = value.unwrap_or(*slot);
        };
        number("connections", &mut clients.connections, 1..=1_000_000, mistakes);
        number("trusted_hops", &mut clients.trusted_hops, 0..=16, mistakes);
        number("headers", &mut clients.headers, 8..=1000, mistakes);
        let mut period = |key, slot: &mut Period, mistakes: &mut Mistakes| {
            let value = fields.optional(key).and_then(|node| reader::period(node, patience.clone(), mistakes));
            *slot = value.unwrap_or(*slot);
        };
        period("idle_timeout", &mut clients.idle_timeout, mistakes);
        period("request_timeout", &mut clients.request_timeout, mistakes);
        let bytes = fields.optional("header_bytes");
        // Envoy's own bounds; above 96 KiB its buffers would have to grow too.
        let bytes = bytes.and_then(|node| reader::bytes(node, 1 << 10..=96 << 10, mistakes));
        clients.header_bytes = bytes.unwrap_or(clients.header_bytes);
        fields.finish(mistakes);
        clients
    }
}
