//! The breaker filter: an upstream that fails is left alone until it has recovered, and its clients are told at once.
//!
//! A request that matches a route meets the breaker of that route's upstream:
//!
//! 1. Closed: it passes. How it ends is recorded when the response's headers arrive.
//! 2. Open: it is answered with 503 `CIRCUIT_BREAKER_OPEN` and a `Retry-After` of the time that is left.
//! 3. Half-open: a few pass as probes, all others are answered as when open, to try again after a second.
//!
//! The state is shared by all workers: one key of shared data for each breaker, `weir.breaker.<upstream>`. While an
//! upstream is healthy, a request costs two reads of it and no write; a window of seconds is written with every call.
//!
//! **What opens it** ([`limits`]): failures in a row, a share of failures, a share of slow calls, each alone or together;
//! shares are of the last so many calls or seconds ([`window`]). It stays open for longer each time, with jitter, and for as
//! long as the upstream's `Retry-After` says. An order (`order`, or in the stored state) goes before all.
//!
//! **What is a failure** ([`outcome`]): a status of 500 or above (`failure_statuses`), a code of gRPC that says so
//! (`failure_codes`), and whatever Envoy answers in an upstream's place because it could not connect, was reset or timed
//! out. `ignored_statuses` and `ignored_codes` say nothing. Neither does an answer by somebody else, a filter behind this
//! one or Envoy for a reason of its own, nor a client that leaves before the answer. Envoy's retries lie behind this filter:
//! what counts is the last answer, once.
//!
//! **When a call ends**: with the headers of its answer, and it is slow by the time until then, since how fast the rest is
//! read is the client's doing. With `whole_answer` it ends with the last byte, and a body that breaks off is a failure. A
//! call of gRPC, which the request's `content-type` says it is, ends with its trailers.
//!
//! **Whose calls count together** ([`scope`]): an upstream's, or each route's, host's or value's of a header. Hosts and values
//! are many and clients choose them, so these breakers lie in a table of a fixed size ([`set`]).
//!
//! Where workers contend for one state and lose 16 times in a row, a request that asks is refused (others probe then), and
//! one call's end goes unrecorded, with a line in the log. Where shared data fails, `when_undecided` says what happens.
//!
//! Metrics: `api_gateway_circuit_breaker_state{provider}` (0 closed, 1 open, 2 half-open, 3 disabled, 4 forced open, 5
//! metrics only; an upstream with several breakers has none), `…_failures_total`, `…_opens_total` and `…_refusals_total`. The
//! access log has `%FILTER_STATE(wasm.weir.breaker:PLAIN)%`. An open breaker turns half-open, in the metric too, with the
//! first request after its time.
//!
//! Reading order: [`config`], [`limits`], [`state`] (the machine, and why it is as it is), [`window`], [`outcome`], [`scope`],
//! [`set`], [`layout`], [`status`], [`grpc`], [`raw`], and last `filter`, which talks to the host.

#[cfg(test)]
mod agreement;
pub mod config;
#[cfg(target_os = "wasi")]
mod filter;
pub mod grpc;
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
