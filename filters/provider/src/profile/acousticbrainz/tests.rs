//! `AcousticBrainz`: what a file's tags and its analysis say of a recording.

use serde_json::json;

use crate::profile::tests::looked_up;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn an_analysis_is_a_track() {
    let answer = r#"{"lowlevel": {"average_loudness": 0.91, "dissonance": {"mean": 0.46, "var": 0.002}},
        "metadata": {"audio_properties": {"length": 635.3199, "sample_rate": 44100, "codec": "flac"},
          "tags": {"title": ["Strobe"], "artist": ["deadmau5"], "album": ["For Lack of a Better Name"], "isrc": ["GBTDG0900141"],
            "date": ["2009-09-22"], "musicbrainz_recordingid": ["7d357162-6c37-47f4-abcd-c74889a01919"], "tracknumber": ["10/10"]},
          "version": {"essentia": "2.1-beta2"}},
        "rhythm": {"bpm": 127.96, "beats_count": 1340}, "tonal": {"key_key": "F#", "key_scale": "minor", "key_strength": 0.7}}"#;
    let expected = json!({
        "provider": "acousticbrainz", "id": "7d357162-6c37-47f4-abcd-c74889a01919", "name": "Strobe", "duration_ms": 635_320,
        "external_ids": {"isrc": "GBTDG0900141"}, "album": {"name": "For Lack of a Better Name"},
        "artists": [{"id": null, "name": "deadmau5"}], "release_date": "2009-09-22", "bpm": 127.96, "key": "F# minor",
    });
    assert_eq!(looked_up("acousticbrainz", "track", answer), Some(expected));
    let bare = r#"{"metadata": {"audio_properties": {"length": -1}, "tags": {"title": ["x"], "musicbrainz_trackid": ["y"]}}, "tonal": {"key_key": "A"}}"#;
    let expected = json!({"provider": "acousticbrainz", "id": "y", "name": "x", "artists": []});
    assert_eq!(looked_up("acousticbrainz", "track", bare), Some(expected));
    assert_eq!(looked_up("acousticbrainz", "track", r#"{"message": "Not found"}"#), None);
    assert_eq!(looked_up("acousticbrainz", "track", r#"{"metadata": {"tags": {"title": "x"}}}"#), None);
}
