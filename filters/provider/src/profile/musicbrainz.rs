//! `MusicBrainz`'s web service (<https://musicbrainz.org/doc/MusicBrainz_API>).

use std::time::Duration;

use super::{Id, Lifetime, Lookup, Profile, Refusal, Search, Shape, Terms, listed};
use crate::track::{Artist, Track};
use crate::view::View;

pub(super) static PROFILE: Profile = Profile {
    name: "musicbrainz",
    search: Some(Search {
        target: "/recording?query=artist%3A%22{artist}%22%20AND%20recording%3A%22{title}%22&fmt=json&limit={limit}",
        phrase,
        tracks: recordings,
    }),
    lookups: &[
        Lookup {
            word: "track",
            id: Id::Mbid,
            target: "/recording/{id}?inc=artists+isrcs&fmt=json",
            shape: Shape::Track(recording),
        },
        Lookup {
            word: "isrc",
            id: Id::Isrc,
            target: "/isrc/{id}?inc=artists&fmt=json",
            shape: Shape::Tracks(recordings),
        },
    ],
    refusal,
    pause: Duration::from_secs(1),
    needs_credentials: false,
    needs_user_agent: true,
    terms: Terms {
        per_second: 1,
        burst: 1,
        credential: None,
        lifetimes: &[
            Lifetime { word: "search", data_type: "search_results", days: 7 },
            Lifetime { word: "track", data_type: "track_metadata", days: 30 },
            Lifetime { word: "isrc", data_type: "isrc", days: 90 },
        ],
    },
};

/// Inside quotes, Lucene reads two characters as anything else than themselves. (The others that are special outside,
/// `+ - ! ( ) { } [ ] ^ ~ * ? : / && ||`, and the words `AND`, `OR` and `NOT`, are part of the phrase there.)
fn phrase(words: &str) -> String {
    let mut phrase = String::with_capacity(words.len());
    for character in words.chars() {
        if matches!(character, '"' | '\\') {
            phrase.push('\\');
        }
        phrase.push(character);
    }
    phrase
}

/// It says with 503 that it is asked too often, and that it is away, and tells the two apart in words.
fn refusal(status: u16, body: View<'_>) -> Option<Refusal> {
    let is_limit = status == 503 && body.at("error").text().is_some_and(|text| text.contains("rate limit"));
    is_limit.then_some(Refusal::TooOften)
}

fn recordings(answer: View<'_>) -> Option<Vec<Track<'_>>> {
    listed(answer.at("recordings"), recording)
}

fn recording(recording: View<'_>) -> Option<Track<'_>> {
    let isrc = recording.at("isrcs").first();
    Some(Track {
        id: Some(recording.at("id").id()?),
        name: recording.at("title").text()?,
        artists: recording.at("artist-credit").each(|credit| Artist::read(credit.at("artist"))),
        duration_ms: recording.at("length").whole(),
        isrc: isrc.text().or_else(|| isrc.at("id").text()),
        album: recording.at("releases").first().at("title").text(),
        released: recording.at("first-release-date").text(),
        genres: recording.at("tags").each(|tag| tag.at("name").text()),
        ..Track::default()
    })
}

#[cfg(test)]
mod tests;
