//! Discogs: releases and the database search below `/discogs`.
//!
//! The real service shows releases to anyone and asks for credentials in searches alone; this one asks always, because
//! every caller that the contract knows sends them.

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use hyper::{StatusCode, header::AUTHORIZATION};
use serde_json::{Value, json};

use super::user_agent;
use crate::{
    catalog::{Artist, Track},
    digest,
    meter::Verdict,
    params::Params,
    reply,
    table::matches,
    upstream::Upstream,
    world::{Shared, World},
};

/// Discogs counts the requests of a minute.
const WINDOW: Duration = Duration::from_mins(1);

/// The routes below `/discogs`.
pub(crate) fn routes(world: &Shared) -> Router<Shared> {
    Router::new()
        .route("/releases/{id}", get(release))
        .route("/database/search", get(search))
        .fallback(async || error(StatusCode::NOT_FOUND, "The requested resource was not found."))
        .layer(middleware::from_fn_with_state(Shared::clone(world), admit))
}

fn error(status: StatusCode, message: &str) -> Response {
    reply::json(status, &json!({ "message": message }))
}

/// The credential of a request, from `Authorization: Discogs key=…, secret=…` or from the query.
#[derive(Debug, Eq, PartialEq)]
enum Credential {
    Missing,
    Key { key: String, secret: String },
}

fn credential(authorization: Option<&str>, params: &Params) -> Credential {
    let (mut key, mut secret) = (params.get("key").map(ToOwned::to_owned), params.get("secret").map(ToOwned::to_owned));
    let words = authorization.and_then(|value| value.split_once(' '));
    if let Some((_, pairs)) = words.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("discogs")) {
        for (name, value) in pairs.split(',').filter_map(|pair| pair.trim().split_once('=')) {
            match name {
                "key" => key = Some(value.to_owned()),
                "secret" => secret = Some(value.to_owned()),
                _ => {}
            }
        }
    }
    match (key, secret) {
        (Some(key), Some(secret)) => Credential::Key { key, secret },
        _ => Credential::Missing,
    }
}

/// The client that asks, or what it is told.
fn client_of(world: &World, request: &Request) -> Result<String, Response> {
    if user_agent(request).is_none() {
        return Err(error(StatusCode::FORBIDDEN, "You must provide a User-Agent that identifies your application."));
    }
    let params = Params::parse(request.uri().query().unwrap_or_default().as_bytes());
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match credential(authorization, &params) {
        Credential::Missing => Err(error(StatusCode::UNAUTHORIZED, "You must authenticate to access this resource.")),
        Credential::Key { key, secret } if world.settings().knows(&key, &secret) => Ok(key),
        Credential::Key { .. } => Err(error(
            StatusCode::UNAUTHORIZED,
            "Invalid consumer key/secret. Please register an app before making requests.",
        )),
    }
}

async fn admit(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let client = match client_of(&world, &request) {
        Ok(client) => client,
        Err(refusal) => return refusal,
    };
    let charge = world.charge(Upstream::Discogs, &client, WINDOW);
    let response = match charge.verdict {
        Verdict::Pass => next.run(request).await,
        Verdict::Over { .. } => error(StatusCode::TOO_MANY_REQUESTS, "You are making requests too quickly."),
    };
    let response = reply::with(response, "x-discogs-ratelimit", &charge.limit);
    let response = reply::with(response, "x-discogs-ratelimit-used", &charge.limit.saturating_sub(charge.remaining));
    reply::with(response, "x-discogs-ratelimit-remaining", &charge.remaining)
}

async fn release(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let id: u64 = id.parse().unwrap_or_default();
    let tracks: Vec<_> = world.catalog.tracks.iter().filter(|track| track.discogs_id == id).collect();
    let Some(first) = tracks.first() else { return error(StatusCode::NOT_FOUND, "Release not found.") };
    let position = |(at, track): (usize, &&Track)| {
        let seconds = track.duration_ms / 1000;
        json!({"position": (at + 1).to_string(), "type_": "track", "title": track.name,
               "duration": format!("{}:{:02}", seconds / 60, seconds % 60)})
    };
    let mut styles: Vec<_> = tracks.iter().map(|track| track.genre).collect();
    styles.sort_unstable();
    styles.dedup();
    reply::ok(&json!({
        "id": id, "status": "Accepted", "title": first.album, "artists": [artist_object(first.artist())],
        "artists_sort": first.artist().name, "year": first.year().parse::<u64>().unwrap_or_default(),
        "released": first.released, "released_formatted": first.released, "country": "UK",
        "labels": [label_object(first)], "genres": ["Electronic"], "styles": styles,
        "formats": [{"name": "CD", "qty": "1", "descriptions": ["Album"]}],
        "tracklist": tracks.iter().enumerate().map(position).collect::<Vec<_>>(),
        "identifiers": [{"type": "Barcode", "value": digest::number(first.album, 10_u64.pow(11), 10_u64.pow(12)).to_string()}],
        "community": {"have": first.quantity_of("have", 100, 9000), "want": first.quantity_of("want", 100, 9000),
                      "rating": {"count": first.quantity_of("ratings", 10, 900), "average": 4.21}},
        "master_id": id / 3, "uri": format!("https://www.discogs.com/release/{id}"),
        "resource_url": format!("https://api.discogs.com/releases/{id}"), "data_quality": "Correct",
    }))
}

fn artist_object(artist: &Artist) -> Value {
    json!({"id": artist.number, "name": artist.name, "anv": "", "join": "", "role": "", "tracks": "",
           "resource_url": format!("https://api.discogs.com/artists/{}", artist.number)})
}

fn label_object(track: &Track) -> Value {
    let id = digest::number(&format!("discogs label {}", track.label), 1, 500_000);
    json!({"id": id, "name": track.label, "catno": format!("WEIR {:04}", id % 10_000), "entity_type": "1",
           "entity_type_name": "Label", "resource_url": format!("https://api.discogs.com/labels/{id}")})
}

async fn search(State(world): State<Shared>, params: Params) -> Response {
    let text = |name| params.get(name).unwrap_or_default();
    if params.get("type").is_some_and(|kind| kind != "release") {
        return error(StatusCode::BAD_REQUEST, "This stand-in searches releases alone.");
    }
    let mut found = world.catalog.search(|track| {
        matches(&format!("{} {} {}", track.credit(), track.album, track.name), text("q"))
            && matches(&track.credit(), text("artist"))
            && matches(track.album, text("release_title"))
            && matches(track.name, text("track"))
            && params.get("year").is_none_or(|year| track.year() == year)
    });
    found.sort_by_key(|track| track.discogs_id);
    found.dedup_by_key(|track| track.discogs_id);
    let (size, page) = (params.clamped("per_page", 50, 1, 100), params.clamped("page", 1, 1, 10_000));
    let results: Vec<_> = found
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .map(|track| {
            let id = track.discogs_id;
            json!({"id": id, "type": "release", "title": format!("{} - {}", track.artist().name, track.album),
                   "year": track.year(), "country": "UK", "format": ["CD", "Album"], "label": [track.label],
                   "genre": ["Electronic"], "style": [track.genre], "master_id": id / 3,
                   "uri": format!("/release/{id}"), "resource_url": format!("https://api.discogs.com/releases/{id}")})
        })
        .collect();
    reply::ok(&json!({
        "pagination": {"page": page, "pages": found.len().div_ceil(size).max(1), "per_page": size,
                       "items": found.len(), "urls": {}},
        "results": results,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_in_the_header_or_in_the_query() {
        let none = Params::default();
        let whole = Credential::Key { key: "a".to_owned(), secret: "b".to_owned() };
        assert_eq!(credential(Some("Discogs key=a, secret=b"), &none), whole);
        assert_eq!(credential(None, &Params::parse(b"key=a&secret=b")), whole);
        for bad in ["Discogs key=a", "Bearer key=a, secret=b", "Discogs"] {
            assert_eq!(credential(Some(bad), &none), Credential::Missing, "{bad}");
        }
    }
}
