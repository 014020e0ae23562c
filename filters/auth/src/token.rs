//! Opening a token: from its text to a verified identity, by jwt-compact with this crate's keys and verifiers.
//!
//! Nothing of a token is believed before its signature fits, except what is needed to find the key: `iss`, `kid`, `alg`.

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use jwt_compact::{Algorithm as _, AlgorithmSignature, ParseError, UntrustedToken};
use policy::Instant;

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::config::Config;
use crate::expectation::Times;
use crate::identity::Identity;
use crate::issuer::Issuer;
use crate::key::Key;
use crate::keyring::Keyring;
use crate::permission::Granted;
use crate::refusal::Refusal;
use crate::revocation::{Marks, Named};
use crate::source::Kind;
use crate::subject::{self, Subject};
use crate::verifier::{Verdict, Verifier};
use crate::window::Window;
use policy::json::{Json, Members};

/// Header parameters that change what a token means (RFC 7515 §4.1.11, RFC 7797, RFC 7516) or bring a key of the
/// sender's choice (RFC 7515 §4.1.3). `jku`, `x5u` and `cty` are refused by their own fields.
const PARAMETERS_REFUSED: [&str; 6] = ["b64", "crit", "enc", "jwk", "x5c", "zip"];

/// A token whose signature fits and whose claims can be handed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified {
    /// Whom it speaks of.
    pub identity: Identity,
    /// What it may do.
    pub granted: Granted,
    /// By what it may be revoked.
    pub marks: Marks,
    /// The id of the API key that it is of; `None` of a token.
    pub key: Option<String>,
    window: Window,
}

impl Verified {
    /// What an API key stands for, which knows no other time than the end of its own, in seconds since the epoch.
    pub(crate) fn of_key(identity: Identity, granted: Granted, marks: Marks, id: &str, expires: Option<i64>) -> Self {
        let expires = expires.unwrap_or(i64::MAX);
        let window = Window { expires, stale: i64::MAX, not_before: None, issued: None };
        Self { identity, granted, marks, key: Some(id.to_owned()), window }
    }

    /// Whether it is valid now; clocks may differ by `leeway`.
    pub fn check(&self, now: Instant, leeway: Duration) -> Result<(), Refusal> {
        self.window.check(now, leeway)
    }
}

/// Opens a token: its form, its issuer, its signature, its audience, its claims; [`Verified::check`] asks for the time.
pub(crate) fn open(
    config: &Config,
    keyring: &Keyring,
    text: &str,
    verifier: &dyn Verifier,
) -> Result<Verified, Refusal> {
    let mut parts = text.split('.');
    let (Some(head), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::Token);
    };
    // jwt-compact reads the header, which is where a token can lie about itself. It would also decode and copy the other
    // two parts, which for a token that is seen for the first time is more work than all of the rest.
    let head = format!("{head}..");
    let token: UntrustedToken<'_, Members> = head.as_str().try_into().map_err(|error| match error {
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
    // Parsed once, before the signature is checked, since they say whose keys are to check it.
    let mut claims = claims(payload)?;
    let mut issuers = config.issuers.iter().enumerate();
    let (index, issuer) = issuers.find(|(_, issuer)| is_issued(&claims, issuer)).ok_or(Refusal::Issuer)?;
    issuer.expectation.check_type(header.token_type.as_deref())?;
    let (algorithm, keys) = keyring.candidates(index, issuer, header.key_id.as_deref(), token.algorithm())?;
    let (message, _) = text.split_at_checked(text.len() - signature.len() - 1).ok_or(Refusal::Token)?;
    let signature = Signature(base64url::decode(signature.as_bytes()).ok_or(Refusal::Token)?);
    let candidates = Candidates { keys, found: Cell::new(None) };
    if !(Scheme { algorithm, verifier }).verify_signature(&signature, &candidates, message.as_bytes()) {
        return Err(Refusal::Signature);
    }
    // What a key is called counts, not what a token calls it; a key without a name is called as the token says.
    let key = candidates.found.get().and_then(|key| key.id.as_deref()).or(header.key_id.as_deref());
    let times = Times::take(&mut claims)?;
    read(config, issuer, key, &claims, times)
}

/// The claims in the second part of a token.
fn claims(payload: &str) -> Result<Members, Refusal> {
    let json = base64url::decode(payload.as_bytes()).ok_or(Refusal::Token)?;
    serde_json::from_slice(&json).map_err(|_| Refusal::Token)
}

/// Reads what a token whose signature fits says.
fn read(
    config: &Config,
    issuer: &Issuer,
    key: Option<&str>,
    members: &Members,
    times: Times,
) -> Result<Verified, Refusal> {
    let window = issuer.expectation.check(members, times)?;
    let mut identity = Identity::read(&config.claims, &config.default_tier, &config.attributes, members)?;
    let granted = config.permissions.decide(&Subject {
        kind: Some(Kind::Token),
        issuer: &issuer.name,
        tier: &identity.tier,
        roles: identity.roles.as_deref().unwrap_or_default(),
        scopes: subject::scopes(members),
        claims: Some(members),
    });
    let jti = match members.find("jti") {
        None => None,
        Some(Json::Text(jti)) => Some(jti.as_str()),
        // RFC 7519 §4.1.7: what cannot be read could not be revoked.
        Some(_) => return Err(Refusal::Claim),
    };
    let named = Named { token: jti, subject: Some(&identity.user), key };
    let marks = Marks::of_token(&config.seed, &issuer.name, &named, window.issued);
    // Revocations name an issuer's users as the issuer does.
    identity.user.insert_str(0, &issuer.user_prefix);
    Ok(Verified { identity, granted, marks, key: None, window })
}

/// Whether claims say that they are of this issuer.
fn is_issued(claims: &Members, issuer: &Issuer) -> bool {
    matches!(claims.find("iss"), Some(Json::Text(name)) if *name == issuer.name)
}

/// Keys for one algorithm, as jwt-compact wants them.
struct Candidates<'a> {
    keys: Vec<&'a Key>,
    /// The one whose signature it was.
    found: Cell<Option<&'a Key>>,
}

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
        let fits = |key: &&&Key| self.verifier.verify(key, self.algorithm, message, &signature.0) == Verdict::Genuine;
        let found = keys.keys.iter().find(fits).copied();
        keys.found.set(found);
        found.is_some()
    }
}

#[cfg(test)]
mod tests;
