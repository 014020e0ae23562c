//! The identity provider: short-lived tokens for whoever asks, signed with keys that anyone can derive.
//!
//! A demonstration has to carry its key set in a policy file, so the keys must be the same everywhere. They are the
//! SHA-256 of two labels that stand below. **Whoever trusts these keys trusts everyone.**

use axum::{Router, extract::State, response::Response, routing::get};
use base64ct::{Base64UrlUnpadded, Encoding};
use hyper::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use p256::ecdsa::signature::Signer;
use serde_json::{Value, json};

use crate::{digest, params::Params, reply, stamp, world::Shared};

/// Who issues the tokens.
pub const ISSUER: &str = "https://id.weir.example/";
/// Whom the tokens are for.
pub const AUDIENCE: &str = "gateway";

const ES256_LABEL: &str = "weir sandbox: ES256 signing key, not a secret";
const EDDSA_LABEL: &str = "weir sandbox: Ed25519 signing key, not a secret";
const ES256_KEY_ID: &str = "sandbox-es256";
const EDDSA_KEY_ID: &str = "sandbox-ed25519";

/// What a token is signed with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    Es256,
    /// Ed25519.
    EdDsa,
}

/// What a token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claims {
    /// `sub`.
    pub user: String,
    /// `tier`.
    pub tier: String,
    /// `roles`.
    pub roles: Vec<String>,
    /// `scope`, words separated by spaces.
    pub scope: String,
    /// `amr`: how the user proved who they are.
    pub amr: Vec<String>,
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// Seconds from now to `exp`; a negative number makes a token that has expired.
    pub ttl_seconds: i64,
    /// Seconds from now to `nbf`.
    pub not_before_seconds: i64,
    /// The signature.
    pub algorithm: Algorithm,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            user: "user123".to_owned(),
            tier: "free".to_owned(),
            roles: vec!["user".to_owned()],
            scope: "read write".to_owned(),
            amr: vec!["pwd".to_owned()],
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            ttl_seconds: 3600,
            not_before_seconds: 0,
            algorithm: Algorithm::default(),
        }
    }
}

impl Claims {
    /// Reads `tier=pro&user=user123&roles=a,b&scope=…&amr=pwd,mfa&ttl=60&nbf=0&alg=EdDSA`.
    fn of_params(params: &Params) -> Result<Self, &'static str> {
        let default = Self::default();
        let text = |name: &str, default: String| params.get(name).map_or(default, ToOwned::to_owned);
        let list = |name: &str, default: Vec<String>| {
            params.first(name).map_or(default, |joined| {
                joined.split(',').map(str::trim).filter(|one| !one.is_empty()).map(ToOwned::to_owned).collect()
            })
        };
        let seconds = |name: &str, default: i64| params.get(name).map_or(Ok(default), str::parse);
        Ok(Self {
            user: text("user", default.user),
            tier: text("tier", default.tier),
            roles: list("roles", default.roles),
            scope: text("scope", default.scope),
            amr: list("amr", default.amr),
            issuer: text("iss", default.issuer),
            audience: text("aud", default.audience),
            ttl_seconds: seconds("ttl", default.ttl_seconds).map_err(|_| "ttl is a number of seconds")?,
            not_before_seconds: seconds("nbf", default.not_before_seconds).map_err(|_| "nbf is a number of seconds")?,
            algorithm: match params.get("alg") {
                None | Some("ES256") => Algorithm::Es256,
                Some("EdDSA") => Algorithm::EdDsa,
                Some(_) => return Err("alg is ES256 or EdDSA"),
            },
        })
    }
}

/// The keys.
pub(crate) struct Identity {
    es256: p256::ecdsa::SigningKey,
    eddsa: ed25519_dalek::SigningKey,
}

impl Identity {
    /// The keys of the published labels.
    pub(crate) fn published() -> Self {
        Self {
            es256: p256::ecdsa::SigningKey::from_slice(&digest::bytes(ES256_LABEL))
                .expect("the digest of this label is a scalar of P-256"),
            eddsa: ed25519_dalek::SigningKey::from_bytes(&digest::bytes(EDDSA_LABEL)),
        }
    }

    /// The public keys, as RFC 7517 writes them.
    pub(crate) fn jwks(&self) -> Value {
        // SEC 1, uncompressed: 0x04, then x and y of 32 bytes each.
        let point = self.es256.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        json!({"keys": [
            {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": ES256_KEY_ID,
             "x": encode(x), "y": encode(y)},
            {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": EDDSA_KEY_ID,
             "x": encode(self.eddsa.verifying_key().as_bytes())},
        ]})
    }

    /// A signed token in the compact form.
    pub(crate) fn token(&self, claims: &Claims) -> String {
        let now = stamp::now();
        let at = |offset: i64| now.saturating_add_signed(offset);
        let (name, key_id) = match claims.algorithm {
            Algorithm::Es256 => ("ES256", ES256_KEY_ID),
            Algorithm::EdDsa => ("EdDSA", EDDSA_KEY_ID),
        };
        let header = json!({"alg": name, "typ": "JWT", "kid": key_id});
        let payload = json!({
            "iss": claims.issuer, "aud": claims.audience, "sub": claims.user, "tier": claims.tier,
            "roles": claims.roles, "scope": claims.scope, "amr": claims.amr,
            // A token that has expired was issued before it did.
            "iat": now.min(at(claims.ttl_seconds)), "nbf": at(claims.not_before_seconds.min(claims.ttl_seconds)),
            "exp": at(claims.ttl_seconds), "jti": crate::oauth::fresh("jti"),
        });
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload.to_string().as_bytes()));
        let signature = match claims.algorithm {
            Algorithm::Es256 => {
                let signature: p256::ecdsa::Signature = self.es256.sign(signed.as_bytes());
                encode(&signature.to_bytes())
            }
            Algorithm::EdDsa => encode(&self.eddsa.sign(signed.as_bytes()).to_bytes()),
        };
        format!("{signed}.{signature}")
    }
}

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// `/jwks.json` and `/token`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/jwks.json", get(key_set)).route("/token", get(token))
}

async fn key_set(State(world): State<Shared>) -> Response {
    let mut response = reply::ok(&world.identity.jwks());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

async fn token(State(world): State<Shared>, params: Params) -> Response {
    match Claims::of_params(&params) {
        Ok(claims) => {
            let mut response = Response::new(world.identity.token(&claims).into());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(reason) => reply::error(StatusCode::BAD_REQUEST, reason),
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier;

    use super::*;

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
    }

    #[test]
    fn a_token_is_verified_by_the_published_key() {
        let identity = Identity::published();
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let token = identity.token(&Claims { algorithm, ..Claims::default() });
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let signature = Base64UrlUnpadded::decode_vec(signature).unwrap();
            match algorithm {
                Algorithm::Es256 => {
                    let signature = p256::ecdsa::Signature::from_slice(&signature).unwrap();
                    identity.es256.verifying_key().verify(signed.as_bytes(), &signature).unwrap();
                }
                Algorithm::EdDsa => {
                    let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
                    identity.eddsa.verifying_key().verify(signed.as_bytes(), &signature).unwrap();
                }
            }
        }
    }

    #[test]
    fn the_keys_are_the_same_in_every_build() {
        let jwks = Identity::published().jwks();
        assert_eq!(jwks, Identity::published().jwks());
        assert_eq!(jwks["keys"][0]["kid"], ES256_KEY_ID);
        assert_eq!(jwks["keys"][1]["x"].as_str().unwrap().len(), 43);
    }

    #[test]
    fn a_token_says_what_was_asked_for() {
        let params = Params::parse(b"tier=pro&user=u1&roles=a,b&scope=x+y&amr=pwd,mfa&ttl=-5&alg=EdDSA");
        let token = Identity::published().token(&Claims::of_params(&params).unwrap());
        let parts: Vec<_> = token.split('.').collect();
        assert_eq!(decoded(parts[0])["alg"], "EdDSA");
        let claims = decoded(parts[1]);
        assert_eq!((&claims["sub"], &claims["tier"]), (&json!("u1"), &json!("pro")));
        assert_eq!((&claims["roles"], &claims["amr"]), (&json!(["a", "b"]), &json!(["pwd", "mfa"])));
        assert_eq!(claims["scope"], "x y");
        assert!(claims["exp"].as_u64().unwrap() < stamp::now());
        assert!(claims["iat"].as_u64() <= claims["exp"].as_u64());
    }

    #[test]
    fn a_question_that_makes_no_sense_is_refused() {
        for bad in ["alg=none", "alg=HS256", "ttl=soon", "nbf=never"] {
            assert!(Claims::of_params(&Params::parse(bad.as_bytes())).is_err(), "{bad}");
        }
    }
}
