//! The state store as scenarios meet it: a real Redis behind a real webdis.

#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;

use proxy::{Redis, Webdis};
use suite::Scenario;

/// The password that the shipped configuration of webdis is to be given another one for.
pub(crate) const PASSWORD: &str = "change-me";

/// A real Redis behind a real webdis, as it is configured to run in production.
pub(crate) struct Store {
    pub(crate) redis: Redis,
    pub(crate) webdis: Webdis,
}

impl Store {
    pub(crate) fn start() -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envoy/state/webdis.json");
        let settings = serde_json::from_slice(&std::fs::read(shipped).unwrap()).unwrap();
        let redis = Redis::start().unwrap();
        let webdis = Webdis::start(redis.port(), &settings).unwrap();
        Self { redis, webdis }
    }

    /// A chain of one filter that reaches it; the variable `STATE_PASSWORD` lets it in.
    pub(crate) fn scenario(&self, filter: &str, config: &str) -> Scenario {
        Scenario::new(&[(filter, config)])
            .environment("STATE_PASSWORD", PASSWORD)
            .cluster_at("state", self.webdis.address())
            .envoy_only("the host reaches no Redis")
    }
}
