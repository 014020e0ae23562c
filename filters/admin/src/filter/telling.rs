//! Questions, answered out of shared data.

use policy::handover::{DETAILS_PREFIX, shared::SEED};
use policy::{Rejection, allowance, health};
use proxy_wasm::types::Action;
use shell::HostError;
use shell::metric::Counter;
use shell::shared;

use super::Plugin;
use crate::config::Data;
use crate::contact::{self, Contact};
use crate::health::Overall;
use crate::report;
use crate::request::Ask;

/// The counters of a cache's labels, as the cache has named them.
pub(super) fn counters(data: &Data) -> [Counter; 2] {
    let labels = [("provider", data.provider.as_str()), ("data_type", data.data_type.as_str())];
    ["api_gateway_cache_hits_total", "api_gateway_cache_misses_total"].map(|name| Counter::new(name, &labels))
}

impl Plugin {
    /// Answers what changes nothing.
    pub(super) fn tell(&self, ask: &Ask) -> Result<Action, Rejection> {
        let now = shell::now().unix_seconds();
        let body = match ask {
            Ask::Health => {
                let (contact, breakers) = (self.contact()?, stored(health::KEY)?);
                let overall = Overall::of(contact, &breakers, now);
                return Ok(send(overall.status(), &crate::health::body(overall, contact, &breakers, now)));
            }
            Ask::Live => r#"{"status":"live"}"#.to_owned(),
            Ask::Ready => {
                stored(SEED)?;
                r#"{"status":"ready"}"#.to_owned()
            }
            Ask::Limits => report::limits(&stored(allowance::KEY)?, now),
            Ask::Breakers => report::breakers(&stored(health::KEY)?, now),
            Ask::Cache => {
                let Some(cache) = &self.config.cache else { return Err(Rejection::NotFound) };
                let counts: Vec<_> = self.counters.iter().map(|both| both.map(Counter::value)).collect();
                report::cache(&cache.data, &counts)
            }
            Ask::ResetLimits(_) | Ask::Order(_) | Ask::Purge(_) => return Err(Rejection::Internal),
        };
        Ok(send(200, &body))
    }

    fn contact(&self) -> Result<Contact, Rejection> {
        if self.config.store.is_none() {
            return Ok(Contact::Unused);
        }
        Ok(Contact::read(&stored(contact::KEY)?, shell::now()))
    }
}

/// What stands in shared data.
pub(super) fn stored(key: &str) -> Result<Vec<u8>, Rejection> {
    let failed = |error: HostError| {
        log::error!("{key}: {error}");
        Rejection::Unavailable { retry_after: None }
    };
    shared::read(key).map(|(bytes, _)| bytes).map_err(failed)
}

/// Answers with JSON that nobody keeps.
pub(super) fn send(status: u16, body: &str) -> Action {
    let headers = [("content-type", "application/json"), ("cache-control", "no-store")];
    shell::reply::send(status, &[DETAILS_PREFIX, "admin"].concat(), &headers, body.as_bytes())
}
