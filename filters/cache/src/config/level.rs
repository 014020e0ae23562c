//! What the configuration says of the second level: `state` (where it is) and `l2` (how it is used).

use std::fmt;
use std::time::Duration;

use policy::fields::Fields;
use policy::state::{Fault, RawStore, Store, Variables};
use policy::{ConfigError, Period};

/// An answer of the store has to fit into what a filter reads of one, as base64.
const OBJECT_BYTES_MAX: u64 = 1 << 20;

/// The second level. It holds a secret.
pub struct Level {
    /// Where it is.
    pub store: Store,
    /// What objects go there by, where that is another way.
    through: Option<Store>,
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
    /// What objects go there by.
    pub fn way(&self) -> &Store {
        self.through.as_ref().unwrap_or(&self.store)
    }

    /// Whether the way may be at fault and not the level: what goes there was refused, or held up until its time was over.
    pub fn is_held_up(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Refused(_) => true,
            Fault::Lost | Fault::Status(504) => self.through.is_some(),
            _ => false,
        }
    }

    /// Reads `l2` and, for it, `state`; `back` is the cluster that leads back into this proxy, if one does.
    pub(super) fn read(
        fields: &mut Fields,
        variables: Option<Variables<'_>>,
        back: Option<&str>,
    ) -> Result<Option<Self>, ConfigError> {
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
        Self::of(settings, store, back).map(Some).map_err(|mistake| mistake.inside("l2"))
    }

    fn of(mut fields: Fields, store: Store, back: Option<&str>) -> Result<Self, ConfigError> {
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
        let through = match (fields.text("through")?, back) {
            (None, _) => None,
            (Some(path), _) if !is_path(&path) => {
                return Err(ConfigError::at("through", format!("must be a path without a query, got {path:?}")));
            }
            (Some(path), Some(back)) => Some(store.by(back, &path)),
            (Some(_), None) => {
                return Err(ConfigError::at("through", "needs a `refresh`, whose `cluster` leads there"));
            }
        };
        fields.end_of(&["budget", "refresh", "object_bytes_max", "stale", "through"])?;
        Ok(Self { store, through, budget, object_bytes_max, stale_seconds, refresh })
    }
}

/// Whether a request can have this path, and nothing behind it.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte))
}
