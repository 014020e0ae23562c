//! From when to when a token is valid.

use std::time::Duration;

use policy::Instant;

use crate::refusal::Refusal;

/// From when to when a token is valid, in seconds since the epoch. A fraction of a second is cut off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// `exp`; the end of time where a token may do without.
    pub(crate) expires: i64,
    /// `iat` and the age that tokens may reach; the end of time where that has no bound.
    pub(crate) stale: i64,
    /// `nbf`.
    pub(crate) not_before: Option<i64>,
    /// `iat`.
    pub(crate) issued: Option<i64>,
}

impl Window {
    /// Whether a token is valid now; clocks may differ by `leeway`.
    pub(crate) fn check(self, now: Instant, leeway: Duration) -> Result<(), Refusal> {
        let now = i64::try_from(now.unix_seconds()).unwrap_or(i64::MAX);
        let leeway = i64::try_from(leeway.as_secs()).unwrap_or(i64::MAX);
        let latest = now.saturating_add(leeway);
        let over = |moment: i64| now >= moment.saturating_add(leeway);
        let ahead = |moment: Option<i64>| moment.is_some_and(|moment| moment > latest);
        if over(self.expires) {
            return Err(Refusal::Expired);
        }
        if over(self.stale) {
            return Err(Refusal::Stale);
        }
        if ahead(self.not_before) {
            return Err(Refusal::Early);
        }
        if ahead(self.issued) {
            return Err(Refusal::Future);
        }
        Ok(())
    }
}
