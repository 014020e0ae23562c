//! The words that measure: durations, amounts and metrics.

use std::time::Duration;

use crate::step::{Amount, Metric};
use crate::word::{self, Word};

/// `250ms`, `61s`, `5m`, `2h`, `30d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let error = || format!("expected a duration like 250ms, 61s, 5m, 2h or 30d, got `{text}`");
    let unit_at = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(error)?;
    let (number, unit) = text.split_at(unit_at);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(error()),
    };
    let number: u64 = number.parse().map_err(|_| error())?;
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(error)
}

/// `name{label=value,…} amount`
pub(crate) fn metric(words: &[Word]) -> Result<Metric, String> {
    let [series, amount] = words else { return Err("expected `metric name{label=value} amount`".to_owned()) };
    let series = word::text(series)?;
    let (name, labels) = match series.split_once('{') {
        None => (series.as_str(), ""),
        Some((name, rest)) => (name, rest.strip_suffix('}').ok_or("expected `}` at the end of the labels")?),
    };
    let label = |text: &str| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("expected `label=value`, got `{text}`")),
    };
    let labels = labels.split(',').filter(|text| !text.is_empty()).map(label).collect::<Result<_, _>>()?;
    Ok(Metric { name: name.to_owned(), labels, value: self::amount(&word::text(amount)?)? })
}

fn amount(text: &str) -> Result<Amount, String> {
    let number = |text: &str| text.parse::<f64>().map_err(|_| format!("expected a number, got `{text}`"));
    match (text.strip_prefix(">="), text.strip_prefix("<=")) {
        (Some(least), _) => Ok(Amount::AtLeast(number(least)?)),
        (_, Some(most)) => Ok(Amount::AtMost(number(most)?)),
        _ => Ok(Amount::Exactly(number(text)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        let cases = [("250ms", 250), ("61s", 61_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)];
        for (text, milliseconds) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-1s", "5x", "99999999999999999999s", "18446744073709551615d"] {
            let error = duration(text).expect_err(text);
            assert_eq!(error, format!("expected a duration like 250ms, 61s, 5m, 2h or 30d, got `{text}`"));
        }
    }

    #[test]
    fn an_amount_holds_on_its_side_alone() {
        let cases = [("3", [false, true, false]), (">=3", [false, true, true]), ("<=3", [true, true, false])];
        for (text, expected) in cases {
            let amount = amount(text).expect(text);
            assert_eq!([2.0, 3.0, 4.0].map(|value| amount.holds(value)), expected, "{text}");
        }
    }
}
