//! Who is calling: the filter that checks bearer tokens and tells everybody behind it whose they are.
//!
//! A client shows a JSON Web Token in `Authorization: Bearer …`, in another header, in a cookie or in the query; a service may
//! show an API key. Where it is good, the request goes on without it and with `x-weir-user`, `x-weir-tier`, `x-weir-roles` and
//! the claims that the operator chose, in headers that no client can set itself; where it is not, the client gets 401 with
//! a challenge (RFC 6750) and the log gets the reason. A route may require a credential, accept one, or not look at it.
//!
//! In this order:
//!
//! 1. The handover headers that the client sent are marked for removal, on every route.
//! 2. The route says `required`, `optional` or `off`; `off` ends here.
//! 3. No credential: 401 `UNAUTHORIZED` where one is required, else the caller is anonymous. A credential that is
//!    malformed, of another scheme or beside another one, be they equal, is refused on optional routes too.
//! 4. What this worker has found genuine before is known by its fingerprint: no parsing, no signature check, no hash. An
//!    API key that is new is looked up by its digest, and that is all.
//! 5. The token's form: its length, three parts of canonical base64url, strict JSON without duplicates, no header
//!    parameter that brings a key or changes what the rest means.
//! 6. Its issuer, and that issuer's keys alone: selected by `kid`, each for the one algorithm that it was made for.
//! 7. The signature, by Envoy's crypto where the host offers it, else by pure Rust.
//! 8. `iss`, `aud`, and an identity that is safe to hand on; then, remembered or not, `exp`, `nbf` and `iat`.
//!
//! It does not fetch keys, revoke tokens, or decide what a known caller may do.
//!
//! Reading order: [`config`] (with `fields` and `json`), [`route`], [`source`] and [`credential`], [`judge`], [`token`], [`issuer`],
//! [`key`] with [`secret`] and [`algorithm`], [`verifier`] (with `rsa`) and [`delegate`] (with `der`), [`apikey`] (with
//! `moment`), [`memory`], [`identity`] with [`claim`] and [`attribute`], [`refusal`], [`request`], and last the filter.

pub mod algorithm;
pub mod apikey;
pub mod attribute;
pub mod claim;
pub mod config;
pub mod credential;
pub mod delegate;
mod der;
mod fields;
#[cfg(target_os = "wasi")]
mod filter;
pub mod identity;
pub mod issuer;
mod json;
pub mod judge;
pub mod key;
pub mod memory;
mod moment;
pub mod refusal;
pub mod request;
pub mod route;
mod rsa;
#[cfg(test)]
mod sample;
pub mod secret;
pub mod source;
pub mod token;
pub mod verifier;

pub use config::Config;
