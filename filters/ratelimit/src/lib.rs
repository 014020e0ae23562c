//! ratelimit: how often callers may ask, and how often an upstream may be asked.
//!
//! A request is checked in this order:
//!
//! 1. which rules are about it ([`rule`]): by path, method, host and headers. None: it passes untouched;
//! 2. whether the upstream that it goes to wants to be left alone ([`cooldown`]), as it has said itself ([`signal`]). Then the
//!    answer is 429 with the time that is left, and no limit is asked, or the request waits for it where it may;
//! 3. for each of them, whose bucket it takes from ([`key`]) and how much that holds: the same for all callers, by the
//!    tier that `auth` found, or its own;
//! 4. whether every bucket of every rule holds a token ([`charge`]). Where one does not, the answer is 429 with
//!    `Retry-After`, and nothing was taken from any of them; or, where that one alone refuses and lets requests wait, the
//!    request is parked, and sent when its turn comes ([`queue`]);
//! 5. its response says how the caller stands with the tightest of its limits ([`fields`]);
//! 6. metrics count it once under each provider: the upstream that the first matching route of a rule leads to, or the
//!    rule's own name ([`config`] says what is counted where this filter meets a request twice).
//!
//! Buckets are in shared data: every worker spends from the same ones, and a limit of N admits N. What cannot be
//! decided on (shared data fails, or other workers are faster each time) is refused with 503 or passes, as `undecided`
//! says. Without a proxy's state there is no limit to keep, so there is nothing to fall back on.
//!
//! What it does not do: it trusts `x-weir-user` and `x-weir-tier`, which `auth` sets and keeps clients from setting.
//! Without `auth` before it, key by address. A request waits in one line at most: where two of its limits let requests wait and are
//! spent, it is refused. A token bucket is a steady rate with a burst, and not a count that starts over with the minute: that is a
//! window. Two proxies
//! share buckets where a rule's `scope` says so ([`fleet`]); then a request waits for Redis, tens of milliseconds at most, where
//! nothing was leased yet. Where this filter stands in a chain twice, each takes all of its own rules' tokens or none; what the second
//! refuses, the first puts back when it sees the answer. What a rule takes whose bucket all callers share is paid for its upstream: it
//! comes back, too, where it has not heard of the request: another filter behind this one has answered in its place (`code_details` begin
//! with `weir_`), or a fallback's upstream has (filter state `weir.fallback`, which the breaker alone writes). Successes are asked for
//! neither unless they say in `x-weir-fallback` that they stand in for an answer.
//!
//! Reading order: [`rate`], [`bucket`] and [`window`] (the algorithms), [`limit`] (several at once), [`debt`] and [`set`] (many
//! callers in bounded memory), [`charge`] (several rules at once, without locks), [`queue`] (who waits), [`key`], [`fields`],
//! [`rule`], [`signal`] and [`cooldown`], [`config`]; of fleets
//! [`fleet`], [`block`] (what was leased), [`script`] (what Redis runs), [`desk`] (who waits for it), [`contact`].

pub mod block;
pub mod bucket;
pub mod charge;
pub mod config;
pub mod contact;
pub mod cooldown;
pub mod debt;
pub mod desk;
pub mod fields;
#[cfg(target_os = "wasi")]
mod filter;
pub mod fleet;
pub mod key;
pub mod limit;
pub mod queue;
pub mod rate;
pub mod rule;
pub mod script;
pub mod set;
pub mod signal;
pub mod window;

pub use config::Config;
#[cfg(target_os = "wasi")]
pub use filter::root;
