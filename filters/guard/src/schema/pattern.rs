//! Regular expressions, and what it costs to look for one.

use policy::ConfigError;
use regex_lite::{Regex, RegexBuilder};

/// How large a regular expression may become, in bytes.
const PATTERN_BYTES_MAX: usize = 32 << 10;

/// A regular expression, found anywhere in a text.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// What eight bytes of a text cost, in steps: a match may try as many ways at once as an expression has parts.
    weight: usize,
}

impl Pattern {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let regex = RegexBuilder::new(text)
            .size_limit(PATTERN_BYTES_MAX)
            .build()
            .map_err(|error| ConfigError::at("", format!("is no regular expression that is known here: {error}")))?;
        Ok(Self { regex, weight: text.len() / 8 + 1 })
    }

    /// What it costs to look for it in a text, in steps of a check.
    pub(super) fn cost(&self, text: &str) -> usize {
        (text.len() / 8 + 1).saturating_mul(self.weight)
    }

    /// Whether it is found.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}
