//! Money as a whole number of cents: sums are exact, and only a discount rounds, once and half up.

use std::fmt;

/// An amount in cents.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Money(u128);

impl Money {
    /// Reads `19.99`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, cents) = text.split_once('.')?;
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if cents.len() != 2 || whole.is_empty() || !digits(whole) || !digits(cents) {
            return None;
        }
        Some(Self(whole.parse::<u128>().ok()?.checked_mul(100)? + cents.parse::<u128>().ok()?))
    }

    /// So many times the amount.
    pub(crate) fn times(self, quantity: u32) -> Self {
        Self(self.0.saturating_mul(u128::from(quantity)))
    }

    /// What is left of it after these percentages, one after the other, of what the one before left.
    pub(crate) fn less(self, percents: &[u8]) -> Self {
        let (mut numerator, mut denominator) = (self.0, 1u128);
        for percent in percents {
            numerator = numerator.saturating_mul(100 - u128::from((*percent).min(100)));
            denominator = denominator.saturating_mul(100);
        }
        Self((numerator + denominator / 2) / denominator)
    }

    /// The difference, or nothing where `other` is more.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_and_written_alike() {
        for text in ["0.00", "0.05", "19.99", "1199.00"] {
            assert_eq!(Money::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "1", "1.5", ".50", "-1.00", "1.005", "1,00"] {
            assert_eq!(Money::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_discount_rounds_once() {
        let rows: [(&str, u32, &[u8], &str); 5] = [
            ("19.99", 2, &[20], "31.98"),
            ("49.95", 1, &[20], "39.96"),
            ("0.01", 1, &[50], "0.01"),
            ("10.05", 1, &[20, 10], "7.24"),
            ("33.33", 3, &[], "99.99"),
        ];
        for (price, quantity, percents, left) in rows {
            assert_eq!(Money::parse(price).unwrap().times(quantity).less(percents).to_string(), left, "{price}");
        }
    }
}
