//! Which answers are failures.

use std::ops::RangeInclusive;

use policy::ConfigError;
use policy::json::Json;

use crate::raw::whole;

/// A set of status codes.
#[derive(Debug)]
pub struct Statuses(Vec<Range>);

/// One entry of a list of statuses: `503` or `"500-599"`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Range(RangeInclusive<u16>);

impl Statuses {
    /// All that lie in one of the ranges.
    pub fn new(ranges: Vec<Range>) -> Self {
        Self(ranges)
    }

    /// Whether this status is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.0.contains(&status))
    }
}

impl Default for Statuses {
    /// What a server says that fails. 429 is not among them: it says that the caller is too fast, and the rate limit
    /// of the upstream is what answers that.
    fn default() -> Self {
        Self(vec![Range(500..=599)])
    }
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Self::new(status(first)?, status(last)?)
    }

    fn new(first: u16, last: u16) -> Option<Self> {
        let valid = |status: u16| (100..=599).contains(&status);
        (valid(first) && valid(last) && first <= last).then_some(Self(first..=last))
    }
}

/// The number of a status line: three digits and nothing else.
pub fn status(text: &str) -> Option<u16> {
    (text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Reads one entry of a list.
///
/// # Errors
/// What would be right.
pub fn range(json: &Json) -> Result<Range, ConfigError> {
    let read = match json {
        Json::Text(text) => Range::parse(text),
        number => whole(number).ok().and_then(|number| u16::try_from(number).ok()).and_then(|one| Range::new(one, one)),
    };
    read.ok_or_else(|| {
        ConfigError::at("", r#"must be a status like 503, or a range like "500-599", within 100 to 599"#)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(json: &str) -> Result<Range, ConfigError> {
        range(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_status_is_in_the_set_where_a_range_has_it() {
        let statuses = Statuses::new(["429", "\"500-503\"", "\"599\""].map(|json| read(json).unwrap()).into());
        for (status, expected) in
            [(428, false), (429, true), (430, false), (499, false), (500, true), (503, true), (504, false), (599, true)]
        {
            assert_eq!(statuses.contains(status), expected, "{status}");
        }
    }

    #[test]
    fn by_default_servers_errors_are_failures_and_clients_are_not() {
        for (status, expected) in [(200, false), (404, false), (429, false), (499, false), (500, true), (599, true)] {
            assert_eq!(Statuses::default().contains(status), expected, "{status}");
        }
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for json in [
            "99",
            "600",
            "-1",
            r#""""#,
            r#""5xx""#,
            r#""503-500""#,
            r#""500-600""#,
            r#""500-""#,
            "true",
            "1e3",
            "503.5",
        ] {
            let said = read(json).unwrap_err().to_string();
            assert!(said.contains("must be a status like 503"), "{said}");
        }
    }
}
