//! Beatport: the catalogue of API version 4 below `/beatport/v4`, and its token endpoint below `/beatport/v4/auth`.

use std::time::{Duration, Instant};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{OriginalUri, Path, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use hyper::{
    HeaderMap, StatusCode,
    header::{LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

use crate::{
    catalog::{Artist, Track},
    digest,
    meter::Verdict,
    oauth::{self, Denied},
    params::Params,
    reply,
    table::{folded, matches},
    upstream::Upstream,
    world::Shared,
};

const WINDOW: Duration = Duration::from_secs(1);
/// The place of each pitch class on the Camelot wheel, as a major key; a minor key is three places on.
const CAMELOT_MAJOR: [u8; 12] = [8, 3, 10, 5, 12, 7, 2, 9, 4, 11, 6, 1];
const CAMELOT_MINOR: [u8; 12] = [5, 12, 7, 2, 9, 4, 11, 6, 1, 8, 3, 10];

/// The routes below `/beatport/v4`.
pub(crate) fn routes(world: &Shared) -> Router<Shared> {
    let catalog = Router::new()
        .route("/tracks/{id}/", get(track))
        .route("/tracks/{id}", get(with_slash))
        .route("/tracks/", get(tracks))
        .route("/tracks", get(with_slash))
        .route("/search/", get(search))
        .route("/search", get(with_slash))
        .fallback(async || error(StatusCode::NOT_FOUND, "Not found."))
        .layer(middleware::from_fn_with_state(Shared::clone(world), admit));
    Router::new().nest("/catalog", catalog).route("/auth/o/token/", post(token))
}

async fn token(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    oauth::grant(&world, Upstream::Beatport, &headers, &body, &json!({"scope": "app:locker user:dj"}))
}

fn error(status: StatusCode, detail: &str) -> Response {
    reply::json(status, &json!({ "detail": detail }))
}

/// What the real service answers to a path without its last slash.
async fn with_slash(OriginalUri(uri): OriginalUri) -> Response {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    reply::with(response, LOCATION.as_str(), &format!("{}/{query}", uri.path()))
}

async fn admit(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let client = match world.tokens.check(Upstream::Beatport, request.headers(), Instant::now()) {
        Ok(client) => client,
        Err(denied) => {
            let detail = match denied {
                Denied::Missing | Denied::Malformed => "Authentication credentials were not provided.",
                Denied::Unknown | Denied::Expired => "Token is invalid or expired",
            };
            return reply::with(error(StatusCode::UNAUTHORIZED, detail), WWW_AUTHENTICATE.as_str(), "Bearer");
        }
    };
    let charge = world.charge(Upstream::Beatport, &client, WINDOW);
    if let Verdict::Over { .. } = charge.verdict {
        let seconds = charge.reset_seconds();
        let detail = format!("Request was throttled. Expected available in {seconds} second{}.", plural(seconds));
        return reply::with(error(StatusCode::TOO_MANY_REQUESTS, &detail), RETRY_AFTER.as_str(), &seconds);
    }
    next.run(request).await
}

const fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

async fn track(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let found = id.parse().ok().and_then(|id: u64| world.catalog.find(|track| track.beatport_id == id));
    found.map_or_else(|| error(StatusCode::NOT_FOUND, "Not found."), |track| reply::ok(&track_object(track)))
}

async fn tracks(State(world): State<Shared>, params: Params) -> Response {
    let text = |name| params.get(name).unwrap_or_default();
    let found = world.catalog.search(|track| {
        matches(track.name, text("name"))
            && matches(&track.credit(), text("artist_name"))
            && matches(track.genre, text("genre_name"))
            && params.get("isrc").is_none_or(|isrc| track.isrc.eq_ignore_ascii_case(isrc))
    });
    let (size, page) = (params.clamped("per_page", 10, 1, 100), params.clamped("page", 1, 1, 10_000));
    let pages = found.len().div_ceil(size).max(1);
    let results: Vec<_> = found.iter().skip((page - 1) * size).take(size).map(|track| track_object(track)).collect();
    let address = |page| format!("api.beatport.com/v4/catalog/tracks/?page={page}&per_page={size}");
    reply::ok(&json!({
        "next": (page < pages).then(|| address(page + 1)), "previous": (page > 1).then(|| address(page - 1)),
        "count": found.len(), "page": format!("{page}/{pages}"), "per_page": size, "results": results,
    }))
}

async fn search(State(world): State<Shared>, params: Params) -> Response {
    let Some(query) = params.get("q") else {
        return reply::json(StatusCode::BAD_REQUEST, &json!({"q": ["This field is required."]}));
    };
    let size = params.clamped("per_page", 10, 1, 100);
    let found = world.catalog.search(|track| matches(&format!("{} {}", track.credit(), track.name), query));
    let tracks: Vec<_> = found.iter().take(size).map(|track| track_object(track)).collect();
    reply::ok(&json!({"tracks": tracks, "count": found.len(), "page": "1", "per_page": size}))
}

fn slug(text: &str) -> String {
    folded(text).replace(' ', "-")
}

fn number_of(kind: &str, name: &str) -> u64 {
    digest::number(&format!("beatport {kind} {name}"), 1, 100_000)
}

fn named(kind: &str, id: u64, name: &str) -> Value {
    json!({"id": id, "name": name, "slug": slug(name), "url": format!("https://api.beatport.com/v4/catalog/{kind}/{id}/")})
}

fn key_object(track: &Track) -> Value {
    let (wheel, letter, chord) =
        if track.minor { (CAMELOT_MINOR, "A", (1, "Minor")) } else { (CAMELOT_MAJOR, "B", (2, "Major")) };
    let pitch = track.pitch_name();
    let number = wheel[track.pitch];
    json!({
        "id": if track.minor { number } else { number + 12 }, "name": format!("{pitch} {}", chord.1),
        "letter": &pitch[..1], "is_sharp": pitch.ends_with('#'), "is_flat": false,
        "camelot_number": number, "camelot_letter": letter, "chord_type": {"id": chord.0, "name": chord.1},
    })
}

fn track_object(track: &Track) -> Value {
    let artist = |artist: &Artist| named("artists", artist.number, artist.name);
    let artists: Vec<_> = track.artists.iter().map(artist).collect();
    let seconds = track.duration_ms / 1000;
    let release = number_of("release", track.album);
    let mut release_object = named("releases", release, track.album);
    release_object["label"] = named("labels", number_of("label", track.label), track.label);
    json!({
        "id": track.beatport_id, "name": track.name, "mix_name": "Original Mix", "slug": slug(track.name),
        "artists": artists, "remixers": [], "bpm": track.bpm, "key": key_object(track),
        "genre": named("genres", number_of("genre", track.genre), track.genre), "sub_genre": null,
        "release": release_object, "isrc": track.isrc, "length": format!("{}:{:02}", seconds / 60, seconds % 60),
        "length_ms": track.duration_ms, "catalog_number": format!("WEIR{release:05}"), "exclusive": false,
        "new_release_date": track.released, "publish_date": track.released,
        "price": {"code": "USD", "symbol": "$", "value": 1.49, "display": "$1.49"},
        "sample_url": format!("https://geo-samples.beatport.com/track/{}.mp3", track.beatport_id),
        "url": format!("https://api.beatport.com/v4/catalog/tracks/{}/", track.beatport_id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minor_key_stands_by_its_relative_major() {
        for (pitch, minor) in CAMELOT_MINOR.iter().enumerate() {
            assert_eq!(*minor, CAMELOT_MAJOR[(pitch + 3) % 12], "pitch class {pitch}");
        }
    }

    #[test]
    fn a_slug_has_no_spaces() {
        assert_eq!(slug("Ghosts 'n' Stuff"), "ghosts-n-stuff");
    }
}
