//! A shared HTTP cache (RFC 9111): answers a `GET` or `HEAD`, and a `POST` that a route calls a search, from what an earlier
//! response said may be reused.
//!
//! For each request, in this order:
//! 1. One that no route is about passes, or whose route keeps nothing; so do preconditions for the origin, upgrades and a `GET` with
//!    content. An unsafe method passes, whatever its route keeps, and once it has succeeded, what is stored for its URL, and for those of the same origin
//!    that the response names, is unusable.
//! 2. The URL's set in shared data says whether a response is stored that answers these varied fields.
//! 3. Such a response is read, compared in full with the request (never a hash alone), and judged: who may have it, is
//!    it fresh, does the request allow it. If so, it answers: whole, in part, or as 304 where the client has it
//!    already.
//!    A request that says what another said in the same second is answered as that was, where neither the set nor any purge has changed ([`repetition`]).
//! 4. `only-if-cached` is otherwise answered 504; any other request is forwarded, with the validators of a stored
//!    response that could be confirmed. While it is, that response is held. Who asks for the same meanwhile waits for its answer,
//!    on whichever worker ([`flight`]). A response that may be used stale while it is refreshed (`stale-while-revalidate`) answers
//!    at once, and a request of the filter's own refreshes it, once at a time.
//! 5. Where the upstream confirms what is held (304), or fails and stale is better than nothing (`stale-if-error`),
//!    what is held answers. A refusal by its breaker, and whatever stands in for it (`x-weir-fallback`), is a failure. Any
//!    other response is judged in turn, and copied as it passes where it may be stored. Its end puts it into its place.
//!
//! `PURGE`, where a route has a key for it, takes URLs, prefixes, labels, tags or everything ([`purge`]). With a [second
//! level](remote), step 4 asks Redis first, within a budget, and what is stored goes there, too; purges reach the whole fleet.
//!
//! Every response says what happened in `Cache-Status` (RFC 9211), from which the access log has it, too.
//!
//! It trusts `x-weir-user` and `x-weir-tier`, which `auth` sets and keeps clients from setting: without `auth` before it, no route may say
//! `isolate` or `shared`. It keeps no part of a response (206), no response with trailers, and no cookies. Where shared data fails, a request is
//! forwarded, and a metric counts it.
//!
//! To read: [`config`], then [`request`] with [`gathering`], [`canon`] and [`query`], [`admission`], [`selection`] and
//! [`validation`] (what is asked, stored, reused, confirmed), [`flight`] (who waits for whom), [`invalidation`], with
//! [`directive`], [`targeted`], [`freshness`], [`precondition`], [`range`],
//! [`reference`](mod@reference) and [`key`] below them; [`arena`], [`directory`], [`eviction`], [`entry`], [`envelope`]
//! and [`recording`], [`packing`] and [`recent`] (where it is kept, and how that stays within its budget); [`tag`] and [`purge`];
//! [`repetition`] (what is asked again at once); [`remote`], [`level`] and [`foreign`] (what a fleet shares); [`status`]; `filter` joins them to the host.

pub mod admission;
pub mod arena;
pub mod canon;
pub mod config;
pub mod directive;
pub mod directory;
pub mod entry;
pub mod envelope;
pub mod eviction;
#[cfg(target_os = "wasi")]
mod filter;
pub mod flight;
pub mod foreign;
pub mod freshness;
pub mod gathering;
pub mod invalidation;
pub mod key;
pub mod level;
pub mod packing;
pub mod precondition;
pub mod purge;
pub mod query;
pub mod range;
pub mod recent;
pub mod recording;
pub mod reference;
pub mod remote;
pub mod repetition;
pub mod request;
pub mod selection;
pub mod status;
pub mod tag;
pub mod targeted;
pub mod validation;

pub use config::Config;
#[cfg(target_os = "wasi")]
pub use filter::root;
