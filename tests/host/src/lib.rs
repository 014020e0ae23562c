//! A Proxy-Wasm 0.2.1 host on wasmtime that behaves as Envoy's does, for tests that own the clock.
//!
//! A [`Host`] is one Envoy reduced to what a filter can notice: some workers, each with its own virtual machine per
//! module, one store of shared data, one table of metrics, one chain of filters, clusters that answer by script, and a
//! clock that only the test moves. It keeps state and no expectations: a test sends requests and looks at what came
//! back, at what the upstream received, at the log and at the metrics. Nothing sleeps and nothing is random: the same
//! test plays the same way every time.
//!
//! ```no_run
//! use host::{Answer, Host, Plugin, Request};
//! let mut host = Host::builder()
//!     .workers(2)
//!     .plugin(Plugin::new("ratelimit", "target/wasm/ratelimit.wasm").configuration(r#"{"rules": []}"#))
//!     .upstream(|request| Answer::status(200).body(format!("you asked for {}", request.path())))
//!     .start()
//!     .expect("the plugin accepts its configuration");
//! let exchange = host.send(0, Request::get("/a").header("x-api-key", "alice"));
//! assert_eq!(exchange.status(), Some(200));
//! ```
//!
//! Reading order: [`Host`] (`host.rs`), `chain.rs` (how a request passes the filters, after Envoy's filter manager),
//! `vm.rs` (one virtual machine and how it is called), `imports/` (what a filter may call), `fleet.rs` (which virtual
//! machines there are, crashes and reloads).
//!
//! What it leaves out of Envoy: everything before the chain (TLS, `x-request-id` and `x-forwarded-*` generation,
//! `date` and `server`), flow control (what would be held back is buffered), gRPC, 1xx responses and network filters.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

mod answer;
mod builder;
mod chain;
mod client;
mod clock;
mod event;
mod exchange;
mod fleet;
mod foreign;
mod headers;
mod host;
mod imports;
mod log;
mod metric;
mod module;
mod pairs;
mod passage;
mod plugin;
mod property;
mod queue;
mod reply;
mod request;
mod router;
mod shared;
mod signature;
mod status;
mod stream;
mod vm;
mod wasi;
mod world;

pub use answer::{Answer, Arrival, CallId};
pub use builder::Builder;
pub use exchange::{Ending, Exchange, Response};
pub use headers::Headers;
pub use host::Host;
pub use log::{Level, Line};
pub use metric::{Histogram, Metric};
pub use plugin::{FailurePolicy, Plugin, StartError};
pub use request::{Protocol, Request};
pub use stream::StreamId;
