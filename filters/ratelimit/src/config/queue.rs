//! What becomes of a request that finds its bucket empty: `"refuse"`, or `{"queue": {…}}`; and who is sent first of those
//! who wait.

use std::num::NonZeroU32;

use policy::config::{self, ConfigError};
use policy::handover::header;
use policy::headers::Sole;
use policy::{Headers, Period};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::key::Key;
use crate::queue::{PRIORITY_MAX, REQUESTS_MAX, Terms, WAIT_MAX};
use crate::rule::ANONYMOUS;

/// The priority of each tier's requests.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Priorities(Vec<(String, u8)>);

impl Priorities {
    /// Those of tiers that name one; the others' are 0.
    pub(super) fn new<'a>(tiers: impl Iterator<Item = (&'a String, Option<u8>)>) -> Result<Self, ConfigError> {
        let mut priorities = Vec::new();
        for (name, priority) in tiers {
            let priority = priority.unwrap_or(0);
            if priority > PRIORITY_MAX {
                return Err(ConfigError::at(format!("tiers.{name}.priority"), "must be from 0 to 9"));
            }
            priorities.push((name.clone(), priority));
        }
        Ok(Self(priorities))
    }

    /// Whether any is sent before others.
    pub fn any(&self) -> bool {
        self.0.iter().any(|(_, priority)| *priority > 0)
    }

    /// That of a request: its tier's, or that of `anonymous`.
    pub fn of(&self, headers: &Headers) -> u8 {
        let of = |tier: &[u8]| self.0.iter().find(|(name, _)| name.as_bytes() == tier);
        let own = match headers.sole(header::TIER) {
            Sole::Value(tier) => of(tier),
            Sole::Absent | Sole::Repeated => None,
        };
        own.or_else(|| of(ANONYMOUS.as_bytes())).map_or(0, |(_, priority)| *priority)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEmpty {
    queue: Option<RawQueue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQueue {
    max_wait: Period,
    max_requests: Option<u32>,
}

/// As many wait where nothing is said.
const REQUESTS: u32 = 100;

/// Reads `when_empty`: the terms of waiting, or `None` where requests are refused.
pub(super) fn terms(json: Option<&RawValue>, key: &Key) -> Result<Option<Terms>, ConfigError> {
    let json = json.map_or("\"refuse\"", RawValue::get);
    match json {
        "\"refuse\"" => Ok(None),
        object if object.starts_with('{') && !key.is_shared() => {
            let reason = format!("needs a bucket that all callers share, key: [\"upstream\"], got {object}");
            Err(ConfigError::at("when_empty", reason))
        }
        object if object.starts_with('{') => queue(object).map_err(|mistake| mistake.inside("when_empty")),
        other => {
            let reason = format!("must be \"refuse\" or {{\"queue\": {{…}}}}, got {other}");
            Err(ConfigError::at("when_empty", reason))
        }
    }
}

fn queue(json: &str) -> Result<Option<Terms>, ConfigError> {
    let raw: RawEmpty = config::read(json.as_bytes())?;
    let Some(RawQueue { max_wait, max_requests }) = raw.queue else {
        return Err(ConfigError::at("", "needs `queue`"));
    };
    let max_wait = max_wait.length();
    if max_wait.is_zero() || max_wait > WAIT_MAX {
        return Err(ConfigError::at("queue.max_wait", "must be from 1ms to 4m"));
    }
    let max_requests = max_requests.unwrap_or(REQUESTS);
    match NonZeroU32::new(max_requests).filter(|max| max.get() <= REQUESTS_MAX) {
        Some(max_requests) => Ok(Some(Terms { max_wait, max_requests })),
        None => Err(ConfigError::at("queue.max_requests", format!("must be from 1 to {REQUESTS_MAX}"))),
    }
}
