//! The provider filter: catalogues of music, each with its own requests and answers, as one API.
//!
//! For each request that a route leads to a provider, in this order:
//! 1. The path behind the route's `strip` names what is asked: `/search`, or `/track/{id}` and whatever else the provider
//!    has. What it does not have is 404. An id that cannot be one of this provider's is 400, and so is any other parameter
//!    of the query than `raw`.
//! 2. `POST /search` has a JSON body `{"artist", "title", "limit"}`, which is held, read and checked: 400 with the name of
//!    the field, 413 where it is too large. Nothing of a request that is refused is sent anywhere.
//! 3. The request becomes the provider's own: a `GET` of its path, with every byte of the client's text in its place; none
//!    of the client's headers but its ids goes along, and the provider's credential is added.
//! 4. The answer is collected, within a bound. A provider's refusal becomes one of ours, whatever its words for it are
//!    (`Refusal`): nothing there is 404, asked too often 429 with `Retry-After`, our credential refused 502, away 503.
//! 5. A good answer becomes the common shape ([`track`]), or stays as it is where that is asked (`?raw=true`) or where there
//!    is no common shape for it (audio features, releases). What cannot be read is 502; an answer that stays as it is and
//!    is longer than 24 KiB is read on its way ([`syntax`]), and breaks off where it turns out to be no JSON. No header of the
//!    provider's goes further that says who it is, and no secret, wherever it is repeated.
//!
//! A credential may be a token that is fetched (OAuth 2.0, [`grant`]): one for the whole proxy, by the worker that leads,
//! before anybody asks and again before it ends ([`upkeep`]). A request for which there is none waits, as long and as many as
//! is said, and is 503 with `Retry-After` then, which the breaker in front counts as any other 503.
//!
//! Where a provider refuses a token (401), that one is dropped, and the client's request is sent a second time, and no third:
//! by a callout that comes back into the proxy (`again`), where the provider's own limit counts it as it did the first, and
//! this filter shows the next token. Envoy's router, behind, could only send again what it has. All requests to providers are
//! `GET`s, so that is always safe. The second answer is the first one's, which has waited, and is no longer than 60 KiB, also
//! where it stays as it is. A 401 without a body cannot be given one: what takes its place is a local reply, which passes no
//! other filter, so no cache keeps it and no breaker hears of it. Any other refusal without a body is passed on without one.
//!
//! It counts no requests and retries none but for its token: the filters before it do, and Envoy behind it, which sends the request again
//! as it is here. What it makes of an answer is what the cache before it stores. Its first two checks may stand before limits and breakers, which must
//! see what it makes of answers, in a second plugin (`checks_only`): then nothing is counted of what it refuses, and a body is read twice.
//!
//! A further provider is one file in `profile/` with a `PROFILE` in it (paths with their placeholders, functions that find tracks in an
//! answer, its ways of refusing, its terms), its name in `profile.rs`, and its tests: samples of answers, and what they become.
//!
//! The access log has the client's path under `x-envoy-original-path`; `:path` may hold a key, and is not to be logged.
//!
//! To read: [`config`], [`profile`] and one of its files, [`request`], [`target`], [`outgoing`], [`answer`]; below them
//! [`passage`], [`syntax`], [`credential`] and [`secret`], [`view`] and [`track`]; of tokens [`upkeep`], [`grant`], [`token`] and [`queue`];
//! `filter` joins them to the host.

pub mod answer;
pub mod config;
pub mod credential;
#[cfg(target_os = "wasi")]
mod filter;
pub mod grant;
pub mod outgoing;
pub mod passage;
pub mod profile;
pub mod queue;
pub mod request;
pub mod secret;
pub mod syntax;
pub mod target;
pub mod token;
pub mod track;
pub mod upkeep;
pub mod view;

pub use config::Config;
#[cfg(target_os = "wasi")]
pub use filter::root;
