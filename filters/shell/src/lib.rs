//! The only shared code that calls the host. It fetches and acts, and makes no decision.
//!
//! It stands in the place of an SDK: its getters would panic on header values that are not UTF-8 and on statuses that they do
//! not expect, so a client could kill a VM through them, and each callback would pass several tables. Here every host call
//! returns what the host said, and a callback finds its context in one. Empty off WASI, where there is no host.
//!
//! - [`context`]: what a filter is to its host: a context for each plugin and for each stream.
//! - [`dispatch`]: the module's exports, from the host's callbacks to those contexts.
//! - [`headers`]: header maps, read whole and once; changes one by one.
//! - [`shared`]: shared data, read, created and updated by compare-and-swap.
//! - [`lease`]: leadership of the proxy's workers, by a lease in shared data.
//! - [`callout`]: HTTP requests of a filter's own.
//! - [`state`]: questions to the state store.
//! - [`reply`]: answering in the upstream's place.
//! - [`stream`]: body bytes, filter state and properties; going on with a request that was held.
//! - [`metric`]: counters, gauges and histograms of times, defined once and used by number.
//! - [`plugin`]: the configuration, the clock, ticks, randomness, the environment.
//! - [`pulse`]: when a worker is woken next.
//! - [`level`]: how much is said in the log.
//! - [`foreign`]: functions that Envoy offers to Wasm filters beyond the ABI.

#[cfg(target_os = "wasi")]
mod abi;
#[cfg(target_os = "wasi")]
pub mod callout;
#[cfg(target_os = "wasi")]
pub mod context;
#[cfg(target_os = "wasi")]
pub mod dispatch;
#[cfg(target_os = "wasi")]
pub mod foreign;
#[cfg(target_os = "wasi")]
pub mod headers;
#[cfg(target_os = "wasi")]
pub mod lease;
#[cfg(target_os = "wasi")]
pub mod level;
#[cfg(target_os = "wasi")]
mod logger;
#[cfg(target_os = "wasi")]
pub mod metric;
#[cfg(target_os = "wasi")]
pub mod plugin;
#[cfg(target_os = "wasi")]
pub mod pulse;
#[cfg(target_os = "wasi")]
pub mod reply;
#[cfg(target_os = "wasi")]
pub mod shared;
#[cfg(target_os = "wasi")]
pub mod state;
#[cfg(target_os = "wasi")]
pub mod stream;

#[cfg(target_os = "wasi")]
pub use abi::HostError;
#[cfg(target_os = "wasi")]
pub use context::{Action, HttpContext, RootContext};
#[cfg(target_os = "wasi")]
pub use plugin::{configure, environment, now, random, seed, tick};
#[cfg(target_os = "wasi")]
pub use reply::reject;
