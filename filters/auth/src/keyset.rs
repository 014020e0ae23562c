//! A set of keys, and which of them may have signed a token: written in the configuration, or published by an issuer.

use policy::ConfigError;

use crate::algorithm::{Algorithm, Algorithms};
use crate::key::{Environment, Key};
use crate::refusal::Refusal;
use policy::fields::Fields;
use policy::json::{Json, Members};

/// A set has no more keys than this.
const KEYS_MAX: usize = 64;
/// So many keys are tried on a token that does not name one: each costs a signature check.
const TRIES_MAX: usize = 4;

/// The keys of one issuer.
pub struct KeySet(Vec<Key>);

/// A published set, as far as it can be used.
pub struct Published {
    /// The keys that can be used: one at least.
    pub keys: KeySet,
    /// How many others there were.
    pub skipped: usize,
    /// What was wrong with the first of them.
    pub complaint: Option<ConfigError>,
}

impl KeySet {
    /// Reads the list `keys` of a set in the configuration, where every mistake is one. Keys are for nothing but what is
    /// `issued`.
    pub(crate) fn read(
        list: Vec<Json>,
        issued: Algorithms,
        environment: &Environment<'_>,
    ) -> Result<Self, ConfigError> {
        if list.is_empty() || list.len() > KEYS_MAX {
            return Err(ConfigError::at("keys", format!("must have 1 to {KEYS_MAX} keys")));
        }
        let found = Published::collect(list, issued, Some(environment));
        found.complaint.map_or(Ok(found.keys), Err)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that may have signed a token with this `kid` and this `alg`: all for one algorithm, a few at most.
    ///
    /// A `kid` selects the keys of that name, or where there is none the keys without a name; without a `kid`, all are
    /// candidates. The token's `alg` chooses nothing: it is compared with what each key is for.
    pub(crate) fn candidates(&self, kid: Option<&str>, alg: &str) -> Result<(Algorithm, Vec<&Key>), Refusal> {
        let named = kid.is_some_and(|kid| self.0.iter().any(|key| key.id.as_deref() == Some(kid)));
        let selected = |key: &&Key| match kid {
            Some(kid) if named => key.id.as_deref() == Some(kid),
            Some(_) => key.id.is_none(),
            None => true,
        };
        if !self.0.iter().any(|key| selected(&key)) {
            return Err(Refusal::Key);
        }
        let algorithm = Algorithm::parse(alg).ok_or(Refusal::Algorithm)?;
        let keys: Vec<_> = self.0.iter().filter(selected).filter(|key| key.allows(algorithm)).collect();
        match keys.len() {
            0 => Err(Refusal::Algorithm),
            1..=TRIES_MAX => Ok((algorithm, keys)),
            _ => Err(Refusal::Ambiguous),
        }
    }
}

impl Published {
    /// Reads the document that an issuer publishes (RFC 7517 §5). A key that cannot be used is skipped, and so are
    /// secrets: what everybody can fetch is none.
    ///
    /// # Errors
    /// The document is not a key set, or has no key that can be used.
    pub fn read(document: &[u8], issued: Algorithms) -> Result<Self, ConfigError> {
        let members: Members =
            serde_json::from_slice(document).map_err(|error| ConfigError::at("", error.to_string()))?;
        let list = Fields::of(Json::Object(members))?.list("keys")?.unwrap_or_default();
        let mut found = Self::collect(list, issued, None);
        if found.keys.is_empty() {
            return Err(found.complaint.take().unwrap_or_else(|| ConfigError::at("keys", "has none")));
        }
        Ok(found)
    }

    /// `environment` is where a configuration's secrets may come from; a published set has none.
    fn collect(list: Vec<Json>, issued: Algorithms, environment: Option<&Environment<'_>>) -> Self {
        let mut found = Self { keys: KeySet(Vec::new()), skipped: 0, complaint: None };
        for (index, json) in list.into_iter().enumerate() {
            match found.keys.join(json, issued, environment) {
                Ok(()) => {}
                Err(mistake) => {
                    found.skipped += 1;
                    found.complaint.get_or_insert_with(|| mistake.inside(format_args!("keys[{index}]")));
                }
            }
        }
        found
    }
}

impl KeySet {
    /// Reads one more key. One whose secret is in an environment that is absent is left out.
    fn join(
        &mut self,
        json: Json,
        issued: Algorithms,
        environment: Option<&Environment<'_>>,
    ) -> Result<(), ConfigError> {
        if self.0.len() >= KEYS_MAX {
            return Err(ConfigError::at("", format!("is one of more than {KEYS_MAX}")));
        }
        let mut key = match environment {
            None => Key::published(json)?,
            Some(environment) => match Key::read(json, environment)? {
                Some(key) => key,
                None => return Ok(()),
            },
        };
        key.narrow(issued)?;
        let same = |other: &Key| other.id == key.id && !other.algorithms().and(key.algorithms()).is_empty();
        if key.id.is_some() && self.0.iter().any(same) {
            return Err(ConfigError::at("kid", "is the kid of another key for the same algorithm"));
        }
        self.0.push(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Keys named `a` and `b` for HS256, `a` for Ed25519, and `unnamed` more for HS256.
    fn set(unnamed: usize) -> KeySet {
        let named = [sample::oct("HS256", Some("a")), sample::oct("HS256", Some("b")), sample::okp(Some("a"))];
        let more = std::iter::repeat_with(|| sample::oct("HS256", None)).take(unnamed);
        let keys = named.into_iter().chain(more).map(|key| serde_json::from_str(&key).unwrap()).map(Json::Object);
        KeySet::read(keys.collect(), Algorithms::ALL, &Environment::Absent).ok().unwrap()
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
            let set = set(unnamed);
            let found = set.candidates(kid, alg).map(|(algorithm, keys)| {
                assert_eq!(algorithm.name(), alg);
                assert!(keys.iter().all(|key| key.allows(algorithm)));
                keys.len()
            });
            assert_eq!(found, expected, "{unnamed} {kid:?} {alg}");
        }
    }

    /// How many keys of a document can be used, how many cannot, and what is said of them.
    fn published(keys: &[String]) -> String {
        match Published::read(format!(r#"{{"keys": [{}], "more": 1}}"#, keys.join(",")).as_bytes(), Algorithms::ALL) {
            Ok(found) => {
                let complaint = found.complaint.map(|mistake| mistake.to_string()).unwrap_or_default();
                format!("{} {} {complaint}", found.keys.len(), found.skipped)
            }
            Err(mistake) => mistake.to_string(),
        }
    }

    #[test]
    fn what_cannot_be_used_of_a_published_set_is_skipped() {
        let (ed, ec, secret) = (sample::okp(Some("a")), sample::ec(None), sample::oct("HS256", Some("s")));
        let rows = [
            (vec![ed.clone(), ec.clone()], "2 0 "),
            (
                vec![secret.clone(), ed.clone()],
                "1 1 keys[0].kty: must not be oct in a set that is published: a secret there is none",
            ),
            (vec![secret], "keys[0].kty: must not be oct in a set that is published: a secret there is none"),
            (
                vec![ed.clone(), ed.clone(), r#"{"kty": "RSA", "use": "enc"}"#.into()],
                "1 2 keys[1].kid: is the kid of another key for the same algorithm",
            ),
            (vec![ec.clone(), "7".into()], "1 1 keys[1]: must be an object"),
            (vec![], "keys: has none"),
            (vec![ec; 70], "64 6 keys[64]: is one of more than 64"),
        ];
        for (keys, expected) in rows {
            assert_eq!(published(&keys), expected);
        }
    }

    #[test]
    fn a_document_that_is_no_key_set_is_refused() {
        for (document, expected) in [
            (&b""[..], "EOF while parsing"),
            (b"<html>", "expected value"),
            (b"[]", "invalid type: sequence"),
            (b"{}", "keys: has none"),
            (br#"{"keys": {}}"#, "keys: must be a list"),
            (br#"{"keys": [], "keys": []}"#, "a name stands twice"),
            (b"\xff\xfe", "expected value"),
        ] {
            let said = Published::read(document, Algorithms::ALL).err().unwrap().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
