//! Discogs: releases that have a track.

use serde_json::json;

use crate::profile::tests::found;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_release_is_named_after_its_artist_and_its_title() {
    let release = |title: &str| {
        format!(
            r#"{{"country": "UK", "year": "2009", "format": ["CD", "Album"], "label": ["mau5trap"], "type": "release", "id": 1933871,
            "genre": ["Electronic"], "style": ["Progressive House", "Electro House"], "catno": "MAU5CD002", "title": "{title}",
            "uri": "/release/1933871", "master_id": 190343, "thumb": "", "community": {{"want": 215, "have": 1023}}}}"#
        )
    };
    for (title, artists, name) in [
        (
            "deadmau5 - For Lack Of A Better Name",
            json!([{"id": null, "name": "deadmau5"}]),
            "For Lack Of A Better Name",
        ),
        ("A - B - C", json!([{"id": null, "name": "A"}]), "B - C"),
        ("Untitled", json!([]), "Untitled"),
        ("A - ", json!([]), "A - "),
    ] {
        let answer = format!(r#"{{"pagination": {{"page": 1, "items": 1}}, "results": [{}]}}"#, release(title));
        let expected = json!({"id": "1933871", "name": name, "album": {"name": name}, "artists": artists,
            "release_date": "2009", "genres": ["Electronic", "Progressive House", "Electro House"]});
        assert_eq!(found("discogs", &answer), Some(json!([expected])), "{title}");
    }
    assert_eq!(found("discogs", r#"{"results": []}"#), Some(json!([])));
    assert_eq!(found("discogs", r#"{"message": "You must authenticate to access this resource."}"#), None);
}
