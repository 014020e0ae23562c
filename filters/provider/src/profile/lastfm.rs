//! Last.fm's API (<https://www.last.fm/api>): one path, and what is asked in its query.

use std::time::Duration;

use super::{Id, Lifetime, Lookup, Profile, Refusal, Search, Shape, Terms, plain};
use crate::track::{Artist, Track};
use crate::view::View;

pub(super) static PROFILE: Profile = Profile {
    name: "lastfm",
    search: Some(Search {
        target: "/?method=track.search&artist={artist}&track={title}&limit={limit}&format=json",
        phrase: plain,
        tracks: found,
    }),
    lookups: &[Lookup {
        word: "track",
        id: Id::Mbid,
        target: "/?method=track.getInfo&mbid={id}&format=json",
        shape: Shape::Track(info),
    }],
    refusal,
    pause: Duration::from_secs(2),
    needs_credentials: true,
    needs_user_agent: false,
    terms: Terms {
        per_second: 5,
        burst: 5,
        credential: Some("query"),
        lifetimes: &[
            Lifetime { word: "search", data_type: "search_results", days: 7 },
            Lifetime { word: "track", data_type: "genres", days: 14 },
        ],
    },
};

/// It says what is wrong with a number in the body, whatever the status: <https://www.last.fm/api/errorcodes>.
fn refusal(_status: u16, body: View<'_>) -> Option<Refusal> {
    Some(match body.at("error").whole()? {
        6 | 7 => Refusal::Missing,
        4 | 9 | 10 | 13 | 14 | 15 | 17 | 26 => Refusal::Denied,
        8 | 11 | 16 => Refusal::Away,
        29 => Refusal::TooOften,
        _ => Refusal::Broken,
    })
}

fn found(answer: View<'_>) -> Option<Vec<Track<'_>>> {
    let matches = answer.at("results").at("trackmatches");
    // Where nothing matches, there may be a text of a line break in the place of the list.
    answer.at("results").is_object().then(|| {
        matches.at("track").each(|track| {
            let artist = track.at("artist").text().map(Artist::named);
            Some(Track {
                id: track.at("mbid").id(),
                name: track.at("name").text()?,
                artists: artist.into_iter().collect(),
                ..Track::default()
            })
        })
    })
}

fn info(answer: View<'_>) -> Option<Track<'_>> {
    let track = answer.at("track");
    let artist = track.at("artist");
    let artist = artist.at("name").text().map(|name| Artist { id: artist.at("mbid").id(), name });
    Some(Track {
        id: track.at("mbid").id(),
        name: track.at("name").text()?,
        artists: artist.into_iter().collect(),
        // In milliseconds here, and 0 where it is not known.
        duration_ms: track.at("duration").whole().filter(|millis| *millis > 0),
        album: track.at("album").at("title").text(),
        genres: track.at("toptags").at("tag").each(|tag| tag.at("name").text()),
        ..Track::default()
    })
}

#[cfg(test)]
mod tests;
