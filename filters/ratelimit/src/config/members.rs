//! A JSON object of the configuration that is read member by member: the code that serde derives is a few KiB for each type.

use std::fmt;

use policy::config::{self, ConfigError};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What has not been read yet.
pub(super) struct Members {
    left: Vec<(String, Box<RawValue>)>,
    known: Vec<&'static str>,
}

impl Members {
    /// Reads an object.
    pub(super) fn read(json: &RawValue) -> Result<Self, ConfigError> {
        config::read(json.get().as_bytes())
    }

    /// Takes a member as it stands.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Box<RawValue>> {
        self.known.push(name);
        let index = self.left.iter().position(|(left, _)| left == name)?;
        Some(self.left.swap_remove(index).1)
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, ConfigError> {
        self.value(name)
    }

    /// Takes a list of texts.
    pub(super) fn texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        self.value(name)
    }

    fn value<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, ConfigError> {
        let Some(json) = self.take(name) else { return Ok(None) };
        config::read(json.get().as_bytes()).map_err(|mistake| mistake.inside(name))
    }

    /// Takes what must be there.
    pub(super) fn required(value: Option<String>, name: &str) -> Result<String, ConfigError> {
        value.ok_or_else(|| ConfigError::at("", ["missing field `", name, "`"].concat()))
    }

    /// Refuses what is left.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        let Some((name, _)) = self.left.first() else { return Ok(()) };
        let known = self.known.join("`, `");
        Err(ConfigError::at(name, ["unknown field `", name, "`, expected one of `", &known, "`"].concat()))
    }
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
        let mut left: Vec<(String, Box<RawValue>)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if left.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom(["duplicate field `", &name, "`"].concat()));
            }
            left.push((name, value));
        }
        Ok(Members { left, known: Vec::new() })
    }
}
