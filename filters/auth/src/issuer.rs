//! Who issues tokens, and where its keys come from.

use policy::ConfigError;

use crate::algorithm::Algorithms;
use crate::expectation::Expectation;
use crate::fetch::Fetch;
use crate::identity::is_safe;
use crate::key::Environment;
use crate::keyset::KeySet;
use policy::fields::Fields;
use policy::json::Json;

/// Somebody whose tokens are believed, and by which keys.
pub struct Issuer {
    /// What `iss` must be, byte for byte.
    pub name: String,
    /// What is put before its users, so that they are told apart from another issuer's of the same name.
    pub user_prefix: String,
    /// What its tokens must say besides.
    pub expectation: Expectation,
    /// What it signs with: its keys are for nothing else.
    pub algorithms: Algorithms,
    /// Where its keys come from.
    pub keys: Keys,
}

/// Where an issuer's keys come from.
pub enum Keys {
    /// The configuration has them.
    Inline(KeySet),
    /// They are fetched from where the issuer publishes them.
    Fetched(Fetch),
}

impl Issuer {
    /// How its keys are fetched, where they are.
    pub fn fetch(&self) -> Option<&Fetch> {
        match &self.keys {
            Keys::Inline(_) => None,
            Keys::Fetched(fetch) => Some(fetch),
        }
    }

    pub(crate) fn read(json: Json, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let name = fields.needed("issuer")?;
        if name.is_empty() {
            return Err(ConfigError::at("issuer", "must not be empty"));
        }
        let user_prefix = fields.text("user_prefix")?.unwrap_or_default();
        if !user_prefix.is_empty() && !is_safe(&user_prefix) {
            return Err(ConfigError::at("user_prefix", "must be text that a header can carry"));
        }
        let expectation = Expectation::read(&mut fields)?;
        let algorithms = algorithms(&mut fields)?;
        let keys =
            Keys::read(fields.object("jwks")?, algorithms, environment).map_err(|mistake| mistake.inside("jwks"))?;
        fields.end()?;
        Ok(Self { name, user_prefix, expectation, algorithms, keys })
    }
}

impl Keys {
    fn read(mut jwks: Fields, issued: Algorithms, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        if jwks.has("url") {
            return Ok(Self::Fetched(Fetch::read(jwks)?));
        }
        // Other members of a set are ignored (RFC 7517 §5).
        let keys = jwks.list("keys")?.unwrap_or_default();
        Ok(Self::Inline(KeySet::read(keys, issued, environment)?))
    }
}
/// What an issuer signs with, where it says so.
fn algorithms(fields: &mut Fields) -> Result<Algorithms, ConfigError> {
    let Some(names) = fields.texts("algorithms")? else { return Ok(Algorithms::ALL) };
    if names.is_empty() {
        return Err(ConfigError::at("algorithms", "must name one; leave it out for what each key is for"));
    }
    Algorithms::read(&names).map_err(|mistake| mistake.inside("algorithms"))
}
