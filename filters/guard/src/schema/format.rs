//! Formats of texts (JSON Schema Validation §7.3), as far as they are offered.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// A `full-date` of RFC 3339.
    Date,
    /// A `date-time` of RFC 3339.
    DateTime,
    /// Four numbers (RFC 2673 §3.2).
    Ipv4,
    /// RFC 4291 §2.2, without a zone.
    Ipv6,
    /// RFC 9562 §4.
    Uuid,
}

/// All of them, by name.
const ALL: [(&str, Format, &str); 5] = [
    ("date", Format::Date, "must be a date like 2026-01-31"),
    ("date-time", Format::DateTime, "must be a date and time like 2026-01-31T12:00:00Z"),
    ("ipv4", Format::Ipv4, "must be an IPv4 address"),
    ("ipv6", Format::Ipv6, "must be an IPv6 address"),
    ("uuid", Format::Uuid, "must be a UUID"),
];

impl Format {
    /// The format of this name.
    pub(super) fn find(name: &str) -> Option<Self> {
        ALL.iter().find(|(known, ..)| *known == name).map(|(_, format, _)| *format)
    }

    /// What is said of a text that is not of it.
    pub(super) fn reason(self) -> &'static str {
        ALL.iter().find(|(_, format, _)| *format == self).map_or("", |(.., reason)| reason)
    }

    /// Whether a text is of it.
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Date => is_date(text.as_bytes()),
            Self::DateTime => is_date_time(text.as_bytes()),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Uuid => is_uuid(text.as_bytes()),
        }
    }
}

/// The names, as a mistake lists them.
pub(super) fn names() -> String {
    let names: Vec<_> = ALL.iter().map(|(name, ..)| *name).collect();
    names.join("`, `")
}

fn is_uuid(text: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.iter().enumerate().all(fits)
}

/// A number of exactly so many digits, from `least` to `most`.
fn number(digits: Option<&[u8]>, least: u32, most: u32) -> Option<u32> {
    let digits = digits?;
    let mut number = 0;
    for digit in digits {
        number = number * 10 + char::from(*digit).to_digit(10)?;
    }
    (least..=most).contains(&number).then_some(number)
}

fn is_date(text: &[u8]) -> bool {
    let found = || {
        let year = number(text.get(..4), 0, 9999)?;
        let month = number(text.get(5..7), 1, 12)?;
        let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let days = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        number(text.get(8..), 1, days)
    };
    text.len() == 10 && text.get(4) == Some(&b'-') && text.get(7) == Some(&b'-') && found().is_some()
}

fn is_date_time(text: &[u8]) -> bool {
    let Some((date, rest)) = text.split_at_checked(10) else { return false };
    let Some((b'T' | b't', time)) = rest.split_first() else { return false };
    let clock = || {
        let (hour, minute) = (number(time.get(..2), 0, 23)?, number(time.get(3..5), 0, 59)?);
        let second = number(time.get(6..8), 0, 60)?;
        (time.get(2) == Some(&b':') && time.get(5) == Some(&b':')).then_some((hour * 60 + minute, second))
    };
    let (Some((minutes, second)), Some(rest)) = (clock(), time.get(8..)) else { return false };
    let zone = match rest.split_first() {
        Some((b'.', fraction)) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            fraction.get(digits..).unwrap_or_default()
        }
        _ => rest,
    };
    let Some(offset) = offset(zone) else { return false };
    // A leap second is the last one of a day in UTC.
    let in_utc = (i64::from(minutes) - offset).rem_euclid(24 * 60);
    is_date(date) && (second < 60 || in_utc == 24 * 60 - 1)
}

/// How many minutes a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), time @ ..] if time.len() == 5 && time.get(2) == Some(&b':') => {
            let minutes = i64::from(number(time.get(..2), 0, 23)? * 60 + number(time.get(3..), 0, 59)?);
            Some(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => None,
    }
}
