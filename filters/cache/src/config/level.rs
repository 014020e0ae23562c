//! What the configuration says of the second level: `state` (where it is) and `l2` (how it is used).

use std::fmt;
use std::time::Duration;

use policy::fields::Fields;
use policy::state::{RawStore, Store, Variables};
use policy::{ConfigError, Period};

/// An answer of the store has to fit into what a filter reads of one, as base64.
const OBJECT_BYTES_MAX: u64 = 1 << 20;

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
    /// Reads `l2` and, for it, `state`.
    pub(super) fn read(fields: &mut Fields, variables: Option<Variables<'_>>) -> Result<Option<Self>, ConfigError> {
        let store = if fields.has("state") {
            let inside = |mistake: ConfigError| mistake.inside("state");
            let raw = RawStore::read(fields.object("state")?).map_err(inside)?;
            Some(Store::new(raw, variables).map_err(inside)?)
        } else {
            None
        };
        if !fields.has("l2") {
            return Ok(None);
        }
        let settings = fields.object("l2")?;
        let Some(store) = store else { return Err(ConfigError::at("state", "is missing, as long as there is `l2`")) };
        Self::of(settings, store).map(Some).map_err(|mistake| mistake.inside("l2"))
    }

    fn of(mut fields: Fields, store: Store) -> Result<Self, ConfigError> {
        let mut length = |name: &str, default: u64, least: u64, most: u64| {
            let given = fields.period(name, super::LONGEST)?;
            let length = given.map_or(Duration::from_millis(default), Period::length);
            if length < Duration::from_millis(least) || length > Duration::from_millis(most) {
                return Err(ConfigError::at(name, format!("must be from {least}ms to {most}ms")));
            }
            Ok(length)
        };
        let (budget, refresh) = (length("budget", 20, 1, 1000)?, length("refresh", 500, 100, 5000)?);
        let object_bytes_max = super::bytes(&mut fields, "object_bytes_max", 256 << 10)?;
        if !(1 << 10..=OBJECT_BYTES_MAX).contains(&object_bytes_max) {
            return Err(ConfigError::at("object_bytes_max", "must be from 1KiB to 1MiB"));
        }
        let object_bytes_max = usize::try_from(object_bytes_max).unwrap_or(usize::MAX);
        let stale_seconds = super::period(&mut fields, "stale")?.unwrap_or(600);
        fields.end_of(&["budget", "refresh", "object_bytes_max", "stale"])?;
        Ok(Self { store, budget, object_bytes_max, stale_seconds, refresh })
    }
}
