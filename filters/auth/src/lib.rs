//! Who is calling: the filter that checks bearer tokens and tells everybody behind it whose they are.
//!
//! A client shows a JSON Web Token in `Authorization: Bearer …`, in another header, in a cookie or in the query; a service may
//! show an API key. Where it is good, the request goes on without it and with `x-weir-user`, `x-weir-tier`, `x-weir-roles`, `x-weir-api-key` and
//! the claims that the operator chose, in headers that no client can set itself; where it is not, the client gets 401 with
//! a challenge (RFC 6750) and the log gets the reason. A route may require a credential, accept one, or not look at it.
//!
//! In this order:
//!
//! 1. The handover headers that the client sent are marked for removal, on every route.
//! 2. The route says `required`, `optional` or `off`; `off` ends here.
//! 3. No credential: 401 `UNAUTHORIZED` where one is required, else the caller is anonymous. A credential that is
//!    malformed, of another scheme or beside another one, be they equal, is refused on optional routes too.
//! 4. What this worker has seen before is known by its fingerprint, be it genuine or bad: no parsing, no signature check,
//!    no hash. An API key that is new is looked up by its digest, and judged from step 9 on.
//! 5. The token's form: its length, three parts of canonical base64url, strict JSON without duplicates, no header
//!    parameter that brings a key or changes what the rest means.
//! 6. Its issuer, and that issuer's keys alone: selected by `kid`, each for the algorithms that it was read for. Keys
//!    that the issuer publishes are fetched beside the requests, once per proxy, and kept while it is down.
//! 7. The signature, by Envoy's crypto where the host offers it, else by pure Rust.
//! 8. `iss`, `aud`, `typ`, and an identity that is safe to hand on; then, remembered or not, `exp`, `nbf`, `iat` and age.
//! 9. Whether the token, its user or its key was revoked; where nobody knows, 503 `SERVICE_UNAVAILABLE`.
//! 10. What the route demands of its callers: one bit for each rule, decided when the token was opened. Who may not gets 403
//!     `FORBIDDEN`, and what was missing is in the log alone; a rule in the shadow is only counted and logged.
//!
//! A request whose keys are not there yet, or whose key is new, waits for them as long as it may, if they may come in that
//! time. Without keys, a token gets 503 with `Retry-After` where one is required, and 401 where none was needed: there it
//! is a credential like any other that cannot be verified. A key that stays unknown is 401.
//!
//! Reading order: [`config`], [`route`], [`source`] and [`credential`], [`judge`]; of tokens
//! [`token`] (with `base64url`), [`issuer`] with [`expectation`] and [`window`], [`keyset`], [`key`] with [`secret`] and [`algorithm`],
//! [`verifier`] (with `rsa`, `ecdsa`, `modulus` and `hash`) and [`delegate`] (with `der`); of keys that are fetched [`fetch`],
//! [`upkeep`], [`keyring`] and [`queue`]; [`apikey`] (with `moment`); [`revocation`] and [`feed`]; [`memory`], [`identity`] with
//! [`claim`] and [`attribute`], [`permission`] with `predicate` and [`subject`], [`refusal`], [`request`], and last the filter.

pub mod algorithm;
pub mod apikey;
pub mod attribute;
mod base64url;
pub mod claim;
pub mod config;
pub mod credential;
pub mod delegate;
mod der;
mod ecdsa;
pub mod expectation;
pub mod feed;
pub mod fetch;
#[cfg(target_os = "wasi")]
mod filter;
mod hash;
pub mod identity;
pub mod issuer;
pub mod judge;
pub mod key;
pub mod keyring;
pub mod keyset;
pub mod memory;
mod modulus;
mod moment;
pub mod permission;
mod predicate;
pub mod queue;
pub mod refusal;
pub mod request;
pub mod revocation;
pub mod route;
mod rsa;
#[cfg(test)]
mod sample;
pub mod secret;
pub mod source;
pub mod subject;
#[cfg(any(test, target_os = "wasi"))]
mod throttle;
pub mod token;
pub mod upkeep;
pub mod verifier;
pub mod window;

pub use config::Config;
#[cfg(target_os = "wasi")]
pub use filter::root;
