//! Scenarios: the same lines, played to the wasmtime host and to a real Envoy.
//!
//! ```no_run
//! # use suite::check;
//! check("correlation", "{}", r"
//!     GET /  x-request-id=abc   -> 200 x-request-id=abc
//!     saw GET /  x-request-id=abc
//!     GET /                     -> 200 x-request-id=$made
//!     saw GET /  x-request-id=$made
//! ");
//! ```
//!
//! The language is described in [`parser`]. A scenario is one `#[test]` in `tests/<filter>.rs`; it runs on two
//! workers, against the `.wasm` that ships, and a scenario that moves the clock runs on the host alone. A line that
//! does not hold ends it with a report: which proxy, which line, what was expected, what came, and the end of the
//! proxy's log.
//!
//! [`Scenario`] has the rest: environment variables, clusters and routes, the number of workers, one proxy left out
//! for a reason, and the running proxies themselves for tests that lines cannot express (floods, for one).
//!
//! Reading order: [`parser`] and [`word`] (the language), [`step`] (what a line means), [`expectation`] and
//! [`verdict`] (what it demands), [`player`] (line after line), [`stage`] with `envoy` and `host` (on what).

// A test's library stops a test by panicking; that is how it reports.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

mod bootstrap;
mod envoy;
pub mod expectation;
mod gauge;
mod host;
pub mod module;
pub mod parser;
pub mod player;
pub mod refusal;
pub mod scenario;
pub mod series;
pub mod stage;
pub mod step;
pub mod verdict;
pub mod word;

pub use envoy::EnvoyStage;
pub use host::HostStage;
pub use refusal::refuses;
pub use scenario::Scenario;

/// Plays the lines to one filter, in the host and in Envoy.
///
/// # Panics
/// When a line does not hold, with a report.
#[track_caller]
pub fn check(filter: &str, config: &str, lines: &str) {
    check_chain(&[(filter, config)], lines);
}

/// Plays the lines to several filters in one chain, in the order of the request's way.
///
/// # Panics
/// When a line does not hold, with a report.
#[track_caller]
pub fn check_chain(chain: &[(&str, &str)], lines: &str) {
    Scenario::new(chain).check(lines);
}
