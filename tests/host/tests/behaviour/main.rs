//! What the host does, shown by small filters in WebAssembly text; each test names the behaviour of Envoy that it is.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

mod body;
mod callout;
mod chain;
mod failure;
mod foreign;
mod guest;
mod header;
mod metric;
mod property;
mod queue;
mod reload;
mod reply;
mod shared;
mod tick;
mod wasi;

use host::{Host, Level};

/// What the filters have logged on the workers.
fn said(host: &Host) -> Vec<&str> {
    let lines = host.log().iter().filter(|line| line.worker.is_some() && line.level == Level::Info);
    lines.map(|line| line.text.as_str()).collect()
}
