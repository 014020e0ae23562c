//! How it is read how much a rule's callers may: all of them, those of a tier, and single ones.

use std::num::NonZeroU32;

use policy::config::ConfigError;

use super::members::Members;
use super::{queue, terms, wrong};
use crate::key::Key;
use crate::rule::{ANONYMOUS, Allowance, Plan};

/// More callers with limits of their own are refused: each has its plan in the memory of each worker.
const OVERRIDES_MAX: usize = 1024;

const OVERRIDE: [&str; 4] = ["key", "tier", "limit", "limits"];

/// What is being read.
struct Reader<'a> {
    rule: &'a str,
    tiers: &'a Members,
    cost: NonZeroU32,
    shadow: bool,
    plans: Vec<Plan>,
    /// The tiers whose plans are there.
    known: Vec<(String, usize)>,
}

pub(super) fn valid(
    rule: &str,
    (raw, shadow): (&Members, bool),
    tiers: &Members,
    key: &Key,
    cost: NonZeroU32,
) -> Result<Allowance, ConfigError> {
    let mut reader = Reader { rule, tiers, cost, shadow, plans: Vec::new(), known: Vec::new() };
    let tiered = raw.truth("tiers")?.unwrap_or(false);
    if tiered {
        if raw.raw("limit").or(raw.raw("limits")).is_some() {
            return Err(ConfigError::at("limit", "must be left out where the tiers say it"));
        }
        if key.is_shared() {
            return Err(ConfigError::at("tiers", "must be left out where all callers share one bucket"));
        }
        if tiers.iter().next().is_none() {
            return Err(ConfigError::at("tiers", "needs the document's `tiers`"));
        }
        reader.tier(ANONYMOUS)?;
        for (name, _) in tiers.iter() {
            reader.tier(name)?;
        }
    } else if reader.own(raw)?.is_none() {
        return Err(ConfigError::at("", "needs a limit, or tiers: true"));
    }
    let tiers = tiered.then(|| reader.known.clone());
    let overrides = raw.raw("overrides").map_or(Ok(Vec::new()), |json| reader.overrides(json, key))?;
    Ok(Allowance { plans: reader.plans, tiers, overrides, bound: Vec::new() })
}

impl Reader<'_> {
    fn overrides(&mut self, json: &[u8], key: &Key) -> Result<Vec<(Vec<String>, usize)>, ConfigError> {
        if key.is_shared() {
            return Err(ConfigError::at("overrides", "must be left out where all callers share one bucket"));
        }
        let mut overrides: Vec<(Vec<String>, usize)> = Vec::new();
        super::each("overrides", json, &mut |json| {
            if overrides.len() == OVERRIDES_MAX {
                return Err(ConfigError::at("", format!("is one more than {OVERRIDES_MAX}")));
            }
            let one = self.one(&Members::read(json, &OVERRIDE)?, key, &overrides)?;
            overrides.push(one);
            Ok(())
        })?;
        Ok(overrides)
    }

    fn one(
        &mut self,
        raw: &Members,
        key: &Key,
        others: &[(Vec<String>, usize)],
    ) -> Result<(Vec<String>, usize), ConfigError> {
        let (words, parts) = (raw.words("key")?, key.parts().len());
        if words.len() != parts {
            let reason = format!("must have what the rule's key has, {parts}, got {}", words.len());
            return Err(ConfigError::at("key", reason));
        }
        if others.iter().any(|(key, _)| *key == words) {
            return Err(ConfigError::at("key", "has an override before this one"));
        }
        let plan = match (self.own(raw)?, &raw.text("tier")?) {
            (Some(own), None) => own,
            (None, Some(tier)) if self.tiers.raw(tier).is_some() => self.tier(tier)?,
            (None, Some(tier)) => return Err(wrong("tier", "must be one of the document's `tiers`", tier)),
            _ => return Err(ConfigError::at("", "needs a limit, limits or a tier, one of them")),
        };
        Ok((words, plan))
    }

    /// Adds the plan of `limit` or `limits`; `None` where there is neither.
    fn own(&mut self, raw: &Members) -> Result<Option<usize>, ConfigError> {
        let limits = match (raw.raw("limit"), raw.raw("limits")) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(ConfigError::at("limit", "must be left out where there are `limits`")),
            (Some(one), None) => terms::of_one(self.rule, one, self.cost)?,
            (None, Some(several)) => terms::of_several(self.rule, several, self.cost)?,
        };
        self.plans.push(Plan::new(limits, queue::terms(raw, self.shadow)?));
        Ok(Some(self.plans.len() - 1))
    }

    /// The plan of a tier, which is added where it is new.
    fn tier(&mut self, name: &str) -> Result<usize, ConfigError> {
        if let Some((_, index)) = self.known.iter().find(|(known, _)| known == name) {
            return Ok(*index);
        }
        let Some(tier) = self.tiers.raw(name) else { return Ok(0) };
        // The tiers are right by themselves, so this rule's cost is not.
        let limits = terms::of_tier(self.rule, tier, self.cost);
        let limits = limits.map_err(|mistake| ConfigError::at("cost", format!("tiers.{name}.{mistake}")))?;
        // In the shadow, nobody waits.
        let queue = if self.shadow { None } else { queue::of_limit(tier, false)? };
        self.plans.push(Plan::new(limits, queue));
        self.known.push((name.to_owned(), self.plans.len() - 1));
        Ok(self.plans.len() - 1)
    }
}
