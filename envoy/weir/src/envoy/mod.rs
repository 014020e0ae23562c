//! From a policy and its filters' configurations to what Envoy reads.
//!
//! [`bootstrap`] is the whole; [`listener`] is where clients arrive, with [`filter`], [`guard`], [`route`], [`log`], [`tracing`] and [`reply`] as its
//! parts, and [`operation`] what is answered there for the proxy; [`cluster`] is where requests go, and [`internal`] the way back in for those of the filters' own. The output is
//! Envoy's JSON, for 1.37 to 1.40.

pub mod bootstrap;
pub mod cluster;
pub mod filter;
pub mod guard;
pub mod internal;
pub mod listener;
pub mod log;
pub mod operation;
pub mod path;
pub mod reply;
pub mod route;
pub mod tracing;

use std::net::SocketAddr;
use std::path::Path;

use policy::Period;
use serde_json::{Value as Json, json};

use crate::policy::Policy;
use crate::translate::Filter;

/// Everything that a rendering depends on.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The filters' configurations, in the order in which they meet a request.
    pub filters: &'a [Filter],
    /// The folder that holds one `.wasm` for each filter, as Envoy will see it.
    pub wasm: &'a Path,
}

/// The name of the listener, the route table and the virtual host.
const NAME: &str = "weir";

/// The type of a typed configuration, as Envoy names it.
pub(crate) fn typed(name: &str, mut config: Json) -> Json {
    set(&mut config, "@type", format!("type.googleapis.com/{name}"));
    config
}

/// Sets one member of an object.
pub(crate) fn set(object: &mut Json, name: &str, value: impl Into<Json>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// A duration as protobuf's JSON writes it.
fn duration(period: Period) -> Json {
    let millis = period.length().as_millis();
    if millis.is_multiple_of(1000) {
        format!("{}s", millis / 1000).into()
    } else {
        format!("{}.{:03}s", millis / 1000, millis % 1000).into()
    }
}

fn socket_address(address: SocketAddr) -> Json {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

/// Text in which Envoy looks for `%COMMANDS%`, and is to find none.
pub(crate) fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn durations_are_written_as_protobuf_reads_them() {
        for (millis, written) in [(0, "0s"), (250, "0.250s"), (5, "0.005s"), (60_000, "60s"), (1_500, "1.500s")] {
            assert_eq!(duration(Period::of(Duration::from_millis(millis))), written);
        }
    }
}
