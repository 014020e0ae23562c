//! Opening a token: from its text to a verified identity, by jwt-compact with this crate's keys and verifiers.
//!
//! Nothing of a token is believed before its signature fits, except what is needed to find the key: `iss`, `kid`, `alg`.

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;

use jwt_compact::{AlgorithmExt, AlgorithmSignature, Claims, ParseError, UntrustedToken, ValidationError};
use policy::Instant;

use crate::algorithm::Algorithm;
use crate::config::Config;
use crate::identity::Identity;
use crate::issuer::Issuer;
use crate::json::{Json, Members};
use crate::key::Key;
use crate::refusal::Refusal;
use crate::verifier::{Verdict, Verifier};

/// Header parameters that change what a token means (RFC 7515 §4.1.11, RFC 7797, RFC 7516) or bring a key of the
/// sender's choice (RFC 7515 §4.1.3). `jku`, `x5u` and `cty` are refused by their own fields.
const PARAMETERS_REFUSED: [&str; 5] = ["b64", "crit", "enc", "jwk", "zip"];

/// A token whose signature fits and whose claims can be handed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified {
    /// Whom it speaks of.
    pub identity: Identity,
    window: Window,
}

/// When a token is valid, in seconds since the epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Window {
    expires: i64,
    not_before: Option<i64>,
    issued: Option<i64>,
}

impl Verified {
    /// Whether it is valid now; clocks may differ by `leeway`.
    pub fn check(&self, now: Instant, leeway: Duration) -> Result<(), Refusal> {
        let now = i64::try_from(now.unix_seconds()).unwrap_or(i64::MAX);
        let leeway = i64::try_from(leeway.as_secs()).unwrap_or(i64::MAX);
        let latest = now.saturating_add(leeway);
        if now >= self.window.expires.saturating_add(leeway) {
            return Err(Refusal::Expired);
        }
        if self.window.not_before.is_some_and(|moment| moment > latest) {
            return Err(Refusal::Early);
        }
        if self.window.issued.is_some_and(|moment| moment > latest) {
            return Err(Refusal::Future);
        }
        Ok(())
    }
}

/// Opens a token: its form, its issuer, its signature, its audience, its claims; [`Verified::check`] asks for the time.
pub(crate) fn open(config: &Config, text: &str, verifier: &dyn Verifier) -> Result<Verified, Refusal> {
    let token: UntrustedToken<'_, Members> = text.try_into().map_err(|error| match error {
        ParseError::UnsupportedContentType(_) => Refusal::Parameter,
        _ => Refusal::Token,
    })?;
    let header = token.header();
    let extra = &header.other_fields;
    if header.key_set_url.is_some()
        || header.certificate_url.is_some()
        || PARAMETERS_REFUSED.iter().any(|name| extra.find(name).is_some())
    {
        return Err(Refusal::Parameter);
    }
    let issuer = issuer(config, &token)?;
    let (algorithm, keys) = issuer.candidates(header.key_id.as_deref(), token.algorithm())?;
    let scheme = Scheme { algorithm, verifier };
    let opened = scheme.validator::<Members>(&Candidates(keys)).validate(&token).map_err(|error| match error {
        ValidationError::AlgorithmMismatch { .. } => Refusal::Algorithm,
        ValidationError::MalformedClaims(_) => Refusal::Token,
        _ => Refusal::Signature,
    })?;
    read(config, issuer, opened.claims())
}

/// The issuer that a token says it is of. Whether it says the truth, that issuer's keys decide.
fn issuer<'a>(config: &'a Config, token: &UntrustedToken<'_, Members>) -> Result<&'a Issuer, Refusal> {
    match config.issuers.as_slice() {
        // Its name is compared with the rest of the claims.
        [only] => Ok(only),
        many => {
            let claims: Claims<Members> = token.deserialize_claims_unchecked().map_err(|_| Refusal::Token)?;
            many.iter().find(|issuer| is_issued(&claims, issuer)).ok_or(Refusal::Issuer)
        }
    }
}

/// Reads what a token whose signature fits says.
fn read(config: &Config, issuer: &Issuer, claims: &Claims<Members>) -> Result<Verified, Refusal> {
    let members = &claims.custom;
    if !is_issued(claims, issuer) {
        return Err(Refusal::Issuer);
    }
    if !is_meant(members.find("aud"), &issuer.audiences) {
        return Err(Refusal::Audience);
    }
    // The crate's own checks subtract a leeway from any moment at all, and panic where that underflows.
    let window = Window {
        expires: claims.expiration.ok_or(Refusal::Endless)?.timestamp(),
        not_before: claims.not_before.map(|moment| moment.timestamp()),
        issued: claims.issued_at.map(|moment| moment.timestamp()),
    };
    let identity = Identity::read(&config.claims, &config.default_tier, members)?;
    Ok(Verified { identity, window })
}

/// Whether claims say that they are of this issuer.
fn is_issued(claims: &Claims<Members>, issuer: &Issuer) -> bool {
    matches!(claims.custom.find("iss"), Some(Json::Text(name)) if *name == issuer.name)
}

/// Whether `aud`, a string or a list of strings (RFC 7519 §4.1.3), names one of `audiences`, where there are any.
fn is_meant(aud: Option<&Json>, audiences: &[String]) -> bool {
    let known = |json: &Json| matches!(json, Json::Text(audience) if audiences.contains(audience));
    audiences.is_empty()
        || match aud {
            Some(Json::List(list)) => list.iter().any(known),
            Some(json) => known(json),
            None => false,
        }
}

/// Keys for one algorithm, as jwt-compact wants them.
struct Candidates<'a>(Vec<&'a Key>);

/// One algorithm, checked by a verifier.
struct Scheme<'a> {
    algorithm: Algorithm,
    verifier: &'a dyn Verifier,
}

/// A signature that nobody has looked at yet.
struct Signature(Vec<u8>);

impl AlgorithmSignature for Signature {
    fn try_from_slice(slice: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(slice.to_vec()))
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

/// Borrows its keys for as long as it lives itself.
impl<'a> jwt_compact::Algorithm for Scheme<'a> {
    // There is no such key: tokens are never made here.
    type SigningKey = Infallible;
    type VerifyingKey = Candidates<'a>;
    type Signature = Signature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.algorithm.name())
    }

    fn sign(&self, key: &Infallible, _message: &[u8]) -> Signature {
        match *key {}
    }

    fn verify_signature(&self, signature: &Signature, keys: &Candidates<'a>, message: &[u8]) -> bool {
        let genuine = |key: &&Key| self.verifier.verify(key, self.algorithm, message, &signature.0) == Verdict::Genuine;
        keys.0.iter().any(genuine)
    }
}

#[cfg(test)]
mod tests;
