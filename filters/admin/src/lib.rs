//! admin: what an operator asks of a proxy and tells it, answered by any worker for all of them.
//!
//! A request is looked at in this order:
//!
//! 1. Its path ([`request`], which lists all that may be asked). What does not begin with `/health` or `/admin/` passes; what nobody
//!    knows below is 404.
//! 2. `GET /health`, `/health/live` and `/health/ready` are answered to anybody ([`health`]): 200, or 503 where something that
//!    the proxy was told to use is away. Live is who answers. Ready is who has its shared data, whether or not Redis is there: the
//!    other filters go on without it as they are configured to, and a fleet that took itself out with its Redis would be worse.
//! 3. Where there are operators, the [`page`] is sent to anybody, too: it holds nothing but a form for a key.
//! 4. Everything else asks for an operator's credential ([`credential`]): a role that `auth` has found, or a key of which the
//!    configuration knows the digest. Where none is configured, there is nothing here (404). Whoever has shown too many wrong keys of
//!    late is not let show another (429, [`guess`]).
//! 5. A change that a browser sends for another site's page is refused (403).
//! 6. The change is made, said in one line of the log ([`audit`]), and answered.
//!
//! Orders to breakers reach the whole fleet where there is one, through its store; with `reach=proxy`, and without a fleet, this
//! proxy. The breakers hear of them within a quarter of a second. Where the store is away, nothing is changed (503). A queue that is
//! drained is this proxy's, and so is a log level. How many hosts are healthy is asked of Envoy; where that does not answer, the rest is told.
//!
//! What it does not do: it keeps no state of the other filters, and does not know how they write theirs beyond what `policy` declares;
//! it reads what they tell, and gives orders where they listen. It trusts `x-weir-roles`, which `auth` sets and keeps clients from
//! setting, so with a `role` it stands behind `auth`.
//!
//! Reading order: [`request`], [`credential`], [`guess`], [`config`], [`health`], [`contact`] (whether the store is there), [`report`], [`stock`]
//! (what is cached of a URL), [`host`] (what Envoy is asked), [`audit`], [`json`], [`page`], and last `filter`, which talks to the host.

pub mod audit;
pub mod config;
pub mod contact;
pub mod credential;
#[cfg(target_os = "wasi")]
mod filter;
pub mod guess;
pub mod health;
pub mod host;
pub mod json;
pub mod page;
pub mod report;
pub mod request;
pub mod stock;

pub use config::Config;
#[cfg(target_os = "wasi")]
pub use filter::root;
