//! The provider filter: what becomes of a client's request and of a provider's answer, in both proxies.

#[path = "provider/chain.rs"]
mod chain;
#[path = "provider/credential.rs"]
mod credential;
#[path = "provider/hostile.rs"]
mod hostile;
#[path = "provider/refusal.rs"]
mod refusal;

use suite::{Scenario, check};

/// All six, with secrets that are none.
const ALL: &str = r#"{
    "providers": {
        "spotify": {"base": "/v1", "credentials": {"bearer": {"env": "SPOTIFY", "default": "token-of-spotify"}}},
        "musicbrainz": {"base": "/ws/2", "user_agent": "weir-test/1.0 (ops@weir.example)"},
        "lastfm": {"base": "/2.0", "credentials": {"query": {"name": "api_key", "env": "LASTFM", "default": "key-of-lastfm"}}},
        "beatport": {"base": "/v4", "credentials": {"bearer": {"env": "BEATPORT", "default": "token-of-beatport"}}},
        "discogs": {"user_agent": "weir-test/1.0 (ops@weir.example)", "credentials": {"discogs": {
            "key": {"env": "KEY", "default": "key-of-discogs"}, "secret": {"env": "SECRET", "default": "secret-of-discogs"}}}},
        "acousticbrainz": {"base": "/api/v1"}
    },
    "routes": [
        {"match": {"prefix": "/api/spotify/"}, "provider": "spotify", "strip": "/api/spotify"},
        {"match": {"prefix": "/api/musicbrainz/"}, "provider": "musicbrainz", "strip": "/api/musicbrainz"},
        {"match": {"prefix": "/api/lastfm/"}, "provider": "lastfm", "strip": "/api/lastfm"},
        {"match": {"prefix": "/api/beatport/"}, "provider": "beatport", "strip": "/api/beatport"},
        {"match": {"prefix": "/api/discogs/"}, "provider": "discogs", "strip": "/api/discogs"},
        {"match": {"prefix": "/api/acousticbrainz/"}, "provider": "acousticbrainz", "strip": "/api/acousticbrainz"}
    ]
}"#;

#[test]
fn a_search_is_a_post_to_its_client_and_a_get_to_the_provider() {
    check(
        "provider",
        ALL,
        r#"
        origin 200 content-type=application/json body='{"tracks": {"items": [{"id": "41Xji81wFy3cM7ggbGczQW", "name": "Strobe", \
            "duration_ms": 635320, "popularity": 35, "external_ids": {"isrc": "GBTDG0900141"}, "explicit": false, \
            "artists": [{"id": "2CIMQHirSU0MQqyYHq0eOx", "name": "deadmau5", "href": "x"}]}]}}'
        POST /api/spotify/search content-type=application/json body='{"artist": "Deadmau5", "title": "Strobe", "limit": 3}' \
            -> 200 content-type=application/json body.provider=spotify body.query.artist=Deadmau5 body.query.limit=3 \
               body.results.0.id=41Xji81wFy3cM7ggbGczQW body.results.0.external_ids.isrc=GBTDG0900141 \
               body.results.0.artists.0.name=deadmau5 body.results.0.duration_ms=635320 !body~explicit
        saw GET "/v1/search?q=artist%3A%22Deadmau5%22%20track%3A%22Strobe%22&type=track&limit=3" content-length=0 !body \
            !content-type !transfer-encoding authorization="Bearer token-of-spotify" accept=application/json \
            accept-encoding=identity x-envoy-original-path=/api/spotify/search
        # In pieces, and without a limit.
        POST /api/musicbrainz/search content-type="application/json; charset=utf-8" body='{"artist": "a \"b\" AND \\c", ' body='"title": "d:e*"}' \
            -> 502 body.error.code=PROXY_ERROR
        saw GET "/ws/2/recording?query=artist%3A%22a%20%5C%22b%5C%22%20AND%20%5C%5Cc%22%20AND%20recording%3A%22d%3Ae%2A%22&fmt=json&limit=10" \
            user-agent="weir-test/1.0 (ops@weir.example)" !authorization
        "#,
    );
}

#[test]
fn what_is_asked_for_by_an_id_is_the_providers_own() {
    check(
        "provider",
        ALL,
        r#"
        origin 200 body='{"id": "41Xji81wFy3cM7ggbGczQW", "name": "Strobe", "artists": []}'
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 200 body.provider=spotify body.name=Strobe
        saw GET /v1/tracks/41Xji81wFy3cM7ggbGczQW !content-length
        GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW -> 200 body.name=Strobe !body~provider
        saw GET /v1/audio-features/41Xji81wFy3cM7ggbGczQW
        GET /api/discogs/release/7 -> 200
        saw GET /releases/7 authorization="Discogs key=key-of-discogs, secret=secret-of-discogs"
        GET /api/acousticbrainz/features/7d357162-6c37-47f4-abcd-c74889a01919 -> 200
        saw GET /api/v1/7d357162-6c37-47f4-abcd-c74889a01919/low-level
        GET /api/beatport/track/12 -> 200
        saw GET /v4/catalog/tracks/12/
        origin 200 body='{"isrc": "GBTDG0900141", "recordings": [{"id": "1", "title": "Strobe"}]}'
        GET /api/musicbrainz/isrc/GBTDG0900141 -> 200 body.query.isrc=GBTDG0900141 body.results.0.name=Strobe
        saw GET "/ws/2/isrc/GBTDG0900141?inc=artists&fmt=json"
        origin 200 body='{"track": {"name": "Strobe", "duration": "635320", "toptags": {"tag": {"name": "house"}}}}'
        GET /api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919 -> 200 body.duration_ms=635320 body.genres.0=house
        saw GET "/2.0/?method=track.getInfo&mbid=7d357162-6c37-47f4-abcd-c74889a01919&format=json&api_key=key-of-lastfm"
        # What no route is about is nobody's.
        origin 200 body=x
        POST /other x-a=1 body=y -> 200 body=x
        saw POST /other x-a=1 body=y
        "#,
    );
}

#[test]
fn bad_input_is_told_by_its_field_and_nothing_is_sent() {
    check(
        "provider",
        ALL,
        r#"
        GET /api/spotify/track/short -> 400 body.error.code=BAD_REQUEST body.error.message~"id: must be 22"
        GET /api/musicbrainz/track/41Xji81wFy3cM7ggbGczQW -> 400 body.error.message~"id: must be a UUID"
        GET /api/musicbrainz/isrc/GB-TDG-09-00141 -> 400 body.error.message~"id: must be an ISRC"
        GET /api/discogs/release/0x1 -> 400 body.error.message~"id: must be a number"
        GET "/api/spotify/track/41Xji81wFy3cM7ggbGczQW?fields=id" -> 400 body.error.message~"query: "
        GET "/api/spotify/track/41Xji81wFy3cM7ggbGczQW?raw=yes" -> 400 body.error.message~"query: "
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW body=x -> 400 body.error.message~"body: "
        GET /api/spotify/search -> 404 body.error.code=NOT_FOUND
        PUT /api/spotify/search body=x -> 404
        GET /api/spotify/isrc/GBTDG0900141 -> 404
        GET /api/spotify/ -> 404
        POST /api/acousticbrainz/search content-type=application/json body='{"artist": "a", "title": "b"}' -> 404
        POST /api/spotify/search content-type=application/json -> 400 body.error.message="body: is missing"
        POST /api/spotify/search body='{"artist": "a", "title": "b"}' -> 400 body.error.message~"content-type: must be"
        POST /api/spotify/search content-type=text/plain body='{"artist": "a", "title": "b"}' -> 400
        POST /api/spotify/search content-type=application/json content-encoding=gzip body=x -> 400 body.error.message~"content-encoding: "
        POST /api/spotify/search content-type=application/json body='[1]' -> 400 body.error.message~"body: must be a JSON object"
        POST /api/spotify/search content-type=application/json body='{"artist": "a"' -> 400 body.error.message~"body: must be a JSON object"
        POST /api/spotify/search content-type=application/json body='{"title": "b"}' -> 400 body.error.message="artist: is missing"
        POST /api/spotify/search content-type=application/json body='{"artist": 1, "title": "b"}' -> 400 body.error.message="artist: must be a string"
        POST /api/spotify/search content-type=application/json body='{"artist": "a", "title": " "}' -> 400 body.error.message="title: must not be empty"
        POST /api/spotify/search content-type=application/json body='{"artist": "a", "title": "b", "limit": 51}' -> 400 body.error.message~"limit: must be a whole number from 1 to 50"
        POST /api/spotify/search content-type=application/json body='{"artist": "a", "title": "b", "limt": 5}' -> 400 body.error.message~"limt: is not known here"
        POST /api/spotify/search content-type=application/json body='{"artist": "\":", "title": "b"}' -> 400 body.error.message="artist: has nothing that could be searched"
        POST /api/spotify/search content-type=application/json body="x"*16385 -> 413 body.error.code=BAD_REQUEST
        POST /api/spotify/search content-type=application/json body='{"artist": "a", "title": "b"}' trailer:a=b -> 400 body.error.message~"trailers: "
        saw nothing
        "#,
    );
}

#[test]
fn a_client_gets_the_providers_own_answer_where_it_wants_it() {
    check(
        "provider",
        ALL,
        r#"
        origin 200 content-type="application/json; charset=utf-8" etag='"1"' body='{"id": "x",  "explicit": false}'
        GET "/api/spotify/track/41Xji81wFy3cM7ggbGczQW?raw=true" -> 200 content-type=application/json !etag body='{"id": "x",  "explicit": false}'
        saw GET /v1/tracks/41Xji81wFy3cM7ggbGczQW
        GET "/api/spotify/track/41Xji81wFy3cM7ggbGczQW?raw=false" -> 502
        origin 200 body='{"tracks": 1}'
        POST "/api/spotify/search?raw=true" content-type=application/json body='{"artist": "a", "title": "b"}' -> 200 body='{"tracks": 1}'
        "#,
    );
}

#[test]
fn every_worker_answers_alike_and_requests_do_not_mix() {
    Scenario::new(&[("provider", ALL)]).workers(3).check(
        r#"
        origin /v1/tracks/41Xji81wFy3cM7ggbGczQW 200 hold body='{"id": "1", "name": "one", "artists": []}'
        origin /v1/tracks/51Xji81wFy3cM7ggbGczQW 200 body='{"id": "2", "name": "two", "artists": []}'
        start GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW as a
        saw GET /v1/tracks/41Xji81wFy3cM7ggbGczQW
        start GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW as b
        saw GET /v1/tracks/41Xji81wFy3cM7ggbGczQW
        5 times GET /api/spotify/track/51Xji81wFy3cM7ggbGczQW -> 200 body.name=two
        leave a
        release
        finish b -> 200 body.name=one
        "#,
    );
}
