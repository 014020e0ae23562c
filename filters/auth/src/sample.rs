//! Keys and tokens for tests: the keys of the RFCs' own examples, and tokens made with them.

use std::sync::OnceLock;

use ::rsa::rand_core::{CryptoRng, RngCore};
use ::rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPrivateKey};
use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::algorithm::Algorithm;
use crate::config::Config;
use crate::keyring::Keyring;
use crate::token::Verified;

/// RFC 7515 A.1.1, 64 bytes.
pub(crate) const SECRET: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
/// RFC 7515 A.2.1.
pub(crate) const RSA_N: &str = "\
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
/// RFC 7515 A.3.1.
pub(crate) const P256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
/// RFC 7515 A.3.1.
pub(crate) const P256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const P256_D: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
/// RFC 6979 A.2.6.
pub(crate) const P384_X: &str = "7DpOQVtOGaRWhhgCn0J_pdqai8SukuAuBqrlKGswDGTe-PDqkFWGYGSiVFFUgLwT";
/// RFC 6979 A.2.6.
pub(crate) const P384_Y: &str = "gBXZty19VyROqO-awMYhiWcIpZNn-d-59UyoSz8cnbEoiyMcOuDU_nNE_SUzJkcg";
const P384_D: &str = "a509rS4bjBwFsZh1tmWfTeI8O2Z78pe6mqR3QHhxN9iW1XJOTHCoJfhyyepg0u31";
/// RFC 8037 A.2.
pub(crate) const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
pub(crate) const ED25519_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

/// The bytes that base64url text stands for.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).unwrap()
}

/// The base64url text that stands for bytes.
pub(crate) fn text(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

fn kid(id: Option<&str>) -> String {
    id.map(|id| format!(r#","kid":"{id}""#)).unwrap_or_default()
}

/// The secret as a JSON Web Key.
pub(crate) fn oct(alg: &str, id: Option<&str>) -> String {
    format!(r#"{{"kty":"oct","alg":"{alg}","k":"{SECRET}"{}}}"#, kid(id))
}

/// The RSA key as a JSON Web Key.
pub(crate) fn rsa(id: Option<&str>) -> String {
    format!(r#"{{"kty":"RSA","n":"{RSA_N}","e":"AQAB"{}}}"#, kid(id))
}

/// The P-256 key as a JSON Web Key.
pub(crate) fn ec(id: Option<&str>) -> String {
    format!(r#"{{"kty":"EC","crv":"P-256","x":"{P256_X}","y":"{P256_Y}"{}}}"#, kid(id))
}

/// The P-384 key as a JSON Web Key.
pub(crate) fn ec384(id: Option<&str>) -> String {
    format!(r#"{{"kty":"EC","crv":"P-384","x":"{P384_X}","y":"{P384_Y}"{}}}"#, kid(id))
}

/// The Ed25519 key as a JSON Web Key.
pub(crate) fn okp(id: Option<&str>) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{ED25519_X}"{}}}"#, kid(id))
}

/// A JSON Web Key for an algorithm, named like it.
pub(crate) fn jwk(algorithm: Algorithm) -> String {
    let name = algorithm.name();
    match algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => oct(name, Some(name)),
        Algorithm::Rs256 => rsa(Some(name)),
        Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => {
            rsa(Some(name)).replace('}', &format!(r#","alg":"{name}"}}"#))
        }
        Algorithm::Es256 => ec(Some(name)),
        Algorithm::Es384 => ec384(Some(name)),
        Algorithm::EdDsa => okp(Some(name)),
    }
}

/// An issuer as the configuration writes it.
pub(crate) fn issuer(name: &str, audiences: &str, keys: &[String]) -> String {
    format!(r#"{{"issuer":"{name}","audiences":{audiences},"jwks":{{"keys":[{}]}}}}"#, keys.join(","))
}

/// A configuration with one issuer `i`, an audience `us` and a key for each algorithm.
pub(crate) fn config(more: &str) -> Config {
    let issuer = issuer("i", r#"["us"]"#, &Algorithm::ALL.map(jwk));
    read(&format!(r#"{{"issuers":[{issuer}]{more}}}"#))
}

/// A configuration that is expected to be valid.
pub(crate) fn read(json: &str) -> Config {
    Config::from_json(json.as_bytes()).map_err(|mistake| mistake.to_string()).unwrap()
}

/// The signature of an algorithm over a message, by the sample key.
pub(crate) fn sign(algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
    fn mac<M: Mac + hmac::digest::KeyInit>(message: &[u8]) -> Vec<u8> {
        <M as Mac>::new_from_slice(&bytes(SECRET)).unwrap().chain_update(message).finalize().into_bytes().to_vec()
    }
    match algorithm {
        Algorithm::Hs256 => mac::<Hmac<Sha256>>(message),
        Algorithm::Hs384 => mac::<Hmac<Sha384>>(message),
        Algorithm::Hs512 => mac::<Hmac<Sha512>>(message),
        Algorithm::Rs256 => private().sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)).unwrap(),
        Algorithm::Rs384 => private().sign(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message)).unwrap(),
        Algorithm::Rs512 => private().sign(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message)).unwrap(),
        Algorithm::Ps256 => pss::<Sha256>(message, 32),
        Algorithm::Ps384 => pss::<Sha384>(message, 48),
        Algorithm::Ps512 => pss::<Sha512>(message, 64),
        Algorithm::Es256 => {
            use p256::ecdsa::signature::Signer;
            let key = p256::ecdsa::SigningKey::from_slice(&bytes(P256_D)).unwrap();
            let signature: p256::ecdsa::Signature = key.sign(message);
            signature.to_bytes().to_vec()
        }
        Algorithm::Es384 => {
            use p384::ecdsa::signature::Signer;
            let key = p384::ecdsa::SigningKey::from_slice(&bytes(P384_D)).unwrap();
            let signature: p384::ecdsa::Signature = key.sign(message);
            signature.to_bytes().to_vec()
        }
        Algorithm::EdDsa => {
            use ed25519_dalek::Signer;
            let seed: [u8; 32] = bytes(ED25519_D).try_into().unwrap();
            ed25519_dalek::SigningKey::from_bytes(&seed).sign(message).to_bytes().to_vec()
        }
    }
}

fn private() -> RsaPrivateKey {
    let [n, d, p, q] = [RSA_N, RSA_D, RSA_P, RSA_Q].map(|text| BigUint::from_bytes_be(&bytes(text)));
    RsaPrivateKey::from_components(n, 65_537_u32.into(), d, vec![p, q]).unwrap()
}

/// The RSA key's signature with PSS and a salt of so many bytes.
pub(crate) fn pss<D>(message: &[u8], salt_bytes: usize) -> Vec<u8>
where
    D: 'static + Digest + ::rsa::sha2::digest::DynDigest + Send + Sync,
{
    pss_by::<D>(&private(), message, salt_bytes)
}

/// The same of another key.
pub(crate) fn pss_by<D>(key: &RsaPrivateKey, message: &[u8], salt_bytes: usize) -> Vec<u8>
where
    D: 'static + Digest + ::rsa::sha2::digest::DynDigest + Send + Sync,
{
    key.sign_with_rng(&mut Counter(1), Pss::new_with_salt::<D>(salt_bytes), &D::digest(message)).unwrap()
}

/// Salts for tests, each time the same.
struct Counter(u64);

impl RngCore for Counter {
    fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next_u64() >> 32).unwrap()
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.next_u64().to_be_bytes()[0]);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), ::rsa::rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Counter {}

/// What the RSA key makes of a block that somebody else padded.
pub(crate) fn raw_rsa(block: &[u8]) -> Vec<u8> {
    let [n, d, block] = [bytes(RSA_N), bytes(RSA_D), block.to_vec()].map(|bytes| BigUint::from_bytes_be(&bytes));
    let power = block.modpow(&d, &n).to_bytes_be();
    [vec![0; 256 - power.len()], power].concat()
}

/// A token of this header and these claims, signed by the sample key of an algorithm.
pub(crate) fn token_of(algorithm: Algorithm, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", text(header.as_bytes()), text(claims.as_bytes()));
    format!("{message}.{}", text(&sign(algorithm, message.as_bytes())))
}

/// A token with a header as it should be.
pub(crate) fn token(algorithm: Algorithm, claims: &str) -> String {
    let name = algorithm.name();
    token_of(algorithm, &format!(r#"{{"alg":"{name}","kid":"{name}","typ":"JWT"}}"#), claims)
}

/// What a token of `user` says once it is verified.
pub(crate) fn verified(user: &str) -> Verified {
    static TEMPLATE: OnceLock<Verified> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let claims = r#"{"iss":"i","aud":"us","exp":2000000000,"sub":"template"}"#;
        let (config, token) = (config(""), token(Algorithm::Hs256, claims));
        crate::token::open(&config, &Keyring::default(), &token, &crate::verifier::Crates).unwrap()
    });
    let mut verified = template.clone();
    user.clone_into(&mut verified.identity.user);
    verified
}
