//! Sums of money: exact, in decimal digits.

use crate::value::Value;

/// More digits after the point than this are no price.
const SCALE_MAX: u32 = 18;
/// A longer text is none either.
const LENGTH_MAX: usize = 40;

/// An exact decimal number: `units` divided by ten to the power of `scale`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// Reads a number, or a text that is one, as in `19.99` or `"19.99"`. One with an exponent is not read: no price is
    /// written so, and a short text could stand for a number without end.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(digits) | Value::Text(digits) => Self::parse(digits),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() > LENGTH_MAX || !plain(whole) || !plain(fraction) {
            return None;
        }
        let fraction = if digits.contains('.') { fraction } else { "" };
        let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= SCALE_MAX)?;
        let units = format!("{whole}{fraction}").parse::<i128>().ok()?;
        Some(Self { units: units.checked_mul(sign)?, scale })
    }

    /// The sum, where it can be written.
    pub fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = |one: Self| one.units.checked_mul(10_i128.checked_pow(scale - one.scale)?);
        Some(Self { units: units(self)?.checked_add(units(other)?)?, scale })
    }

    /// It as JSON's number, with as many digits after the point as the longest of its parts.
    pub fn to_value(self) -> Value {
        let sign = if self.units < 0 { "-" } else { "" };
        let scale = self.scale as usize;
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at_checked(digits.len() - scale).unwrap_or((&digits, ""));
        let point = if fraction.is_empty() { "" } else { "." };
        Value::Number([sign, whole, point, fraction].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn sum(parts: &[&str]) -> Option<String> {
        let parts = parts.iter().map(|part| Decimal::of(&Value::text(part)));
        let total = parts.into_iter().try_fold(Decimal::default(), |total, part| total.plus(part?));
        total.map(|total| total.to_value().to_json())
    }

    #[test]
    fn tenths_add_up() {
        for (parts, total) in [
            (&["0.1", "0.2"][..], "0.3"),
            (&["19.99", "0.01"], "20.00"),
            (&["5", "1.5"], "6.5"),
            (&["-0.05", "0.02"], "-0.03"),
            (&["0.000000000000000001", "1000000000000"], "1000000000000.000000000000000001"),
            (&[], "0"),
        ] {
            assert_eq!(sum(parts).as_deref(), Some(total), "{parts:?}");
        }
    }

    #[test]
    fn what_is_no_price_has_no_sum() {
        let long = "9".repeat(41);
        let huge = "9".repeat(38);
        for parts in [
            &["1e5"][..],
            &[""],
            &["."],
            &["1."],
            &[".5"],
            &["+1"],
            &["NaN"],
            &["1,5"],
            &[&long],
            &["0x1"],
            &[&huge, &huge],
        ] {
            assert_eq!(sum(parts), None, "{parts:?}");
        }
        assert_eq!(Decimal::of(&Value::Null), None);
    }
}
