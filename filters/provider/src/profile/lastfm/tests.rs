//! Last.fm: matches and a track's information.

use serde_json::json;

use crate::profile::tests::{found, looked_up};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_match_is_a_track() {
    let one = r##"{"name": "Strobe", "artist": "deadmau5", "url": "https://www.last.fm/music/deadmau5/_/Strobe", "streamable": "0",
        "listeners": "612345", "image": [{"#text": "https://lastfm.freetls.fastly.net/i/u/34s/2a96.png", "size": "small"}],
        "mbid": "7d357162-6c37-47f4-abcd-c74889a01919"}"##;
    let other = r#"{"name": "Strobe (Radio Edit)", "artist": "deadmau5", "mbid": ""}"#;
    let expected = json!({"id": "7d357162-6c37-47f4-abcd-c74889a01919", "name": "Strobe", "artists": [{"id": null, "name": "deadmau5"}]});
    let nameless = json!({"id": null, "name": "Strobe (Radio Edit)", "artists": [{"id": null, "name": "deadmau5"}]});
    for (matches, results) in [
        (format!("[{one}, {other}]"), json!([expected, nameless])),
        (one.to_owned(), json!([expected])),
        ("[]".to_owned(), json!([])),
    ] {
        let answer = format!(
            r#"{{"results": {{"opensearch:totalResults": "2", "trackmatches": {{"track": {matches}}}, "@attr": {{}}}}}}"#
        );
        assert_eq!(found("lastfm", &answer), Some(results), "{matches}");
    }
    assert_eq!(
        found("lastfm", r#"{"results": {"opensearch:totalResults": "0", "trackmatches": "\n"}}"#),
        Some(json!([]))
    );
    assert_eq!(found("lastfm", r#"{"tracks": []}"#), None);
}

#[test]
fn information_is_a_track_with_genres() {
    let answer = r##"{"track": {"name": "Strobe", "mbid": "7d357162-6c37-47f4-abcd-c74889a01919",
        "url": "https://www.last.fm/music/deadmau5/_/Strobe", "duration": "637000", "streamable": {"#text": "0", "fulltrack": "0"},
        "listeners": "612345", "playcount": "5123456",
        "artist": {"name": "deadmau5", "mbid": "4a00ec9d-c635-463a-8cd4-eb61725f0c60", "url": "https://www.last.fm/music/deadmau5"},
        "album": {"artist": "deadmau5", "title": "For Lack of a Better Name", "@attr": {"position": "10"}},
        "toptags": {"tag": [{"name": "progressive house", "url": "x"}, {"name": "electronic", "url": "y"}]},
        "wiki": {"published": "27 Feb 2010", "summary": "…"}}}"##;
    let expected = json!({
        "provider": "lastfm", "id": "7d357162-6c37-47f4-abcd-c74889a01919", "name": "Strobe", "duration_ms": 637_000,
        "album": {"name": "For Lack of a Better Name"},
        "artists": [{"id": "4a00ec9d-c635-463a-8cd4-eb61725f0c60", "name": "deadmau5"}],
        "genres": ["progressive house", "electronic"],
    });
    assert_eq!(looked_up("lastfm", "track", answer), Some(expected));
    let bare =
        r#"{"track": {"name": "x", "duration": "0", "artist": {"name": "a", "mbid": ""}, "toptags": {"tag": []}}}"#;
    let expected = json!({"provider": "lastfm", "id": null, "name": "x", "artists": [{"id": null, "name": "a"}]});
    assert_eq!(looked_up("lastfm", "track", bare), Some(expected));
    assert_eq!(looked_up("lastfm", "track", r#"{"track": {}}"#), None);
}
