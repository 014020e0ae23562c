//! How a configuration speaks of a fleet: `state`, `fleet`, and the scope of a rule.

use std::time::Duration;

use policy::state::{RawStore, Store, Variables};
use policy::{ConfigError, Period};
use serde_json::value::RawValue;

use super::wrong;
use crate::fleet::{Fleet, WhenUnavailable};
use crate::rule::Scope;

const INTERVAL: Duration = Duration::from_millis(50);
const BUDGET: Duration = Duration::from_millis(100);

/// Words as they stand in a JSON object, with the three names that `fleet` has.
pub(super) type Words = std::collections::BTreeMap<String, String>;

/// Reads `state` and `fleet`.
pub(super) fn read(
    state: Option<&RawValue>,
    mut fleet: Words,
    variables: Option<Variables<'_>>,
) -> Result<Option<Fleet>, ConfigError> {
    let inside = |mistake: ConfigError| mistake.inside("fleet");
    let interval = period(&mut fleet, "interval", INTERVAL, 10..=1_000).map_err(inside)?;
    let budget = period(&mut fleet, "budget", BUDGET, 5..=10_000).map_err(inside)?;
    let when_unavailable = match fleet.remove("when_unavailable").as_deref() {
        None | Some("share") => WhenUnavailable::Share,
        Some("open") => WhenUnavailable::Open,
        Some("closed") => WhenUnavailable::Closed,
        Some(other) => {
            return Err(wrong("fleet.when_unavailable", "must be \"share\", \"open\" or \"closed\"", other));
        }
    };
    if let Some((unknown, _)) = fleet.first_key_value() {
        return Err(wrong("fleet", "must have interval, budget and when_unavailable alone", unknown));
    }
    let Some(state) = state else { return Ok(None) };
    let raw = policy::config::read(state.get().as_bytes());
    let store = raw.and_then(|raw: RawStore| Store::new(raw, variables));
    let mut store = store.map_err(|mistake| mistake.inside("state"))?;
    store.timeout = store.timeout.min(budget);
    Ok(Some(Fleet { store, interval, budget, when_unavailable }))
}

fn period(
    words: &mut Words,
    name: &str,
    default: Duration,
    millis: std::ops::RangeInclusive<u64>,
) -> Result<Duration, ConfigError> {
    let Some(text) = words.remove(name) else { return Ok(default) };
    let length = Period::parse(&text).map(Period::length);
    length.filter(|length| (Duration::from_millis(*millis.start())..=Duration::from_millis(*millis.end())).contains(length)).ok_or_else(|| {
        let (least, most) = (millis.start(), millis.end());
        ConfigError::at(name, format!("must be a length of time from {least}ms to {most}ms, got {text:?}"))
    })
}

/// Reads the scope of a rule, which is that of the whole configuration where it does not say.
pub(super) fn scope(rule: Option<&str>, general: Scope, has_store: bool) -> Result<Scope, ConfigError> {
    let scope = match rule {
        None => general,
        Some("proxy") => Scope::Proxy,
        Some("fleet") => Scope::Fleet,
        Some(other) => return Err(wrong("scope", "must be \"proxy\" or \"fleet\"", other)),
    };
    if scope == Scope::Fleet && !has_store {
        return Err(ConfigError::at("scope", "a fleet needs `state`, where its proxies meet"));
    }
    Ok(scope)
}
