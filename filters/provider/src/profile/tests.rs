//! What holds for every profile, and how the tests of each have it read an answer.

use policy::json::Json;
use serde_json::Value;

use super::*;
use crate::track::{self, Question};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What the tracks of an answer to a search become, or `None`.
pub(super) fn found(provider: &str, answer: &str) -> Option<Value> {
    let json: Json = serde_json::from_str(answer).unwrap();
    let tracks = (find(provider).unwrap().search.as_ref().unwrap().tracks)(View::of(&json))?;
    Some(listed_as(&tracks))
}

/// What the answer to a look-up becomes, or `None`.
pub(super) fn looked_up(provider: &str, word: &str, answer: &str) -> Option<Value> {
    let json: Json = serde_json::from_str(answer).unwrap();
    let lookup = find(provider).unwrap().lookups.iter().find(|lookup| lookup.word == word).unwrap();
    match lookup.shape {
        Shape::Track(read) => Some(serde_json::from_str(&track::one(provider, &read(View::of(&json))?)).unwrap()),
        Shape::Tracks(read) => Some(listed_as(&read(View::of(&json))?)),
        Shape::Own => panic!("{provider} {word} stays as it is"),
    }
}

fn listed_as(tracks: &[Track<'_>]) -> Value {
    let question = Question::Id { kind: "id", id: String::new() };
    let body: Value = serde_json::from_str(&track::results("x", &question, tracks, usize::MAX)).unwrap();
    body["results"].clone()
}

#[test]
fn an_id_is_of_its_providers_pattern() {
    let mbid = "7d357162-6c37-47f4-abcd-c74889a01919";
    for (id, good, bad) in [
        (
            Id::Base62,
            vec!["41Xji81wFy3cM7ggbGczQW"],
            vec![
                "",
                "41Xji81wFy3cM7ggbGczQ",
                "41Xji81wFy3cM7ggbGczQWx",
                "41Xji81wFy3cM7ggbGcz/W",
                "41Xji81wFy3cM7ggbGczé",
            ],
        ),
        (
            Id::Mbid,
            vec![mbid, "7D357162-6C37-47F4-ABCD-C74889A01919"],
            vec![
                "",
                "7d3571626c3747f4abcdc74889a01919",
                "7d357162-6c37-47f4-abcd-c74889a0191g",
                "-d357162-6c37-47f4-abcd-c74889a01919",
                "7d357162-6c37-47f4-abcd-c74889a01919 ",
            ],
        ),
        (
            Id::Isrc,
            vec!["GBTDG0900141", "usrc17607839"],
            vec!["", "GB-TDG-09-00141", "1BTDG0900141", "GBTDG090014A", "GBTDG09001411"],
        ),
        (
            Id::Number,
            vec!["1", "249504", "999999999999"],
            vec!["", "0", "01", "-1", "1.0", "1e3", "1000000000000", "٣"],
        ),
    ] {
        for text in good {
            assert!(id.fits(text), "{id:?} {text}");
        }
        for text in bad {
            assert!(!id.fits(text), "{id:?} {text}");
        }
    }
}

#[test]
fn each_profile_is_found_by_its_name_and_says_nothing_twice() {
    for profile in ALL.iter().copied() {
        assert!(std::ptr::eq(find(profile.name).unwrap(), profile));
        let mut words: Vec<_> = profile.lookups.iter().map(|lookup| lookup.word).collect();
        words.dedup();
        assert_eq!(words.len(), profile.lookups.len(), "{}", profile.name);
        assert!(profile.lookups.iter().all(|lookup| lookup.target.contains("{id}") && lookup.word != "search"));
    }
    assert!(find("").is_none() && find("Spotify").is_none());
    let mut names = names();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
}

#[test]
fn each_profile_has_terms_for_all_that_it_can_be_asked() {
    for profile in ALL.iter().copied() {
        let terms = &profile.terms;
        let lookups = profile.lookups.iter().map(|lookup| lookup.word);
        let mut words: Vec<_> = profile.search.iter().map(|_| "search").chain(lookups).collect();
        let mut known: Vec<_> = terms.lifetimes.iter().map(|lifetime| lifetime.word).collect();
        words.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, words, "{}", profile.name);
        assert_eq!(terms.credential.is_some(), profile.needs_credentials, "{}", profile.name);
        assert!(terms.per_second > 0 && terms.burst >= terms.per_second);
    }
    let terms = |name: &str| &find(name).unwrap().terms;
    assert_eq!(terms("spotify").limit(), "{rate: 10/s, burst: 20}");
    assert_eq!(["search", "track", "none"].map(|word| terms("discogs").days(word)), [7, 60, 60]);
}
