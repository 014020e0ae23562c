//! The members of one object of a configuration, taken out one by one; what is left at the end is a mistake.

use crate::json::{Json, Members};
use crate::{ConfigError, Period};

/// What a configuration's object holds and nobody has taken yet.
pub struct Fields(Members);

impl Fields {
    /// Reads a whole document; nothing at all stands for an empty object, which is what Envoy hands to a plugin that has
    /// no configuration.
    ///
    /// # Errors
    /// What serde says is wrong with it.
    // Left to the filter that calls it: what is made of serde's code here is what every filter would link, also one that has
    // its own reader, and it is not made with a filter's flags.
    #[inline]
    pub fn read(json: &[u8]) -> Result<Self, ConfigError> {
        let json = if json.is_empty() { b"{}" } else { json };
        let members = serde_json::from_slice(json).map_err(|error| ConfigError::at("", error.to_string()))?;
        Ok(Self(members))
    }

    /// The members of a value that must be an object.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[inline(never)]
    pub fn of(json: Json) -> Result<Self, ConfigError> {
        match json {
            Json::Object(members) => Ok(Self(members)),
            _ => Err(ConfigError::at("", "must be an object")),
        }
    }

    /// A value of whatever kind.
    #[inline(never)]
    pub fn any(&mut self, name: &str) -> Option<Json> {
        self.0.take(name)
    }

    /// A text.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[inline(never)]
    pub fn text(&mut self, name: &str) -> Result<Option<String>, ConfigError> {
        match self.0.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(ConfigError::at(name, "must be a string")),
        }
    }

    /// A text that there has to be.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[inline(never)]
    pub fn needed(&mut self, name: &str) -> Result<String, ConfigError> {
        self.text(name)?.ok_or_else(|| ConfigError::at(name, "is missing"))
    }

    /// Yes or no.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[inline(never)]
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, ConfigError> {
        match self.0.take(name) {
            None => Ok(None),
            Some(Json::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(ConfigError::at(name, "must be true or false")),
        }
    }

    /// A whole number from `least` to `most`.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
    #[inline(never)]
    pub fn number(&mut self, name: &str, least: u32, most: u32) -> Result<Option<u32>, ConfigError> {
        match self.0.take(name) {
            None => Ok(None),
            Some(Json::Number(number))
                if number.fract() == 0.0 && (f64::from(least)..=f64::from(most)).contains(&number) =>
            {
                Ok(Some(number as u32))
            }
            Some(_) => Err(ConfigError::at(name, format!("must be a whole number from {least} to {most}"))),
        }
    }

    /// A length of time, at most `longest`.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[inline(never)]
    pub fn period(&mut self, name: &str, longest: Period) -> Result<Option<Period>, ConfigError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let period = Period::parse(&text).filter(|period| *period <= longest);
        period.map(Some).ok_or_else(|| {
            ConfigError::at(name, format!("must be a length of time like \"250ms\" or \"30s\", at most {longest}"))
        })
    }

    /// A list; an absent one is `None`.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[inline(never)]
    pub fn list(&mut self, name: &str) -> Result<Option<Vec<Json>>, ConfigError> {
        match self.0.take(name) {
            None => Ok(None),
            Some(Json::List(list)) => Ok(Some(list)),
            Some(_) => Err(ConfigError::at(name, "must be a list")),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[inline(never)]
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        let text = |json| match json {
            Json::Text(text) => Ok(text),
            _ => Err(ConfigError::at("", "must be a string")),
        };
        crate::config::each(name, list, text).map(Some)
    }

    /// An object inside this one; an absent one has no members.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[inline(never)]
    pub fn object(&mut self, name: &str) -> Result<Self, ConfigError> {
        match self.0.take(name) {
            None => Ok(Self(Members::default())),
            Some(json) => Self::of(json).map_err(|mistake| mistake.inside(name)),
        }
    }

    /// Whether there is such a member, of whatever kind.
    pub fn has(&self, name: &str) -> bool {
        self.0.find(name).is_some()
    }

    /// What is left, whole.
    pub fn members(self) -> Members {
        self.0
    }

    /// What is left, by name.
    pub fn rest(self) -> impl Iterator<Item = (String, Json)> {
        self.0.into_iter()
    }

    /// Refuses whatever nobody has taken.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[inline(never)]
    pub fn end(self) -> Result<(), ConfigError> {
        match self.rest().next() {
            None => Ok(()),
            Some((name, _)) => Err(ConfigError::at(name, "is not known here")),
        }
    }

    /// Refuses whatever nobody has taken, and says what there could have been, in the words of serde.
    ///
    /// # Errors
    /// The mistake, with its place.
    #[inline(never)]
    pub fn end_of(self, known: &[&str]) -> Result<(), ConfigError> {
        let Some((name, _)) = self.rest().next() else { return Ok(()) };
        let reason = ["unknown field `", &name, "`, expected one of `", &known.join("`, `"), "`"].concat();
        Err(ConfigError::at(name, reason))
    }
}
