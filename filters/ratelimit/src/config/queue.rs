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
                return Err(ConfigError::at(["tiers.", name, ".priority"].concat(), "must be from 0 to 9"));
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

/// The object around `queue` and what stands in it: one shape for both, since each shape is read by code of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQueue {
    queue: Option<Box<RawValue>>,
    max_wait: Option<String>,
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
            Err(ConfigError::at("when_empty", "needs a bucket that all callers share, key: [\"upstream\"]"))
        }
        object if object.starts_with('{') => queue(object).map_err(|mistake| mistake.inside("when_empty")),
        other => {
            let reason = format!("must be \"refuse\" or {{\"queue\": {{…}}}}, got {other}");
            Err(ConfigError::at("when_empty", reason))
        }
    }
}

fn queue(json: &str) -> Result<Option<Terms>, ConfigError> {
    let RawQueue { queue: Some(inner), max_wait: None, max_requests: None } = config::read(json.as_bytes())? else {
        return Err(ConfigError::at("", "must have `queue` and nothing else"));
    };
    valid(inner.get()).map(Some).map_err(|mistake| mistake.inside("queue"))
}

fn valid(json: &str) -> Result<Terms, ConfigError> {
    let RawQueue { queue: None, max_wait: Some(max_wait), max_requests } = config::read(json.as_bytes())? else {
        return Err(ConfigError::at("", "must have `max_wait`, and perhaps `max_requests`"));
    };
    let max_wait = Period::parse(&max_wait).map(Period::length).filter(|wait| !wait.is_zero() && *wait <= WAIT_MAX);
    let max_wait = max_wait.ok_or_else(|| ConfigError::at("max_wait", "must be from \"1ms\" to \"4m\""))?;
    match NonZeroU32::new(max_requests.unwrap_or(REQUESTS)).filter(|max| max.get() <= REQUESTS_MAX) {
        Some(max_requests) => Ok(Terms { max_wait, max_requests }),
        None => Err(ConfigError::at("max_requests", "must be from 1 to 1000")),
    }
}
