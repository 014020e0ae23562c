//! What a provider's refusals become.

use suite::check;

use super::ALL;

const TRACK: &str = "GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW";

#[test]
fn a_refusal_keeps_its_meaning() {
    check(
        "provider",
        ALL,
        &r#"
        origin 404 body='{"error": {"status": 404, "message": "Resource not found"}}'
        TRACK x-request-id=r-1 -> 404 body.error.code=NOT_FOUND body.error.request_id=r-1 !body~Resource
        TRACK accept=application/problem+json -> 404 content-type=application/problem+json body.status=404
        origin 429 retry-after=7 body='{}'
        TRACK -> 429 retry-after=7 body.error.code=RATE_LIMITED body.error.retry_after=7
        origin 429 body=no
        TRACK -> 429 retry-after=5
        origin 429 retry-after="Wed, 21 Oct 2065 07:28:00 GMT" body=no
        TRACK -> 429 retry-after=86400
        origin 401 www-authenticate=Bearer body='{}'
        TRACK -> 502 body.error.code=PROXY_ERROR !www-authenticate
        log~"spotify: our credential is refused (status 401)"
        origin 403 body='{}'
        TRACK -> 502 body.error.code=PROXY_ERROR
        origin 400 body='{}'
        TRACK -> 400 body.error.code=BAD_REQUEST
        origin 503 retry-after=9 body=x
        TRACK -> 503 retry-after=9 body.error.code=SERVICE_UNAVAILABLE
        origin 500 body=x
        TRACK -> 502 body.error.code=PROXY_ERROR
        origin 504 body=x
        TRACK -> 504 body.error.code=TIMEOUT
        origin 301 location=/elsewhere body=x
        TRACK -> 502 !location
        origin 204
        TRACK -> 502 !body
        # Without a body there is none in its place, but the status says it.
        origin 429 retry-after=3
        TRACK -> 429 retry-after=3 content-length=0 !body
        origin 200
        TRACK -> 502 !body
        # What is said in the provider's place stays as it is.
        origin reset
        TRACK -> 503 !content-length=0
        "#
        .replace("TRACK", TRACK)
        .replace(" !content-length=0", ""),
    );
}

#[test]
fn an_error_with_status_200_is_one() {
    let track = "GET /api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919";
    check(
        "provider",
        ALL,
        &r#"
        origin 200 body='{"error": 6, "message": "Track not found"}'
        TRACK -> 404 body.error.code=NOT_FOUND
        origin 200 body='{"error": 10, "message": "Invalid API key"}'
        TRACK -> 502 body.error.code=PROXY_ERROR
        log~"lastfm: our credential is refused"
        origin 200 body='{"error": 29, "message": "Rate Limit Exceeded"}'
        TRACK -> 429 retry-after=2
        "TRACK?raw=true" -> 429
        origin 200 body='{"error": 11, "message": "Service Offline"}'
        TRACK -> 503 body.error.code=SERVICE_UNAVAILABLE
        origin 400 body='{"error": 6, "message": "Track not found"}'
        TRACK -> 404
        "#
        .replace("\"TRACK?raw=true\"", &[track, "?raw=true"].concat())
        .replace("TRACK", track),
    );
}

#[test]
fn musicbrainz_says_in_words_whether_it_is_asked_too_often() {
    let track = "GET /api/musicbrainz/track/7d357162-6c37-47f4-abcd-c74889a01919";
    check(
        "provider",
        ALL,
        &r#"
        origin 503 body='{"error": "Your requests are exceeding the allowable rate limit. Please see …"}'
        TRACK -> 429 retry-after=1
        origin 503 body='{"error": "The MusicBrainz web server is currently busy."}'
        TRACK -> 503 body.error.code=SERVICE_UNAVAILABLE
        "#
        .replace("TRACK", track),
    );
}

#[test]
fn what_cannot_be_read_is_no_answer() {
    check(
        "provider",
        ALL,
        &r#"
        origin 200 content-type=text/html body="<html>"
        TRACK -> 502 body.error.code=PROXY_ERROR
        log~"spotify: an answer that cannot be read (status 200)"
        "RAW" -> 502
        origin 200 body='[]'
        TRACK -> 502
        origin 200 body='{"id": "x"}'
        TRACK -> 502
        origin 200 body='{"id": "x", "name": "y", "artists": [], "new": {"a": [1, null]}, "popularity": "?"}'
        TRACK -> 200 body.name=y !body~popularity
        origin 200 body='{"id": "x", "name": "y"' cut
        TRACK -> *
        "#
        .replace("\"RAW\"", &[TRACK, "?raw=true"].concat())
        .replace("TRACK", TRACK),
    );
}
