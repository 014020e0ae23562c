//! The six providers of music data, each below its own path.

mod acousticbrainz;
mod beatport;
mod discogs;
mod lastfm;
mod musicbrainz;
mod spotify;

use axum::{Router, extract::Request};
use hyper::header::USER_AGENT;

use crate::{server::Peer, world::Shared};

/// The routes of all six.
pub(crate) fn routes(world: &Shared) -> Router<Shared> {
    Router::new()
        .nest("/spotify/v1", spotify::routes(world))
        .nest("/spotify-accounts", spotify::account_routes())
        .nest("/musicbrainz/ws/2", musicbrainz::routes(world))
        .merge(lastfm::routes())
        .nest("/beatport/v4", beatport::routes(world))
        .nest("/discogs", discogs::routes(world))
        .nest("/acousticbrainz/api/v1", acousticbrainz::routes(world))
}

/// The caller's address: whom a provider without credentials holds to its limit.
fn address_of(request: &Request) -> String {
    request.extensions().get::<Peer>().map_or_else(String::new, |peer| peer.0.to_string())
}

/// The caller's `User-Agent`, where there is one and it is text.
fn user_agent(request: &Request) -> Option<&str> {
    request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).filter(|agent| !agent.trim().is_empty())
}
