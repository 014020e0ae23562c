//! What two filters or more decide with: words of the domain that know no host.
//!
//! Nothing here can call Envoy, read a clock or draw a random number; those come as arguments. Every module is one
//! noun. Reading order:
//!
//! 1. [`instant`]: a moment that can be stored, [`period`]: a length of time that can be written in a configuration,
//!    [`date`]: a moment as HTTP writes it.
//! 2. [`config`]: how a filter's configuration is read, and what is said when it is wrong; [`json`] and [`fields`]: the
//!    same without code for each type.
//! 3. [`headers`]: the header map of a request or response as the host hands it over, in bytes.
//! 4. [`route`]: which requests a rule is about, [`method`]: what they may do.
//! 5. [`id`]: identifiers that are safe to log, [`fingerprint`]: keys of bounded size for whatever clients send.
//! 6. [`rejection`]: what a client is told when a filter answers in the upstream's place.
//! 7. [`lease`]: who does what must be done once per proxy.
//! 8. [`state`]: how the store that a fleet shares is asked, and what it answers.
//! 9. [`order`] and [`health`]: what an operator tells the breakers of a proxy, and what they tell of themselves;
//!    [`purge`], [`stored`], [`allowance`] and [`queue`]: the same of caches, of limits, and of who waits for them; [`credential`]: how old
//!    what they have fetched is, [`level`]: how much they say in the log.
//! 10. [`handover`]: every header, filter-state key and shared-data key by which one filter speaks to another,
//!     [`part`]: how a call says of which request it is part, [`metric`]: how a metric with labels is named.

pub mod allowance;
pub mod config;
pub mod credential;
pub mod date;
pub mod fields;
pub mod fingerprint;
pub mod handover;
pub mod headers;
pub mod health;
pub mod id;
pub mod instant;
pub mod json;
pub mod lease;
pub mod level;
pub mod method;
pub mod metric;
pub mod order;
pub mod part;
mod path;
pub mod period;
pub mod purge;
pub mod queue;
pub mod rejection;
pub mod route;
pub mod state;
pub mod stored;
pub mod url;

pub use config::ConfigError;
pub use fingerprint::{Fingerprint, Seed};
pub use headers::Headers;
pub use id::RequestId;
pub use instant::Instant;
pub use period::Period;
pub use rejection::{Rejection, Reply};
pub use route::Match;
pub use url::Url;
