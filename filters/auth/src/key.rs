//! Keys that check signatures, read from JSON Web Keys (RFC 7517): a key that could be misused is not one.
//!
//! # What a key is for
//!
//! A token's `alg` chooses nothing: it has to be among what its key [allows](Key::allows), and that is settled when the
//! key is read. By its kind alone, a key is for one family of algorithms: a secret for HMAC, an RSA key for RSA, a point on
//! a curve for that curve. A key that has `alg` is for exactly that one; secrets must have it.
//!
//! Many providers publish RSA keys without `alg`. Such a key is for RSASSA-PKCS1-v1_5 with any of the three hashes
//! (RS256, RS384, RS512), since one key should not be used with two paddings (RFC 8017 §6). A list of what an issuer signs
//! with narrows that ([`Key::narrow`]): a key without `alg` is then for those of the list that use PKCS1-v1_5, and where
//! there is none, for those that use PSS. So a key for PSS says so itself, or its issuer signs with nothing else.
//!
//! # What is no key
//!
//! Members that are not known are ignored (RFC 7517 §4). A key in the configuration that cannot be used is a mistake of the
//! operator's ([`Key::read`]); of a set that an issuer publishes, it is left out and the others are used (RFC 7517 §5), and
//! a secret is never one, since whoever can read the set could then make tokens ([`Key::published`]).
//!
//! Beyond the RFC, an `oct` key may name an environment variable (`env`) that holds what would stand in `k`.

mod secret;

use base64ct::{Base64UrlUnpadded, Encoding};
use policy::ConfigError;

use crate::algorithm::{Algorithm, Algorithms};
use crate::der;
use crate::ecdsa;
use crate::ecdsa::curve::Curve;
use crate::rsa::{self, Mistake};
use crate::secret::Secret;
use policy::fields::Fields;
use policy::json::Json;

/// A key and what it is for.
pub struct Key {
    /// Its name in its issuer's key set.
    pub id: Option<String>,
    algorithms: Algorithms,
    /// What it could be for where its issuer signs with none of the above.
    others: Algorithms,
    pub(crate) material: Material,
}

/// The key itself. DER forms are what the host's crypto reads.
pub(crate) enum Material {
    Secret(Secret),
    Rsa { key: rsa::PublicKey, der: Vec<u8> },
    Ec { key: Box<ecdsa::PublicKey>, der: Vec<u8> },
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

/// Where secrets come from that a key names by `env`.
pub(crate) enum Environment<'a> {
    /// This answers with the text of a variable, where it is set.
    Variables(&'a dyn Fn(&str) -> Option<String>),
    /// There is none here: keys that need one are left out.
    Absent,
}

impl<'a> Environment<'a> {
    /// What answers with the text of a variable, where there is an environment.
    pub(crate) fn variables(&self) -> Option<policy::state::Variables<'a>> {
        match self {
            Self::Variables(variables) => Some(*variables),
            Self::Absent => None,
        }
    }
}

impl Key {
    /// Reads a key of the configuration; `None` for one whose secret is in an environment that is absent.
    pub(crate) fn read(json: Json, environment: &Environment<'_>) -> Result<Option<Self>, ConfigError> {
        let mut jwk = Fields::of(json)?;
        let kty = jwk.needed("kty")?;
        check_purpose(&mut jwk, &kty)?;
        let secret_member = if jwk.has("k") { "k" } else { "env" };
        let (kind, others, material) = match kty.as_str() {
            "oct" => match secret::read(&mut jwk, environment)? {
                Some(secret) => (Algorithms::HMAC, Algorithms::NONE, Material::Secret(secret)),
                None => return Ok(None),
            },
            "RSA" => (Algorithms::PKCS1, Algorithms::PSS, rsa(&mut jwk)?),
            "EC" => ec(&mut jwk)?,
            "OKP" => (Algorithms::of(&[Algorithm::EdDsa]), Algorithms::NONE, ed25519(&mut jwk)?),
            other => return Err(ConfigError::at("kty", format!("must be RSA, EC, OKP or oct, got {other:?}"))),
        };
        let mut key = Self { id: jwk.text("kid")?, algorithms: kind, others, material };
        key.bind(&mut jwk, &kty)?;
        if let Material::Secret(secret) = &key.material {
            secret::check_length(secret, key.algorithms).map_err(|reason| ConfigError::at(secret_member, reason))?;
        }
        Ok(Some(key))
    }

    /// Reads a key of a set that an issuer publishes. An error says why it is left out.
    pub(crate) fn published(json: Json) -> Result<Self, ConfigError> {
        match Self::read(json, &Environment::Absent)? {
            Some(Self { material: Material::Secret(_), .. }) | None => {
                Err(ConfigError::at("kty", "must not be oct in a set that is published: a secret there is none"))
            }
            Some(key) => Ok(key),
        }
    }

    /// Whether it is for this algorithm: the only place where a token's `alg` is compared with anything.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.has(algorithm)
    }

    /// What it is for.
    pub const fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    /// Leaves of what it is for only what its issuer signs with.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn narrow(&mut self, issued: Algorithms) -> Result<(), ConfigError> {
        let kind = if issued.and(self.algorithms).is_empty() { self.others } else { self.algorithms };
        let left = issued.and(kind);
        if left.is_empty() {
            let reason = format!("is for {}, and the issuer signs with {issued} alone", self.algorithms);
            return Err(ConfigError::at("alg", reason));
        }
        (self.algorithms, self.others) = (left, Algorithms::NONE);
        Ok(())
    }

    /// Leaves of what its kind is for only what the key itself names.
    fn bind(&mut self, jwk: &mut Fields, kty: &str) -> Result<(), ConfigError> {
        let named = jwk.text("alg")?;
        let found = named.as_deref().and_then(Algorithm::parse);
        let found = found.filter(|algorithm| self.algorithms.has(*algorithm) || self.others.has(*algorithm));
        match (&named, found) {
            (_, Some(algorithm)) => (self.algorithms, self.others) = (Algorithms::of(&[algorithm]), Algorithms::NONE),
            (None, None) if kty != "oct" => {}
            _ => {
                let (kind, others) = (self.algorithms, self.others);
                let others = if others.is_empty() { String::new() } else { format!(", {others}") };
                return Err(ConfigError::at("alg", format!("must be one of {kind}{others} for this key of kty {kty}")));
            }
        }
        Ok(())
    }
}

/// Whether a key may check signatures at all, by what it says about itself.
fn check_purpose(jwk: &mut Fields, kty: &str) -> Result<(), ConfigError> {
    if let Some(purpose) = jwk.text("use")?.filter(|purpose| purpose != "sig") {
        return Err(ConfigError::at("use", format!(r#"must be "sig", got {purpose:?}"#)));
    }
    if jwk.texts("key_ops")?.is_some_and(|operations| !operations.iter().any(|operation| operation == "verify")) {
        return Err(ConfigError::at("key_ops", r#"must have "verify" among them"#));
    }
    // Of secrets, all of it is private; of other keys, these are (RFC 7518 §6.2.2, §6.3.2).
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        if jwk.has(member) {
            return Err(ConfigError::at(member, "is a private key; only the public half belongs here"));
        }
    }
    let (foreign, owner): (&[&str], _) =
        if kty == "oct" { (&["n", "e", "x", "y"], "RSA, EC or OKP") } else { (&["k", "env"], "oct") };
    match foreign.iter().find(|member| jwk.has(member)) {
        Some(member) => Err(ConfigError::at(*member, format!("belongs to keys of kty {owner}"))),
        None if kty != "oct" && jwk.has("x5c") && !jwk.has("n") && !jwk.has("x") => {
            Err(ConfigError::at("x5c", "is not read; the key itself must stand beside it"))
        }
        None => Ok(()),
    }
}

fn rsa(jwk: &mut Fields) -> Result<Material, ConfigError> {
    let (modulus, exponent) = (decoded(jwk, "n")?, decoded(jwk, "e")?);
    let key = rsa::PublicKey::new(&modulus, &exponent).map_err(|mistake| match mistake {
        Mistake::Modulus(reason) => ConfigError::at("n", reason),
        Mistake::Exponent(reason) => ConfigError::at("e", reason),
    })?;
    Ok(Material::Rsa { key, der: der::rsa_key(&modulus, &exponent) })
}

fn ec(jwk: &mut Fields) -> Result<(Algorithms, Algorithms, Material), ConfigError> {
    let (curve, algorithm) = match jwk.needed("crv")?.as_str() {
        "P-256" => (Curve::p256(), Algorithm::Es256),
        "P-384" => (Curve::p384(), Algorithm::Es384),
        name => return Err(ConfigError::at("crv", format!("must be P-256 or P-384 with kty EC, got {name:?}"))),
    };
    let length = algorithm.hash().length();
    let (x, y) = (coordinate(jwk, "x", length)?, coordinate(jwk, "y", length)?);
    let key = curve.and_then(|curve| ecdsa::PublicKey::new(curve, &x, &y));
    let Some(key) = key.map(Box::new) else {
        return Err(ConfigError::at("", format!("is not a point on the curve of {}", algorithm.name())));
    };
    Ok((Algorithms::of(&[algorithm]), Algorithms::NONE, Material::Ec { key, der: der::ec_key(&x, &y) }))
}

fn ed25519(jwk: &mut Fields) -> Result<Material, ConfigError> {
    match jwk.needed("crv")?.as_str() {
        "Ed25519" => {}
        name => return Err(ConfigError::at("crv", format!("must be Ed25519 with kty OKP, got {name:?}"))),
    }
    let x = coordinate(jwk, "x", 32)?;
    let key = ed25519_dalek::VerifyingKey::try_from(x.as_slice())
        .ok()
        // Under a weak key, one signature fits many messages; and a key has one way to be written.
        .filter(|key| !key.is_weak() && key.to_edwards().compress().as_bytes() == x.as_slice())
        .ok_or_else(|| ConfigError::at("x", "is not a point on Ed25519 that signatures can be checked with"))?;
    Ok(Material::Ed25519(Box::new(key)))
}

/// A coordinate has all of its bytes, leading zeros too (RFC 7518 §6.2.1.2).
fn coordinate(jwk: &mut Fields, member: &str, length: usize) -> Result<Vec<u8>, ConfigError> {
    let bytes = decoded(jwk, member)?;
    match bytes.len() {
        found if found == length => Ok(bytes),
        found => Err(ConfigError::at(member, format!("must be {length} bytes, got {found}"))),
    }
}

fn decoded(jwk: &mut Fields, member: &str) -> Result<Vec<u8>, ConfigError> {
    let text = jwk.needed(member)?;
    Base64UrlUnpadded::decode_vec(&text).map_err(|_| ConfigError::at(member, "must be base64url without padding"))
}

#[cfg(test)]
mod tests;
