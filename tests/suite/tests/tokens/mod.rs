//! Tokens for scenarios, signed while a test runs, and the key set that their issuer would publish.
//!
//! ```ignore
//! mod tokens;
//! let config = format!(r#"{{"issuers": [{}]}}"#, tokens::issuer());
//! let token = tokens::mint(Algorithm::Rs256, r#""sub": "alice", "tier": "pro""#);
//! check("auth", &config, &format!("GET / authorization=\"Bearer {token}\" -> 200"));
//! ```
//!
//! The keys are the examples of RFC 7515 (A.1 to A.3) and RFC 8037 (A.1), so nobody takes them for secrets. What signs
//! here is ring, which shares no code with the filter.

#![allow(dead_code, clippy::unwrap_used)]

use ring::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair};
use ring::{hmac, rand::SystemRandom};

/// The issuer that `issuer` configures.
pub(crate) const ISSUER: &str = "https://id.example/";
/// Whom its tokens are for.
pub(crate) const AUDIENCE: &str = "gateway";

/// RFC 7515 A.1.1.
pub(crate) const SECRET: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
/// RFC 7515 A.2.1.
const RSA_N: &str = "\
    ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs\
    D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV\
    MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RSA_D: &str = "\
    Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0\
    BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYT\
    CBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";
const RSA_P: &str = "\
    4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPG\
    BY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
const RSA_Q: &str = "\
    uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA\
    -njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
const RSA_DP: &str = "\
    BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb3\
    4MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";
const RSA_DQ: &str = "\
    h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyN\
    lxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";
const RSA_QI: &str = "\
    IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW\
    0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";
/// RFC 7515 A.3.1.
const P256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const P256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const P256_D: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
/// RFC 8037 A.1 and A.2.
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED25519_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

/// What signs a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name, which is its key's name too.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// The issuer as the configuration of `auth` writes it, with a key for each algorithm.
pub(crate) fn issuer() -> String {
    let keys = Algorithm::ALL.map(|algorithm| jwk(algorithm, algorithm.name())).join(",\n");
    format!(r#"{{"issuer": "{ISSUER}", "audiences": ["{AUDIENCE}"], "jwks": {{"keys": [{keys}]}}}}"#)
}

/// The key of an algorithm under a name.
pub(crate) fn jwk(algorithm: Algorithm, kid: &str) -> String {
    match algorithm {
        Algorithm::Hs256 => format!(r#"{{"kty": "oct", "kid": "{kid}", "alg": "HS256", "k": "{SECRET}"}}"#),
        Algorithm::Rs256 => format!(r#"{{"kty": "RSA", "kid": "{kid}", "use": "sig", "n": "{RSA_N}", "e": "AQAB"}}"#),
        Algorithm::Es256 => {
            format!(r#"{{"kty": "EC", "kid": "{kid}", "crv": "P-256", "x": "{P256_X}", "y": "{P256_Y}"}}"#)
        }
        Algorithm::EdDsa => format!(r#"{{"kty": "OKP", "kid": "{kid}", "crv": "Ed25519", "x": "{ED25519_X}"}}"#),
    }
}

/// The key set that the issuer publishes with the keys of these algorithms, each under its name.
pub(crate) fn published(algorithms: &[Algorithm]) -> String {
    let keys: Vec<_> = algorithms.iter().map(|algorithm| jwk(*algorithm, algorithm.name())).collect();
    format!(r#"{{"keys": [{}]}}"#, keys.join(", "))
}

/// A token of [`ISSUER`] for [`AUDIENCE`] that is valid until the year 2100, with more `claims` as JSON members.
pub(crate) fn mint(algorithm: Algorithm, claims: &str) -> String {
    let claims = format!(r#"{{"iss": "{ISSUER}", "aud": "{AUDIENCE}", "exp": 4102444800, {claims}}}"#);
    sign(algorithm, &format!(r#"{{"alg": "{0}", "kid": "{0}"}}"#, algorithm.name()), &claims)
}

/// A token of [`ISSUER`] that names a key it may not have.
pub(crate) fn mint_under(kid: &str) -> String {
    let claims = format!(r#"{{"iss": "{ISSUER}", "sub": "eve", "exp": 4102444800}}"#);
    sign(Algorithm::EdDsa, &format!(r#"{{"alg": "EdDSA", "kid": "{kid}"}}"#), &claims)
}

/// A token of exactly this header and these claims.
pub(crate) fn sign(algorithm: Algorithm, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", text(header.as_bytes()), text(claims.as_bytes()));
    let signature = match algorithm {
        Algorithm::Hs256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes(SECRET));
            hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
        }
        Algorithm::Rs256 => {
            let [n, d, p, q] = [RSA_N, RSA_D, RSA_P, RSA_Q].map(bytes);
            let [dp, dq, qi] = [RSA_DP, RSA_DQ, RSA_QI].map(bytes);
            let public_key = PublicKeyComponents { n, e: vec![1, 0, 1] };
            let key = KeyPairComponents { public_key, d, p, q, dP: dp, dQ: dq, qInv: qi };
            let key = RsaKeyPair::from_components(&key).unwrap();
            let mut signature = vec![0; 256];
            key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
            signature
        }
        Algorithm::Es256 => {
            let point = [vec![4], bytes(P256_X), bytes(P256_Y)].concat();
            let random = SystemRandom::new();
            let kind = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let key = EcdsaKeyPair::from_private_key_and_public_key(kind, &bytes(P256_D), &point, &random).unwrap();
            key.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec()
        }
        Algorithm::EdDsa => {
            let key = Ed25519KeyPair::from_seed_and_public_key(&bytes(ED25519_D), &bytes(ED25519_X)).unwrap();
            key.sign(message.as_bytes()).as_ref().to_vec()
        }
    };
    format!("{message}.{}", text(&signature))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding (RFC 4648 §5).
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_usize, |group, &byte| group << 8 | usize::from(byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(*DIGITS.get(group >> (18 - 6 * digit) & 63).unwrap()));
        }
    }
    text
}

/// What base64url stands for.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let (mut bytes, mut group, mut bits) = (Vec::new(), 0_usize, 0);
    for byte in text.bytes() {
        let digit = DIGITS.iter().position(|&digit| digit == byte).unwrap();
        group = (group << 6 | digit) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(group >> bits & 0xff).unwrap());
        }
    }
    bytes
}
