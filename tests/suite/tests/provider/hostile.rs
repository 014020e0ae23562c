//! Input that nobody means well with: from clients and from providers.

use suite::{check, check_chain};

use super::ALL;
use super::chain::CACHE;

#[test]
fn words_of_any_kind_stay_words() {
    check(
        "provider",
        ALL,
        r#"
        origin 200 body='{"tracks": {"items": []}}'
        POST /api/spotify/search content-type=application/json body='{"artist": "x\" OR track:\"y", "title": "a&type=album&limit=50#/../"}' \
            -> 200 body.results=[]
        saw GET "/v1/search?q=artist%3A%22x%20OR%20track%20y%22%20track%3A%22a%26type%3Dalbum%26limit%3D50%23%2F..%2F%22&type=track&limit=10"
        POST /api/spotify/search content-type=application/json body='{"artist": "\u202e\ud83d\udcbf", "title": "ü%0d%0aX: y"}' -> 200
        saw GET "/v1/search?q=artist%3A%22%E2%80%AE%F0%9F%92%BF%22%20track%3A%22%C3%BC%250d%250aX%20y%22&type=track&limit=10"
        POST /api/spotify/search content-type=application/json body='{"artist": "a\r\nX: y", "title": "b"}' -> 400 body.error.message~"artist: must have no control"
        POST /api/spotify/search content-type=application/json body='{"artist": "\ud800", "title": "b"}' -> 400
        POST /api/spotify/search content-type=application/json body="\xff\xfe" -> 400
        POST /api/spotify/search content-type=application/json body='{"artist": "a", "artist": "b", "title": "c"}' -> 400
        POST /api/spotify/search content-type=application/json body="["*16000 -> 400
        POST /api/spotify/search content-type="\xff\xfe" body='{}' -> 400 body.error.message~"content-type: "
        POST /api/spotify/search content-type=application/json content-type=text/plain body='{}' -> 400
        GET /api/spotify/track/41Xji81wFy3cM7ggbGcz%2F -> 400
        GET "/api/spotify/track/41Xji81wFy3cM7ggbGczQW?raw=true&raw=false" -> 400
        saw nothing
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW x-request-id="\xff\xfe" accept="\xff" x-long="x"*50000 -> 502
        saw GET /v1/tracks/41Xji81wFy3cM7ggbGczQW !x-long
        "#,
    );
}

#[test]
fn an_answer_that_is_too_long_is_none() {
    let small = ALL.replace(r#""base": "/v1""#, r#""base": "/v1", "answer_max": 1024"#);
    check(
        "provider",
        &small,
        r#"
        origin 200 body="x"*1025
        GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW -> 502 body.error.code=PROXY_ERROR
        log~"spotify: an answer that is too long (status 200)"
        # Without saying so in advance, and in pieces.
        origin 200 body="x"*1000 body="y"*1000 body="z"*100000 trailer:a=b
        GET "/api/spotify/track/41Xji81wFy3cM7ggbGczQW?raw=true" -> 502 body.error.code=PROXY_ERROR !trailer:a
        origin 500 body="x"*5000
        GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW -> 502
        "#,
    );
}

#[test]
fn a_long_answer_within_the_bound_comes_whole() {
    check(
        "provider",
        ALL,
        r#"
        origin 200 body='{"a": "' body="x"*1000000 body="y"*500000 body='"}'
        GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW -> 200 !content-length body~yyy
        origin 200 body='{"id": "x", "name": "y", ' body='"artists": []}' trailer:a=b
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 200 body.name=y !trailer:a
        "#,
    );
}

#[test]
fn a_long_answer_that_turns_out_to_be_too_long_breaks_off() {
    let small = ALL.replace(r#""base": "/v1""#, r#""base": "/v1", "answer_max": 1500000"#);
    check(
        "provider",
        &small,
        r#"
        # Envoy reads a mebibyte at once, at most.
        origin 200 body='{"a": "' body="x"*1000000 body="y"*1000000 body="z"*1000000 body="z"*1000000 body='"}'
        GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW -> cut
        log~"spotify: an answer that is too long, which breaks off"
        origin 200 body='{"id": "x", "name": "y", "artists": []}'
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 200
        "#,
    );
}

#[test]
fn a_long_answer_that_turns_out_to_be_no_json_breaks_off_and_is_not_stored() {
    let mut lines = String::new();
    for (n, (path, rest)) in [
        // Without its end.
        ("audio-features/ID", r#"body="x"*500000"#),
        ("track/ID?raw=true", r#"body="x"*500000 trailer:a=b"#),
        // With more behind it, on which a client would stumble.
        ("track/ID?raw=true", r#"body='"}' body="x"*500000"#),
        ("audio-features/ID", r#"body='"}' body=" "*500000 body="{}""#),
        // Broken within, and written in another way than UTF-8.
        ("audio-features/ID", r#"body='"' body="x"*500000 body='"}'"#),
        ("track/ID?raw=true", r#"body="\xff" body="x"*500000 body='"}'"#),
    ]
    .into_iter()
    .enumerate()
    {
        let path = path.replace("ID", &format!("{n}1Xji81wFy3cM7ggbGczQW"));
        // Envoy reads a mebibyte at once, at most, so the beginning has gone on by the time the mistake comes.
        lines += &format!(
            r#"
            origin 200 body='{{"a": "' body="x"*500000 body="x"*500000 body="x"*500000 {rest}
            GET "/api/spotify/{path}" -> cut
            saw 1
            origin 200 body='{{"a": 1}}'
            GET "/api/spotify/{path}" -> 200 cache-status~stored body.a=1
            saw 1
            "#
        );
    }
    lines += "log~\"spotify: an answer that cannot be read, which breaks off\"";
    check_chain(&[("cache", CACHE), ("provider", ALL)], &lines);
}

#[test]
fn an_answer_nested_without_end_is_none() {
    check(
        "provider",
        ALL,
        r#"
        origin 200 body="["*100000
        GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW -> 502
        origin 200 body='{"a": "' body="\xff\xfe" body='"}'
        GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW -> 502
        # Known before the rest of it has come.
        origin 200 body='{"a": x' body="x"*100000 trailer:a=b
        GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW -> 502 body.error.code=PROXY_ERROR !trailer:a
        origin 200 body='{"id": 1e999}'
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 502
        "#,
    );
}
