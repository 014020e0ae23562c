//! How limits are read, a rule's own and a tier's.

use std::num::NonZeroU32;
use std::time::Duration;

use policy::Period;
use policy::config::ConfigError;

use super::members::Members;
use super::{positive, wrong};
use crate::bucket::Quota;
use crate::limit::{LIMITS_MAX, Limit, Limits, Terms};
use crate::rate::{Rate, Unit};
use crate::window::{Kind, Window};

const TIER: [&str; 8] =
    ["per_second", "per_minute", "per_hour", "per_day", "burst", "algorithm", "priority", "when_empty"];
// `when_empty` is read by `queue`, since it is about all limits of a caller.
const LIMIT: [&str; 6] = ["rate", "count", "window", "burst", "algorithm", "when_empty"];

const RATE: &str = "must be a rate like \"10/s\", \"100/m\", \"5/h\" or \"1000/d\", at most a million a second";

/// One limit as it is written: how many in what time, and the member that says how many there are at once.
struct Written<'a> {
    count: u32,
    field: &'a str,
    period: Duration,
    burst: Option<u32>,
}

/// The limits of one tier.
pub(super) fn of_tier(rule: &str, json: &[u8], cost: NonZeroU32) -> Result<Limits, ConfigError> {
    let tier = Members::read(json, &TIER)?;
    let kind = kind(tier.text("algorithm")?.as_deref())?;
    let tiers_burst = tier.number("burst")?;
    if tiers_burst.is_some() && tier.raw("per_second").is_none() {
        return Err(ConfigError::at("burst", "needs per_second"));
    }
    let mut limits = Vec::with_capacity(Unit::ALL.len());
    for (field, unit) in TIER.into_iter().zip(Unit::ALL) {
        let Some(count) = tier.number(field)? else { continue };
        let burst = tiers_burst.filter(|_| unit == Unit::Second);
        // Only a token bucket has a burst.
        let kind = kind.filter(|_| burst.is_none());
        add(&mut limits, rule, &Written { count, field, period: unit.length(), burst }, kind, cost)?;
    }
    whole(limits).ok_or_else(|| ConfigError::at("", "needs one of per_second, per_minute, per_hour and per_day"))
}

/// A rule's `limit`.
pub(super) fn of_one(rule: &str, json: &[u8], cost: NonZeroU32) -> Result<Limits, ConfigError> {
    let mut limits = Vec::with_capacity(1);
    one(&mut limits, rule, json, cost).map_err(|mistake| mistake.inside("limit"))?;
    whole(limits).ok_or_else(|| ConfigError::at("limit", "must not be empty"))
}

/// A rule's `limits`.
pub(super) fn of_several(rule: &str, json: &[u8], cost: NonZeroU32) -> Result<Limits, ConfigError> {
    let mut limits = Vec::with_capacity(2);
    super::each("limits", json, &mut |json| {
        if limits.len() == LIMITS_MAX {
            return Err(ConfigError::at("", format!("is one more than {LIMITS_MAX}")));
        }
        one(&mut limits, rule, json, cost)
    })?;
    whole(limits).ok_or_else(|| ConfigError::at("limits", "must not be empty"))
}

fn one(limits: &mut Vec<Limit>, rule: &str, json: &[u8], cost: NonZeroU32) -> Result<(), ConfigError> {
    let raw = Members::read(json, &LIMIT)?;
    let burst = raw.number("burst")?;
    let kind = kind(raw.text("algorithm")?.as_deref())?;
    if kind.is_some() && burst.is_some() {
        return Err(ConfigError::at("burst", "is a token bucket's; a window takes what its rate says"));
    }
    let (rate, window) = (raw.text("rate")?, raw.text("window")?);
    let (count, field, period) = match (rate.as_deref(), raw.number("count")?, window.as_deref()) {
        (Some(rate), None, None) => {
            let rate = Rate::parse(rate).ok_or_else(|| wrong("rate", RATE, rate))?;
            (rate.count().get(), "rate", rate.unit().length())
        }
        (None, Some(count), Some(window)) => {
            let period = Period::parse(window).map(Period::length);
            let period = period.filter(|period| period.as_secs() > 0 && period.subsec_nanos() == 0);
            let whole = "must be whole seconds, minutes, hours or days, like \"30s\"";
            (count, "count", period.ok_or_else(|| wrong("window", whole, window))?)
        }
        _ => return Err(ConfigError::at("", "needs a rate, or a count and a window")),
    };
    add(limits, rule, &Written { count, field, period, burst }, kind, cost)
}

/// The algorithm; `None` stands for the token bucket.
fn kind(word: Option<&str>) -> Result<Option<Kind>, ConfigError> {
    match word {
        None | Some("token_bucket") => Ok(None),
        Some("sliding_window") => Ok(Some(Kind::Sliding)),
        Some("fixed_window") => Ok(Some(Kind::Fixed)),
        Some(other) => {
            Err(wrong("algorithm", "must be \"token_bucket\", \"sliding_window\" or \"fixed_window\"", other))
        }
    }
}

fn add(
    limits: &mut Vec<Limit>,
    rule: &str,
    written: &Written<'_>,
    kind: Option<Kind>,
    cost: NonZeroU32,
) -> Result<(), ConfigError> {
    let Written { count, field, period, burst } = written;
    let per = positive(field, *count)?;
    if u64::from(*count) > 1_000_000 * period.as_secs() {
        return Err(ConfigError::at(field, "must be at most a million a second"));
    }
    let (field, most) = burst.map_or((*field, *count), |burst| ("burst", burst));
    let most = positive(field, most)?;
    let terms = match kind {
        None => Quota::over(per, *period, most).map(Terms::Bucket),
        Some(kind) => Window::new(kind, per, *period).map(Terms::Window),
    };
    let terms = terms.ok_or_else(|| {
        let rate = format!("{per} in {}", Period::of(*period));
        ConfigError::at(field, format!("must come back within a year at {rate}, which {most} does not"))
    })?;
    if most < cost {
        return Err(ConfigError::at(field, format!("must be at least what a request costs, {cost}, got {most}")));
    }
    limits.push(Limit::new(rule, terms, *period, limits));
    Ok(())
}

fn whole(limits: Vec<Limit>) -> Option<Limits> {
    let mut limits = limits.into_iter();
    Some(Limits::new(limits.next()?, limits.collect()))
}
