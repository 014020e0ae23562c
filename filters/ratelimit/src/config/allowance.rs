//! How it is read how much a rule's callers may: all of them, those of a tier, and single ones.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use policy::config::{self, ConfigError};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::terms::{self, RawTier};
use super::wrong;
use crate::key::Key;
use crate::rule::{ANONYMOUS, Allowance, Plan};

/// More callers with limits of their own are refused: each has its plan in the memory of each worker.
const OVERRIDES_MAX: usize = 1024;

/// The members of a rule that say how much.
pub(super) struct Written {
    pub(super) tiered: bool,
    pub(super) limit: Option<Box<RawValue>>,
    pub(super) limits: Option<Box<RawValue>>,
    pub(super) overrides: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOverride {
    key: Vec<String>,
    tier: Option<String>,
    limit: Option<Box<RawValue>>,
    limits: Option<Box<RawValue>>,
}

/// What is being read.
struct Reader<'a> {
    rule: &'a str,
    tiers: &'a BTreeMap<String, RawTier>,
    cost: NonZeroU32,
    plans: Vec<Plan>,
    /// The tiers whose plans are there.
    known: Vec<(String, usize)>,
}

pub(super) fn valid(
    rule: &str,
    written: Written,
    tiers: &BTreeMap<String, RawTier>,
    key: &Key,
    cost: NonZeroU32,
) -> Result<Allowance, ConfigError> {
    let mut reader = Reader { rule, tiers, cost, plans: Vec::new(), known: Vec::new() };
    let Written { tiered, limit, limits, overrides } = written;
    if tiered {
        if limit.is_some() || limits.is_some() {
            return Err(ConfigError::at("limit", "must be left out where the tiers say it"));
        }
        if key.is_shared() {
            return Err(ConfigError::at("tiers", "must be left out where all callers share one bucket"));
        }
        if tiers.is_empty() {
            return Err(ConfigError::at("tiers", "needs the document's `tiers`"));
        }
        reader.tier(ANONYMOUS)?;
        for name in tiers.keys() {
            reader.tier(name)?;
        }
    } else {
        let own = reader.own(limit.as_deref(), limits.as_deref())?;
        if own.is_none() {
            return Err(ConfigError::at("", "needs a limit, or tiers: true"));
        }
    }
    let tiers = tiered.then(|| reader.known.clone());
    let overrides = overrides.map_or(Ok(Vec::new()), |json| reader.overrides(json.get(), key))?;
    Ok(Allowance { plans: reader.plans, tiers, overrides, bound: Vec::new() })
}

impl Reader<'_> {
    fn overrides(&mut self, json: &str, key: &Key) -> Result<Vec<(Vec<String>, usize)>, ConfigError> {
        if key.is_shared() {
            return Err(ConfigError::at("overrides", "must be left out where all callers share one bucket"));
        }
        let mut overrides: Vec<(Vec<String>, usize)> = Vec::new();
        super::each("overrides", json.as_bytes(), &mut |json| {
            if overrides.len() == OVERRIDES_MAX {
                return Err(ConfigError::at("", format!("is one more than {OVERRIDES_MAX}")));
            }
            let one = self.one(config::read(json)?, key, &overrides)?;
            overrides.push(one);
            Ok(())
        })?;
        Ok(overrides)
    }

    fn one(
        &mut self,
        raw: RawOverride,
        key: &Key,
        others: &[(Vec<String>, usize)],
    ) -> Result<(Vec<String>, usize), ConfigError> {
        let parts = key.parts().len();
        if raw.key.len() != parts {
            let reason = format!("must have what the rule's key has, {parts}, got {}", raw.key.len());
            return Err(ConfigError::at("key", reason));
        }
        if others.iter().any(|(key, _)| *key == raw.key) {
            return Err(ConfigError::at("key", "has an override before this one"));
        }
        let own = self.own(raw.limit.as_deref(), raw.limits.as_deref())?;
        let plan = match (own, &raw.tier) {
            (Some(own), None) => own,
            (None, Some(tier)) if self.tiers.contains_key(tier) => self.tier(tier)?,
            (None, Some(tier)) => return Err(wrong("tier", "must be one of the document's `tiers`", tier)),
            _ => return Err(ConfigError::at("", "needs a limit, limits or a tier, one of them")),
        };
        Ok((raw.key, plan))
    }

    /// Adds the plan of `limit` or `limits`; `None` where there is neither.
    fn own(&mut self, limit: Option<&RawValue>, limits: Option<&RawValue>) -> Result<Option<usize>, ConfigError> {
        let limits = match (limit, limits) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(ConfigError::at("limit", "must be left out where there are `limits`")),
            (Some(one), None) => terms::of_one(self.rule, one.get().as_bytes(), self.cost)?,
            (None, Some(several)) => terms::of_several(self.rule, several.get().as_bytes(), self.cost)?,
        };
        self.plans.push(Plan::new(limits));
        Ok(Some(self.plans.len() - 1))
    }

    /// The plan of a tier, which is added where it is new.
    fn tier(&mut self, name: &str) -> Result<usize, ConfigError> {
        if let Some((_, index)) = self.known.iter().find(|(known, _)| known == name) {
            return Ok(*index);
        }
        let Some(tier) = self.tiers.get(name) else { return Ok(0) };
        // The tiers are right by themselves, so this rule's cost is not.
        let limits = terms::of_tier(self.rule, tier, self.cost);
        let limits = limits.map_err(|mistake| ConfigError::at("cost", format!("tiers.{name}.{mistake}")))?;
        self.plans.push(Plan::new(limits));
        self.known.push((name.to_owned(), self.plans.len() - 1));
        Ok(self.plans.len() - 1)
    }
}
