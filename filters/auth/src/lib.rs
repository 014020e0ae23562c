//! Who is calling: the filter that checks bearer tokens and tells everybody behind it whose they are.
//!
//! A client shows a JSON Web Token in `Authorization: Bearer …`. Where the token is good, the request goes on with
//! `x-weir-user`, `x-weir-tier` and `x-weir-roles`, which no client can set itself; where it is not, the client gets 401
//! with a challenge (RFC 6750) and the log gets the reason. A route may require a token, accept one, or not look at it.
//!
//! In this order:
//!
//! 1. The handover headers that the client sent are marked for removal, on every route.
//! 2. The route says `required`, `optional` or `off`; `off` ends here.
//! 3. No credential: 401 `UNAUTHORIZED` where one is required, else the caller is anonymous. A credential that is
//!    repeated, malformed or of another scheme is refused on optional routes too.
//! 4. A token that this worker has found genuine before is known by its fingerprint: no parsing, no signature check.
//! 5. The token's form: its length, three parts of canonical base64url, strict JSON without duplicates, no header
//!    parameter that brings a key or changes what the rest means.
//! 6. Its issuer, and that issuer's keys alone: selected by `kid`, each for the algorithms that it was read for.
//! 7. The signature, by Envoy's crypto where the host offers it, else by pure Rust.
//! 8. `iss`, `aud`, and an identity that is safe to hand on; then, remembered or not, `exp`, `nbf` and `iat`.
//!
//! It does not fetch keys, revoke tokens, or decide what a known caller may do.
//!
//! Reading order: [`config`] (with `fields` and `json`), [`judge`], [`token`], [`issuer`], [`key`] with [`secret`] and
//! [`algorithm`], [`verifier`] (with `rsa`, `ecdsa`, `modulus` and `hash`) and [`delegate`] (with `der`), [`memory`], [`identity`], [`refusal`],
//! [`request`], and last the filter.

pub mod algorithm;
pub mod config;
pub mod delegate;
mod der;
mod ecdsa;
mod fields;
#[cfg(target_os = "wasi")]
mod filter;
mod hash;
pub mod identity;
pub mod issuer;
mod json;
pub mod judge;
pub mod key;
pub mod memory;
mod modulus;
pub mod refusal;
pub mod request;
mod rsa;
#[cfg(test)]
mod sample;
pub mod secret;
pub mod token;
pub mod verifier;

pub use config::Config;
