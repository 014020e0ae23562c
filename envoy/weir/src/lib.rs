//! `weir`: one policy file, read, checked, rendered for Envoy, and run.
//!
//! The way of a policy, which is also the reading order:
//!
//! 1. [`yaml`]: its text as a tree in which every value knows its place; [`reader`]: typed values out of that tree;
//!    [`diagnostic`]: mistakes, all of them, each shown under its line.
//! 2. [`secret`]: what may not stand there, and is shown to nobody; [`policy`]: the nouns of the policy file.
//! 3. [`translate`]: each filter's configuration, put together as a [`draft`] that remembers where everything was
//!    written, and read by the filter's own code; [`complaint`] tells what that code says in the policy's words. So
//!    what passes the check loads in the filter.
//! 4. [`envoy`]: the proxy's configuration around the filters.
//! 5. [`run`]: Envoy as a child process that follows the policy's files; [`xds`]: files for any Envoy, and [`apply`]: other ones while
//!    it runs, also of a whole fleet ([`rollout`]); [`istio`] and [`envoygateway`], on [`kubernetes`]: objects for those, and what these need ([`prerequisite`]).
//! 6. [`gateway`]: a policy as its filters see it, asked by [`lint`] (traps, each with a [`code`], told by [`check`] and
//!    [`report`]), [`facts`] (what is so of a request), [`explain`], [`diff`] and [`replay`].
//!
//! [`document`] is the way from bytes to a valid policy, [`command`] the command line, and [`say`] all that it says.

pub mod apply;
pub mod check;
pub mod code;
pub mod command;
pub mod complaint;
pub mod diagnostic;
pub mod diff;
pub mod document;
pub mod draft;
pub mod envoy;
pub mod envoygateway;
pub mod explain;
pub mod facts;
pub mod gateway;
pub mod istio;
pub mod kubernetes;
pub mod lint;
pub mod policy;
pub mod prerequisite;
pub mod push;
pub mod reader;
pub mod render;
pub mod replay;
pub mod report;
pub mod rollout;
pub mod run;
pub mod say;
pub mod schema;
pub mod secret;
pub mod translate;
pub mod xds;
pub mod yaml;
