//! How a configuration speaks of a fleet: `state`, `fleet`, and the scope of a rule.

use std::time::Duration;

use policy::state::{Store, Variables};
use policy::{ConfigError, Period};

use super::members::Members;
use super::{state, wrong};
use crate::fleet::{Fleet, WhenUnavailable};
use crate::rule::Scope;

const INTERVAL: Duration = Duration::from_millis(50);
const BUDGET: Duration = Duration::from_millis(100);

/// Reads `fleet`, and the store where its proxies meet.
pub(super) fn read(document: &Members, variables: Option<Variables<'_>>) -> Result<Option<Fleet>, ConfigError> {
    let fleet = document.raw("fleet").map_or(Ok(None), |fleet| words(fleet).map(Some));
    let (interval, budget, when_unavailable) =
        fleet.map_err(|mistake| mistake.inside("fleet"))?.unwrap_or((INTERVAL, BUDGET, WhenUnavailable::Share));
    let Some(state) = document.raw("state") else { return Ok(None) };
    let store = state::raw_store(state).and_then(|raw| Store::new(raw, variables));
    let mut store = store.map_err(|mistake| mistake.inside("state"))?;
    store.timeout = store.timeout.min(budget);
    Ok(Some(Fleet { store, interval, budget, when_unavailable }))
}

fn words(json: &[u8]) -> Result<(Duration, Duration, WhenUnavailable), ConfigError> {
    let raw = Members::read(json, &["interval", "budget", "when_unavailable"])?;
    let interval = period(&raw, "interval", INTERVAL, (10, 1_000))?;
    let budget = period(&raw, "budget", BUDGET, (5, 10_000))?;
    let when_unavailable = match raw.text("when_unavailable")?.as_deref() {
        None | Some("share") => WhenUnavailable::Share,
        Some("open") => WhenUnavailable::Open,
        Some("closed") => WhenUnavailable::Closed,
        Some(other) => {
            return Err(wrong("when_unavailable", "must be \"share\", \"open\" or \"closed\"", other));
        }
    };
    Ok((interval, budget, when_unavailable))
}

fn period(raw: &Members, name: &str, default: Duration, (least, most): (u64, u64)) -> Result<Duration, ConfigError> {
    let Some(text) = raw.text(name)? else { return Ok(default) };
    let length = Period::parse(&text).map(Period::length);
    let fits = |length: &Duration| (u128::from(least)..=u128::from(most)).contains(&length.as_millis());
    length.filter(fits).ok_or_else(|| {
        ConfigError::at(name, format!("must be a length of time from {least}ms to {most}ms, got {text:?}"))
    })
}

/// Reads a scope; where nothing is said, a proxy keeps its limits for itself.
pub(super) fn scope(word: Option<&str>, has_store: bool) -> Result<Scope, ConfigError> {
    match word {
        None | Some("proxy") => Ok(Scope::Proxy),
        Some("fleet") if has_store => Ok(Scope::Fleet),
        Some("fleet") => Err(ConfigError::at("scope", "a fleet needs `state`, where its proxies meet")),
        Some(other) => Err(wrong("scope", "must be \"proxy\" or \"fleet\"", other)),
    }
}

/// The scope of a rule, which is that of the whole document where it does not say. What is in the shadow, each proxy watches for
/// itself.
pub(super) fn scope_of(rule: &Members, general: Scope, has_store: bool) -> Result<Scope, ConfigError> {
    let (own, shadow) = (rule.text("scope")?, rule.truth("shadow")?.unwrap_or(false));
    match own.as_deref() {
        None if shadow => Ok(Scope::Proxy),
        None => Ok(general),
        Some("fleet") if shadow => Err(ConfigError::at("scope", "must be \"proxy\" where a rule is in the shadow")),
        word => scope(word, has_store),
    }
}
