//! How often something may happen: `10/s`, `100/m`, `5/h`, `1000/d`.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// More than this per second is refused: the time that one token takes is kept in whole nanoseconds, and the rounding
/// would show.
const PER_SECOND_MAX: u32 = 1_000_000;

/// The unit of time that a rate is given in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`
    Day,
}

impl Unit {
    /// Every unit, the shortest first.
    pub const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    /// How long it is.
    pub const fn length(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => Duration::from_mins(1),
            Self::Hour => Duration::from_hours(1),
            Self::Day => Duration::from_hours(24),
        }
    }

    /// Its name, as a limit's name ends in it.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The longest unit that is no longer than `period`, and its index in [`Unit::ALL`]; a second at least.
    pub fn within(period: Duration) -> (u8, Self) {
        let longer = |(_, unit): &(u8, Self)| unit.length() <= period;
        (0..).zip(Self::ALL).filter(longer).last().unwrap_or((0, Self::Second))
    }

    const fn letter(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
            Self::Day => "d",
        }
    }
}

/// So many per unit of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    count: NonZeroU32,
    unit: Unit,
}

impl Rate {
    /// `count` per `unit`; `None` where that is more than a million a second.
    pub fn new(count: NonZeroU32, unit: Unit) -> Option<Self> {
        (u64::from(count.get()) <= u64::from(PER_SECOND_MAX) * unit.length().as_secs()).then_some(Self { count, unit })
    }

    /// Reads `10/s`, `100/m`, `5/h` or `1000/d`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, letter) = text.split_once('/')?;
        let unit = Unit::ALL.into_iter().find(|unit| unit.letter() == letter)?;
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        Self::new(count.parse().ok().filter(|_| digits)?, unit)
    }

    /// How many.
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// In which time.
    pub const fn unit(self) -> Unit {
        self.unit
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit.letter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_count_and_a_unit_are_a_rate() {
        for (text, count, seconds) in [("10/s", 10, 1), ("100/m", 100, 60), ("5/h", 5, 3600), ("1000/d", 1000, 86_400)]
        {
            let rate = Rate::parse(text).unwrap();
            assert_eq!((rate.count().get(), rate.unit().length().as_secs()), (count, seconds));
            assert_eq!(rate.to_string(), text);
        }
        assert!(Rate::parse("1000000/s").is_some());
        assert!(Rate::parse("60000000/m").is_some());
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "/",
            "/s",
            "10",
            "10/",
            "0/s",
            "-1/s",
            "+1/s",
            "1.5/s",
            "10 /s",
            "10/ s",
            "10/S",
            "10/w",
            "10/s/s",
            "1000001/s",
            "60000001/m",
            "99999999999/d",
        ] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_period_is_of_the_longest_unit_within_it() {
        for (seconds, unit) in [(0, 0), (1, 0), (59, 0), (60, 1), (90, 1), (3600, 2), (86_399, 2), (864_000, 3)] {
            assert_eq!(Unit::within(Duration::from_secs(seconds)), (unit, Unit::ALL[usize::from(unit)]), "{seconds}");
        }
    }
}
