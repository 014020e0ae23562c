//! Beatport's catalogue, version 4 (<https://api.beatport.com/v4/docs/>). Its paths end in a slash.

use std::time::Duration;

use super::{Id, Lifetime, Lookup, Profile, Search, Shape, Terms, as_the_status_says, listed, plain};
use crate::track::{Artist, Track};
use crate::view::View;

pub(super) static PROFILE: Profile = Profile {
    name: "beatport",
    search: Some(Search {
        target: "/catalog/tracks/?name={title}&artist_name={artist}&per_page={limit}",
        phrase: plain,
        tracks: found,
    }),
    lookups: &[Lookup { word: "track", id: Id::Number, target: "/catalog/tracks/{id}/", shape: Shape::Track(track) }],
    refusal: as_the_status_says,
    pause: Duration::from_secs(1),
    needs_credentials: true,
    needs_user_agent: false,
    terms: Terms {
        per_second: 2,
        burst: 2,
        credential: Some("oauth2"),
        lifetimes: &[
            Lifetime { word: "search", data_type: "search_results", days: 7 },
            Lifetime { word: "track", data_type: "bpm", days: 60 },
        ],
    },
};

fn found(answer: View<'_>) -> Option<Vec<Track<'_>>> {
    listed(answer.at("results"), track)
}

fn track(track: View<'_>) -> Option<Track<'_>> {
    let genre = track.at("genre").at("name").text();
    Some(Track {
        id: Some(track.at("id").id()?),
        name: track.at("name").text()?,
        artists: track.at("artists").each(Artist::read),
        duration_ms: track.at("length_ms").whole(),
        isrc: track.at("isrc").text(),
        album: track.at("release").at("name").text(),
        released: track.at("publish_date").text(),
        bpm: track.at("bpm").number(),
        key: track.at("key").at("name").text().map(str::to_owned),
        genres: genre.into_iter().collect(),
        ..Track::default()
    })
}

#[cfg(test)]
mod tests;
