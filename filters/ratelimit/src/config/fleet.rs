//! How a configuration speaks of a fleet: `state`, `fleet`, and the scope of a rule.

use std::fmt;
use std::time::Duration;

use policy::state::{RawStore, Store, Variables};
use policy::{ConfigError, Period};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::wrong;
use crate::fleet::{Fleet, WhenUnavailable};
use crate::rule::Scope;

const INTERVAL: Duration = Duration::from_millis(50);
const BUDGET: Duration = Duration::from_millis(100);

/// An object whose members are all texts.
#[derive(Default)]
pub(super) struct Words(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de> Visitor<'de> for Words {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self, A::Error> {
        while let Some(name) = members.next_key()? {
            self.0.push((name, members.next_value()?));
        }
        Ok(self)
    }
}

impl Words {
    fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(place).1)
    }

    /// Says what nobody has taken.
    fn end(&self) -> Result<(), ConfigError> {
        match self.0.first() {
            Some((name, _)) => Err(ConfigError::at(name, "is unknown here, or there twice")),
            None => Ok(()),
        }
    }
}

/// Reads `state` and `fleet`.
pub(super) fn read(
    state: Option<Words>,
    mut fleet: Words,
    variables: Option<Variables<'_>>,
) -> Result<Option<Fleet>, ConfigError> {
    let inside = |mistake: ConfigError| mistake.inside("fleet");
    let interval = period(&mut fleet, "interval", INTERVAL, (10, 1_000)).map_err(inside)?;
    let budget = period(&mut fleet, "budget", BUDGET, (5, 10_000)).map_err(inside)?;
    let when_unavailable = match fleet.take("when_unavailable").as_deref() {
        None | Some("share") => WhenUnavailable::Share,
        Some("open") => WhenUnavailable::Open,
        Some("closed") => WhenUnavailable::Closed,
        Some(other) => {
            return Err(wrong("fleet.when_unavailable", "must be \"share\", \"open\" or \"closed\"", other));
        }
    };
    fleet.end().map_err(inside)?;
    let Some(state) = state else { return Ok(None) };
    let mut store = store(state, variables).map_err(|mistake| mistake.inside("state"))?;
    store.timeout = store.timeout.min(budget);
    Ok(Some(Fleet { store, interval, budget, when_unavailable }))
}

fn store(mut words: Words, variables: Option<Variables<'_>>) -> Result<Store, ConfigError> {
    let mut word = |name| words.take(name);
    let raw = RawStore {
        cluster: word("cluster"),
        dialect: word("dialect"),
        path: word("path"),
        authority: word("authority"),
        user: word("user"),
        env: word("env"),
        timeout: word("timeout"),
        prefix: word("prefix"),
    };
    words.end()?;
    Store::new(raw, variables)
}

fn period(
    words: &mut Words,
    name: &str,
    default: Duration,
    (least, most): (u64, u64),
) -> Result<Duration, ConfigError> {
    let Some(text) = words.take(name) else { return Ok(default) };
    let length = Period::parse(&text).map(Period::length);
    let fits = |length: &Duration| (u128::from(least)..=u128::from(most)).contains(&length.as_millis());
    length.filter(fits).ok_or_else(|| {
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
