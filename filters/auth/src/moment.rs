//! Moments as a configuration writes them: `2027-01-01T00:00:00Z`, or in Unix seconds.

use policy::ConfigError;

use policy::fields::Fields;
use policy::json::Json;

/// The last second of the year 9999, the last one that four digits can say.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// Takes a moment out of an object, in seconds since the Unix epoch.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
pub(crate) fn read(fields: &mut Fields, name: &str) -> Result<Option<i64>, ConfigError> {
    let seconds = match fields.any(name) {
        None => return Ok(None),
        Some(Json::Text(text)) => parse(&text),
        Some(Json::Number(number)) if number.fract() == 0.0 && (0.0..=SECONDS_MAX).contains(&number) => {
            Some(number as i64)
        }
        Some(_) => None,
    };
    seconds.map(Some).ok_or_else(|| {
        ConfigError::at(name, "must be a moment like \"2027-01-01T00:00:00Z\", or one in seconds since 1970")
    })
}

/// Reads a moment of RFC 3339 in UTC, in whole seconds; `None` for anything else, or for one before 1970.
fn parse(text: &str) -> Option<i64> {
    const FORM: &[u8; 20] = b"0000-00-00T00:00:00Z";
    if text.len() != FORM.len() {
        return None;
    }
    let (mut numbers, mut found) = ([0; 6], 0);
    for (byte, form) in text.bytes().zip(FORM) {
        match byte {
            b'0'..=b'9' if *form == b'0' => {
                let number = numbers.get_mut(found)?;
                *number = *number * 10 + i64::from(byte - b'0');
            }
            _ if byte == *form && *form != b'0' => found += 1,
            _ => return None,
        }
    }
    let [year, month, day, hour, minute, second] = numbers;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Counted from March on, the leap day is a year's last.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_moment_is_a_number_of_seconds() {
        let rows = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1972-02-29T23:59:59Z", Some(68_255_999)),
            ("2000-02-29T00:00:00Z", Some(951_782_400)),
            ("2000-03-01T00:00:00Z", Some(951_868_800)),
            ("2026-01-01T00:00:00Z", Some(1_767_225_600)),
            ("2027-12-31T12:34:56Z", Some(1_830_256_496)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799)),
            ("2027-02-29T00:00:00Z", None),
            ("2100-02-29T00:00:00Z", None),
            ("2027-13-01T00:00:00Z", None),
            ("2027-00-01T00:00:00Z", None),
            ("2027-04-31T00:00:00Z", None),
            ("2027-01-01T24:00:00Z", None),
            ("2027-01-01T00:60:00Z", None),
            ("2027-01-01T00:00:60Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("2027-01-01", None),
            ("2027-01-01T00:00:00", None),
            ("2027-01-01T00:00:00.0Z", None),
            ("2027-01-01T00:00:00+00:00", None),
            ("2027-01-01t00:00:00z", None),
            ("+027-01-01T00:00:00Z", None),
            ("２27-01-01T00:00:00Z", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
