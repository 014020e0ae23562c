//! What a filter may ask about its stream, its plugin and its proxy.

use crate::clock::nanoseconds;
use crate::headers::Headers;
use crate::stream::{Side, Stream};
use crate::vm::Guest;

impl Guest {
    /// The value at a path, whose parts are parted by zeros: what the test has set, else what Envoy would answer.
    pub(crate) fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        // Filters write the path as Envoy reads it; a closing zero makes no difference.
        let path = path.strip_suffix(b"\0").unwrap_or(path);
        let stream = self.stream().map(|(stream, filter)| (self.world.stream(stream), filter));
        if let Some(value) = stream.and_then(|(stream, _)| stream.properties.get(path)) {
            return Some(value.clone());
        }
        let mut parts = path.split(|byte| *byte == 0);
        let first = parts.next()?;
        let rest: Vec<&[u8]> = parts.collect();
        if rest.is_empty()
            && let Some(value) = self.own_property(first)
        {
            return Some(value);
        }
        let (stream, filter) = stream?;
        let logging = stream.filters[filter].logging;
        let sees = |side| logging || stream.filters[filter].view(side).headers;
        match (first, rest.as_slice()) {
            (b"request", [name, rest @ ..]) => stream.request_property(sees(Side::Request), name, rest, self.now()),
            (b"response", [name, rest @ ..]) => stream.response_property(sees(Side::Response), name, rest),
            (b"source", [b"address"]) => Some(b"127.0.0.1:50000".to_vec()),
            (b"source", [b"port"]) => Some(number(50_000)),
            (b"destination", [b"address"]) => Some(b"127.0.0.1:10000".to_vec()),
            (b"destination", [b"port"]) => Some(number(10_000)),
            (b"connection", [b"id"]) | (b"connection_id", []) => Some(number(stream.id.0)),
            (b"connection", [b"mtls"]) => Some(vec![0]),
            (b"upstream", [b"address"]) if stream.response.headers.is_some() => Some(b"127.0.0.1:20000".to_vec()),
            (b"xds", [b"cluster_name"]) => Some(stream.cluster().as_bytes().to_vec()),
            (b"xds", [b"route_name"]) => Some(Vec::new()),
            (b"xds", [b"virtual_host_name"]) => Some(b"gateway".to_vec()),
            (b"filter_state", [key]) => stream.filter_state.get(*key).cloned(),
            (name, _) => stream.filter_state.get([b"wasm.", name].concat().as_slice()).cloned(),
        }
    }

    /// What a plugin may ask without a stream.
    fn own_property(&self, name: &[u8]) -> Option<Vec<u8>> {
        let plugin = &self.world.plugins[self.plugin()?];
        match name {
            b"plugin_name" => Some(plugin.name.clone().into_bytes()),
            b"plugin_root_id" => Some(plugin.root_id.clone().into_bytes()),
            b"plugin_vm_id" => Some(plugin.vm_id.clone().into_bytes()),
            _ => None,
        }
    }

    fn now(&self) -> std::time::Duration {
        self.world.clock.monotonic
    }
}

impl Stream {
    /// The cluster that the route leads to.
    pub(crate) fn cluster(&self) -> &str {
        self.sent.cluster.as_deref().unwrap_or(crate::builder::DEFAULT_CLUSTER)
    }

    fn request_property(
        &self,
        sees_headers: bool,
        name: &[u8],
        rest: &[&[u8]],
        now: std::time::Duration,
    ) -> Option<Vec<u8>> {
        let bytes = || self.sent.chunks.iter().map(Vec::len).sum::<usize>() as u64;
        match (name, rest) {
            (b"time", []) => return Some(number(nanoseconds(self.started_wall))),
            (b"duration", []) if self.ended() => return Some(number(nanoseconds(now.saturating_sub(self.started)))),
            (b"size", []) => return Some(number(bytes())),
            (b"total_size", []) => return Some(number(bytes() + self.sent.headers.bytes() as u64)),
            (b"protocol", []) => {
                let http1 = self.sent.protocol == crate::Protocol::Http1;
                return Some(if http1 { b"HTTP/1.1".to_vec() } else { b"HTTP/2".to_vec() });
            }
            _ => {}
        }
        let headers = self.request.headers.as_ref().filter(|_| sees_headers)?;
        let path = || headers.first(":path");
        let value = match (name, rest) {
            (b"path", []) => path(),
            (b"url_path", []) => path().map(|path| split_query(path).0),
            (b"query", []) => path().map(|path| split_query(path).1),
            (b"host", []) => headers.first(":authority"),
            (b"scheme", []) => headers.first(":scheme"),
            (b"method", []) => headers.first(":method"),
            (b"referer", []) => headers.first("referer"),
            (b"useragent", []) => headers.first("user-agent"),
            (b"id", []) => headers.first("x-request-id"),
            (b"headers", [name]) => return joined(headers, name),
            _ => None,
        };
        value.map(<[u8]>::to_vec)
    }

    fn response_property(&self, sees_headers: bool, name: &[u8], rest: &[&[u8]]) -> Option<Vec<u8>> {
        let headers = self.response.headers.as_ref();
        match (name, rest) {
            (b"code", []) => headers?.text(":status")?.parse().ok().map(number),
            (b"code_details", []) => Some(self.details.clone().into_bytes()).filter(|details| !details.is_empty()),
            (b"flags", []) => Some(number(self.flags)),
            (b"size", []) => Some(number(self.client.as_ref().map_or(0, |client| client.body().len()) as u64)),
            (b"headers", [name]) => joined(headers.filter(|_| sees_headers)?, name),
            (b"trailers", [name]) => joined(self.response.trailers.as_ref()?, name),
            _ => None,
        }
    }
}

/// A number as Envoy's expressions pass it.
fn number(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

fn split_query(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().position(|byte| *byte == b'?') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (path, b""),
    }
}

/// A header in an expression is all its values, joined by commas.
fn joined(headers: &Headers, name: &[u8]) -> Option<Vec<u8>> {
    let values: Vec<_> = headers.all(name).collect();
    (!values.is_empty()).then(|| values.join(&b","[..]))
}
