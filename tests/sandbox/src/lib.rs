//! Stand-ins for the upstreams of Weir's gateways, with faults on demand.
//!
//! Six providers of music data ([Spotify](Upstream::Spotify), `MusicBrainz`, Last.fm, Beatport, Discogs, `AcousticBrainz`),
//! six internal services (inventory and pricing; discovery, sona, sync and auth) and an identity provider, all in one
//! process and on one port, each below its own first path segment. They answer as the real ones do: the same paths,
//! parameters, headers, payloads and status codes, the same refusals of a caller without credentials, and their own
//! rate limits, each in its own words. Their data are small tables under `data/`.
//!
//! What a request meets, in this order:
//!
//! 1. it is counted and written down ([`Sandbox::count`], [`Sandbox::requests`]);
//! 2. the first [`Fault`] that waits for it: latency, then a status, a TCP reset or a body cut short;
//! 3. the credentials that the real service asks for;
//! 4. the service's own limit for that caller ([`Limit`]);
//! 5. the route.
//!
//! It does not speak TLS or HTTP/2, keeps nothing on disk, and protects nothing: its secrets are printed in this
//! documentation. Everything a client can make it remember is bounded.
//!
//! A test starts its own ([`Sandbox::start`]); the binary `sandbox` serves a gateway at a fixed address; both are told
//! what to do through the same control API (`control.rs`). To read on: `server.rs`, then `fault.rs` and `wire.rs`, then
//! any file of `provider/` and `service/`.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
// An `Err` that is the answer to the client is moved once and never stored.
#![allow(clippy::result_large_err)]

mod catalog;
mod control;
mod digest;
mod fault;
mod identity;
mod journal;
mod library;
mod meter;
mod money;
mod oauth;
mod params;
mod plain;
mod provider;
mod reply;
mod server;
mod service;
mod settings;
mod stamp;
mod table;
mod upstream;
mod wire;
mod world;

pub use fault::Fault;
pub use identity::{AUDIENCE, Algorithm, Claims, ISSUER};
pub use journal::Seen;
pub use server::{Sandbox, jwks};
pub use settings::{API_KEY, CLIENT_ID, CLIENT_SECRET, Limit, STANDING_TOKEN, Settings};
pub use upstream::Upstream;
