//! Sona: recommendations, from what a user wants to see, or what everyone sees.

use axum::{Router, extract::State, response::Response, routing::get};
use hyper::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, VARY},
};
use serde_json::json;

use super::{brief, user_of};
use crate::{library::Title, params::Params, reply, world::Shared};

/// The routes below `/sona`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/api/v1/recommendations", get(recommendations))
}

async fn recommendations(State(world): State<Shared>, headers: HeaderMap, params: Params) -> Response {
    let Some(limit) = params.number("limit", 10, 1, 50) else {
        return reply::error(StatusCode::BAD_REQUEST, "limit is 1 to 50");
    };
    let user = user_of(&headers);
    let wanted = user.map(|user| world.lists.watchlist(user)).unwrap_or_default();
    let known: Vec<&Title> = wanted.iter().filter_map(|id| world.library.title(id)).collect();
    let shared = |title: &Title| {
        let genres = known.iter().flat_map(|one| &one.genres);
        u32::try_from(genres.filter(|genre| title.genres.contains(genre)).count()).unwrap_or(u32::MAX)
    };
    let mut scored: Vec<(f64, &Title)> = world
        .library
        .titles
        .iter()
        .filter(|title| !wanted.iter().any(|id| id == title.id))
        .map(|title| (f64::from(shared(title)) + title.popularity / 100.0, title))
        .collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let results: Vec<_> = scored
        .iter()
        .take(limit)
        .map(|(score, title)| {
            let mut object = brief(title);
            object["score"] = json!((score * 1000.0).round() / 1000.0);
            object["reason"] = json!(if shared(title) > 0 { "because of your watchlist" } else { "popular now" });
            object
        })
        .collect();
    let response = reply::ok(&json!({"user_id": user, "recommendations": results}));
    // What one user is advised must not be shown to another.
    let lifetime = if user.is_some() { "private, max-age=30" } else { "public, max-age=30" };
    reply::with(reply::with(response, CACHE_CONTROL.as_str(), lifetime), VARY.as_str(), super::USER_HEADER)
}
