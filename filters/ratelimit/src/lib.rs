//! ratelimit: how often callers may ask, and how often an upstream may be asked.
//!
//! A request is checked in this order:
//!
//! 1. which rules are about it ([`rule`]): by path, method, host and headers. None: it passes untouched;
//! 2. for each of them, whose bucket it takes from ([`key`]) and how much that holds: the same for all callers, or by the
//!    tier that `auth` found;
//! 3. whether every bucket of every rule holds a token ([`charge`]). Where one does not, the answer is 429 with
//!    `Retry-After`, and nothing was taken from any of them;
//! 4. its response says how the caller stands with the tightest of its limits ([`fields`]);
//! 5. metrics count it once under each provider: the upstream that the first matching route of a rule leads to, or the
//!    rule's own name ([`config`] says what is counted where this filter meets a request twice).
//!
//! Buckets are in shared data: every worker spends from the same ones, and a limit of N admits N. What cannot be
//! decided on (shared data fails, or other workers are faster each time) is refused with 503 or passes, as `undecided`
//! says. Without a proxy's state there is no limit to keep, so there is nothing to fall back on.
//!
//! What it does not do: it trusts `x-weir-user` and `x-weir-tier`, which `auth` sets and keeps clients from setting.
//! Without `auth` before it, key by address. It refuses when a bucket is empty. A token
//! bucket is a steady rate with a burst, and not a count that starts over with the minute. Two proxies share buckets where a rule's
//! `scope` says so ([`fleet`]); then a request waits for Redis, tens of milliseconds at most, where nothing was leased yet.
//!
//! Reading order: [`rate`], [`bucket`] (the algorithm), [`limit`] (several buckets at once), [`set`] (many callers in
//! bounded memory), [`charge`] (several rules at once, without locks), [`key`], [`fields`], [`rule`], [`config`]; of fleets [`fleet`],
//! [`block`] (what was leased), [`script`] (what Redis runs), [`desk`] (who waits for it), [`pulse`].

pub mod block;
pub mod bucket;
pub mod charge;
pub mod config;
pub mod desk;
pub mod fields;
#[cfg(target_os = "wasi")]
mod filter;
pub mod fleet;
pub mod key;
pub mod limit;
pub mod pulse;
pub mod rate;
pub mod rule;
pub mod script;
pub mod set;

pub use config::Config;
