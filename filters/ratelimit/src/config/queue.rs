//! What becomes of a request that finds its bucket empty: `"refuse"`, or `{"queue": {…}}`; and who is sent first of those
//! who wait.

use std::num::NonZeroU32;

use policy::config::ConfigError;
use policy::handover::header;
use policy::headers::Sole;
use policy::{Headers, Period};

use super::members::Members;
use crate::queue::{PRIORITY_MAX, REQUESTS_MAX, Terms, WAIT_MAX};
use crate::rule::ANONYMOUS;

/// The priority of each tier's requests.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Priorities(Vec<(String, u8)>);

impl Priorities {
    /// Those of tiers that name one; the others' are 0.
    pub(super) fn read(tiers: &Members) -> Result<Self, ConfigError> {
        let mut priorities = Vec::new();
        for (name, tier) in tiers.iter() {
            let place = || ["tiers.", name].concat();
            let tier = Members::any(tier).map_err(|mistake| mistake.inside(place()))?;
            let priority = tier.number("priority").map_err(|mistake| mistake.inside(place()))?.unwrap_or(0);
            let priority = u8::try_from(priority).ok().filter(|priority| *priority <= PRIORITY_MAX);
            let priority =
                priority.ok_or_else(|| ConfigError::at("priority", "must be from 0 to 9").inside(place()))?;
            priorities.push((name.to_owned(), priority));
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

/// As many wait where nothing is said.
const REQUESTS: u32 = 100;

/// Reads `when_empty` of a rule's limit, or of an override's: the terms of waiting, or `None` where requests are refused.
pub(super) fn terms(rule: &Members, shadow: bool) -> Result<Option<Terms>, ConfigError> {
    if let Some(json) = rule.raw("limit") {
        return of_limit(json, shadow).map_err(|mistake| mistake.inside("limit"));
    }
    let (mut terms, mut index) = (None, 0);
    super::each("limits", rule.raw("limits").unwrap_or(b"[]"), &mut |json| {
        let own = of_limit(json, shadow)?;
        if own.is_some() && index > 0 {
            return Err(ConfigError::at("when_empty", "must stand in the first of the limits, for all of them"));
        }
        (terms, index) = (terms.or(own), index + 1);
        Ok(())
    })?;
    Ok(terms)
}

/// Reads that of one limit, or of a tier.
pub(super) fn of_limit(json: &[u8], shadow: bool) -> Result<Option<Terms>, ConfigError> {
    let limit = Members::any(json)?;
    match limit.raw("when_empty") {
        None | Some(b"\"refuse\"") => Ok(None),
        Some([b'{', ..]) if shadow => Err(ConfigError::at("when_empty", "must be left out of a rule in the shadow")),
        Some(object @ [b'{', ..]) => queue(object).map(Some).map_err(|mistake| mistake.inside("when_empty")),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            let reason = format!("must be \"refuse\" or {{\"queue\": {{…}}}}, got {other}");
            Err(ConfigError::at("when_empty", reason))
        }
    }
}

fn queue(json: &[u8]) -> Result<Terms, ConfigError> {
    let around = Members::read(json, &["queue"])?;
    let inner = around.raw("queue").ok_or_else(|| ConfigError::at("", "must have `queue`"))?;
    valid(inner).map_err(|mistake| mistake.inside("queue"))
}

fn valid(json: &[u8]) -> Result<Terms, ConfigError> {
    let raw = Members::read(json, &["max_wait", "max_requests"])?;
    let max_wait = Period::parse(&raw.required("max_wait")?).map(Period::length);
    let max_wait = max_wait.filter(|wait| !wait.is_zero() && *wait <= WAIT_MAX);
    let max_wait = max_wait.ok_or_else(|| ConfigError::at("max_wait", "must be from \"1ms\" to \"4m\""))?;
    match NonZeroU32::new(raw.number("max_requests")?.unwrap_or(REQUESTS)).filter(|max| max.get() <= REQUESTS_MAX) {
        Some(max_requests) => Ok(Terms { max_wait, max_requests }),
        None => Err(ConfigError::at("max_requests", "must be from 1 to 1000")),
    }
}
