//! The common shape of what providers answer.
//!
//! A track has `id`, `name` and `artists` (each with `id` and `name`; an id is `null` where the provider has none), and of
//! `duration_ms`, `popularity` (0 to 100), `external_ids.isrc`, `album.name`, `release_date`, `bpm`, `key` and `genres` what
//! the provider says. A search answers `{"provider", "query", "results": [track, …]}`, a look-up by another id than the
//! track's own likewise, and a look-up of one track `{"provider", …the track}`. Where results were left out, since all of them would
//! be too long, `"truncated": true` stands behind them.

use std::fmt::Write;

use crate::view::View;

/// A recording of music.
#[derive(Debug, Default, PartialEq)]
pub struct Track<'a> {
    /// The provider's own id.
    pub id: Option<String>,
    /// The title.
    pub name: &'a str,
    /// Who is credited with it.
    pub artists: Vec<Artist<'a>>,
    /// How long it is.
    pub duration_ms: Option<u64>,
    /// How popular it is, of 100.
    pub popularity: Option<u64>,
    /// The International Standard Recording Code (ISO 3901).
    pub isrc: Option<&'a str>,
    /// The title of a release that it is on.
    pub album: Option<&'a str>,
    /// When it was released, as the provider writes it.
    pub released: Option<&'a str>,
    /// Beats per minute.
    pub bpm: Option<f64>,
    /// The musical key, as in `F# minor`.
    pub key: Option<String>,
    /// Genres, or what listeners call it.
    pub genres: Vec<&'a str>,
}

/// Who is credited with a track.
#[derive(Clone, Debug, PartialEq)]
pub struct Artist<'a> {
    /// The provider's own id.
    pub id: Option<String>,
    /// The name.
    pub name: &'a str,
}

impl<'a> Artist<'a> {
    /// An artist with the members `id` and `name`.
    pub fn read(view: View<'a>) -> Option<Self> {
        Some(Self { id: view.at("id").id(), name: view.at("name").text()? })
    }

    /// One of whom nothing is known but the name.
    pub const fn named(name: &'a str) -> Self {
        Self { id: None, name }
    }
}

/// What was looked for, said again beside what was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// By words.
    Search {
        /// The artist's name.
        artist: String,
        /// The title.
        title: String,
        /// How many results there may be.
        limit: u32,
    },
    /// By an id, which is called this.
    Id {
        /// As the path names it.
        kind: &'static str,
        /// The id.
        id: String,
    },
}

/// The body that answers with several tracks: with so many of them that it is not longer than `bytes_max`, and says so where some
/// are left out.
pub fn results(provider: &str, question: &Question, tracks: &[Track<'_>], bytes_max: usize) -> String {
    let mut json = Json::opened();
    json.text("provider", provider);
    json.open("query", '{');
    json.question(question);
    json.close('}');
    json.open("results", '[');
    for (index, track) in tracks.iter().enumerate() {
        let length = json.text.len();
        json.element('{');
        json.track(track);
        json.close('}');
        let ending = if index + 1 == tracks.len() { "]}".len() } else { TRUNCATED.len() };
        if json.text.len() + ending > bytes_max {
            // What was there before had room for this ending, being no last one.
            json.text.truncate(length);
            json.text.push_str(TRUNCATED);
            return json.text;
        }
    }
    json.close(']');
    json.closed()
}

/// How an answer ends of which tracks were left out.
const TRUNCATED: &str = "],\"truncated\":true}";

/// The body of a search for this; nothing where a path says it all.
pub fn asked(question: &Question) -> String {
    let Question::Search { .. } = question else { return String::new() };
    let mut json = Json::opened();
    json.question(question);
    json.closed()
}

/// The body that answers with one track.
pub fn one(provider: &str, track: &Track<'_>) -> String {
    let mut json = Json::opened();
    json.text("provider", provider);
    json.track(track);
    json.closed()
}

/// An object that is being written.
struct Json {
    text: String,
    /// Whether nothing stands yet in what was opened last.
    is_fresh: bool,
}

impl Json {
    fn opened() -> Self {
        Self { text: "{".to_owned(), is_fresh: true }
    }

    fn closed(mut self) -> String {
        self.close('}');
        self.text
    }

    #[inline(never)]
    fn name(&mut self, name: &str) {
        if !self.is_fresh {
            self.text.push(',');
        }
        self.is_fresh = false;
        self.quoted(name);
        self.text.push(':');
    }

    #[inline(never)]
    fn quoted(&mut self, text: &str) {
        // A text can always be written.
        self.text.push_str(&serde_json::to_string(text).unwrap_or_default());
    }

    fn open(&mut self, name: &str, bracket: char) {
        self.name(name);
        self.text.push(bracket);
        self.is_fresh = true;
    }

    fn element(&mut self, bracket: char) {
        if !self.is_fresh {
            self.text.push(',');
        }
        self.text.push(bracket);
        self.is_fresh = true;
    }

    fn close(&mut self, bracket: char) {
        self.text.push(bracket);
        self.is_fresh = false;
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    fn text_or_null(&mut self, name: &str, value: Option<&str>) {
        if let Some(text) = value {
            return self.text(name, text);
        }
        self.name(name);
        self.text.push_str("null");
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        let _ = write!(self.text, "{value}");
    }

    fn question(&mut self, question: &Question) {
        match question {
            Question::Search { artist, title, limit } => {
                self.text("artist", artist);
                self.text("title", title);
                self.number("limit", u64::from(*limit));
            }
            Question::Id { kind, id } => self.text(kind, id),
        }
    }

    #[inline(never)]
    fn track(&mut self, track: &Track<'_>) {
        self.text_or_null("id", track.id.as_deref());
        self.text("name", track.name);
        for (name, number) in [("duration_ms", track.duration_ms), ("popularity", track.popularity)] {
            if let Some(number) = number {
                self.number(name, number);
            }
        }
        for (outer, inner, value) in [("external_ids", "isrc", track.isrc), ("album", "name", track.album)] {
            if let Some(value) = value {
                self.open(outer, '{');
                self.text(inner, value);
                self.close('}');
            }
        }
        self.open("artists", '[');
        for artist in &track.artists {
            self.element('{');
            self.text_or_null("id", artist.id.as_deref());
            self.text("name", artist.name);
            self.close('}');
        }
        self.close(']');
        if let Some(released) = track.released {
            self.text("release_date", released);
        }
        if let Some(bpm) = track.bpm {
            self.name("bpm");
            self.text.push_str(&serde_json::to_string(&bpm).unwrap_or_default());
        }
        if let Some(key) = &track.key {
            self.text("key", key);
        }
        if !track.genres.is_empty() {
            self.genres(&track.genres);
        }
    }

    fn genres(&mut self, genres: &[&str]) {
        self.open("genres", '[');
        for genre in genres {
            if !self.is_fresh {
                self.text.push(',');
            }
            self.is_fresh = false;
            self.quoted(genre);
        }
        self.close(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_search_answers_as_the_contracts_sample_does() {
        let question = Question::Search { artist: "Deadmau5".into(), title: "Strobe".into(), limit: 3 };
        let artist = Artist { id: Some("2CIMQHirSU0MQqyYHq0eOx".into()), name: "deadmau5" };
        let track = Track {
            id: Some("41Xji81wFy3cM7ggbGczQW".into()),
            name: "Strobe",
            artists: vec![artist],
            duration_ms: Some(635_320),
            popularity: Some(35),
            isrc: Some("GBTDG0900141"),
            ..Track::default()
        };
        let track_json = concat!(
            r#""id":"41Xji81wFy3cM7ggbGczQW","name":"Strobe","duration_ms":635320,"popularity":35,"#,
            r#""external_ids":{"isrc":"GBTDG0900141"},"artists":[{"id":"2CIMQHirSU0MQqyYHq0eOx","name":"deadmau5"}]"#,
        );
        let query = r#""query":{"artist":"Deadmau5","title":"Strobe","limit":3}"#;
        let expected = format!(r#"{{"provider":"spotify",{query},"results":[{{{track_json}}}]}}"#);
        assert_eq!(results("spotify", &question, std::slice::from_ref(&track), 4096), expected);
        assert_eq!(one("spotify", &track), format!(r#"{{"provider":"spotify",{track_json}}}"#));
    }

    #[test]
    fn every_member_is_there_where_it_is_known() {
        let track = Track {
            name: "\"\\\u{1}é💿",
            artists: vec![Artist::named("a"), Artist::named("b")],
            album: Some("c"),
            released: Some("1996"),
            bpm: Some(122.7),
            key: Some("F# minor".into()),
            genres: vec!["d", "e"],
            ..Track::default()
        };
        let expected = concat!(
            r#"{"provider":"x","id":null,"name":"\"\\\u0001é💿","album":{"name":"c"},"#,
            r#""artists":[{"id":null,"name":"a"},{"id":null,"name":"b"}],"#,
            r#""release_date":"1996","bpm":122.7,"key":"F# minor","genres":["d","e"]}"#,
        );
        assert_eq!(one("x", &track), expected);
        let question = Question::Id { kind: "isrc", id: "X".into() };
        assert_eq!(results("x", &question, &[], 4096), r#"{"provider":"x","query":{"isrc":"X"},"results":[]}"#);
    }

    #[test]
    fn what_is_asked_again_is_what_was_asked() {
        let question = Question::Search { artist: "\"a\" é".into(), title: "b\\".into(), limit: 7 };
        assert_eq!(crate::request::search(asked(&question).as_bytes()), Ok(question));
        assert_eq!(asked(&Question::Id { kind: "isrc", id: "X".into() }), "");
    }

    #[test]
    fn what_would_be_too_long_has_fewer_results_and_says_so() {
        let question = Question::Id { kind: "isrc", id: "X".into() };
        let tracks: Vec<_> = ["a", "b", "c"].map(|name| Track { name, ..Track::default() }).into_iter().collect();
        let all = results("x", &question, &tracks, 4096);
        assert_eq!(results("x", &question, &tracks, all.len()), all);
        let cut = |count| {
            let whole = results("x", &question, &tracks[..count], 4096);
            [whole.strip_suffix("]}").unwrap(), TRUNCATED].concat()
        };
        let two = cut(2);
        assert_eq!(results("x", &question, &tracks, all.len() - 1), two);
        for bytes_max in two.len() - 1..all.len() {
            let answer = results("x", &question, &tracks, bytes_max);
            assert!(answer.len() <= bytes_max && answer.ends_with(TRUNCATED), "{bytes_max} {answer}");
        }
        assert_eq!(results("x", &question, &tracks, 0), cut(0));
    }
}
