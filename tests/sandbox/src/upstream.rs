//! The upstreams that the sandbox stands in for, and which path belongs to which.

use serde::{Deserialize, Serialize};

/// One upstream: the unit that faults, counts and limits are kept by.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upstream {
    /// `api.spotify.com`.
    Spotify,
    /// `accounts.spotify.com`, where Spotify's tokens come from.
    SpotifyAccounts,
    /// `musicbrainz.org`.
    Musicbrainz,
    /// `ws.audioscrobbler.com`.
    Lastfm,
    /// `api.beatport.com`.
    Beatport,
    /// The part of `api.beatport.com` that gives tokens, `/v4/auth/`.
    BeatportAccounts,
    /// `api.discogs.com`.
    Discogs,
    /// `acousticbrainz.org`.
    Acousticbrainz,
    /// The product gateway's stock.
    Inventory,
    /// The product gateway's prices.
    Pricing,
    /// The media gateway's titles.
    Discovery,
    /// The media gateway's recommendations.
    Sona,
    /// The media gateway's watchlists and histories.
    Sync,
    /// The media gateway's user profiles.
    Auth,
    /// The identity provider.
    Id,
    /// An origin that answers whatever its query asks for.
    Plain,
}

impl Upstream {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// Every upstream, in the order of their declaration.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Spotify,
        Self::SpotifyAccounts,
        Self::Musicbrainz,
        Self::Lastfm,
        Self::Beatport,
        Self::BeatportAccounts,
        Self::Discogs,
        Self::Acousticbrainz,
        Self::Inventory,
        Self::Pricing,
        Self::Discovery,
        Self::Sona,
        Self::Sync,
        Self::Auth,
        Self::Id,
        Self::Plain,
    ];

    /// The name that stands in paths, counts and settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spotify => "spotify",
            Self::SpotifyAccounts => "spotify-accounts",
            Self::Musicbrainz => "musicbrainz",
            Self::Lastfm => "lastfm",
            Self::Beatport => "beatport",
            Self::BeatportAccounts => "beatport-accounts",
            Self::Discogs => "discogs",
            Self::Acousticbrainz => "acousticbrainz",
            Self::Inventory => "inventory",
            Self::Pricing => "pricing",
            Self::Discovery => "discovery",
            Self::Sona => "sona",
            Self::Sync => "sync",
            Self::Auth => "auth",
            Self::Id => "id",
            Self::Plain => "plain",
        }
    }

    /// The upstream of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|upstream| upstream.name() == name)
    }

    /// Where its own paths begin: what a client of the real service would call its base address.
    pub const fn base(self) -> &'static str {
        match self {
            Self::Spotify => "/spotify/v1",
            Self::SpotifyAccounts => "/spotify-accounts",
            Self::Musicbrainz => "/musicbrainz/ws/2",
            Self::Lastfm => "/lastfm/2.0",
            Self::Beatport => "/beatport/v4",
            Self::BeatportAccounts => "/beatport/v4/auth",
            Self::Discogs => "/discogs",
            Self::Acousticbrainz => "/acousticbrainz/api/v1",
            Self::Inventory => "/inventory",
            Self::Pricing => "/pricing",
            Self::Discovery => "/discovery",
            Self::Sona => "/sona",
            Self::Sync => "/sync",
            Self::Auth => "/auth",
            Self::Id => "/id",
            Self::Plain => "/plain",
        }
    }

    /// Whose path this is: its first segment says so, except that Beatport's tokens come from under Beatport's API.
    pub fn of_path(path: &str) -> Option<Self> {
        if path.starts_with("/beatport/v4/auth/") {
            return Some(Self::BeatportAccounts);
        }
        let first = path.strip_prefix('/')?.split('/').next()?;
        Self::named(first).filter(|upstream| *upstream != Self::BeatportAccounts)
    }

    /// Its place in a table with one row for each.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_upstream_owns_its_own_base() {
        for upstream in Upstream::ALL {
            assert_eq!(Upstream::of_path(&format!("{}/x", upstream.base())), Some(upstream));
            assert_eq!(Upstream::named(upstream.name()), Some(upstream));
            assert_eq!(Upstream::ALL[upstream.index()], upstream);
        }
    }

    #[test]
    fn a_path_of_nobody_belongs_to_nobody() {
        for path in ["", "/", "/spotifyx/v1", "/beatport-accounts/x", "spotify/v1"] {
            assert_eq!(Upstream::of_path(path), None, "{path}");
        }
    }

    #[test]
    fn the_name_in_json_is_the_name_in_paths() {
        for upstream in Upstream::ALL {
            assert_eq!(serde_json::to_value(upstream).unwrap(), upstream.name());
        }
    }
}
