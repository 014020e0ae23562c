//! The guard filter: what no service should have to read is refused before any other rule is asked.
//!
//! For each request, in this order:
//! 1. Its path. One that leads elsewhere for whoever decodes it, once or again, is 400: dot segments, encoded slashes and
//!    backslashes, control characters, escapes that are none, overlong UTF-8 ([`path`]). What Envoy does itself (it
//!    normalises paths, refuses escaped slashes, counts and measures headers: 431) is done before, where it is configured.
//! 2. The length of its body, by the route that matches or by what is said for all: 413, at once where the request announces
//!    too much, else as soon as too much has come.
//! 3. What its body is, where a route says what it takes: any other type is 415, and so is one that is not named.
//! 4. What stands in its body, where a route has a JSON Schema ([`schema`]): the body is held until it is whole, within the
//!    length that the route allows, and what does not fit is 400 with the JSON Pointer of the place and the reason. Nothing of
//!    such a request is sent anywhere.
//!
//! **Where it stands.** Hostile input is to be stopped before anything reads it, so 1 to 3, which look at headers alone, stand
//! in front of `auth`. A body is only waited for and read when its sender may be answered at all, so 4 stands behind `auth` and the
//! callers' limits, as a second plugin of this module. `weir` writes both; one plugin that does everything is as good for
//! who has no strangers to fear.
//!
//! It puts no security headers on answers. A filter of Envoy's own (`header_mutation`) reaches answers that no Wasm filter sees,
//! and costs less: `weir` renders that one. Nor does it answer preflights: Envoy's `cors` does.
//!
//! It keeps nothing between requests. A body that is held is in Envoy's buffer; checking it takes no more than a fixed number of
//! steps, whatever it and its schema say.
//!
//! To read: [`config`], [`request`], [`path`], [`media`]; [`schema`] with its parts; `filter` joins them to the host.

pub mod config;
#[cfg(target_os = "wasi")]
mod filter;
pub mod media;
pub mod path;
pub mod request;
pub mod schema;

pub use config::Config;
#[cfg(target_os = "wasi")]
pub use filter::root;
