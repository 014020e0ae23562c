//! What a route says of its callers: who of them may be answered with what.

use policy::ConfigError;
use policy::fields::Fields;
use policy::handover::header;

/// By what a route tells callers apart whom `auth` has judged: what one is answered with is for no other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Isolation {
    /// Who they are.
    User,
    /// Which tier they are of.
    Tier,
}

impl Isolation {
    /// Reads `isolate`, beside which nothing may be `shared`.
    pub(super) fn read(fields: &mut Fields, is_shared: bool) -> Result<Option<Self>, ConfigError> {
        let isolation = match fields.text("isolate")?.as_deref() {
            None | Some("none") => return Ok(None),
            Some("user") => Self::User,
            Some("tier") => Self::Tier,
            Some(_) => return Err(ConfigError::at("isolate", "must be user, tier or none")),
        };
        if is_shared {
            return Err(ConfigError::at("isolate", "must be none where all callers are answered alike (`shared`)"));
        }
        Ok(Some(isolation))
    }

    /// The header in which `auth` says it.
    pub const fn header(self) -> &'static str {
        match self {
            Self::User => header::USER,
            Self::Tier => header::TIER,
        }
    }

    /// Whether keys have what a request says in this field.
    pub fn heeds(self, field: &str) -> bool {
        field == self.header() || (self == Self::User && field == header::API_KEY)
    }

    /// What stands for it in a key.
    pub const fn kind(self) -> u8 {
        match self {
            Self::User => b'U',
            Self::Tier => b'T',
        }
    }
}
