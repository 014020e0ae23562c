//! The music that all six providers know: one table, so that an ISRC found at one is found at the others.

use crate::{digest, table};

/// The names of the twelve pitch classes, as Spotify numbers them.
const PITCHES: [&str; 12] = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];

/// One artist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Artist {
    pub(crate) name: &'static str,
    pub(crate) spotify_id: String,
    pub(crate) mbid: String,
    /// The number at Beatport and Discogs.
    pub(crate) number: u64,
}

impl Artist {
    fn named(name: &'static str) -> Self {
        let spotify_id = match name {
            "deadmau5" => "2CIMQHirSU0MQqyYHq0eOx".to_owned(),
            _ => digest::base62(&format!("spotify artist {name}"), 22),
        };
        Self {
            name,
            spotify_id,
            mbid: digest::uuid(&format!("artist {name}")),
            number: digest::number(&format!("artist {name}"), 10_000, 900_000),
        }
    }
}

/// One track, with its identifier at every provider.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) spotify_id: String,
    pub(crate) isrc: String,
    pub(crate) artists: Vec<Artist>,
    pub(crate) name: &'static str,
    pub(crate) album: &'static str,
    pub(crate) album_id: String,
    /// `YYYY-MM-DD`.
    pub(crate) released: &'static str,
    pub(crate) duration_ms: u64,
    pub(crate) popularity: u64,
    pub(crate) bpm: f64,
    /// The pitch class, 0 for C to 11 for B.
    pub(crate) pitch: usize,
    pub(crate) minor: bool,
    pub(crate) genre: &'static str,
    pub(crate) label: &'static str,
    /// The recording at `MusicBrainz`, Last.fm and `AcousticBrainz`.
    pub(crate) mbid: String,
    /// The release at `MusicBrainz`.
    pub(crate) release_mbid: String,
    /// The track at Beatport.
    pub(crate) beatport_id: u64,
    /// The release at Discogs, which all tracks of an album share.
    pub(crate) discogs_id: u64,
}

impl Track {
    fn of_row(row: [&'static str; 12]) -> Self {
        let [id, isrc, artists, name, album, released, duration, popularity, bpm, key, genre, label] = row;
        let artists: Vec<_> = table::parts(artists).into_iter().map(Artist::named).collect();
        let first = artists.first().map_or("", |artist| artist.name);
        let (whole, record) = (format!("{first} {name}"), format!("{first} {album}"));
        let (pitch, mode) = key.split_once(' ').expect("a key has a pitch and a mode");
        let derived = |given: &str, other: String| if given == "-" { other } else { given.to_owned() };
        let isrc_number = digest::number(&whole, 0, 100_000);
        Self {
            spotify_id: derived(id, digest::base62(&format!("spotify track {whole}"), 22)),
            isrc: derived(isrc, format!("QZWER{}{isrc_number:05}", &released[2..4])),
            name,
            album,
            album_id: digest::base62(&format!("spotify album {record}"), 22),
            released,
            duration_ms: duration.parse().expect("a duration is a number"),
            popularity: popularity.parse().expect("a popularity is a number"),
            bpm: bpm.parse().expect("a tempo is a number"),
            pitch: PITCHES.iter().position(|known| *known == pitch).expect("a pitch is one of twelve"),
            minor: mode == "minor",
            genre,
            label,
            mbid: digest::uuid(&format!("recording {whole}")),
            release_mbid: digest::uuid(&format!("release {record}")),
            beatport_id: digest::number(&format!("beatport {whole}"), 1_000_000, 20_000_000),
            discogs_id: digest::number(&format!("discogs {record}"), 1_000_000, 30_000_000),
            artists,
        }
    }

    /// The artists as a sleeve prints them.
    pub(crate) fn credit(&self) -> String {
        self.artists.iter().map(|artist| artist.name).collect::<Vec<_>>().join(" & ")
    }

    /// The first artist.
    pub(crate) fn artist(&self) -> &Artist {
        self.artists.first().expect("every track has an artist")
    }

    /// The year of the release.
    pub(crate) fn year(&self) -> &'static str {
        &self.released[..4]
    }

    /// The name of the pitch class.
    pub(crate) fn pitch_name(&self) -> &'static str {
        PITCHES[self.pitch]
    }

    /// A property that no column gives, between nought and one: the same in every run.
    pub(crate) fn trait_of(&self, property: &str) -> f64 {
        digest::share(&format!("{property} {}", self.spotify_id))
    }

    /// A quantity that no column gives, the same in every run.
    pub(crate) fn quantity_of(&self, property: &str, least: u64, end: u64) -> u64 {
        digest::number(&format!("{property} {}", self.spotify_id), least, end)
    }
}

/// All tracks.
pub(crate) struct Catalog {
    pub(crate) tracks: Vec<Track>,
}

impl Catalog {
    /// The tracks of `data/tracks.txt`.
    pub(crate) fn published() -> Self {
        Self { tracks: table::rows(include_str!("../data/tracks.txt")).map(Track::of_row).collect() }
    }

    /// The first track of which this holds.
    pub(crate) fn find(&self, wanted: impl Fn(&Track) -> bool) -> Option<&Track> {
        self.tracks.iter().find(|track| wanted(track))
    }

    /// Every track of which this holds, the most popular first.
    pub(crate) fn search(&self, wanted: impl Fn(&Track) -> bool) -> Vec<&Track> {
        let mut found: Vec<_> = self.tracks.iter().filter(|track| wanted(track)).collect();
        found.sort_by_key(|track| std::cmp::Reverse(track.popularity));
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_sample_of_the_documents_is_there() {
        let catalog = Catalog::published();
        let strobe = catalog.find(|track| track.spotify_id == "41Xji81wFy3cM7ggbGczQW").unwrap();
        assert_eq!((strobe.name, strobe.isrc.as_str()), ("Strobe", "GBTDG0900141"));
        assert_eq!((strobe.duration_ms, strobe.popularity), (635_320, 35));
        assert_eq!(strobe.artist().spotify_id, "2CIMQHirSU0MQqyYHq0eOx");
    }

    #[test]
    fn every_identifier_names_one_track() {
        let tracks = Catalog::published().tracks;
        assert!(tracks.len() >= 36);
        let distinct = |name: &str, values: Vec<String>| {
            assert_eq!(values.iter().collect::<BTreeSet<_>>().len(), tracks.len(), "{name}");
        };
        distinct("spotify", tracks.iter().map(|track| track.spotify_id.clone()).collect());
        distinct("isrc", tracks.iter().map(|track| track.isrc.clone()).collect());
        distinct("mbid", tracks.iter().map(|track| track.mbid.clone()).collect());
        distinct("beatport", tracks.iter().map(|track| track.beatport_id.to_string()).collect());
    }

    #[test]
    fn an_isrc_has_its_form() {
        for track in Catalog::published().tracks {
            assert!(track.isrc.len() == 12 && track.isrc.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn a_search_puts_the_popular_first() {
        let catalog = Catalog::published();
        let found = catalog.search(|track| track.artist().name == "deadmau5");
        assert!(found.len() > 3 && found.is_sorted_by(|a, b| a.popularity >= b.popularity));
    }
}
