//! Keys that check signatures, read from JSON Web Keys (RFC 7517): a key that could be misused is not one.
//!
//! Members that are not known are ignored (RFC 7517 §4). Beyond the RFC, an `oct` key may name an environment variable
//! (`env`) that holds what would stand in `k`.

use base64ct::{Base64UrlUnpadded, Encoding};
use policy::ConfigError;
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::der;
use crate::fields::Fields;
use crate::json::Json;
use crate::rsa::{Mistake, PublicKey};
use crate::secret::Secret;

/// A key and the one algorithm that it is for.
pub struct Key {
    /// Its name in its issuer's key set.
    pub id: Option<String>,
    /// What it checks, whatever a token says.
    pub algorithm: Algorithm,
    pub(crate) material: Material,
}

/// The key itself. DER forms are what the host's crypto reads.
pub(crate) enum Material {
    Secret(Secret),
    Rsa { key: PublicKey, der: Vec<u8> },
    P256 { key: Box<p256::ecdsa::VerifyingKey>, der: Vec<u8> },
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
    /// Reads a key; `None` for one whose secret is in an environment that is absent.
    pub(crate) fn read(json: Json, environment: &Environment<'_>) -> Result<Option<Self>, ConfigError> {
        let mut jwk = Fields::of(json)?;
        let (kty, alg) = (jwk.needed("kty")?, jwk.text("alg")?);
        check_purpose(&mut jwk, &kty)?;
        let (algorithm, material) = match kty.as_str() {
            "oct" => match secret(&mut jwk, alg.as_deref(), environment)? {
                Some((algorithm, secret)) => (algorithm, Material::Secret(secret)),
                None => return Ok(None),
            },
            "RSA" => (only(Algorithm::Rs256, alg.as_deref(), &kty)?, rsa(&mut jwk)?),
            "EC" => {
                curve(&mut jwk, "P-256", &kty)?;
                (only(Algorithm::Es256, alg.as_deref(), &kty)?, p256(&mut jwk)?)
            }
            "OKP" => {
                curve(&mut jwk, "Ed25519", &kty)?;
                (only(Algorithm::EdDsa, alg.as_deref(), &kty)?, ed25519(&mut jwk)?)
            }
            other => return Err(ConfigError::at("kty", format!("must be RSA, EC, OKP or oct, got {other:?}"))),
        };
        Ok(Some(Self { id: jwk.text("kid")?, algorithm, material }))
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
    if jwk.has("d") {
        return Err(ConfigError::at("d", "is a private key; only the public half belongs here"));
    }
    for member in ["k", "env"] {
        if kty != "oct" && jwk.has(member) {
            return Err(ConfigError::at(member, "belongs to keys of kty oct"));
        }
    }
    Ok(())
}

/// The only algorithm that keys of this type are for; the key may name it or no other.
fn only(algorithm: Algorithm, alg: Option<&str>, kty: &str) -> Result<Algorithm, ConfigError> {
    match alg {
        Some(name) if name != algorithm.name() => {
            let reason = format!("must be {} with kty {kty}, got {name:?}", algorithm.name());
            Err(ConfigError::at("alg", reason))
        }
        _ => Ok(algorithm),
    }
}

fn curve(jwk: &mut Fields, expected: &str, kty: &str) -> Result<(), ConfigError> {
    match jwk.needed("crv")? {
        name if name == expected => Ok(()),
        name => Err(ConfigError::at("crv", format!("must be {expected} with kty {kty}, got {name:?}"))),
    }
}

fn secret(
    jwk: &mut Fields,
    alg: Option<&str>,
    environment: &Environment<'_>,
) -> Result<Option<(Algorithm, Secret)>, ConfigError> {
    let (algorithm, bytes_min) = match alg.and_then(Algorithm::parse) {
        Some(algorithm @ Algorithm::Hs256) => (algorithm, 32),
        Some(algorithm @ Algorithm::Hs384) => (algorithm, 48),
        Some(algorithm @ Algorithm::Hs512) => (algorithm, 64),
        _ => return Err(ConfigError::at("alg", "must be HS256, HS384 or HS512 with kty oct")),
    };
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
    if secret.bytes().len() < bytes_min {
        let reason = format!("must be at least {bytes_min} bytes for {}", algorithm.name());
        return Err(ConfigError::at(member, reason));
    }
    Ok(Some((algorithm, secret)))
}

fn rsa(jwk: &mut Fields) -> Result<Material, ConfigError> {
    let (modulus, exponent) = (decoded(jwk, "n")?, decoded(jwk, "e")?);
    let key = PublicKey::new(&modulus, &exponent).map_err(|mistake| match mistake {
        Mistake::Modulus(reason) => ConfigError::at("n", reason),
        Mistake::Exponent(reason) => ConfigError::at("e", reason),
    })?;
    Ok(Material::Rsa { key, der: der::rsa_key(&modulus, &exponent) })
}

fn p256(jwk: &mut Fields) -> Result<Material, ConfigError> {
    let (x, y) = (coordinate(jwk, "x")?, coordinate(jwk, "y")?);
    let point = [[4].as_slice(), &x, &y].concat();
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point)
        .map_err(|_| ConfigError::at("", "is not a point on P-256"))?;
    Ok(Material::P256 { key: Box::new(key), der: der::p256_key(&point) })
}

fn ed25519(jwk: &mut Fields) -> Result<Material, ConfigError> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(&coordinate(jwk, "x")?)
        .ok()
        // Under a weak key, one signature fits many messages.
        .filter(|key| !key.is_weak())
        .ok_or_else(|| ConfigError::at("x", "is not a point on Ed25519 that signatures can be checked with"))?;
    Ok(Material::Ed25519(Box::new(key)))
}

fn coordinate(jwk: &mut Fields, member: &str) -> Result<[u8; 32], ConfigError> {
    let bytes = decoded(jwk, member)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| ConfigError::at(member, format!("must be 32 bytes, got {length}")))
}

fn decoded(jwk: &mut Fields, member: &str) -> Result<Vec<u8>, ConfigError> {
    let text = jwk.needed(member)?;
    Base64UrlUnpadded::decode_vec(&text).map_err(|_| ConfigError::at(member, "must be base64url without padding"))
}

#[cfg(test)]
mod tests;
