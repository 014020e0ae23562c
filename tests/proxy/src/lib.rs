//! A real Envoy, Redis, webdis, Prometheus, Chromium and registry of images as child processes, an HTTP/1.1 client that says
//! anything, an origin that answers anything.
//!
//! Every process listens on a port that the kernel chose, keeps its files in a folder of its own, and ends with the
//! value that stands for it, or with the test's process if that ends first. Every wait has a deadline; none is a
//! blind sleep.
//!
//! Reading order: [`deadline`], [`child`] (what all processes share), [`envoy`], [`redis`], [`webdis`], [`upstash`], [`prometheus`],
//! [`registry`], [`browser`]; then
//! [`message`], [`wire`] (HTTP/1.1 as bytes), [`client`], [`origin`].

// A test's library stops a test by panicking; that is how it reports.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

pub mod browser;
pub mod child;
pub mod client;
pub mod deadline;
pub mod envoy;
pub mod folder;
pub mod message;
pub mod origin;
pub mod process;
pub mod prometheus;
pub mod redis;
pub mod registry;
pub mod upstash;
pub mod webdis;
pub mod wire;

pub use browser::Browser;
pub use client::{Client, Lost};
pub use envoy::{Envoy, Options};
pub use message::{Answer, Request};
pub use origin::{Origin, Reply};
pub use prometheus::Prometheus;
pub use redis::Redis;
pub use registry::Registry;
pub use upstash::Upstash;
pub use webdis::Webdis;
