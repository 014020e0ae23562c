//! Last.fm: one path, `/lastfm/2.0/`, whose `method` parameter says what is asked, in JSON.
//!
//! Its refusals are numbers in the body: 10 for a bad key, 6 for a bad parameter or nothing found, 29 for a caller that
//! is too fast, and that one comes with status 200. The real service answers XML unless `format=json` is asked for; this
//! one then refuses, in XML.

use std::time::Duration;

use axum::{Router, body::Body, extract::State, response::Response, routing::get};
use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::{Value, json};

use crate::{
    catalog::Track,
    meter::Verdict,
    params::Params,
    reply,
    table::{folded, matches},
    upstream::Upstream,
    world::Shared,
};

const WINDOW: Duration = Duration::from_secs(1);
const PAGE_MAX: usize = 1000;

/// The one route, which the real service knows without its last slash, too.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/lastfm/2.0", get(answer).post(answer)).route("/lastfm/2.0/", get(answer).post(answer))
}

fn error(status: StatusCode, code: u16, message: &str) -> Response {
    reply::json(status, &json!({"error": code, "message": message}))
}

fn xml_error(code: u16, message: &str) -> Response {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <lfm status=\"failed\"><error code=\"{code}\">{message}</error></lfm>\n"
    );
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    response
}

async fn answer(State(world): State<Shared>, params: Params) -> Response {
    if params.get("format") != Some("json") {
        return xml_error(6, "This stand-in answers format=json alone");
    }
    let key = params.get("api_key").unwrap_or_default();
    if !world.settings().api_keys.contains(key) {
        let message = "Invalid API key - You must be granted a valid key by last.fm";
        return error(StatusCode::FORBIDDEN, 10, message);
    }
    if let Verdict::Over { .. } = world.charge(Upstream::Lastfm, key, WINDOW).verdict {
        let message = "Rate Limit Exceeded - Your IP has made too many requests in a short period";
        return error(StatusCode::OK, 29, message);
    }
    match params.get("method").map(str::to_ascii_lowercase).as_deref() {
        Some("track.search") => search(&world, &params),
        Some("track.getinfo") => one(&world, &params, |track| json!({"track": track_object(track)})),
        Some("track.gettoptags") => one(
            &world,
            &params,
            |track| json!({"toptags": {"tag": tags(track, true), "@attr": {"artist": track.artist().name, "track": track.name}}}),
        ),
        _ => error(StatusCode::BAD_REQUEST, 3, "Invalid Method - No method with that name in this package"),
    }
}

fn search(world: &Shared, params: &Params) -> Response {
    let Some(wanted) = params.get("track") else {
        return error(StatusCode::BAD_REQUEST, 6, "Invalid parameters - Your request is missing a required parameter");
    };
    let artist = params.get("artist").unwrap_or_default();
    let (limit, page) = (params.clamped("limit", 30, 1, PAGE_MAX), params.clamped("page", 1, 1, PAGE_MAX));
    let found = world.catalog.search(|track| matches(track.name, wanted) && matches(&track.credit(), artist));
    let start = (page - 1) * limit;
    let matched: Vec<_> = found
        .iter()
        .skip(start)
        .take(limit)
        .map(|track| {
            json!({"name": track.name, "artist": track.credit(), "url": url(track), "streamable": "FIXME",
                   "listeners": listeners(track).to_string(), "image": images(), "mbid": track.mbid})
        })
        .collect();
    reply::ok(&json!({"results": {
        "opensearch:Query": {"#text": "", "role": "request", "startPage": page.to_string()},
        "opensearch:totalResults": found.len().to_string(),
        "opensearch:startIndex": start.to_string(),
        "opensearch:itemsPerPage": limit.to_string(),
        "trackmatches": {"track": matched},
        "@attr": {},
    }}))
}

/// Answers about the one track that `mbid`, or `artist` and `track`, name.
fn one(world: &Shared, params: &Params, object: impl Fn(&Track) -> Value) -> Response {
    let named = |name: &str| params.get(name).map(folded);
    let found = match (params.get("mbid"), named("artist"), named("track")) {
        (Some(mbid), ..) => world.catalog.find(|track| track.mbid == mbid),
        (None, Some(artist), Some(name)) => world.catalog.find(|track| {
            folded(track.name) == name
                && (folded(&track.credit()) == artist || track.artists.iter().any(|one| folded(one.name) == artist))
        }),
        _ => {
            let message = "Invalid parameters - Your request is missing a required parameter";
            return error(StatusCode::BAD_REQUEST, 6, message);
        }
    };
    found.map_or_else(|| error(StatusCode::NOT_FOUND, 6, "Track not found"), |track| reply::ok(&object(track)))
}

fn listeners(track: &Track) -> u64 {
    track.popularity * 9_000 + track.quantity_of("listeners", 0, 9_000)
}

fn url(track: &Track) -> String {
    let word = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("https://www.last.fm/music/{}/_/{}", word(track.artist().name), word(track.name))
}

fn images() -> Value {
    let image = |size: &str| json!({"#text": "", "size": size});
    json!([image("small"), image("medium"), image("large"), image("extralarge")])
}

fn tags(track: &Track, counted: bool) -> Vec<Value> {
    [track.genre.to_lowercase(), "electronic".to_owned(), format!("{}0s", &track.year()[2..3])]
        .iter()
        .zip([100, 64, 12])
        .map(|(name, count)| {
            let mut tag = json!({"name": name, "url": format!("https://www.last.fm/tag/{}", name.replace(' ', "+"))});
            if counted {
                tag["count"] = json!(count);
            }
            tag
        })
        .collect()
}

fn track_object(track: &Track) -> Value {
    let artist = track.artist();
    json!({
        "name": track.name, "mbid": track.mbid, "url": url(track), "duration": track.duration_ms.to_string(),
        "streamable": {"#text": "0", "fulltrack": "0"}, "listeners": listeners(track).to_string(),
        "playcount": (listeners(track) * track.quantity_of("plays", 3, 9)).to_string(),
        "artist": {"name": artist.name, "mbid": artist.mbid,
                   "url": format!("https://www.last.fm/music/{}", artist.name.replace(' ', "+"))},
        "album": {"artist": artist.name, "title": track.album, "mbid": track.release_mbid, "image": images()},
        "toptags": {"tag": tags(track, false)},
    })
}
