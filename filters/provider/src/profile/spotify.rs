//! Spotify's Web API (<https://developer.spotify.com/documentation/web-api>).

use std::time::Duration;

use super::{Id, Lifetime, Lookup, Profile, Search, Shape, Terms, as_the_status_says, listed};
use crate::track::{Artist, Track};
use crate::view::View;

pub(super) static PROFILE: Profile = Profile {
    name: "spotify",
    search: Some(Search {
        target: "/search?q=artist%3A%22{artist}%22%20track%3A%22{title}%22&type=track&limit={limit}",
        phrase,
        tracks: found,
    }),
    lookups: &[
        Lookup { word: "track", id: Id::Base62, target: "/tracks/{id}", shape: Shape::Track(track) },
        Lookup { word: "audio-features", id: Id::Base62, target: "/audio-features/{id}", shape: Shape::Own },
    ],
    refusal: as_the_status_says,
    pause: Duration::from_secs(5),
    needs_credentials: true,
    needs_user_agent: false,
    terms: Terms {
        per_second: 10,
        burst: 20,
        credential: Some("oauth2"),
        lifetimes: &[
            Lifetime { word: "search", data_type: "search_results", days: 7 },
            Lifetime { word: "track", data_type: "track_metadata", days: 30 },
            Lifetime { word: "audio-features", data_type: "audio_features", days: 90 },
        ],
    },
};

/// Inside quotes nothing is an operator (`AND`, `NOT`, `tag:new`), but nothing escapes a quote, either; and what follows a
/// colon is taken for a field's value by some of its readers. Neither character is ever searched for.
fn phrase(words: &str) -> String {
    let mut phrase = String::with_capacity(words.len());
    for word in words.split(['"', ':']).flat_map(str::split_whitespace) {
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push_str(word);
    }
    phrase
}

fn found(answer: View<'_>) -> Option<Vec<Track<'_>>> {
    listed(answer.at("tracks").at("items"), track)
}

fn track(track: View<'_>) -> Option<Track<'_>> {
    Some(Track {
        id: Some(track.at("id").id()?),
        name: track.at("name").text()?,
        artists: track.at("artists").each(Artist::read),
        duration_ms: track.at("duration_ms").whole(),
        popularity: track.at("popularity").whole(),
        isrc: track.at("external_ids").at("isrc").text(),
        album: track.at("album").at("name").text(),
        released: track.at("album").at("release_date").text(),
        ..Track::default()
    })
}

#[cfg(test)]
mod tests;
