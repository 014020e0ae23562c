//! Who issues tokens, and which of an issuer's keys may have signed one.

use policy::ConfigError;
use policy::config::each;

use crate::algorithm::Algorithm;
use crate::fields::Fields;
use crate::json::Json;
use crate::key::{Environment, Key};
use crate::refusal::Refusal;

/// An issuer has no more keys than this.
const KEYS_MAX: usize = 64;
/// So many keys are tried on a token that does not name one: each costs a signature check.
const TRIES_MAX: usize = 4;

/// Somebody whose tokens are believed, and by which keys.
pub struct Issuer {
    /// What `iss` must be, byte for byte.
    pub name: String,
    /// One of these must be in `aud`; none stands for whatever is there.
    pub audiences: Vec<String>,
    keys: Vec<Key>,
}

impl Issuer {
    pub(crate) fn read(json: Json, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let name = fields.needed("issuer")?;
        if name.is_empty() {
            return Err(ConfigError::at("issuer", "must not be empty"));
        }
        let Some(audiences) = fields.texts("audiences")? else {
            return Err(ConfigError::at("audiences", "is missing; an empty list accepts tokens that are for anybody"));
        };
        // Other members of a set are ignored (RFC 7517 §5).
        let keys = fields.object("jwks")?.list("keys").map_err(|mistake| mistake.inside("jwks"))?.unwrap_or_default();
        fields.end()?;
        if keys.is_empty() || keys.len() > KEYS_MAX {
            return Err(ConfigError::at("jwks.keys", format!("must have 1 to {KEYS_MAX} keys")));
        }
        let keys = each("jwks.keys", keys, |key| Key::read(key, environment))?;
        for (index, key) in keys.iter().enumerate() {
            let same = |other: &Key| key.as_ref().is_some_and(|key| key.id.is_some() && is_same(key, other));
            if keys.iter().take(index).flatten().any(same) {
                let reason = "is the kid of another key for the same algorithm";
                return Err(ConfigError::at(format!("jwks.keys[{index}].kid"), reason));
            }
        }
        Ok(Self { name, audiences, keys: keys.into_iter().flatten().collect() })
    }

    /// The keys that may have signed a token with this `kid` and this `alg`: all for that algorithm, a few at most.
    ///
    /// A `kid` selects the keys of that name, or where there is none the keys without a name; without a `kid`, all are
    /// candidates. The token's `alg` chooses nothing: it is compared with what each key is for.
    pub(crate) fn candidates(&self, kid: Option<&str>, alg: &str) -> Result<(Algorithm, Vec<&Key>), Refusal> {
        let named = kid.is_some_and(|kid| self.keys.iter().any(|key| key.id.as_deref() == Some(kid)));
        let selected = |key: &&Key| match kid {
            Some(kid) if named => key.id.as_deref() == Some(kid),
            Some(_) => key.id.is_none(),
            None => true,
        };
        if !self.keys.iter().any(|key| selected(&key)) {
            return Err(Refusal::Key);
        }
        let algorithm = Algorithm::parse(alg).ok_or(Refusal::Algorithm)?;
        let keys: Vec<_> = self.keys.iter().filter(selected).filter(|key| key.allows(algorithm)).collect();
        match keys.len() {
            0 => Err(Refusal::Algorithm),
            1..=TRIES_MAX => Ok((algorithm, keys)),
            _ => Err(Refusal::Ambiguous),
        }
    }
}

fn is_same(one: &Key, other: &Key) -> bool {
    one.id == other.id && !one.algorithms().and(other.algorithms()).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Keys named `a` and `b` for HS256, `a` for Ed25519, and `unnamed` more for HS256.
    fn issuer(unnamed: usize) -> Issuer {
        let named = [sample::oct("HS256", Some("a")), sample::oct("HS256", Some("b")), sample::okp(Some("a"))];
        let more = std::iter::repeat_with(|| sample::oct("HS256", None)).take(unnamed);
        let keys: Vec<_> = named.into_iter().chain(more).collect();
        let json = format!(r#"{{"issuer": "i", "audiences": [], "jwks": {{"keys": [{}]}}}}"#, keys.join(","));
        Issuer::read(serde_json::from_str(&json).unwrap(), &Environment::Absent).ok().unwrap()
    }

    #[test]
    fn a_kid_selects_and_the_keys_algorithm_binds() {
        let rows = [
            (0, Some("a"), "HS256", Ok(1)),
            (0, Some("a"), "EdDSA", Ok(1)),
            (0, Some("b"), "EdDSA", Err(Refusal::Algorithm)),
            (0, Some("b"), "none", Err(Refusal::Algorithm)),
            (0, Some("b"), "HS384", Err(Refusal::Algorithm)),
            (0, Some("c"), "HS256", Err(Refusal::Key)),
            (0, Some(""), "HS256", Err(Refusal::Key)),
            (0, None, "HS256", Ok(2)),
            (0, None, "EdDSA", Ok(1)),
            (0, None, "RS256", Err(Refusal::Algorithm)),
            (1, Some("a"), "HS256", Ok(1)),
            (1, Some("c"), "HS256", Ok(1)),
            (1, Some("c"), "EdDSA", Err(Refusal::Algorithm)),
            (2, None, "HS256", Ok(4)),
            (3, None, "HS256", Err(Refusal::Ambiguous)),
            (5, Some("c"), "HS256", Err(Refusal::Ambiguous)),
        ];
        for (unnamed, kid, alg, expected) in rows {
            let issuer = issuer(unnamed);
            let found = issuer.candidates(kid, alg).map(|(algorithm, keys)| {
                assert_eq!(algorithm.name(), alg);
                assert!(keys.iter().all(|key| key.allows(algorithm)));
                keys.len()
            });
            assert_eq!(found, expected, "{unnamed} {kid:?} {alg}");
        }
    }
}
