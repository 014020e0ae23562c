//! The six internal services: inventory and pricing of the product gateway; discovery, sona, sync and auth of the media gateway.

pub(crate) mod auth;
mod discovery;
pub(crate) mod inventory;
mod pricing;
mod sona;
pub(crate) mod sync;

use axum::{Router, response::Response, routing::get};
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{library::Title, reply, world::Shared};

/// The header in which the gateway says who the user is.
const USER_HEADER: &str = "x-weir-user";
const USER_BYTES_MAX: usize = 128;

/// The routes of all six, each with a `/health` for the proxy's health checks.
pub(crate) fn routes() -> Router<Shared> {
    let healthy = |routes: Router<Shared>| {
        routes
            .route("/health", get(async || reply::ok(&json!({"status": "UP"}))))
            .fallback(async || reply::error(StatusCode::NOT_FOUND, "no such resource"))
    };
    Router::new()
        .nest("/inventory", healthy(inventory::routes()))
        .nest("/pricing", healthy(pricing::routes()))
        .nest("/discovery", healthy(discovery::routes()))
        .nest("/sona", healthy(sona::routes()))
        .nest("/sync", healthy(sync::routes()))
        .nest("/auth", healthy(auth::routes()))
}

/// The user whom the gateway vouches for, where there is one.
fn user_of(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(USER_HEADER).iter();
    let user = sent.next()?.to_str().ok()?;
    // Two users are none: a service that picked one of them could be told which.
    (!user.is_empty() && user.len() <= USER_BYTES_MAX && sent.next().is_none()).then_some(user)
}

/// The user, or the answer of a service that has to know.
fn required_user(headers: &HeaderMap) -> Result<&str, Response> {
    user_of(headers).ok_or_else(|| reply::error(StatusCode::UNAUTHORIZED, "this resource belongs to a user"))
}

/// A title as lists show it.
fn brief(title: &Title) -> Value {
    json!({"id": title.id, "type": title.kind, "title": title.name, "year": title.year, "genres": title.genres,
           "rating": title.rating, "popularity": title.popularity})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_once_and_in_text() {
        let named = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(USER_HEADER, hyper::header::HeaderValue::from_bytes(value).unwrap());
            }
            user_of(&headers).map(ToOwned::to_owned)
        };
        assert_eq!(named(&[b"user123"]), Some("user123".to_owned()));
        let (none, long): ([&[u8]; 0], [u8; 200]) = ([], [b'a'; 200]);
        for bad in [&none[..], &[b""], &[b"a", b"b"], &[b"\xff"], &[&long]] {
            assert_eq!(named(bad), None);
        }
    }
}
