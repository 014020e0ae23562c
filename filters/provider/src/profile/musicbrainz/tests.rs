//! `MusicBrainz`: recordings, found, looked up, and by their ISRC.

use serde_json::json;

use crate::profile::tests::{found, looked_up};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const RECORDING: &str = r#"{"id": "026fa041-3917-4c73-9079-ed16e36f20f8", "score": 100, "title": "Blow Your Mind (Mwah)",
  "length": 178583, "disambiguation": "", "video": null,
  "artist-credit": [
    {"name": "Dua Lipa", "joinphrase": " feat. ", "artist": {"id": "6f1a58bf-9b1b-49cf-a44a-6cefad7ae04f", "name": "Dua Lipa", "sort-name": "Lipa, Dua"}},
    {"name": "X", "artist": {"id": "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae", "name": "Y"}}],
  "first-release-date": "2016-08-26",
  "releases": [{"id": "a1b2", "title": "Blow Your Mind (Mwah)", "status": "Official"}, {"id": "c", "title": "Dua Lipa"}],
  "isrcs": ["GBAHT1600302", "GBAHT1600303"], "tags": [{"count": 1, "name": "pop"}, {"count": 0, "name": "dance"}]}"#;

#[test]
fn a_recording_is_a_track() {
    let expected = json!({
        "id": "026fa041-3917-4c73-9079-ed16e36f20f8", "name": "Blow Your Mind (Mwah)", "duration_ms": 178_583,
        "external_ids": {"isrc": "GBAHT1600302"}, "album": {"name": "Blow Your Mind (Mwah)"},
        "artists": [{"id": "6f1a58bf-9b1b-49cf-a44a-6cefad7ae04f", "name": "Dua Lipa"},
            {"id": "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae", "name": "Y"}],
        "release_date": "2016-08-26", "genres": ["pop", "dance"],
    });
    let answer =
        format!(r#"{{"created": "2026-11-21T12:00:00.000Z", "count": 1, "offset": 0, "recordings": [{RECORDING}]}}"#);
    assert_eq!(found("musicbrainz", &answer), Some(json!([expected])));
    let answer = format!(r#"{{"isrc": "GBAHT1600302", "recordings": [{RECORDING}]}}"#);
    assert_eq!(looked_up("musicbrainz", "isrc", &answer), Some(json!([expected])));
    let mut one = expected;
    one["provider"] = json!("musicbrainz");
    assert_eq!(looked_up("musicbrainz", "track", RECORDING), Some(one));
}

#[test]
fn what_is_not_known_of_a_recording_is_left_out() {
    let bare = r#"{"id": "026fa041-3917-4c73-9079-ed16e36f20f8", "title": "x", "length": null, "isrcs": [{"id": "GBAHT1600302"}]}"#;
    let expected = json!({"provider": "musicbrainz", "id": "026fa041-3917-4c73-9079-ed16e36f20f8", "name": "x",
        "external_ids": {"isrc": "GBAHT1600302"}, "artists": []});
    assert_eq!(looked_up("musicbrainz", "track", bare), Some(expected));
    assert_eq!(found("musicbrainz", r#"{"recordings": []}"#), Some(json!([])));
    assert_eq!(found("musicbrainz", r#"{"count": 0}"#), None);
    assert_eq!(looked_up("musicbrainz", "isrc", r#"{"error": "Not Found"}"#), None);
}
