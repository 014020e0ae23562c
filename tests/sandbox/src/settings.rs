//! What a sandbox starts with, and what its control API may change while it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::upstream::Upstream;

/// The client that every stand-in knows from the start: for Spotify, Beatport and Discogs.
pub const CLIENT_ID: &str = "weir-sandbox";
/// The secret of [`CLIENT_ID`]. It is printed here, so it protects nothing.
pub const CLIENT_SECRET: &str = "not-a-secret";
/// A bearer token that Spotify and Beatport accept without having issued it, for callers that cannot fetch one. It is
/// printed here, so it protects nothing.
pub const STANDING_TOKEN: &str = "not-a-secret-token";
/// The API key that Last.fm's stand-in knows from the start.
pub const API_KEY: &str = "00000000000000000000000000c0ffee";

/// How fast one caller may go: a bucket of `burst` tokens, refilled with `requests` of them in each `per_ms`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// How many requests are earned in each period.
    pub requests: NonZeroU32,
    /// The period, in milliseconds.
    pub per_ms: NonZeroU32,
    /// How many may come at once.
    pub burst: NonZeroU32,
    /// In any stretch of so many milliseconds, no more than are earned in it; without it, a burst comes on top.
    #[serde(default)]
    pub rolling_ms: Option<NonZeroU32>,
}

impl Limit {
    /// So many each second, and a burst.
    ///
    /// # Panics
    ///
    /// When either is nought.
    pub const fn per_second(requests: u32, burst: u32) -> Self {
        Self {
            requests: NonZeroU32::new(requests).expect("a limit of the table below is not zero"),
            per_ms: NonZeroU32::new(1000).expect("a second is not zero"),
            burst: NonZeroU32::new(burst).expect("a limit of the table below is not zero"),
            rolling_ms: None,
        }
    }

    /// The same, in any stretch of this length.
    #[must_use]
    pub const fn rolling(self, millis: u32) -> Self {
        Self { rolling_ms: NonZeroU32::new(millis), ..self }
    }

    /// One burst an hour: what a test wants that must never meet a refill.
    ///
    /// # Panics
    ///
    /// When the burst is nought.
    pub const fn hourly(burst: u32) -> Self {
        let burst = NonZeroU32::new(burst).expect("a burst is at least one request");
        Self {
            requests: burst,
            per_ms: NonZeroU32::new(3_600_000).expect("an hour is not zero"),
            burst,
            rolling_ms: None,
        }
    }

    /// The time in which one token is earned.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(u64::from(self.per_ms.get())) / self.requests.get()
    }

    /// How many requests a caller that keeps to the rate makes in `window`, and at least one burst.
    pub(crate) fn within(&self, window: Duration) -> u64 {
        let earned = window.as_millis() * u128::from(self.requests.get()) / u128::from(self.per_ms.get());
        u64::try_from(earned).unwrap_or(u64::MAX).max(u64::from(self.burst.get()))
    }
}

/// Everything about a sandbox that is a choice.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether the providers' own limits hold. Without them the sandbox can carry a load test.
    pub strict: bool,
    /// The providers' own limits; an upstream that is not named has none.
    pub limits: BTreeMap<Upstream, Limit>,
    /// How long the tokens live that are issued from now on. Nought makes tokens that have already expired.
    pub token_seconds: u64,
    /// Client ids and their secrets, for Spotify, Beatport and Discogs.
    pub clients: BTreeMap<String, String>,
    /// The keys that Last.fm accepts.
    pub api_keys: BTreeSet<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strict: true,
            limits: BTreeMap::from([
                (Upstream::Spotify, Limit::per_second(10, 20).rolling(30_000)),
                (Upstream::Musicbrainz, Limit::per_second(1, 1)),
                (Upstream::Lastfm, Limit::per_second(5, 5)),
                (Upstream::Beatport, Limit::per_second(2, 2)),
                (Upstream::Discogs, Limit::per_second(1, 1)),
                (Upstream::Acousticbrainz, Limit::per_second(5, 5)),
            ]),
            token_seconds: 3600,
            clients: BTreeMap::from([(CLIENT_ID.to_owned(), CLIENT_SECRET.to_owned())]),
            api_keys: BTreeSet::from([API_KEY.to_owned()]),
        }
    }
}

impl Settings {
    /// The same, with the providers' own limits off.
    pub fn relaxed() -> Self {
        Self { strict: false, ..Self::default() }
    }

    /// The limit that holds for an upstream now.
    pub(crate) fn limit(&self, upstream: Upstream) -> Option<Limit> {
        if self.strict { self.limits.get(&upstream).copied() } else { None }
    }

    /// Whether this client may have tokens.
    pub(crate) fn knows(&self, client: &str, secret: &str) -> bool {
        self.clients.get(client).is_some_and(|known| known == secret)
    }
}

/// A change to the settings: what is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Change {
    strict: Option<bool>,
    limits: BTreeMap<Upstream, Option<Limit>>,
    token_seconds: Option<u64>,
    clients: Option<BTreeMap<String, String>>,
    api_keys: Option<BTreeSet<String>>,
}

impl Change {
    /// Makes the change. A limit of `null` is one that holds no longer.
    pub(crate) fn apply(self, settings: &mut Settings) {
        if let Some(strict) = self.strict {
            settings.strict = strict;
        }
        if let Some(seconds) = self.token_seconds {
            settings.token_seconds = seconds;
        }
        if let Some(clients) = self.clients {
            settings.clients = clients;
        }
        if let Some(keys) = self.api_keys {
            settings.api_keys = keys;
        }
        for (upstream, limit) in self.limits {
            match limit {
                Some(limit) => settings.limits.insert(upstream, limit),
                None => settings.limits.remove(&upstream),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_the_rest_alone() {
        let mut settings = Settings::default();
        let change: Change = serde_json::from_str(
            r#"{"token_seconds": 5, "limits": {"spotify": null, "discogs": {"requests": 1, "per_ms": 60000, "burst": 2}}}"#,
        )
        .unwrap();
        change.apply(&mut settings);
        assert_eq!(settings.token_seconds, 5);
        assert_eq!(settings.limit(Upstream::Spotify), None);
        assert_eq!(settings.limit(Upstream::Discogs).unwrap().burst.get(), 2);
        assert_eq!(settings.limit(Upstream::Lastfm), Settings::default().limit(Upstream::Lastfm));
        assert!(settings.knows(CLIENT_ID, CLIENT_SECRET) && settings.strict);
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        for bad in [
            r#"{"limits": {"spotify": {"requests": 0, "per_ms": 1000, "burst": 1}}}"#,
            r#"{"limits": {"spottify": null}}"#,
            r#"{"tokens": 5}"#,
        ] {
            assert!(serde_json::from_str::<Change>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_window_holds_what_the_rate_earns_in_it() {
        let limit = Limit::per_second(2, 3);
        assert_eq!(limit.interval(), Duration::from_millis(500));
        assert_eq!(limit.within(Duration::from_mins(1)), 120);
        assert_eq!(limit.within(Duration::from_millis(1)), 3);
    }
}
