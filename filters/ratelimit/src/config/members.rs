//! The members of one object, read one by one: what serde derives for a struct takes several times the room of this.

use std::fmt;

use policy::config::{self, ConfigError};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object's members, each once.
pub(super) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// Reads an object that has no other members than these.
    pub(super) fn read(json: &[u8], known: &[&str]) -> Result<Self, ConfigError> {
        let members: Self = config::read(json)?;
        let unknown = members.0.iter().find(|(name, _)| !known.contains(&name.as_str()));
        match unknown {
            None => Ok(members),
            Some((name, _)) => {
                let known = known.join("`, `");
                Err(ConfigError::at(name, format!("unknown field `{name}`, expected one of `{known}`")))
            }
        }
    }

    /// Reads an object of any members.
    pub(super) fn any(json: &[u8]) -> Result<Self, ConfigError> {
        config::read(json)
    }

    /// Each member's name, and what is written there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get().as_bytes()))
    }

    /// A member as it is written; `null` stands for none.
    pub(super) fn raw(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.0.iter().find(|(other, value)| other == name && value.get() != "null")?;
        Some(value.get().as_bytes())
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u32>, ConfigError> {
        self.value(name)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        self.value(name)
    }

    /// A truth value.
    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>, ConfigError> {
        self.value(name)
    }

    /// Some texts, which must be there.
    pub(super) fn words(&self, name: &str) -> Result<Vec<String>, ConfigError> {
        self.value(name)?.ok_or_else(|| missing(name))
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str) -> Result<String, ConfigError> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    fn value<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        let Some(json) = self.raw(name) else { return Ok(None) };
        config::read(json).map(Some).map_err(|mistake| mistake.inside(name))
    }
}

fn missing(name: &str) -> ConfigError {
    ConfigError::at("", format!("missing field `{name}`"))
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            members.push((name, map.next_value()?));
        }
        Ok(Members(members))
    }
}
