//! Where a claim is, and how its value is written where only text can stand.

use policy::ConfigError;
use policy::config::each;

use policy::json::{Json, Members};

/// Claims are not nested deeper than this.
const NAMES_MAX: usize = 8;
/// From here on, a double leaves whole numbers out.
pub(crate) const EXACT: f64 = 9_007_199_254_740_992.0;
/// A number has no more digits behind its point than this; ten to this power is a `u32`.
const DECIMALS_MAX: usize = 9;

/// Where a claim is: the names of the members that lead to it, from the outside in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path(Vec<String>);

impl Path {
    /// The claim of this name.
    pub fn of(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// Names with dots between them, or a list of names where the names themselves have dots. A name that is a URI, as
    /// private claims of some issuers are (RFC 7519 §4.2), is one name all the same.
    pub(crate) fn read(json: Json) -> Result<Self, ConfigError> {
        let names: Vec<String> = match json {
            Json::Text(text) if text.contains("://") => vec![text],
            Json::Text(text) => text.split('.').map(str::to_owned).collect(),
            Json::List(list) => each("", list, |json| match json {
                Json::Text(name) => Ok(name),
                _ => Err(ConfigError::at("", "must be a string")),
            })?,
            _ => Vec::new(),
        };
        if !(1..=NAMES_MAX).contains(&names.len()) || names.iter().any(String::is_empty) {
            let reason = format!("must be 1 to {NAMES_MAX} names with dots between them, or a list of names");
            return Err(ConfigError::at("", reason));
        }
        // What the parser takes out of the claims itself is not found among them.
        if let [name] = names.as_slice()
            && is_time(name)
        {
            return Err(ConfigError::at("", format!("must be a claim other than the token's times, got {name:?}")));
        }
        Ok(Self(names))
    }

    /// Adds the names to a text, with dots between them.
    pub(crate) fn describe(&self, said: &mut String) {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                said.push('.');
            }
            said.push_str(name);
        }
    }

    /// The claim, where there is one; `null` is one.
    pub(crate) fn find<'a>(&self, claims: &'a Members) -> Option<&'a Json> {
        let (last, outer) = self.0.split_last()?;
        let mut members = claims;
        for name in outer {
            let Json::Object(inner) = members.find(name)? else { return None };
            members = inner;
        }
        members.find(last)
    }
}

/// Whether it is a claim that the parser takes out of the others.
pub(crate) fn is_time(name: &str) -> bool {
    matches!(name, "exp" | "nbf" | "iat")
}

/// A number in decimal, without exponent, with as few digits as tell it from every other; `None` where a double may not
/// be the number that the issuer wrote (whole numbers from 2⁵³), or where it takes too many digits.
#[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
pub(crate) fn decimal(value: f64) -> Option<String> {
    let mut power = 1_u32;
    for digits in 0..=DECIMALS_MAX {
        let scaled = (value * f64::from(power)).round();
        if scaled.is_nan() || scaled.abs() >= EXACT {
            return None;
        }
        // Dividing two numbers that are exact rounds to the double that these digits stand for.
        if (scaled / f64::from(power)).to_bits() == value.to_bits() {
            let whole = scaled as i64;
            let (before, after) = (whole.unsigned_abs() / u64::from(power), whole.unsigned_abs() % u64::from(power));
            let sign = if whole < 0 { "-" } else { "" };
            let point = if digits == 0 { String::new() } else { format!(".{after:0digits$}") };
            return Some(format!("{sign}{before}{point}"));
        }
        power = power.checked_mul(10)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_path_leads_into_objects() {
        let claims: Members = serde_json::from_str(
            r#"{"a": {"b.c": {"d": 1}, "e": [2]}, "https://x.example/r": 3, "b.c": 4, "n": null}"#,
        )
        .unwrap();
        let read = |path: &str| Path::read(serde_json::from_str(path).unwrap());
        let rows = [
            (r#"["a", "b.c", "d"]"#, Some(Json::Number(1.0))),
            (r#""a.e""#, Some(Json::List(vec![Json::Number(2.0)]))),
            (r#""https://x.example/r""#, Some(Json::Number(3.0))),
            (r#"["b.c"]"#, Some(Json::Number(4.0))),
            (r#""n""#, Some(Json::Null)),
            (r#""b.c""#, None),
            (r#""a.e.f""#, None),
            (r#""n.a""#, None),
            (r#""x""#, None),
        ];
        for (path, expected) in rows {
            assert_eq!(read(path).unwrap().find(&claims), expected.as_ref(), "{path}");
        }
        for path in [r#""""#, r#""a..b""#, r#""a.""#, "[]", r#"[""]"#, "[7]", "7", "{}", r#""exp""#, r#"["nbf"]"#] {
            assert!(read(path).is_err(), "{path}");
        }
        assert!(read(r#""a.b.c.d.e.f.g.h""#).is_ok());
        assert!(read(r#""a.b.c.d.e.f.g.h.i""#).is_err());
    }

    #[test]
    fn a_number_is_written_as_short_as_it_can_be() {
        let rows = [
            (0.0, Some("0")),
            (-0.0, Some("0")),
            (7.0, Some("7")),
            (-12.0, Some("-12")),
            (1.5, Some("1.5")),
            (-0.25, Some("-0.25")),
            (0.1, Some("0.1")),
            (100.001, Some("100.001")),
            (3.05, Some("3.05")),
            (0.000_000_001, Some("0.000000001")),
            (9_007_199_254_740_991.0, Some("9007199254740991")),
            (9_007_199_254_740_992.0, None),
            (1e300, None),
            (1e-300, None),
            (1.0 / 3.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ];
        for (value, expected) in rows {
            assert_eq!(decimal(value).as_deref(), expected, "{value}");
        }
    }
}
