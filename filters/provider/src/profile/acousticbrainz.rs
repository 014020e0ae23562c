//! `AcousticBrainz`'s data (<https://acousticbrainz.readthedocs.io/api.html>): what an analysis of a recording has found,
//! under the recording's id at `MusicBrainz`. There is no search.

use std::time::Duration;

use super::{Id, Lifetime, Lookup, Profile, Shape, Terms, as_the_status_says};
use crate::track::{Artist, Track};
use crate::view::View;

pub(super) static PROFILE: Profile = Profile {
    name: "acousticbrainz",
    search: None,
    lookups: &[
        Lookup { word: "track", id: Id::Mbid, target: "/{id}/low-level", shape: Shape::Track(track) },
        Lookup { word: "features", id: Id::Mbid, target: "/{id}/low-level", shape: Shape::Own },
    ],
    refusal: as_the_status_says,
    pause: Duration::from_secs(2),
    needs_credentials: false,
    needs_user_agent: false,
    terms: Terms {
        per_second: 5,
        burst: 5,
        credential: None,
        lifetimes: &[
            Lifetime { word: "track", data_type: "features", days: 90 },
            Lifetime { word: "features", data_type: "features", days: 90 },
        ],
    },
};

/// A file's tags are lists of texts, and whatever whoever tagged it has written there.
fn track(answer: View<'_>) -> Option<Track<'_>> {
    let metadata = answer.at("metadata");
    let tag = |name: &str| metadata.at("tags").at(name).first().text();
    let tonal = answer.at("tonal");
    let key = tonal.at("key_key").text().zip(tonal.at("key_scale").text());
    Some(Track {
        id: Some(tag("musicbrainz_recordingid").or_else(|| tag("musicbrainz_trackid"))?.to_owned()),
        name: tag("title")?,
        artists: tag("artist").map(Artist::named).into_iter().collect(),
        duration_ms: metadata.at("audio_properties").at("length").number().and_then(millis),
        isrc: tag("isrc"),
        album: tag("album"),
        released: tag("date"),
        bpm: answer.at("rhythm").at("bpm").number(),
        key: key.map(|(key, scale)| [key, " ", scale].concat()),
        ..Track::default()
    })
}

/// Milliseconds of seconds that make a piece of music.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
fn millis(seconds: f64) -> Option<u64> {
    (seconds > 0.0 && seconds < 1e6).then(|| (seconds * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests;
