//! The breaker filter: an upstream that fails is left alone until it has recovered, and its clients are told at once.
//!
//! A request that matches a route meets the breaker of that route's upstream:
//!
//! 1. Closed: it passes. How it ends is recorded when the response's headers arrive.
//! 2. Open: it is answered with 503 `CIRCUIT_BREAKER_OPEN` and a `Retry-After` of the time that is left.
//! 3. Half-open: a few pass as probes, all others are answered as when open, to try again after a second.
//!
//! The state is shared by all workers: one key of shared data for each breaker, `weir.breaker.<upstream>`. While an
//! upstream is healthy, a request costs two reads of it and no write.
//!
//! A failure is an answer with a status of 500 or above (`failure_statuses`), or Envoy's own 503 or 504 where it could
//! not connect, was reset or timed out. An answer by somebody else, a filter behind this one or Envoy for a reason of
//! its own, says nothing about the upstream: it is no failure and no success. Neither is a client that leaves before the
//! answer. Envoy's retries lie behind this filter: what counts is the last answer, once.
//!
//! What it does not do: an answer counts by its headers, so a body that breaks off, a slow body and a gRPC status in
//! trailers are not seen, and slow calls are no failures unless Envoy's timeout ends them.
//!
//! Where workers contend for one state and lose 16 times in a row, a request that asks is refused (the breaker is open or
//! half-open then, and others probe), and one call's end goes unrecorded, with a line in the log. Where shared data
//! fails, `when_undecided` says what happens.
//!
//! Metrics: `api_gateway_circuit_breaker_state{provider}` (0 closed, 1 open, 2 half-open), `…_failures_total`,
//! `…_opens_total` and `…_refusals_total`. The access log has `%FILTER_STATE(wasm.weir.breaker:PLAIN)%`. An open breaker
//! turns half-open, in the metric too, with the first request after its time.
//!
//! Reading order: [`config`], [`state`] (the machine, and why it is as it is), [`window`], [`outcome`], [`layout`],
//! [`status`], and last `filter`, which talks to the host.

#[cfg(test)]
mod agreement;
pub mod config;
#[cfg(target_os = "wasi")]
mod filter;
pub mod grpc;
pub mod layout;
pub mod limits;
pub mod outcome;
pub mod scope;
pub mod set;
pub mod state;
pub mod status;
#[cfg(test)]
mod stories;
pub mod window;

pub use config::Config;
