//! Bytes that nobody may see: without `Debug`, without `Display`, wiped when they are dropped.

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

/// A secret shared with an issuer.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Reads base64url without padding, as the `k` of a JSON Web Key is written (RFC 7518 §6.4.1); `None` for anything
    /// else.
    pub fn from_base64url(text: &str) -> Option<Self> {
        Base64UrlUnpadded::decode_vec(text).ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
