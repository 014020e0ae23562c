//! Beatport: tracks with tempo and key.

use serde_json::json;

use crate::profile::tests::{found, looked_up};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TRACK: &str = r#"{"id": 1051442, "name": "Strobe", "mix_name": "Original Mix", "slug": "strobe",
  "artists": [{"id": 26182, "name": "deadmau5", "slug": "deadmau5", "url": "https://api.beatport.com/v4/catalog/artists/26182/"}],
  "remixers": [], "bpm": 128, "key": {"id": 5, "name": "Bb Minor", "camelot_number": 3, "camelot_letter": "A"},
  "genre": {"id": 15, "name": "Progressive House", "slug": "progressive-house"}, "sub_genre": null,
  "release": {"id": 201467, "name": "For Lack Of A Better Name", "label": {"id": 5, "name": "mau5trap"}},
  "isrc": "GBTDG0900141", "length": "10:37", "length_ms": 637000, "new_release_date": "2009-09-21", "publish_date": "2009-09-21",
  "price": {"code": "USD", "value": 1.49}}"#;

#[test]
fn a_track_has_its_tempo_and_key() {
    let expected = json!({
        "id": "1051442", "name": "Strobe", "duration_ms": 637_000, "external_ids": {"isrc": "GBTDG0900141"},
        "album": {"name": "For Lack Of A Better Name"}, "artists": [{"id": "26182", "name": "deadmau5"}],
        "release_date": "2009-09-21", "bpm": 128.0, "key": "Bb Minor", "genres": ["Progressive House"],
    });
    let answer = format!(
        r#"{{"next": null, "previous": null, "count": 1, "page": "1/1", "per_page": 10, "results": [{TRACK}]}}"#
    );
    assert_eq!(found("beatport", &answer), Some(json!([expected])));
    let mut one = expected;
    one["provider"] = json!("beatport");
    assert_eq!(looked_up("beatport", "track", TRACK), Some(one));
    assert_eq!(looked_up("beatport", "track", r#"{"detail": "Not found."}"#), None);
    assert_eq!(found("beatport", r#"{"results": []}"#), Some(json!([])));
    assert_eq!(found("beatport", r#"{"tracks": []}"#), None);
}
