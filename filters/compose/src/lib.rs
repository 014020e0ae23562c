//! The compose filter: one request, answered from several upstream calls.
//!
//! For each request that a composition matches, in this order:
//! 1. Its path's parameters and its body are read and checked: 400 with the field and the reason, 413 where the body is too
//!    large. Nothing of a request that is refused is sent anywhere.
//! 2. An `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) is looked up: a repeated request gets the first answer, one
//!    whose first is still under way waits or gets 409, and the key of another request is 422.
//!    Of a batch, each request that it holds is looked up in the list of what may be asked for ([`batch`]).
//! 3. The steps run ([`plan`], [`run`]): in parallel, one after the other, or once for each value of a list. Each call enters the
//!    proxy again through its internal listener, so breaker, limits, cache and credentials hold for it as for any other request; it
//!    has the request's ids, and a span of its own in its trace.
//! 4. The answer is made by a template, with `x-weir-completeness`: `complete`, or `partial` and which steps failed. A step that
//!    is required fails the whole: the answer says which, and what earlier steps did is taken back ([`undo`]). A batch is answered
//!    whatever its requests came to, by one status for each.
//!
//! The work belongs to the worker, not to the client's stream: when a client leaves, what can be taken back goes on to its end. What
//! may have to be taken back is written down in shared data ([`journal`]) before it is sent, so that another worker takes it
//! back where one dies with it. The proxy as a whole may die, too: then nobody knows, and only the upstream's own expiry of
//! reservations helps.
//!
//! It stores nothing else, retries nothing that goes forward, and asks no upstream that no route leads to.
//!
//! To read: [`value`] and [`decimal`] (JSON without floats), [`shape`] and [`template`] (what comes in and what goes out),
//! [`plan`], [`batch`] and [`config`], [`run`] with [`failure`] and [`undo`], [`journal`] and [`idempotency`]; `filter` joins them to the
//! host.

pub mod batch;
pub mod config;
pub mod decimal;
pub mod failure;
#[cfg(target_os = "wasi")]
mod filter;
pub mod idempotency;
pub mod journal;
pub mod plan;
pub mod run;
pub mod shape;
pub mod template;
pub mod undo;
pub mod value;

pub use config::Config;
#[cfg(target_os = "wasi")]
pub use filter::root;
