//! What the configuration says of storage: where text is packed, tags, and who may purge.

use policy::fields::Fields;
use policy::{ConfigError, Headers};

use crate::tag::Tags;

/// How the tags of responses are read.
#[derive(Clone, Debug)]
pub struct Tagging {
    /// The fields that list them, in lower case.
    pub fields: Vec<String>,
    /// Clients do not see these fields.
    pub hidden: bool,
}

/// Where bodies of text are packed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Packing {
    /// In the second level, not in this proxy.
    Remote,
    /// Wherever they are kept.
    Everywhere,
    /// Nowhere.
    Never,
}

impl Packing {
    /// Reads `compress`.
    pub(super) fn read(members: &mut Fields) -> Result<Self, ConfigError> {
        match members.text("compress")?.as_deref() {
            None | Some("l2") => Ok(Self::Remote),
            Some("everywhere") => Ok(Self::Everywhere),
            Some("never") => Ok(Self::Never),
            Some(other) => Err(ConfigError::at("compress", format!("must be l2, everywhere or never, got {other:?}"))),
        }
    }
}

/// The SHA-256 of the key that a client must show to purge.
pub type KeyDigest = [u8; 32];

impl Tagging {
    /// Reads `tag_fields` and `tag_fields_hidden`.
    pub(super) fn read(members: &mut Fields) -> Result<Self, ConfigError> {
        let hidden = members.flag("tag_fields_hidden")? == Some(true);
        let fields =
            members.texts("tag_fields")?.unwrap_or_else(|| ["cache-tag", "surrogate-key"].map(str::to_owned).to_vec());
        let is_good = |name: &String| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !name.is_empty() && name.bytes().all(plain)
        };
        match fields.iter().position(|name| !is_good(name)) {
            Some(index) => Err(ConfigError::at(format!("tag_fields[{index}]"), "must be a field's name in lower case")),
            None if fields.len() > 4 => Err(ConfigError::at("tag_fields", "must be no more than 4")),
            None => Ok(Self { fields, hidden }),
        }
    }

    /// The tags in the headers of a response that is to be stored; where they are hidden, they are in the envelope alone.
    pub fn take(&self, stored: &mut Headers) -> Tags {
        let tags = Tags::read(stored, &self.fields);
        if self.hidden && self.fields.iter().any(|name| stored.first(name).is_some()) {
            let is_shown = |name: &[u8]| self.fields.iter().all(|field| field.as_bytes() != name);
            let shown: Vec<_> = stored.iter().filter(|(name, _)| is_shown(name)).collect();
            *stored = Headers::from_pairs(&shown);
        }
        tags
    }
}

/// Reads a digest as 64 hexadecimal digits.
pub(super) fn digest(text: Option<String>) -> Result<Option<KeyDigest>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let mut digest = KeyDigest::default();
    match digits {
        Some(digits) if digits.len() == 2 * digest.len() => {
            for (byte, pair) in digest.iter_mut().zip(digits.chunks(2)) {
                *byte = pair.iter().fold(0, |byte, &digit| byte << 4 | u8::try_from(digit).unwrap_or_default());
            }
            Ok(Some(digest))
        }
        _ => Err(ConfigError::at("purge_key_sha256", "must be the 64 hexadecimal digits of a SHA-256")),
    }
}
