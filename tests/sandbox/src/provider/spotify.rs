//! Spotify: the Web API below `/spotify/v1` and the token endpoint below `/spotify-accounts`.

use std::time::{Duration, Instant};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use hyper::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

use crate::{
    catalog::{Artist, Track},
    meter::Verdict,
    oauth::{self, Denied},
    params::Params,
    reply,
    table::matches,
    upstream::Upstream,
    world::Shared,
};

/// The window of Spotify's own limit.
const WINDOW: Duration = Duration::from_secs(30);
/// How many ids one request may name.
const TRACKS_MAX: usize = 50;
const FEATURES_MAX: usize = 100;
/// The fields that a search may name.
const FIELDS: [&str; 6] = ["artist", "track", "album", "isrc", "year", "genre"];

/// The token endpoint.
pub(crate) fn account_routes() -> Router<Shared> {
    Router::new().route("/api/token", post(token))
}

/// The Web API.
pub(crate) fn routes(world: &Shared) -> Router<Shared> {
    Router::new()
        .route("/search", get(search))
        .route("/tracks/{id}", get(track))
        .route("/tracks", get(tracks))
        .route("/audio-features/{id}", get(feature))
        .route("/audio-features", get(features))
        .route("/artists/{id}", get(artist))
        .fallback(async || error(StatusCode::NOT_FOUND, "Service not found"))
        .layer(middleware::from_fn_with_state(Shared::clone(world), admit))
}

async fn token(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    oauth::grant(&world, Upstream::Spotify, &headers, &body, &json!({}))
}

fn error(status: StatusCode, message: &str) -> Response {
    reply::json(status, &json!({"error": {"status": status.as_u16(), "message": message}}))
}

async fn admit(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let client = match world.tokens.check(Upstream::Spotify, request.headers(), Instant::now()) {
        Ok(client) => client,
        Err(denied) => return unauthorized(denied),
    };
    let charge = world.charge(Upstream::Spotify, &client, WINDOW);
    if let Verdict::Over { .. } = charge.verdict {
        let response = error(StatusCode::TOO_MANY_REQUESTS, "API rate limit exceeded");
        return reply::with(response, RETRY_AFTER.as_str(), &charge.reset_seconds());
    }
    reply::with(next.run(request).await, CACHE_CONTROL.as_str(), "private, max-age=0")
}

fn unauthorized(denied: Denied) -> Response {
    let (status, code, message) = match denied {
        Denied::Missing => (StatusCode::UNAUTHORIZED, "invalid_request", "No token provided"),
        Denied::Malformed => (StatusCode::BAD_REQUEST, "invalid_request", "Only valid bearer authentication supported"),
        Denied::Unknown => (StatusCode::UNAUTHORIZED, "invalid_token", "Invalid access token"),
        Denied::Expired => (StatusCode::UNAUTHORIZED, "invalid_token", "The access token expired"),
    };
    let challenge = match denied {
        Denied::Missing => "Bearer realm=\"spotify\"".to_owned(),
        _ => format!("Bearer realm=\"spotify\", error=\"{code}\", error_description=\"{message}\""),
    };
    reply::with(error(status, message), WWW_AUTHENTICATE.as_str(), &challenge)
}

/// One condition of a search: a field, or none for plain words.
type Condition = (Option<&'static str>, String);

/// Reads `artist:deadmau5 track:"Strobe" more words`: a field's value goes on until the next field.
fn conditions(query: &str) -> Vec<Condition> {
    let mut found: Vec<Condition> = Vec::new();
    for word in query.split_whitespace() {
        let field = word.split_once(':').and_then(|(name, value)| {
            FIELDS.into_iter().find(|field| field.eq_ignore_ascii_case(name)).map(|field| (field, value))
        });
        match (field, found.last_mut()) {
            (Some((field, value)), _) => found.push((Some(field), value.to_owned())),
            (None, Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (None, None) => found.push((None, word.to_owned())),
        }
    }
    found
}

fn meets(track: &Track, condition: &Condition) -> bool {
    let (field, value) = condition;
    match field {
        Some("artist") => matches(&track.credit(), value),
        Some("track") => matches(track.name, value),
        Some("album") => matches(track.album, value),
        Some("isrc") => track.isrc.eq_ignore_ascii_case(value.trim_matches('"')),
        Some("genre") => matches(track.genre, value),
        Some("year") => match value.split_once('-') {
            Some((first, last)) => (first..=last).contains(&track.year()),
            None => track.year() == value,
        },
        _ => matches(&format!("{} {} {}", track.credit(), track.name, track.album), value),
    }
}

async fn search(State(world): State<Shared>, params: Params) -> Response {
    let Some(query) = params.get("q") else { return error(StatusCode::BAD_REQUEST, "No search query") };
    let Some(kinds) = params.get("type") else { return error(StatusCode::BAD_REQUEST, "Missing parameter type") };
    let Some(limit) = params.number("limit", 20, 1, 50) else {
        return error(StatusCode::BAD_REQUEST, "Invalid limit");
    };
    let Some(offset) = params.number("offset", 0, 0, 1000) else {
        return error(StatusCode::BAD_REQUEST, "Invalid offset");
    };
    let conditions = conditions(query);
    let found = world.catalog.search(|track| conditions.iter().all(|condition| meets(track, condition)));
    let href = |kind: &str, offset: usize| {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        format!("https://api.spotify.com/v1/search?query={query}&type={kind}&offset={offset}&limit={limit}")
    };
    let page = |kind: &str, items: Vec<Value>| {
        let total = items.len();
        let items: Vec<_> = items.into_iter().skip(offset).take(limit).collect();
        let next = (offset + limit < total).then(|| href(kind, offset + limit));
        let previous = (offset > 0).then(|| href(kind, offset.saturating_sub(limit)));
        json!({"href": href(kind, offset), "items": items, "limit": limit, "next": next, "offset": offset,
               "previous": previous, "total": total})
    };
    let mut answer = serde_json::Map::new();
    for kind in kinds.split(',') {
        match kind {
            "track" => {
                let items = found.iter().map(|track| track_object(track)).collect();
                answer.insert("tracks".to_owned(), page("track", items));
            }
            "artist" => {
                let mut artists: Vec<&Artist> = found.iter().map(|track| track.artist()).collect();
                artists.sort_by_key(|artist| artist.name);
                artists.dedup();
                let items = artists.into_iter().map(|artist| artist_object(artist, &world)).collect();
                answer.insert("artists".to_owned(), page("artist", items));
            }
            other => return error(StatusCode::BAD_REQUEST, &format!("Bad search type field {other}")),
        }
    }
    reply::ok(&Value::Object(answer))
}

/// Whether this could be an id at all: 22 digits of base62.
fn well_formed(id: &str) -> bool {
    id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

async fn track(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    one(&id, world.catalog.find(|track| track.spotify_id == id).map(track_object))
}

async fn feature(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    one(&id, world.catalog.find(|track| track.spotify_id == id).map(feature_object))
}

async fn artist(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let found = world.catalog.tracks.iter().flat_map(|track| &track.artists).find(|artist| artist.spotify_id == id);
    one(&id, found.map(|artist| artist_object(artist, &world)))
}

fn one(id: &str, found: Option<Value>) -> Response {
    match found {
        Some(value) => reply::ok(&value),
        None if well_formed(id) => error(StatusCode::NOT_FOUND, "Resource not found"),
        None => error(StatusCode::BAD_REQUEST, "Invalid base62 id"),
    }
}

async fn tracks(State(world): State<Shared>, params: Params) -> Response {
    several(&world, &params, "tracks", TRACKS_MAX, track_object)
}

async fn features(State(world): State<Shared>, params: Params) -> Response {
    several(&world, &params, "audio_features", FEATURES_MAX, feature_object)
}

fn several(world: &Shared, params: &Params, name: &str, most: usize, object: fn(&Track) -> Value) -> Response {
    let ids: Vec<_> = params.get("ids").unwrap_or_default().split(',').collect();
    if ids.len() > most {
        return error(StatusCode::BAD_REQUEST, "Too many ids requested");
    }
    if !ids.iter().all(|id| well_formed(id)) {
        return error(StatusCode::BAD_REQUEST, "Invalid base62 id");
    }
    // An id that nothing has is a null in its place.
    let objects: Vec<_> =
        ids.iter().map(|id| world.catalog.find(|track| track.spotify_id == *id).map(object)).collect();
    reply::ok(&json!({ name: objects }))
}

fn reference(kind: &str, id: &str) -> Value {
    json!({
        "external_urls": {"spotify": format!("https://open.spotify.com/{kind}/{id}")},
        "href": format!("https://api.spotify.com/v1/{kind}s/{id}"),
        "id": id, "type": kind, "uri": format!("spotify:{kind}:{id}"),
    })
}

fn extended(mut value: Value, more: Value) -> Value {
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

fn simple_artist(artist: &Artist) -> Value {
    extended(reference("artist", &artist.spotify_id), json!({"name": artist.name}))
}

fn artist_object(artist: &Artist, world: &Shared) -> Value {
    let tracks = world.catalog.search(|track| track.artists.contains(artist));
    let mut genres: Vec<_> = tracks.iter().map(|track| track.genre.to_lowercase()).collect();
    genres.sort();
    genres.dedup();
    let popularity = tracks.first().map_or(0, |track| track.popularity);
    extended(
        simple_artist(artist),
        json!({"followers": {"href": null, "total": artist.number}, "genres": genres, "images": [],
               "popularity": popularity}),
    )
}

fn track_object(track: &Track) -> Value {
    let artists: Vec<_> = track.artists.iter().map(simple_artist).collect();
    let image = |size: u32| json!({"url": format!("https://i.scdn.co/image/{}{size}", track.album_id), "width": size, "height": size});
    let album = extended(
        reference("album", &track.album_id),
        json!({"album_type": "album", "artists": [simple_artist(track.artist())], "available_markets": ["DE", "GB", "US"],
               "images": [image(640), image(300), image(64)], "name": track.album, "release_date": track.released,
               "release_date_precision": "day", "total_tracks": track.quantity_of("tracks", 8, 16)}),
    );
    extended(
        reference("track", &track.spotify_id),
        json!({"album": album, "artists": artists, "available_markets": ["DE", "GB", "US"], "disc_number": 1,
               "duration_ms": track.duration_ms, "explicit": false, "external_ids": {"isrc": track.isrc},
               "is_local": false, "is_playable": true, "name": track.name, "popularity": track.popularity,
               "preview_url": null, "track_number": track.quantity_of("position", 1, 8)}),
    )
}

fn feature_object(track: &Track) -> Value {
    let id = &track.spotify_id;
    json!({
        "acousticness": track.trait_of("acousticness"), "danceability": track.trait_of("danceability"),
        "energy": track.trait_of("energy"), "instrumentalness": track.trait_of("instrumentalness"),
        "liveness": track.trait_of("liveness"), "speechiness": track.trait_of("speechiness"),
        "valence": track.trait_of("valence"), "loudness": -5.0 - 10.0 * track.trait_of("loudness"),
        "tempo": track.bpm, "key": track.pitch, "mode": u8::from(!track.minor), "time_signature": 4,
        "duration_ms": track.duration_ms, "id": id, "type": "audio_features", "uri": format!("spotify:track:{id}"),
        "track_href": format!("https://api.spotify.com/v1/tracks/{id}"),
        "analysis_url": format!("https://api.spotify.com/v1/audio-analysis/{id}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_goes_on_until_the_next() {
        assert_eq!(
            conditions("strobe live artist:Daft Punk track:One More Time"),
            [
                (None, "strobe live".to_owned()),
                (Some("artist"), "Daft Punk".to_owned()),
                (Some("track"), "One More Time".to_owned()),
            ]
        );
        assert_eq!(conditions("Mix: one"), [(None, "Mix: one".to_owned())]);
    }

    #[test]
    fn an_id_is_22_digits_of_base62() {
        assert!(well_formed("41Xji81wFy3cM7ggbGczQW"));
        assert!(!well_formed("41Xji81wFy3cM7ggbGczQ-") && !well_formed("short"));
    }
}
