//! A length of time as a configuration writes it: `250ms`, `30s`, `5m`, `12h`, `30d`.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A length of time read from text: a whole number and one unit of `ms s m h d`, or a bare `0`.
///
/// At most ten years, so that adding it to a moment never reaches the end of time.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Period(Duration);

/// Longer periods are refused: nothing that a gateway keeps is kept for longer.
const PERIOD_MAX: Duration = Duration::from_hours(10 * 366 * 24);

impl Period {
    /// A period of this length, for defaults.
    pub const fn of(length: Duration) -> Self {
        Self(length)
    }

    /// A period of whole seconds, for defaults.
    pub const fn of_seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Reads `250ms`, `30s`, `5m`, `12h` or `30d`; `None` for anything else, or for more than ten years.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self(Duration::ZERO));
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(digits)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let length = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(millis)?);
        (length <= PERIOD_MAX).then_some(Self(length))
    }

    /// The length.
    pub const fn length(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Period {
    /// In the largest unit that leaves a whole number, as [`Period::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if millis >= size && millis.is_multiple_of(size) {
                return write!(f, "{}{unit}", millis / size);
            }
        }
        if millis == 0 { f.write_str("0") } else { write!(f, "{millis}ms") }
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PeriodVisitor)
    }
}

struct PeriodVisitor;

impl Visitor<'_> for PeriodVisitor {
    type Value = Period;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a length of time like "250ms", "30s", "5m", "12h" or "30d", at most ten years"#)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Period, E> {
        Period::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_number_and_a_unit_are_a_period() {
        for (text, millis) in [("0", 0), ("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("12h", 43_200_000)] {
            let period = Period::parse(text).unwrap();
            assert_eq!(period.length(), Duration::from_millis(millis));
            assert_eq!(period.to_string(), text);
        }
        assert_eq!(Period::parse("30d").unwrap().length(), Duration::from_hours(720));
    }

    #[test]
    fn anything_else_is_none() {
        for text in
            ["", "s", "5", "-1s", "1.5s", "5 s", "5S", "5w", "99999999999999999999s", "18446744073709551615d", "3661d"]
        {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_wrong_period_is_told_what_is_right() {
        let error = serde_json::from_str::<Period>(r#""soon""#).unwrap_err();
        assert!(error.to_string().contains(r#"invalid value: string "soon", expected a length of time like "250ms""#));
    }
}
