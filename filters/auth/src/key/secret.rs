//! Secrets of `oct` keys, and what is none.

use policy::ConfigError;
use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, Algorithms};
use crate::key::Environment;
use crate::secret::Secret;
use policy::fields::Fields;

/// Reads a secret that stands in the key or in the environment; `None` where that is absent.
pub(super) fn read(jwk: &mut Fields, environment: &Environment<'_>) -> Result<Option<Secret>, ConfigError> {
    let (member, text) = match (jwk.text("k")?.map(Zeroizing::new), jwk.text("env")?, environment) {
        (Some(text), None, _) => ("k", text),
        (None, Some(_), Environment::Absent) => return Ok(None),
        (None, Some(name), Environment::Variables(read)) => match read(&name) {
            Some(text) => ("env", Zeroizing::new(text)),
            None => return Err(ConfigError::at("env", format!("the environment has no text under {name:?}"))),
        },
        _ => return Err(ConfigError::at("", "must have either k or env with kty oct")),
    };
    let Some(secret) = Secret::from_base64url(&text) else {
        return Err(ConfigError::at(member, "must be base64url without padding"));
    };
    if is_public_key(secret.bytes()) {
        return Err(ConfigError::at(member, "is a public key or a certificate, which everybody knows"));
    }
    Ok(Some(secret))
}

/// A secret is at least as long as the hash that it is used with (RFC 7518 §3.2).
pub(super) fn check_length(secret: &Secret, algorithms: Algorithms) -> Result<(), String> {
    let short = |algorithm: &Algorithm| algorithms.has(*algorithm) && secret.bytes().len() < algorithm.hash().length();
    match Algorithm::ALL.into_iter().find(short) {
        None => Ok(()),
        Some(algorithm) => {
            Err(format!("must be at least {} bytes for {}", algorithm.hash().length(), algorithm.name()))
        }
    }
}

/// Whether bytes are a key in PEM, or one element of DER that is as long as a key of RSA is: what a verifier that
/// confuses algorithms would take for a secret.
fn is_public_key(bytes: &[u8]) -> bool {
    let is_der = match bytes {
        [0x30, 0x82, high, low, content @ ..] => content.len() == usize::from(u16::from_be_bytes([*high, *low])),
        _ => false,
    };
    is_der || bytes.trim_ascii_start().starts_with(b"-----BEGIN")
}
