//! API keys, of which the configuration knows digests alone.
//!
//! A key is random text of 16 to 256 visible characters; its digest is SHA-256 of it, or HMAC-SHA-256 under a *pepper* that is
//! not in the configuration, so that a stolen configuration does not even tell whether a guessed key is right.
//!
//! A key that is shown is digested, and its digest looked up in a table by a fingerprint. The fingerprint is keyed by a hash
//! of all the digests: who knows them has nothing left to learn here, and who does not cannot tell which keys come near
//! which place of the table, so how long the search takes says nothing about any digest. What is found there is compared
//! whole, in constant time.

use std::num::NonZeroU32;
use std::rc::Rc;

use policy::config::each;
use policy::{ConfigError, Seed};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::attribute::Attribute;
use crate::hash::Hash;
use crate::identity::{Identity, is_safe, joined};
use crate::key::Environment;
use crate::moment;
use crate::permission::Permissions;
use crate::refusal::Refusal;
use crate::revocation::Marks;
use crate::secret::Secret;
use crate::source::{Kind, Place, Source};
use crate::subject::{self, Subject};
use crate::token::Verified;
use policy::fields::Fields;
use policy::json::{Json, Members};

/// A table of more keys takes more memory than a worker should spend on it.
const KEYS_MAX: usize = 10_000;
/// Shorter keys could be guessed; longer ones are refused before anything is computed of them.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=256;
/// A pepper has at least the entropy of what it protects.
const PEPPER_BYTES_MIN: usize = 32;

/// All keys that are known.
pub struct ApiKeys {
    /// Where they are read from.
    pub sources: Vec<Source>,
    /// Each entry at the place of its digest, or at the next one that was free.
    table: Vec<Option<Known>>,
    seed: Seed,
    /// Whether there are digests without a pepper.
    plain: bool,
    pepper: Option<Secret>,
}

/// What entries have in common.
struct Rules<'a> {
    grants: &'a Grants<'a>,
    peppered: bool,
}

/// What every key is given beside its own entry.
pub(crate) struct Grants<'a> {
    /// The tier of those that have none.
    pub(crate) default_tier: &'a str,
    /// The claims that are handed on.
    pub(crate) attributes: &'a [Attribute],
    /// What may be asked of its caller.
    pub(crate) permissions: &'a Permissions,
}

impl ApiKeys {
    /// Reads the keys and where they stand in a request.
    pub(crate) fn read(
        mut fields: Fields,
        grants: &Grants<'_>,
        environment: &Environment<'_>,
    ) -> Result<Self, ConfigError> {
        let header = fields.text("header")?.unwrap_or_else(|| "x-api-key".to_owned());
        let query = fields.text("query")?;
        let forward = fields.flag("forward")?.unwrap_or(false);
        let mut sources = vec![Source::at(Kind::ApiKey, Place::Header, header, forward)?];
        if let Some(query) = query {
            sources.push(Source::at(Kind::ApiKey, Place::Query, query, forward)?);
        }
        let peppered = fields.has("pepper");
        let pepper =
            pepper(fields.object("pepper")?, peppered, environment).map_err(|mistake| mistake.inside("pepper"))?;
        let list = fields.list("keys")?.unwrap_or_default();
        fields.end()?;
        if list.is_empty() || list.len() > KEYS_MAX {
            return Err(ConfigError::at("keys", format!("must have 1 to {KEYS_MAX} keys")));
        }
        let rules = Rules { grants, peppered };
        let known = each("keys", list, |json| rules.read(json))?;
        let digests: Vec<u8> = known.iter().flat_map(|known| known.digest).collect();
        let mut random = [0; 16];
        random.iter_mut().zip(Hash::Sha256.digest(&[&digests]).as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
        let mut keys = Self { sources, seed: Seed::from_random(random), plain: false, pepper, table: Vec::new() };
        // At most half full, so that a search is over soon.
        keys.table.resize_with(2 * known.len(), || None);
        for (index, known) in known.into_iter().enumerate() {
            keys.plain |= known.is_plain;
            keys.add(known).map_err(|mistake| mistake.inside(format_args!("keys[{index}]")))?;
        }
        Ok(keys)
    }

    fn add(&mut self, known: Known) -> Result<(), ConfigError> {
        let at = self.place(&known.digest);
        match self.table.get_mut(at) {
            Some(free @ None) => {
                *free = Some(known);
                Ok(())
            }
            _ => Err(ConfigError::at("", "has the digest of another key")),
        }
    }

    /// Where a digest is, or where it would be.
    fn place(&self, digest: &[u8]) -> usize {
        let slots = u32::try_from(self.table.len()).ok().and_then(NonZeroU32::new);
        let mut at = slots.map_or(0, |slots| self.seed.fingerprint([digest]).slot(slots) as usize);
        while let Some(Some(known)) = self.table.get(at)
            && !known.is(digest)
        {
            at = (at + 1) % self.table.len();
        }
        at
    }

    /// Notes by what each key may be revoked, under the proxy's own seed.
    pub(crate) fn mark(&mut self, seed: &Seed) {
        for known in self.table.iter_mut().flatten() {
            if let Some(verified) = Rc::get_mut(&mut known.verified) {
                verified.marks = Marks::of_key(seed, &known.id);
            }
        }
    }

    /// Whose key this is, whether or not it has expired.
    pub(crate) fn find(&self, key: &[u8]) -> Option<Rc<Verified>> {
        let plain = if self.plain { self.verified(Hash::Sha256.digest(&[key]).as_ref()) } else { None };
        plain.or_else(|| self.verified(Hash::Sha256.code(self.pepper.as_ref()?.bytes(), key).as_ref()))
    }

    fn verified(&self, digest: &[u8]) -> Option<Rc<Verified>> {
        let known = self.table.get(self.place(digest))?.as_ref()?;
        Some(Rc::clone(&known.verified))
    }
}

/// Refuses what is no key by its form: nothing is computed of megabytes.
pub(crate) fn check(key: &[u8]) -> Result<(), Refusal> {
    let visible = key.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',');
    if visible && KEY_BYTES.contains(&key.len()) { Ok(()) } else { Err(Refusal::KeyForm) }
}

/// An entry of the configuration.
struct Known {
    id: String,
    digest: [u8; 32],
    is_plain: bool,
    verified: Rc<Verified>,
}

impl Known {
    /// Compares in constant time.
    fn is(&self, digest: &[u8]) -> bool {
        self.digest.as_slice().ct_eq(digest).into()
    }
}

impl Default for ApiKeys {
    /// None are known.
    fn default() -> Self {
        let seed = Seed::from_random([0; 16]);
        Self { sources: Vec::new(), table: Vec::new(), seed, plain: false, pepper: None }
    }
}

impl Rules<'_> {
    fn read(&self, json: Json) -> Result<Known, ConfigError> {
        let mut fields = Fields::of(json)?;
        let id = fields.needed("id")?;
        let (digest, is_plain) = self.digest(&mut fields)?;
        let user = fields.text("user")?.unwrap_or_else(|| id.clone());
        let tier = fields.text("tier")?.unwrap_or_else(|| self.grants.default_tier.to_owned());
        for (name, text) in [("id", &id), ("user", &user), ("tier", &tier)] {
            if !is_safe(text) {
                return Err(ConfigError::at(name, "must be 1 to 256 bytes of text without control characters"));
            }
        }
        let roles = fields.texts("roles")?.unwrap_or_default();
        let roles = joined(roles.iter().map(String::as_str))
            .map_err(|_| ConfigError::at("roles", "must be names without commas, of 2048 bytes altogether"))?;
        let claims = claims(&mut fields)?;
        let expires = moment::read(&mut fields, "expires")?;
        fields.end()?;
        let handed = Identity::handed(self.grants.attributes, &claims)
            .map_err(|_| ConfigError::at("claims", "has a value that no header can carry"))?;
        let granted = self.grants.permissions.decide(&Subject {
            kind: Some(Kind::ApiKey),
            issuer: "",
            tier: &tier,
            roles: roles.as_deref().unwrap_or_default(),
            scopes: subject::scopes(&claims),
            claims: Some(&claims),
        });
        // Until the proxy's seed is known: see `ApiKeys::mark`.
        let marks = Marks::of_key(&Seed::from_random([0; 16]), &id);
        let identity = Identity { kind: Kind::ApiKey, user, tier, roles, handed };
        let verified = Rc::new(Verified::of_key(identity, granted, marks, &id, expires));
        Ok(Known { id, digest, is_plain, verified })
    }

    fn digest(&self, fields: &mut Fields) -> Result<([u8; 32], bool), ConfigError> {
        let (name, text, is_plain) = match (fields.text("sha256")?, fields.text("hmac")?) {
            (Some(text), None) => ("sha256", text, true),
            (None, Some(text)) => ("hmac", text, false),
            _ => return Err(ConfigError::at("", "must have one of sha256 and hmac")),
        };
        if !is_plain && !self.peppered {
            return Err(ConfigError::at("hmac", "needs a pepper"));
        }
        // The text is not shown: it may be the key itself.
        let wrong = || ConfigError::at(name, "must be the digest of a key, in 64 hexadecimal digits");
        Ok((bytes(&text).ok_or_else(wrong)?, is_plain))
    }
}

/// What stands for the claims of a token: `claims`, and `scopes` as a token would say them (RFC 8693 §4.2).
fn claims(fields: &mut Fields) -> Result<Members, ConfigError> {
    let scopes = fields.texts("scopes")?.unwrap_or_default();
    if scopes.iter().any(|scope| !is_safe(scope) || scope.contains(' ')) {
        return Err(ConfigError::at("scopes", "must be words without blanks"));
    }
    let mut claims = fields.object("claims")?.members();
    if !scopes.is_empty() {
        if claims.find("scope").is_some() {
            return Err(ConfigError::at("scopes", "must not stand beside claims.scope"));
        }
        claims.add("scope", Json::Text(scopes.join(" ")));
    }
    Ok(claims)
}

/// The pepper of the environment, where there is one.
fn pepper(mut fields: Fields, needed: bool, environment: &Environment<'_>) -> Result<Option<Secret>, ConfigError> {
    if !needed {
        return Ok(None);
    }
    let name = fields.needed("env")?;
    fields.end()?;
    let Environment::Variables(variable) = environment else { return Ok(None) };
    let Some(text) = variable(&name).map(Zeroizing::new) else {
        return Err(ConfigError::at("env", format!("the environment has no text under {name:?}")));
    };
    let pepper = Secret::from_base64url(&text).filter(|pepper| pepper.bytes().len() >= PEPPER_BYTES_MIN);
    pepper.map(Some).ok_or_else(|| {
        ConfigError::at("env", format!("must hold {PEPPER_BYTES_MIN} bytes or more, in base64url without padding"))
    })
}

/// 32 bytes of hexadecimal digits.
fn bytes(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
