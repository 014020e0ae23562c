//! The provider filter: six catalogues of music, each with its own requests and answers, as one API.
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
//!    is no common shape for it (audio features, releases). What cannot be read is 502; of an answer that stays as it is and
//!    is longer than 24 KiB, no more is read than its beginning. No header of the provider's goes further that says who it
//!    is, and no secret, wherever it is repeated.
//!
//! It keeps nothing, counts nothing and retries nothing: the filters before it do, and Envoy behind it, which sends the
//! request again as it is here. Standing behind the cache, what it makes of an answer is what is stored.
//!
//! A further provider is one file in `profile/` with a `PROFILE` in it (paths with their placeholders, functions that find
//! tracks in an answer, its ways of refusing), its line in `profile::ALL`, and rows for its tests: samples of what it
//! answers, and what that becomes.
//!
//! The access log has the client's path under `x-envoy-original-path`; `:path` may hold a key, and is not to be logged.
//!
//! To read: [`config`], [`profile`] and one of its files, [`request`], [`target`], [`outgoing`], [`answer`]; below them
//! [`passage`], [`credential`] and [`secret`], [`view`] and [`track`]; `filter` joins them to the host.

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
pub mod target;
pub mod token;
pub mod track;
pub mod upkeep;
pub mod view;

pub use config::Config;
