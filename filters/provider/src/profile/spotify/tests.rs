//! Spotify: search results and tracks.

use serde_json::json;

use crate::profile::tests::{found, looked_up};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TRACK: &str = r#"{
  "album": {"album_type": "album", "artists": [{"id": "2CIMQHirSU0MQqyYHq0eOx", "name": "deadmau5", "type": "artist"}],
    "available_markets": ["AR", "DE", "GB"], "href": "https://api.spotify.com/v1/albums/0kFvu7Hvp7Z6IBjhp5fVxF",
    "id": "0kFvu7Hvp7Z6IBjhp5fVxF", "images": [{"height": 640, "url": "https://i.scdn.co/image/ab67616d0000b273", "width": 640}],
    "name": "For Lack of a Better Name", "release_date": "2009-09-22", "release_date_precision": "day", "total_tracks": 10},
  "artists": [{"external_urls": {"spotify": "https://open.spotify.com/artist/2CIMQHirSU0MQqyYHq0eOx"},
    "href": "https://api.spotify.com/v1/artists/2CIMQHirSU0MQqyYHq0eOx", "id": "2CIMQHirSU0MQqyYHq0eOx", "name": "deadmau5"}],
  "disc_number": 1, "duration_ms": 635320, "explicit": false, "external_ids": {"isrc": "GBTDG0900141"},
  "href": "https://api.spotify.com/v1/tracks/41Xji81wFy3cM7ggbGczQW", "id": "41Xji81wFy3cM7ggbGczQW", "is_local": false,
  "name": "Strobe", "popularity": 35, "preview_url": null, "track_number": 10, "type": "track",
  "uri": "spotify:track:41Xji81wFy3cM7ggbGczQW"}"#;

#[test]
fn a_track_has_what_the_contract_names() {
    let artists = json!([{"id": "2CIMQHirSU0MQqyYHq0eOx", "name": "deadmau5"}]);
    let expected = json!({
        "id": "41Xji81wFy3cM7ggbGczQW", "name": "Strobe", "duration_ms": 635_320, "popularity": 35,
        "external_ids": {"isrc": "GBTDG0900141"}, "album": {"name": "For Lack of a Better Name"}, "artists": artists,
        "release_date": "2009-09-22",
    });
    let answer = format!(
        r#"{{"tracks": {{"href": "https://api.spotify.com/v1/search?offset=0&limit=3", "items": [{TRACK}, null, {{"id": 7}}],
            "limit": 3, "next": null, "offset": 0, "previous": null, "total": 1}}}}"#
    );
    assert_eq!(found("spotify", &answer), Some(json!([expected])));
    let mut one = expected;
    one["provider"] = json!("spotify");
    assert_eq!(looked_up("spotify", "track", TRACK), Some(one));
}

#[test]
fn what_is_not_there_is_left_out_and_what_must_be_there_is_missed() {
    let local = r#"{"id": "41Xji81wFy3cM7ggbGczQW", "name": "Strobe", "artists": [{"id": null, "name": "a"}, {"name": ""}],
        "duration_ms": -1, "popularity": null, "external_ids": {}, "album": null}"#;
    let expected = json!({"provider": "spotify", "id": "41Xji81wFy3cM7ggbGczQW", "name": "Strobe",
        "artists": [{"id": null, "name": "a"}]});
    assert_eq!(looked_up("spotify", "track", local), Some(expected));
    assert_eq!(looked_up("spotify", "track", r#"{"id": "1"}"#), None);
    assert_eq!(looked_up("spotify", "track", r#"{"name": "1"}"#), None);
    for (answer, results) in [
        (r#"{"tracks": {"items": []}}"#, Some(json!([]))),
        (r#"{"tracks": {"items": [null]}}"#, Some(json!([]))),
        (r#"{"tracks": {"items": [{"title": "renamed"}]}}"#, None),
        (r#"{"tracks": {"items": {}}}"#, None),
        (r#"{"tracks": {}}"#, None),
        ("{}", None),
    ] {
        assert_eq!(found("spotify", answer), results, "{answer}");
    }
}
