//! HTTP dates (RFC 9110 §5.6.7), read in all three forms and written in the one that is current.

const SECONDS_PER_DAY: u64 = 86_400;
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
/// The epoch was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Seconds since the Unix epoch, or `None` for what is no HTTP date or lies before the epoch.
///
/// `now`, in seconds since the epoch too, says which century the two digits of the RFC 850 form mean: a year that seems
/// more than fifty years in the future is of the past. The weekday is not compared with the day, and case does not
/// count (RFC 9111 §4.2).
pub fn parse(value: &[u8], now: u64) -> Option<u64> {
    let words: Vec<&[u8]> = value.trim_ascii().split(|&byte| byte == b' ').collect();
    let is_gmt = |zone: &[u8]| zone.eq_ignore_ascii_case(b"GMT");
    match words.as_slice() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [weekday, day, month, year, time, zone] if weekday.len() == 4 && weekday.ends_with(b",") && is_gmt(zone) => {
            seconds(digits(year, 4)?, month, digits(day, 2)?, time)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        [weekday, date, time, zone] if weekday.len() > 4 && weekday.ends_with(b",") && is_gmt(zone) => {
            let mut parts = date.split(|&byte| byte == b'-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            let (this_year, ..) = civil(now / SECONDS_PER_DAY);
            let year = this_year / 100 * 100 + digits(year, 2)?;
            let year = if year > this_year + 50 { year - 100 } else { year };
            if parts.next().is_some() { None } else { seconds(year, month, digits(day, 2)?, time) }
        }
        // Sun Nov  6 08:49:37 1994
        [weekday, month, b"", day, time, year] if weekday.len() == 3 => {
            seconds(digits(year, 4)?, month, digits(day, 1)?, time)
        }
        // Sun Nov 16 08:49:37 1994
        [weekday, month, day, time, year] if weekday.len() == 3 => {
            seconds(digits(year, 4)?, month, digits(day, 2)?, time)
        }
        _ => None,
    }
}

/// The current form: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn format(seconds: u64) -> String {
    let days = seconds / SECONDS_PER_DAY;
    let (year, month, day) = civil(days);
    let weekday = WEEKDAYS.get(usize::try_from(days % 7).unwrap_or(0)).copied().unwrap_or_default();
    let month = usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index));
    let month = month.and_then(|name| std::str::from_utf8(*name).ok()).unwrap_or_default();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

fn seconds(year: u64, month: &[u8], day: u64, time: &[u8]) -> Option<u64> {
    let month = 1 + MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as u64;
    if year < 1970 || day == 0 || day > days_in(year, month) {
        return None;
    }
    let mut parts = time.split(|&byte| byte == b':');
    let (hour, minute, second) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    // A leap second is written as 60.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_before(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

fn digits(text: &[u8], length: usize) -> Option<u64> {
    if length == 0 || text.len() != length || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

const fn days_in(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the epoch to this one. Years are counted from March, so that the leap day is a year's last.
const fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// Year, month and day of a day counted from the epoch: the inverse of [`days_before`].
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 §5.6.7.
    const EXAMPLE: u64 = 784_111_777;
    const NOW: u64 = 1_790_000_000;

    #[test]
    fn a_date_is_read_in_its_three_forms() {
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(EXAMPLE)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(EXAMPLE)),
            ("Sun Nov  6 08:49:37 1994", Some(EXAMPLE)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 23:59:60 GMT", Some(1_709_251_200)),
            // Fifty years ahead at most (RFC 9110 §5.6.7): 2026 reads 76 as 2076 and 77 as 1977.
            ("Wednesday, 01-Jan-76 00:00:00 GMT", Some(3_345_062_400)),
            ("Saturday, 01-Jan-77 00:00:00 GMT", Some(220_924_800)),
            ("0", None),
            ("-1", None),
            ("", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("SUN, 06 nov 1994 08:49:37 gMT", Some(EXAMPLE)),
            ("Sun, 06  Nov 1994 08:49:37 GMT", None),
            ("Sun  Nov  6 08:49:37 1994", None),
            ("Sun Nov 6 08:49:37 1994", None),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06-Nov-1994 08:49:37 GMT", None),
            ("Sun, 31 Nov 1994 08:49:37 GMT", None),
            ("Thu, 29 Feb 2023 00:00:00 GMT", None),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None),
            ("Sunday, 06-Nov-94-1 08:49:37 GMT", None),
            ("Sun Nov 006 08:49:37 1994", None),
            ("\u{ff}\u{fe}", None),
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), expected, "{text}");
        }
    }

    #[test]
    fn a_written_date_is_read_back() {
        assert_eq!(format(EXAMPLE), "Sun, 06 Nov 1994 08:49:37 GMT");
        let mut moment = 0;
        while moment < 8_000_000_000 {
            assert_eq!(parse(format(moment).as_bytes(), NOW), Some(moment));
            moment += 7_654_321;
        }
    }
}
