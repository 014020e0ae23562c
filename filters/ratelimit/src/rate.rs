//! How often something may happen: `10/s`, `100/m`, `5/h`, `1000/d`.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// More than this per second is refused: the time that one token takes is kept in whole nanoseconds, and the rounding
/// would show.
const PER_SECOND_MAX: u32 = 1_000_000;

/// The unit of time that a rate is given in. A rule has at most one limit for each.
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

    const fn letter(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
            Self::Day => "d",
        }
    }
}

/// One value for each unit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PerUnit<T>(pub [T; 4]);

impl<T> PerUnit<T> {
    /// The value of `unit`.
    pub const fn at(&self, unit: Unit) -> &T {
        let [second, minute, hour, day] = &self.0;
        match unit {
            Unit::Second => second,
            Unit::Minute => minute,
            Unit::Hour => hour,
            Unit::Day => day,
        }
    }

    /// The value of `unit`, to be changed.
    pub const fn at_mut(&mut self, unit: Unit) -> &mut T {
        let [second, minute, hour, day] = &mut self.0;
        match unit {
            Unit::Second => second,
            Unit::Minute => minute,
            Unit::Hour => hour,
            Unit::Day => day,
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
    fn a_value_is_kept_for_each_unit() {
        let mut values = PerUnit([1, 2, 3, 4]);
        *values.at_mut(Unit::Hour) = 30;
        assert_eq!(Unit::ALL.map(|unit| *values.at(unit)), [1, 2, 30, 4]);
    }
}
