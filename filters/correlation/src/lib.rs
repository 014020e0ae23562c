//! The correlation filter: whoever sees a request, a response or a log line can tell which others belong to it.
//!
//! It stands first in the chain, so it sees each request first and each response last. For each request, in this order:
//!
//! 1. `x-request-id` is the client's where it is well-formed (1 to 128 of `A-Z a-z 0-9 - _ .`), else a new UUID of
//!    version 4. A repeated, malformed or unwanted one (`client_ids: replace`) is replaced, never forwarded.
//! 2. `x-correlation-id`, the id of the work that requests are part of, likewise; it defaults to the request id.
//! 3. `traceparent` and `tracestate` follow W3C Trace Context, level 2. A valid trace goes on under a parent-id of our
//!    own; an invalid or repeated `traceparent` starts a new trace and takes `tracestate` with it; an invalid
//!    `tracestate` is dropped alone. Nothing malformed is ever forwarded.
//! 4. An AI agent is recognised: by `x-ai-agent`, else `ai-agent-id`, else a word in its `user-agent`.
//! 5. Ids, trace id and agent are offered to the access log as filter state (`%FILTER_STATE(wasm.weir.request_id:PLAIN)%`
//!    and so on, see `policy::handover::state`).
//! 6. Every response says both ids, whoever made it: the upstream, another filter, or Envoy where it could not route or
//!    reach. Where an upstream says other ids, ours win, since ours are in the log.
//!
//! It does not record spans, and it answers no request. Requests that Envoy refuses before any filter runs (a malformed
//! request line, say) have no identity here; Envoy's `local_reply_config` sees to their answers.
//!
//! Envoy's own ids must not fight with these: set `generate_request_id: false` and `preserve_external_request_id: true`
//! on the connection manager, as `weir render` does. Otherwise Envoy makes an `x-request-id` before this filter sees the
//! request, and what a client sent is lost.
//!
//! Reading order: [`config`], [`identity`] (what a request is known by), [`traceparent`], [`tracestate`], [`agent`],
//! [`random`], and last `filter`, which talks to the host.

pub mod agent;
pub mod config;
#[cfg(target_os = "wasi")]
mod filter;
pub mod identity;
pub mod random;
pub mod traceparent;
pub mod tracestate;

pub use config::Config;
#[cfg(target_os = "wasi")]
pub use filter::root;
