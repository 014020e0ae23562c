//! What the configuration says of the second level: `state` (where it is) and `l2` (how it is used).

use std::fmt;
use std::time::Duration;

use policy::state::{RawStore, Store, Variables};
use policy::{ConfigError, Period};
use serde::Deserialize;

use super::Bytes;

/// An answer of the store has to fit into what a filter reads of one, as base64.
const OBJECT_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLevel {
    budget: Option<Period>,
    object_bytes_max: Option<Bytes>,
    stale: Option<Period>,
    refresh: Option<Period>,
}

/// The second level. It holds a secret.
pub struct Level {
    /// Where it is.
    pub store: Store,
    /// How long a request waits for it.
    pub budget: Duration,
    /// A longer object is kept by this proxy alone.
    pub object_bytes_max: usize,
    /// For how many seconds an object stays there after it has become stale.
    pub stale_seconds: u32,
    /// How often the fleet's purges are read.
    pub refresh: Duration,
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Level")
    }
}

impl Level {
    pub(super) fn new(
        state: Option<RawStore>,
        raw: Option<RawLevel>,
        variables: Option<Variables<'_>>,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(raw) = raw else { return Ok(None) };
        let Some(state) = state else { return Err(ConfigError::at("state", "is missing, as long as there is `l2`")) };
        let store = Store::new(state, variables).map_err(|mistake| mistake.inside("state"))?;
        Self::of(&raw, store).map(Some).map_err(|mistake| mistake.inside("l2"))
    }

    fn of(raw: &RawLevel, store: Store) -> Result<Self, ConfigError> {
        let length = |name: &str, given: Option<Period>, default: u64, least: u64, most: u64| {
            let length = given.map_or(Duration::from_millis(default), Period::length);
            if length < Duration::from_millis(least) || length > Duration::from_millis(most) {
                return Err(ConfigError::at(name, format!("must be from {least}ms to {most}ms")));
            }
            Ok(length)
        };
        let object_bytes_max = raw.object_bytes_max.map_or(256 << 10, |bytes| bytes.0);
        if !(1 << 10..=OBJECT_BYTES_MAX).contains(&object_bytes_max) {
            return Err(ConfigError::at("object_bytes_max", "must be from 1KiB to 1MiB"));
        }
        Ok(Self {
            store,
            budget: length("budget", raw.budget, 20, 1, 1000)?,
            object_bytes_max: usize::try_from(object_bytes_max).unwrap_or(usize::MAX),
            stale_seconds: super::seconds(raw.stale.unwrap_or(Period::of_seconds(600))),
            refresh: length("refresh", raw.refresh, 500, 100, 5000)?,
        })
    }
}
