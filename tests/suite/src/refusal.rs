//! Configurations that must not be loaded.

use proxy::Origin;

use crate::scenario::Scenario;
use crate::{envoy, host};

/// Checks that both proxies refuse a filter's configuration, and that the log says why.
///
/// # Panics
/// When a proxy accepts it, or its log has no such text.
#[track_caller]
pub fn refuses(filter: &str, config: &str, text: &str) {
    let scenario = Scenario::new(&[(filter, config)]);
    let in_host = host::refusal(&scenario);
    let in_envoy = envoy::start(&scenario, &Origin::start(), &[]).err().map(|failure| failure.log);
    for (proxy, log) in [("the host", in_host), ("Envoy", in_envoy)] {
        let Some(log) = log else { panic!("{proxy} accepts this configuration of {filter}: {config}") };
        let tail = proxy::child::tail(&log);
        assert!(log.contains(text), "{proxy} refuses it, but its log does not say \"{text}\":\n{tail}");
    }
}
