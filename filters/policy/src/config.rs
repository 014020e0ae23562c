//! How a filter's configuration is read, and what is said when it is wrong.
//!
//! A filter has a private `Raw` type that serde fills, and a `Config` that is valid by construction. Whatever is wrong
//! is said with the place and the reason: `rules[2].burst: must be at least 1`.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::path;

/// A mistake in a configuration: where, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// The place, in the notation `rules[2].burst`; empty for the whole document.
    pub path: String,
    /// What is wrong with it, as a phrase that follows the path and a colon.
    pub reason: String,
}

impl ConfigError {
    /// A mistake at `path`.
    pub fn at(path: impl AsRef<str>, reason: impl AsRef<str>) -> Self {
        Self::of(path.as_ref(), reason.as_ref())
    }

    /// Out of line: a filter has a hundred places that say what is wrong, and each would allocate for itself.
    #[cold]
    #[inline(never)]
    fn of(path: &str, reason: &str) -> Self {
        Self { path: path.to_owned(), reason: reason.to_owned() }
    }

    /// The same mistake, seen from outside: `burst` inside `rules[2]` is `rules[2].burst`.
    #[must_use]
    #[cold]
    #[inline(never)]
    pub fn inside(self, outer: impl fmt::Display) -> Self {
        let path = match self.path.as_str() {
            "" => outer.to_string(),
            inner if inner.starts_with('[') => format!("{outer}{inner}"),
            inner => format!("{outer}.{inner}"),
        };
        Self { path, ..self }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.reason) } else { write!(f, "{}: {}", self.path, self.reason) }
    }
}

impl std::error::Error for ConfigError {}

/// Reads a configuration's raw shape from JSON; nothing at all stands for `{}`, which is what Envoy hands to a plugin
/// that has no configuration.
///
/// # Errors
/// What serde says (unknown members, wrong types, missing members), with the path of the value it is about.
pub fn read<Raw: DeserializeOwned>(json: &[u8]) -> Result<Raw, ConfigError> {
    let json = if json.is_empty() { b"{}" } else { json };
    serde_json::from_slice(json).map_err(|error| misread(json, &error))
}

/// Out of line, for every shape that is read.
#[cold]
#[inline(never)]
fn misread(json: &[u8], error: &serde_json::Error) -> ConfigError {
    // Only a mistake in the content is about a value; one in the syntax is about a place in the text.
    let path = if error.is_data() { path::at(json, error.line(), error.column()) } else { String::new() };
    ConfigError { path, reason: error.to_string() }
}

/// Turns each element of a list from its raw shape into its valid one; a mistake is placed at `name[index]`.
///
/// # Errors
/// The first element's mistake.
pub fn each<Raw, Valid>(
    name: &str,
    list: Vec<Raw>,
    valid: impl Fn(Raw) -> Result<Valid, ConfigError>,
) -> Result<Vec<Valid>, ConfigError> {
    // A loop: what the compiler makes of collecting results is several times as large, for each type of element.
    let mut elements = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        match valid(raw) {
            Ok(element) => elements.push(element),
            Err(mistake) => return Err(mistake.inside(format_args!("{name}[{index}]"))),
        }
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Raw {
        rules: Vec<Rule>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rule {
        burst: u32,
    }

    #[test]
    fn a_mistake_is_said_with_its_path() {
        let cases = [
            (
                r#"{"rules": [{"burst": 1}, {"burst": "many"}]}"#,
                "rules[1].burst: invalid type: string \"many\", expected u32",
            ),
            (r#"{"rules": [{}]}"#, "rules[0]: missing field `burst`"),
            (r#"{"rule": []}"#, "rule: unknown field `rule`, expected `rules`"),
            (r#"{"rules": [{"burst": -1}]}"#, "rules[0].burst: invalid value: integer `-1`, expected u32"),
            (r#"{"rules": []} {}"#, "trailing characters"),
            ("{", "EOF while parsing an object"),
            (r#"{"rules": [], "rules": []}"#, "rules: duplicate field `rules`"),
        ];
        for (json, expected) in cases {
            let said = read::<Raw>(json.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn no_configuration_is_an_empty_one() {
        assert!(read::<Raw>(b"").unwrap().rules.is_empty());
        assert_eq!(read::<Raw>(br#"{"rules": [{"burst": 3}]}"#).unwrap().rules[0].burst, 3);
    }

    #[test]
    fn a_path_is_built_from_the_inside() {
        let mistake = ConfigError::at("burst", "must be at least 1").inside("rules[2]").inside("limits");
        assert_eq!(mistake.to_string(), "limits.rules[2].burst: must be at least 1");
        assert_eq!(ConfigError::at("", "is empty").inside("keys").to_string(), "keys: is empty");
        assert_eq!(ConfigError::at("[0]", "is empty").inside("keys").to_string(), "keys[0]: is empty");
    }

    #[test]
    fn an_element_is_named_by_its_place_in_the_list() {
        let odd = |n: u32| if n % 2 == 1 { Ok(n) } else { Err(ConfigError::at("", "must be odd")) };
        assert_eq!(each("numbers", vec![1, 3], odd).unwrap(), [1, 3]);
        assert_eq!(each("numbers", vec![1, 2], odd).unwrap_err().to_string(), "numbers[1]: must be odd");
    }
}
