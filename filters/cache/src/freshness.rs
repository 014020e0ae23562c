//! How old a response is and for how long it is fresh (RFC 9111 §4.2), as a shared cache reckons.
//!
//! Two clocks meet here. `Date`, `Expires` and `Last-Modified` are by the origin's clock and are compared with each
//! other only; that they lie in our past is used once, for the *apparent age*, which can only make a response older.
//! Everything since the response came in is by our own clock, and that one may step back: see [`Received::age`].

use std::time::Duration;

use policy::{Headers, Instant, date};

use crate::directive::{self, SECONDS_MAX};

/// A moment this far ahead counts as now: the clocks of two threads are read one after the other.
const TOLERANCE: Duration = Duration::from_secs(2);

/// When a response came in, and how old it already was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received {
    /// The moment at which its headers came, by our clock.
    pub at: Instant,
    /// Its age at that moment, in seconds.
    pub age: u32,
}

impl Received {
    /// Reckons the age at arrival (RFC 9111 §4.2.3) of a response to a request that was sent at `asked`.
    pub fn reckon(response: &Headers, date: Option<u64>, asked: Instant, at: Instant) -> Self {
        let apparent = date.map_or(0, |date| at.unix_seconds().saturating_sub(date));
        // §5.1: of several values the first counts, and what is no number is ignored.
        let said = response.first("age").and_then(|line| line.split(|&byte| byte == b',').next());
        let said = directive::seconds(said.map(<[u8]>::trim_ascii)).unwrap_or(0);
        let corrected = u64::from(said).saturating_add(at.since(asked).as_secs());
        Self { at, age: seconds(apparent.max(corrected)) }
    }

    /// The age at `now`, in whole seconds; `None` where the response seems to come from the future: the clock has
    /// stepped back since, nobody knows by how much, and a response of unknown age is not fresh.
    pub fn age(&self, now: Instant) -> Option<u32> {
        self.resident(now).map(|resident| self.age.saturating_add(resident).min(SECONDS_MAX))
    }

    /// For how long, in whole seconds, the response has been here.
    pub fn resident(&self, now: Instant) -> Option<u32> {
        (self.at <= now + TOLERANCE).then(|| seconds(now.since(self.at).as_secs()))
    }
}

/// The moment in `Date`, or `None` where there is none, more than one, or none that can be read.
pub fn date(response: &Headers, now: Instant) -> Option<u64> {
    sole_date(response, "date", now)
}

/// For how many seconds a response is fresh from the moment it was made (RFC 9111 §4.2.1); zero is never.
///
/// `date` is the moment it was made, by the origin's clock where that is known. Without anything explicit, up to
/// `heuristic_max` seconds of a tenth of the time since it was last changed (§4.2.2).
pub fn lifetime(response: &Headers, said: &directive::Response, date: u64, now: Instant, heuristic_max: u32) -> u32 {
    if let Some(lifetime) = said.s_maxage.or(said.max_age) {
        return lifetime;
    }
    // RFC 9213 §2.2: beside directives for caches like this one, `Expires` does not count.
    let mut expires = response.all("expires").filter(|_| !said.targeted);
    if let Some(first) = expires.next() {
        // §5.3: what cannot be read, `0` above all, is in the past; so is what is said twice and not alike.
        let agreed = expires.all(|other| other == first);
        let moment = date::parse(first, now.unix_seconds()).filter(|_| agreed);
        return moment.map_or(0, |moment| seconds(moment.saturating_sub(date)));
    }
    let changed = sole_date(response, "last-modified", now);
    changed.map_or(0, |changed| seconds(date.saturating_sub(changed) / 10).min(heuristic_max))
}

/// Whether anything in the response says for how long it is fresh, or that it may be kept (RFC 9111 §3).
pub fn is_explicit(response: &Headers, said: &directive::Response) -> bool {
    said.is_explicit() || (!said.targeted && response.first("expires").is_some())
}

fn sole_date(response: &Headers, name: &'static str, now: Instant) -> Option<u64> {
    match response.sole(name) {
        policy::headers::Sole::Value(value) => date::parse(value, now.unix_seconds()),
        policy::headers::Sole::Absent | policy::headers::Sole::Repeated => None,
    }
}

fn seconds(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(SECONDS_MAX).min(SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    type Lines<'a> = &'a [(&'a str, &'a str)];

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const MADE: u64 = 784_111_777;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let pairs: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        Headers::from_pairs(&pairs)
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(MADE + seconds)
    }

    #[test]
    fn a_lifetime_is_the_first_that_the_rfc_names() {
        let later = "Sun, 06 Nov 1994 08:50:37 GMT";
        let earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
        let changed = "Sun, 06 Nov 1994 08:39:37 GMT";
        let rows: [(&str, Lines<'_>, u32, u32); 15] = [
            ("§4.2.1 s-maxage first", &[("cache-control", "max-age=5, s-maxage=7"), ("expires", later)], 0, 7),
            ("§4.2.1 then max-age", &[("cache-control", "max-age=5"), ("expires", later)], 0, 5),
            ("§5.3 even where it is zero", &[("cache-control", "max-age=0"), ("expires", later)], 0, 0),
            ("§4.2.1 invalid is stale", &[("cache-control", "max-age=x"), ("expires", later)], 0, 0),
            ("§4.2.1 then Expires", &[("expires", later)], 0, 60),
            ("§5.3 the past", &[("expires", earlier)], 0, 0),
            ("§5.3 zero", &[("expires", "0")], 0, 0),
            ("§5.3 the same twice", &[("expires", later), ("expires", later)], 0, 60),
            ("§4.2.1 not the same twice", &[("expires", later), ("expires", earlier)], 0, 0),
            ("RFC 9213 §2.2 not Expires", &[("cdn-cache-control", "public"), ("expires", later)], 0, 0),
            ("RFC 9213 §2.2 nor max-age", &[("cdn-cache-control", "max-age=5"), ("cache-control", "max-age=9")], 0, 5),
            ("§4.2.2 off", &[("last-modified", changed)], 0, 0),
            ("§4.2.2 a tenth", &[("last-modified", changed)], 3600, 60),
            ("§4.2.2 capped", &[("last-modified", changed)], 30, 30),
            ("§4.2.2 never beside Expires", &[("last-modified", changed), ("expires", "0")], 3600, 0),
        ];
        for (section, lines, heuristic_max, expected) in rows {
            let response = headers(lines);
            let said = directive::Response::of(&response);
            assert_eq!(lifetime(&response, &said, MADE, at(0), heuristic_max), expected, "{section}");
        }
    }

    #[test]
    fn an_age_counts_whichever_delay_is_longest() {
        // RFC 9111 §4.2.3: (headers, seconds from Date to the request, seconds until the answer, age at arrival)
        let rows: [(Lines<'_>, u64, u64, u32); 9] = [
            (&[], 0, 0, 0),
            (&[], 0, 3, 3),
            (&[("date", DATE)], 10, 2, 12),
            (&[("age", "20")], 10, 2, 22),
            (&[("date", DATE), ("age", "5")], 10, 2, 12),
            (&[("date", DATE), ("age", "30")], 10, 2, 32),
            (&[("date", "soon"), ("age", "old")], 10, 2, 2),
            (&[("age", "7, 9"), ("age", "100")], 0, 0, 7),
            (&[("age", "-1")], 0, 0, 0),
        ];
        for (lines, asked, delay, expected) in rows {
            let response = headers(lines);
            let answered = at(asked + delay);
            let received = Received::reckon(&response, date(&response, answered), at(asked), answered);
            assert_eq!(received.age, expected, "{lines:?}");
            assert_eq!(received.age(at(asked + delay + 40)), Some(expected + 40));
        }
    }

    #[test]
    fn a_date_in_the_future_makes_nothing_younger() {
        let response = headers(&[("date", DATE)]);
        let early = Instant::from_unix_seconds(MADE - 100);
        assert_eq!(Received::reckon(&response, date(&response, early), early, early).age, 0);
    }

    #[test]
    fn a_clock_that_steps_back_makes_nothing_immortal() {
        let received = Received { at: at(100), age: 0 };
        assert_eq!(received.age(at(100)), Some(0));
        assert_eq!(received.age(at(98)), Some(0));
        assert_eq!(received.age(at(97)), None);
        assert_eq!(received.age(Instant::EPOCH), None);
    }

    #[test]
    fn age_stops_where_numbers_end() {
        let received = Received { at: Instant::EPOCH, age: SECONDS_MAX };
        assert_eq!(received.age(Instant::from_nanos(u64::MAX)), Some(SECONDS_MAX));
        assert_eq!(Received::reckon(&headers(&[]), None, at(50), at(0)), Received { at: at(0), age: 0 });
    }
}
