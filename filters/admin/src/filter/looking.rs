//! What other filters have stored, looked through for an operator: the cache's directories, credentials, configurations.

use policy::credential::{self, Age};
use policy::handover::shared::config;
use policy::purge::Pulse;
use policy::stored::{self as shelf, Object};
use policy::{Instant, Rejection, purge};
use shell::metric::Counter;

use super::Plugin;
use super::telling::stored;
use crate::credential::digest;
use crate::json::Writer;
use crate::report::{self, Stock};
use crate::stock;

/// So many sets of a cache are looked through for one answer; of more, every second or third, and so on.
const SETS_MAX: u32 = 1024;
/// The plugin that this is.
const OWN: &str = "admin";

impl Plugin {
    /// How often the cache was asked, and what it holds.
    pub(super) fn cache_stats(&self) -> Result<String, Rejection> {
        let Some(cache) = &self.config.cache else { return Err(Rejection::NotFound) };
        let counts: Vec<_> = self.counters.iter().map(|both| both.map(Counter::value)).collect();
        Ok(report::cache(&cache.data, &counts, stock(&cache.name)?))
    }

    /// What the cache holds under the URL of this primary key.
    pub(super) fn entry(&self, key: &[u8], now: Instant) -> Result<String, Rejection> {
        let Some(cache) = &self.config.cache else { return Err(Rejection::NotFound) };
        let sets = sets(&cache.name)?.try_into().map_err(|_| Rejection::NotFound)?;
        let seed = shell::seed().map_err(|_| Rejection::Unavailable { retry_after: None })?;
        let print = seed.fingerprint([key]);
        let (set, tag) = (print.slot(sets), shelf::tag(print));
        let directory = stored(&shelf::directory(&cache.name, set))?;
        let purges = Pulse::from_bytes(&stored(&purge::pulse(&cache.name))?).count();
        let seconds = u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX);
        let mut variants = Writer::list();
        for record in shelf::open(&directory).into_iter().flat_map(|(_, _, records)| records) {
            if record.tag == tag {
                let object = Object::read(&stored(&shelf::object(&cache.name, set, record.slot))?);
                variants.push(&stock::variant(&record, object.as_ref(), seconds, purges));
            }
        }
        Ok(Writer::object()
            .text("key", &String::from_utf8_lossy(key))
            .number("set", set.into())
            .raw("variants", &variants.end())
            .end())
    }

    /// How old the credentials are that are fetched here.
    pub(super) fn credentials(&self, now: Instant) -> Result<String, Rejection> {
        let mut list = Writer::list();
        for (name, key) in credential::read(&stored(credential::TOKENS)?) {
            list.push(&report::credential("token", name, Age::of_token(&stored(key)?), now));
        }
        for set in &self.config.key_sets {
            let age = Age::of_keys(&stored(&credential::keys(&set.cluster, &set.url, ""))?);
            list.push(&report::credential("keys", &set.name, age, now));
        }
        Ok(list.end())
    }

    /// With what each plugin runs, and with what it was to.
    pub(super) fn configurations(&self) -> Result<String, Rejection> {
        let mut list = Writer::list();
        let running = |plugin: &str| {
            let json = stored(&config(plugin))?;
            Ok(Some(json).filter(|json| !json.is_empty()).map(|json| digest(&json)))
        };
        for plugin in &self.config.plugins {
            let actual = running(&plugin.name)?;
            list.push(&report::configuration(&plugin.name, plugin.sha256.as_deref(), actual.as_deref()));
        }
        // No configuration can say its own digest.
        list.push(&report::configuration(OWN, None, running(OWN)?.as_deref()));
        Ok(list.end())
    }
}

fn sets(cache: &str) -> Result<u32, Rejection> {
    Ok(stored(&shelf::extent(cache))?.try_into().map_or(0, u32::from_le_bytes))
}

fn stock(cache: &str) -> Result<Stock, Rejection> {
    let sets = sets(cache)?;
    let step = sets.div_ceil(SETS_MAX).max(1);
    let mut stock = Stock::default();
    for set in (0..sets).step_by(step as usize) {
        let directory = stored(&shelf::directory(cache, set))?;
        for record in shelf::open(&directory).into_iter().flat_map(|(_, _, records)| records) {
            stock.entries += u64::from(step);
            stock.bytes = stock.bytes.saturating_add(u64::from(record.bytes) * u64::from(step));
        }
    }
    Ok(stock)
}
