//! The breaker filter: an upstream that fails is left alone until it has recovered, and its clients are told at once.
//!
//! A request that matches a route meets the breaker of that route's upstream:
//!
//! 1. Closed: it passes. How it ends is recorded when the response's headers arrive.
//! 2. Open: it is answered with 503 `CIRCUIT_BREAKER_OPEN` and a `Retry-After` of the time that is left.
//! 3. Half-open: a few pass as probes, all others are answered as when open, to try again after a second.
//!
//! What passes then meets the upstream's [`bulkhead`], where it has one: so many calls may be under way at the same time over
//! all workers, and one more is answered with 503 `SERVICE_UNAVAILABLE`. Whatever is refused is answered by the upstream's
//! [`fallback`], where it has one. A probe is sent once: Envoy is told not to retry it.
//!
//! The state is shared by all workers: one key of shared data for each breaker, `weir.breaker.<upstream>`. While an
//! upstream is healthy, a request costs two reads of it and no write; a window of seconds is written with every call.
//!
//! **What opens it** ([`limits`]): failures in a row, a share of failures, a share of slow calls, each alone or together;
//! shares are of the last so many calls or seconds ([`window`]). It stays open for longer each time, with jitter, and for as
//! long as the upstream's `Retry-After` says. An order goes before all: `order`, or what an operator says at run time
//! ([`policy::order`]). A [`fleet`] tells each other through Redis what has opened, and a quorum opens the others.
//!
//! **What is a failure, and when a call ends** ([`outcome`]): by the status or gRPC's code of the last answer, and by what Envoy
//! answers in an upstream's place; with the headers, or with the last byte.
//!
//! **Whose calls count together** ([`scope`]): an upstream's, or each route's, host's or value's of a header. Hosts and values
//! are many and clients choose them, so these breakers lie in a table of a fixed size ([`set`]).
//!
//! Who loses a race for one state 16 times is refused (others probe then), or one call's end goes unrecorded, with a line in
//! the log. Where shared data fails, `when_undecided` says what happens.
//!
//! Metrics: `api_gateway_circuit_breaker_state{provider}` (0 closed, 1 open, 2 half-open, 3 disabled, 4 forced open, 5
//! metrics only), `…_state_seconds_total{provider,state}`, `…_failures_total`, `…_opens_total`, `…_refusals_total`,
//! `api_gateway_bulkhead_calls{provider}` (once a second), `…_bulkhead_refusals_total`, `api_gateway_fallbacks_total{provider}`. The
//! access log has `%FILTER_STATE(wasm.weir.breaker:PLAIN)%`; [`policy::health`] says where `/health` reads.
//!
//! Reading order: [`config`], [`limits`], [`state`] (the machine, and why it is as it is), [`window`], [`outcome`], [`scope`],
//! [`set`], [`layout`], [`status`], [`grpc`], [`bulkhead`], [`fallback`], [`fleet`], [`health`], [`raw`], and last `filter`, which
//! talks to the host.

#[cfg(test)]
mod agreement;
pub mod bulkhead;
pub mod config;
pub mod fallback;
#[cfg(target_os = "wasi")]
mod filter;
pub mod fleet;
pub mod grpc;
pub mod health;
pub mod layout;
pub mod limits;
pub mod outcome;
pub mod raw;
pub mod scope;
pub mod set;
pub mod state;
pub mod status;
#[cfg(test)]
mod stories;
pub mod window;

pub use config::Config;
#[cfg(target_os = "wasi")]
pub use filter::root;
