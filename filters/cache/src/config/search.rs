//! What a route says of searches: the `POST`s whose answers are kept by their bodies.

use std::time::Duration;

use policy::fields::Fields;
use policy::{ConfigError, Match, Period};

/// The most that a search may have; all of it is in its key.
const BYTES_MAX: u64 = 64 << 10;

/// How a route's searches are held back until their bodies are whole (`body`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Search {
    /// One with a longer body passes.
    pub bytes_max: usize,
    /// One whose body takes longer passes.
    pub wait: Duration,
}

impl Search {
    /// Reads `body` of a route that is about these requests.
    pub(super) fn read(fields: &mut Fields, matches: &Match) -> Result<Option<Self>, ConfigError> {
        if !fields.has("body") {
            return Ok(None);
        }
        if !matches.admits("POST") {
            return Err(ConfigError::at("body", "needs a route that matches POST"));
        }
        Self::of(fields.object("body")?).map(Some).map_err(|mistake| mistake.inside("body"))
    }

    fn of(mut fields: Fields) -> Result<Self, ConfigError> {
        if fields.needed("key")? != "json" {
            return Err(ConfigError::at("key", "must be json"));
        }
        let bytes_max = super::bytes(&mut fields, "max", 16 << 10)?;
        if !(1..=BYTES_MAX).contains(&bytes_max) {
            return Err(ConfigError::at("max", "must be from 1 to 64KiB"));
        }
        let wait = fields.period("wait", Period::of_seconds(30))?.map_or(Duration::from_secs(2), Period::length);
        if wait < Duration::from_millis(100) {
            return Err(ConfigError::at("wait", "must be at least 100ms"));
        }
        fields.end_of(&["key", "max", "wait"])?;
        Ok(Self { bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX), wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(json: &str) -> Result<Option<Search>, String> {
        let mut fields = Fields::read(json.as_bytes()).unwrap();
        let matches = Match::read(fields.object("match").unwrap()).unwrap();
        Search::read(&mut fields, &matches).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn a_search_has_defaults() {
        assert_eq!(read("{}"), Ok(None));
        let search = Search { bytes_max: 16 << 10, wait: Duration::from_secs(2) };
        assert_eq!(read(r#"{"body": {"key": "json"}}"#), Ok(Some(search)));
        let search = Search { bytes_max: 1024, wait: Duration::from_millis(500) };
        let given =
            r#"{"match": {"methods": ["GET", "POST"]}, "body": {"key": "json", "max": "1KiB", "wait": "500ms"}}"#;
        assert_eq!(read(given), Ok(Some(search)));
    }

    #[test]
    fn a_mistake_says_what_would_be_right() {
        for (json, expected) in [
            (r#"{"match": {"methods": ["GET"]}, "body": {"key": "json"}}"#, "body: needs a route that matches POST"),
            (r#"{"body": {}}"#, "body.key: is missing"),
            (r#"{"body": {"key": "xml"}}"#, "body.key: must be json"),
            (r#"{"body": {"key": "json", "max": 0}}"#, "body.max: must be from 1 to 64KiB"),
            (r#"{"body": {"key": "json", "max": "65KiB"}}"#, "body.max: must be from 1 to 64KiB"),
            (r#"{"body": {"key": "json", "wait": "1ms"}}"#, "body.wait: must be at least 100ms"),
            (r#"{"body": {"key": "json", "wait": "1m"}}"#, "body.wait: must be a length of time like"),
            (r#"{"body": {"key": "json", "size": 1}}"#, "body.size: unknown field `size`"),
            (r#"{"body": "json"}"#, "body: must be an object"),
        ] {
            let said = read(json).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
