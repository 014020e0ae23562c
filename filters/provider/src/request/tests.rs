//! What clients may ask for, and what they are told where they may not.

use policy::Headers;

use super::*;
use crate::profile;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn told(rejection: &Rejection) -> String {
    match rejection {
        Rejection::BadRequest { message } => message.clone(),
        other => other.status().to_string(),
    }
}

#[test]
fn a_path_names_what_is_asked_for() {
    let mbid = "7d357162-6c37-47f4-abcd-c74889a01919";
    for (provider, line, expected) in [
        ("spotify", "POST /api/x/search".to_owned(), "search"),
        ("spotify", "POST /api/x/search?raw=true".to_owned(), "search raw"),
        ("spotify", "GET /api/x/track/41Xji81wFy3cM7ggbGczQW".to_owned(), "track 41Xji81wFy3cM7ggbGczQW"),
        (
            "spotify",
            "GET /api/x/audio-features/41Xji81wFy3cM7ggbGczQW?raw=false".to_owned(),
            "audio-features 41Xji81wFy3cM7ggbGczQW",
        ),
        ("musicbrainz", format!("GET /api/x/track/{mbid}?"), "track 7d357162-6c37-47f4-abcd-c74889a01919"),
        ("musicbrainz", "GET /api/x/isrc/gbtdg0900141".to_owned(), "isrc gbtdg0900141"),
        (
            "acousticbrainz",
            format!("GET /api/x/features/{mbid}?raw=true"),
            "features 7d357162-6c37-47f4-abcd-c74889a01919 raw",
        ),
        ("acousticbrainz", "POST /api/x/search".to_owned(), "404"),
        ("spotify", "GET /api/x/search".to_owned(), "404"),
        ("spotify", "HEAD /api/x/track/41Xji81wFy3cM7ggbGczQW".to_owned(), "404"),
        ("spotify", "POST /api/x/track/41Xji81wFy3cM7ggbGczQW".to_owned(), "404"),
        ("spotify", "GET /api/x/release/1".to_owned(), "404"),
        ("spotify", "POST /api/x/search/".to_owned(), "404"),
        ("spotify", "POST /api/xy/search".to_owned(), "404"),
        ("spotify", "POST /api/x".to_owned(), "404"),
        ("spotify", "POST /other/search".to_owned(), "404"),
        ("spotify", "GET /api/x/track/".to_owned(), "id: must be 22 letters and digits"),
        ("spotify", "GET /api/x/track/41Xji81wFy3cM7ggbGczQW/x".to_owned(), "id: must be 22 letters and digits"),
        (
            "discogs",
            "GET /api/x/release/01".to_owned(),
            "id: must be a number of up to 12 digits that does not begin with 0",
        ),
        (
            "spotify",
            "POST /api/x/search?raw=1".to_owned(),
            "query: there is no other parameter than raw=true and raw=false",
        ),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let headers = Headers::from_pairs(&[(b":method", method.as_bytes()), (b":path", path.as_bytes())]);
        let read = read(profile::find(provider).unwrap(), &Target::of(&headers), path.as_bytes(), "/api/x");
        let raw = |is_raw: bool| if is_raw { " raw" } else { "" };
        let said = match read {
            Ok(Asked { what: What::Search(_), is_raw }) => format!("search{}", raw(is_raw)),
            Ok(Asked { what: What::Lookup(lookup, id), is_raw }) => format!("{} {id}{}", lookup.word, raw(is_raw)),
            Err(rejection) => told(&rejection),
        };
        assert_eq!(said, expected, "{provider} {line}");
    }
}

#[test]
fn a_search_is_checked_by_its_fields() {
    let long = format!(r#"{{"artist": "{}", "title": "b"}}"#, "ü".repeat(257));
    let fits = format!(r#"{{"artist": "{}", "title": "b"}}"#, "ü".repeat(256));
    assert!(search(fits.as_bytes()).is_ok());
    let whole = search(br#"{"limit": 50, "title": " b ", "artist": "a"}"#);
    assert_eq!(whole, Ok(Question::Search { artist: "a".into(), title: " b ".into(), limit: 50 }));
    for (body, expected) in [
        ("", "body: must be a JSON object: "),
        ("null", "body: must be a JSON object: "),
        ("[]", "body: must be a JSON object: "),
        (r#""text""#, "body: must be a JSON object: "),
        ("{", "body: must be a JSON object: EOF"),
        (r#"{"artist": "a", "title": "b"} x"#, "body: must be a JSON object: trailing"),
        (r#"{"artist": "a", "artist": "a", "title": "b"}"#, "body: must be a JSON object: a name stands twice"),
        ("{}", "artist: is missing"),
        (r#"{"artist": "a"}"#, "title: is missing"),
        (r#"{"artist": null, "title": "b"}"#, "artist: must be a string"),
        (r#"{"artist": ["a"], "title": "b"}"#, "artist: must be a string"),
        (r#"{"artist": "", "title": "b"}"#, "artist: must not be empty"),
        (r#"{"artist": "a", "title": "\u2003"}"#, "title: must not be empty"),
        (r#"{"artist": "a", "title": "\u0085x"}"#, "title: must have no control characters"),
        (r#"{"artist": "a", "title": "a\u0000b"}"#, "title: must have no control characters"),
        (long.as_str(), "artist: must be at most 256 characters"),
        (r#"{"artist": "a", "title": "b", "limit": 0}"#, "limit: must be a whole number from 1 to 50"),
        (r#"{"artist": "a", "title": "b", "limit": 51}"#, "limit: must be"),
        (r#"{"artist": "a", "title": "b", "limit": 1.5}"#, "limit: must be"),
        (r#"{"artist": "a", "title": "b", "limit": "10"}"#, "limit: must be"),
        (r#"{"artist": "a", "title": "b", "limit": -1}"#, "limit: must be"),
        (r#"{"artist": "a", "title": "b", "limit": 1e300}"#, "limit: must be"),
        (r#"{"artist": "a", "title": "b", "Limit": 1}"#, "Limit: is not known here: there are artist, title and limit"),
    ] {
        let said = told(&search(body.as_bytes()).unwrap_err());
        assert!(said.starts_with(expected), "{body}: {said}");
    }
    let member = format!(r#"{{"artist": "a", "title": "b", "{}": 1}}"#, "x".repeat(9000));
    assert!(told(&search(member.as_bytes()).unwrap_err()).len() < 100, "a client's text is not said again at length");
}

#[test]
fn a_body_is_announced_as_json_that_is_not_too_long() {
    let type_json: (&[u8], &[u8]) = (b"content-type", b"Application/JSON ; charset=utf-8");
    for (pairs, is_bodyless, expected) in [
        (vec![type_json], false, "fine"),
        (vec![type_json, (b"content-length", b"16384")], false, "fine"),
        (vec![type_json, (b"content-length", b"16385")], false, "413"),
        (vec![type_json, (b"content-length", b"x")], false, "fine"),
        (vec![type_json, (b"content-encoding", b"identity")], false, "fine"),
        (vec![type_json, (b"content-encoding", b"br")], false, "content-encoding: the body must not be compressed"),
        (vec![type_json], true, "body: is missing"),
        (vec![], false, "content-type: must be application/json"),
        (vec![type_json, type_json], false, "content-type: must be application/json"),
        (vec![(b"content-type", b"application/jsonx")], false, "content-type: must be application/json"),
        (vec![(b"content-type", b"\xff")], false, "content-type: must be application/json"),
    ] {
        let headers = Headers::from_pairs(&pairs);
        let said = check_body(&Target::of(&headers), is_bodyless).map_or_else(|no| told(&no), |()| "fine".to_owned());
        assert_eq!(said, expected, "{pairs:?}");
    }
}
