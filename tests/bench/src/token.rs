//! An RS256 token, made for this run alone, and the key set that proves it.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rand_core::OsRng;
use rsa::pkcs1v15::SigningKey;
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};

/// Who the token says it is from.
pub(crate) const ISSUER: &str = "https://id.example/";
/// Whom it is for.
pub(crate) const AUDIENCE: &str = "gateway";

/// A token and what a verifier needs.
pub(crate) struct Token {
    /// The compact serialisation.
    pub(crate) compact: String,
    /// The issuer's JSON Web Key Set.
    pub(crate) keys: Value,
}

/// Makes a key of 2,048 bits and a token of ordinary size that is valid for a day.
pub(crate) fn mint() -> Token {
    let private = rsa::RsaPrivateKey::new(&mut OsRng, 2048).expect("a key of this size can be made");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970").as_secs();
    let header = json!({"alg": "RS256", "kid": "bench", "typ": "JWT"});
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user123", "tier": "pro", "roles": ["user"],
        "iat": now, "nbf": now, "exp": now + 86_400,
    });
    let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let keys = json!({"keys": [{
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "bench",
        "n": BASE64.encode(private.n().to_bytes_be()), "e": BASE64.encode(private.e().to_bytes_be()),
    }]});
    let signature = SigningKey::<Sha256>::new(private).sign(signed.as_bytes());
    Token { compact: format!("{signed}.{}", BASE64.encode(signature.to_bytes())), keys }
}
