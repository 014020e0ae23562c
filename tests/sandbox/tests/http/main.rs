//! The sandbox from outside: what a gateway, a test and an operator read from the socket.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod client;
mod faults;
mod identity;
mod program;
mod providers;
mod services;
mod tokens;
