//! How the configuration speaks of revocation: what is listed there, and how the state store is followed.

use std::time::Duration;

use policy::config::each;
use policy::state::{RawStore, Store};
use policy::{ConfigError, Period, Seed};

use super::{Entry, Kind, NEVER};
use crate::key::Environment;
use policy::fields::Fields;
use policy::json::Json;

/// More are not listed in a configuration; that is what the state store is for.
const LISTED_MAX: usize = 1000;
const ENTRIES: u32 = 100_000;
const ENTRIES_MAX: u32 = 1_000_000;

/// One thing that the configuration revokes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    kind: Kind,
    issuer: String,
    name: String,
    before: u32,
}

/// Whether requests with a credential go on when it is not known what is revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failing {
    /// They do, and what was known last holds.
    Continue,
    /// They are answered with 503.
    Stop,
}

/// How revocations are fetched. It holds a secret, so it has no `Debug`.
pub struct Following {
    /// From where.
    pub store: Store,
    /// How often.
    pub refresh: Duration,
    /// After how long without an answer the last one is too old.
    pub unavailable_after: Duration,
    /// What becomes of requests then, and before the first answer.
    pub when_unavailable: Failing,
    /// How many are kept.
    pub entries_max: usize,
    /// What becomes of requests when there are more.
    pub when_full: Failing,
    /// For how long a token or a user stays revoked where the entry does not say, in seconds.
    pub keep_seconds: u32,
}

impl Listed {
    pub(super) fn entry(&self, seed: &Seed) -> Entry {
        Entry::new(seed, self.kind, self.issuer.as_bytes(), self.name.as_bytes(), self.before, NEVER)
    }

    /// Reads `revoked`.
    pub(crate) fn read_all(mut fields: Fields) -> Result<Vec<Self>, ConfigError> {
        let mut all = Vec::new();
        for (list, kind, member) in
            [("tokens", Kind::Token, "jti"), ("subjects", Kind::Subject, "sub"), ("keys", Kind::Key, "kid")]
        {
            let items = fields.list(list)?.unwrap_or_default();
            if items.len() > LISTED_MAX {
                return Err(ConfigError::at(list, format!("must be no more than {LISTED_MAX}")));
            }
            all.extend(each(list, items, |json| Self::read(json, kind, member))?);
        }
        fields.end()?;
        Ok(all)
    }

    /// A name alone, or an object that has it under `member`.
    fn read(json: Json, kind: Kind, member: &str) -> Result<Self, ConfigError> {
        let listed = match json {
            Json::Text(name) => Self { kind, issuer: String::new(), name, before: NEVER },
            json => {
                let mut fields = Fields::of(json)?;
                let listed = Self {
                    kind,
                    name: fields.needed(member)?,
                    issuer: fields.text("issuer")?.unwrap_or_default(),
                    before: match kind {
                        Kind::Subject => fields.number("before", 1, NEVER - 1)?.unwrap_or(NEVER),
                        Kind::Token | Kind::Key => NEVER,
                    },
                };
                fields.end()?;
                listed
            }
        };
        if listed.name.is_empty() { Err(ConfigError::at(member, "must not be empty")) } else { Ok(listed) }
    }
}

impl Following {
    /// Reads `revocation` and, where there is one, `state`.
    pub(crate) fn read(fields: &mut Fields, environment: &Environment<'_>) -> Result<Option<Self>, ConfigError> {
        let store = if fields.has("state") {
            let inside = |mistake: ConfigError| mistake.inside("state");
            let raw = RawStore::read(fields.object("state")?).map_err(inside)?;
            Some(Store::new(raw, environment.variables()).map_err(inside)?)
        } else {
            None
        };
        if !fields.has("revocation") {
            return Ok(None);
        }
        let settings = fields.object("revocation")?;
        let Some(store) = store else {
            return Err(ConfigError::at("state", "is missing, as long as there is `revocation`"));
        };
        Self::of(settings, store).map(Some).map_err(|mistake| mistake.inside("revocation"))
    }

    fn of(mut fields: Fields, store: Store) -> Result<Self, ConfigError> {
        let mut period = |name: &str, least: Duration, most: Period, default: Duration| {
            let length = fields.period(name, most)?.map_or(default, Period::length);
            if length < least {
                return Err(ConfigError::at(name, format!("must be at least {}", Period::of(least))));
            }
            Ok(length)
        };
        let second = Duration::from_secs(1);
        let refresh = period("refresh", second / 10, Period::of(second * 3600), second)?;
        let unavailable_after =
            period("unavailable_after", refresh, Period::of_seconds(30 * 86_400), Duration::from_mins(5))?;
        let keep = period("keep", second, Period::of_seconds(3650 * 86_400), Duration::from_hours(30 * 24))?;
        let following = Self {
            store,
            refresh,
            unavailable_after,
            when_unavailable: Failing::read(&mut fields, "when_unavailable")?,
            entries_max: fields.number("entries_max", 1, ENTRIES_MAX)?.unwrap_or(ENTRIES) as usize,
            when_full: Failing::read(&mut fields, "when_full")?,
            keep_seconds: u32::try_from(keep.as_secs()).unwrap_or(NEVER),
        };
        fields.end()?;
        Ok(following)
    }
}

impl Failing {
    fn read(fields: &mut Fields, name: &str) -> Result<Self, ConfigError> {
        match fields.text(name)?.as_deref() {
            None | Some("stop") => Ok(Self::Stop),
            Some("continue") => Ok(Self::Continue),
            Some(other) => Err(ConfigError::at(name, format!("must be stop or continue, got {other:?}"))),
        }
    }
}
