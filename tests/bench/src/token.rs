//! Tokens, made for this run alone, and the key sets that prove them.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rand_core::OsRng;
use rsa::pkcs1v15::SigningKey;
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};

/// Who the tokens say they are from.
pub(crate) const ISSUER: &str = "https://id.example/";
/// Whom they are for.
pub(crate) const AUDIENCE: &str = "gateway";
/// More tokens than a filter remembers, by far.
const FRESH: usize = 8192;

/// The tokens of each algorithm that is measured.
pub(crate) struct Tokens {
    /// RSA PKCS #1 with 2,048 bits.
    pub(crate) rs256: Token,
    /// ECDSA on P-256.
    pub(crate) es256: Token,
}

/// Tokens of one issuer with one key.
pub(crate) struct Token {
    /// One to show again and again.
    pub(crate) seen: String,
    /// Many to show once each.
    pub(crate) fresh: Vec<String>,
    /// The issuer's JSON Web Key Set.
    pub(crate) keys: Value,
}

impl Tokens {
    /// Makes the keys and the tokens.
    pub(crate) fn mint() -> Self {
        let key = rsa::RsaPrivateKey::new(&mut OsRng, 2048).expect("a key of this size can be made");
        let (n, e) = (BASE64.encode(key.n().to_bytes_be()), BASE64.encode(key.e().to_bytes_be()));
        let jwk = json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "bench", "n": n, "e": e});
        let signer = SigningKey::<Sha256>::new(key);
        let rs256 = Token::mint("RS256", &jwk, &|message| signer.sign(message).to_vec());

        let signer = p256::ecdsa::SigningKey::random(&mut OsRng);
        let point = signer.verifying_key().to_encoded_point(false);
        let coordinate = |bytes: Option<&p256::FieldBytes>| BASE64.encode(bytes.expect("the point is not compressed"));
        let (x, y) = (coordinate(point.x()), coordinate(point.y()));
        let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "bench", "x": x, "y": y});
        let sign = |message: &[u8]| -> p256::ecdsa::Signature { signer.sign(message) };
        let es256 = Token::mint("ES256", &jwk, &|message| sign(message).to_vec());
        Self { rs256, es256 }
    }
}

impl Token {
    /// Tokens of ordinary size that are valid for a day.
    fn mint(algorithm: &str, jwk: &Value, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970").as_secs();
        let header = BASE64.encode(json!({"alg": algorithm, "kid": "bench", "typ": "JWT"}).to_string());
        let token = |number: usize| {
            let claims = json!({
                "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user{number:04}"), "tier": "pro", "roles": ["user"],
                "iat": now, "nbf": now, "exp": now + 86_400,
            });
            let signed = format!("{header}.{}", BASE64.encode(claims.to_string()));
            let signature = BASE64.encode(sign(signed.as_bytes()));
            format!("{signed}.{signature}")
        };
        Self { seen: token(0), fresh: (1..=FRESH).map(token).collect(), keys: json!({"keys": [jwk]}) }
    }
}
