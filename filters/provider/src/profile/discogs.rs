//! Discogs's database (<https://www.discogs.com/developers>): it knows releases, and tracks only as parts of them, so a
//! search answers with releases that have such a track.

use std::time::Duration;

use super::{Id, Lifetime, Lookup, Profile, Search, Shape, Terms, as_the_status_says, listed, plain};
use crate::track::{Artist, Track};
use crate::view::View;

pub(super) static PROFILE: Profile = Profile {
    name: "discogs",
    search: Some(Search {
        target: "/database/search?type=release&artist={artist}&track={title}&per_page={limit}",
        phrase: plain,
        tracks: found,
    }),
    lookups: &[Lookup { word: "release", id: Id::Number, target: "/releases/{id}", shape: Shape::Own }],
    refusal: as_the_status_says,
    pause: Duration::from_secs(5),
    needs_credentials: true,
    needs_user_agent: true,
    terms: Terms {
        per_second: 1,
        burst: 1,
        credential: Some("discogs"),
        lifetimes: &[
            Lifetime { word: "search", data_type: "search_results", days: 7 },
            Lifetime { word: "release", data_type: "releases", days: 60 },
        ],
    },
};

fn found(answer: View<'_>) -> Option<Vec<Track<'_>>> {
    listed(answer.at("results"), release)
}

fn release(release: View<'_>) -> Option<Track<'_>> {
    let title = release.at("title").text()?;
    // "Artist - Title", and nothing else says which of the two is which.
    let (artist, name) = match title.split_once(" - ") {
        Some((artist, name)) if !name.is_empty() => (Some(Artist::named(artist)), name),
        _ => (None, title),
    };
    let genres = release.at("genre").each_text().chain(release.at("style").each_text());
    Some(Track {
        id: Some(release.at("id").id()?),
        name,
        artists: artist.into_iter().collect(),
        album: Some(name),
        released: release.at("year").text(),
        genres: genres.collect(),
        ..Track::default()
    })
}

#[cfg(test)]
mod tests;
