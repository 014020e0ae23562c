//! The filter's configuration.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use policy::config::each;
use policy::json::Json;
use policy::route::{RawMatch, Target};
use policy::{ConfigError, Match, Period};
use serde::Deserialize;

use crate::bulkhead;
use crate::fallback::{self, Fallback};
use crate::status::{Range, Statuses};
use crate::window::SIZE_MAX;

/// What an operator decides; see [`Config::from_json`] for how it is written.
#[derive(Debug)]
pub struct Config {
    /// One breaker for each upstream that has one.
    pub breakers: Vec<Upstream>,
    /// What to do where shared data fails.
    pub when_undecided: WhenUndecided,
    routes: Vec<(Match, usize)>,
}

/// An upstream and its breaker.
#[derive(Debug)]
pub struct Upstream {
    /// The upstream's name: in metrics, in logs, in the answer to a client.
    pub name: String,
    /// Where the breaker's state is in shared data.
    pub key: String,
    /// When the breaker opens and closes.
    pub limits: Limits,
    /// Which answers are failures.
    pub failure_statuses: Statuses,
    /// So many calls may be under way at the same time.
    pub bulkhead: Option<bulkhead::Limit>,
    /// What answers while it is not asked.
    pub fallback: Option<Fallback>,
}

/// When a breaker opens and closes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// So many failures without a success in between open it.
    pub consecutive_failures: Option<NonZeroU32>,
    /// So high a share of failures opens it.
    pub failure_rate: Option<FailureRate>,
    /// So long it stays open before it lets a probe through.
    pub open_for: Duration,
    /// So many probes may be on their way at the same time.
    pub half_open_requests: usize,
    /// So many probes must succeed for it to close.
    pub close_after: u32,
    /// A probe that has not ended for so long no longer keeps another from being sent.
    pub probe_timeout: Duration,
}

/// A share of failures among the latest calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FailureRate {
    /// The least share that is too much, 1 to 100.
    pub percent: u32,
    /// How many of the latest calls count.
    pub window: usize,
    /// With fewer calls than this, no share is too much.
    pub minimum_calls: usize,
}

/// What to do with a request where shared data fails, so that nobody knows whether the breaker is open.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum WhenUndecided {
    /// Send it on, as if there were no breaker.
    #[default]
    Pass,
    /// Answer it, as if the breaker were open.
    Refuse,
}

/// How many consecutive failures open a breaker that says neither that nor a rate.
const CONSECUTIVE_FAILURES: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
const WINDOW: usize = 100;
const MINIMUM_CALLS: usize = 20;
const OPEN_FOR: Period = Period::of_seconds(60);
const PROBES: u32 = 2;
const PROBE_TIMEOUT: Period = Period::of_seconds(60);
/// More probes than this are no probes. Their leases are in the state, so this bounds its size, too.
const PROBES_MAX: u32 = 100;
const NAME_LENGTH_MAX: usize = 64;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    breakers: BTreeMap<String, RawBreaker>,
    routes: Vec<RawRoute>,
    when_undecided: WhenUndecided,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoute {
    #[serde(default)]
    r#match: RawMatch,
    upstream: String,
}

/// A breaker as a configuration writes it; see [`Config::from_json`] for its members and their defaults.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawBreaker {
    consecutive_failures: Option<u32>,
    failure_rate: Option<u32>,
    window: Option<usize>,
    minimum_calls: Option<usize>,
    open_for: Option<Period>,
    half_open_requests: Option<u32>,
    close_after: Option<u32>,
    probe_timeout: Option<Period>,
    failure_statuses: Option<Vec<Range>>,
    bulkhead: Option<u32>,
    fallback: Option<Json>,
}

impl Config {
    /// Reads a configuration:
    ///
    /// - `breakers`: by upstream,
    ///   - `consecutive_failures`: so many in a row open it. Default 5, or none where there is a `failure_rate`.
    ///   - `failure_rate`: so many percent of the calls in the window open it, 1 to 100. Default: none.
    ///   - `window`: of how many of the latest calls, at most 1024. Default 100.
    ///   - `minimum_calls`: no rate is too high with fewer. Default 20, or the window where that is smaller.
    ///   - `open_for`: until it lets probes through. Default `"60s"`.
    ///   - `half_open_requests`: so many probes at the same time, at most 100. Default 2.
    ///   - `close_after`: so many probes must succeed, at most 100. Default 2.
    ///   - `probe_timeout`: a probe without an answer for so long makes room for another. Default `"60s"`.
    ///   - `failure_statuses`: which answers are failures, as `503` or `"500-599"`. Default `["500-599"]`.
    ///   - `bulkhead`: so many calls may be under way at the same time, over all workers. Default: any number.
    ///   - `fallback`: what answers while it is not asked, `{"static": {"status", "headers", "body"}}` or `{"upstream": name}`
    ///     (see [`Fallback`]). Default: 503.
    /// - `routes`: which requests are for which upstream; the first that matches counts, and what matches none passes.
    ///   Each has a `match` (see [`RawMatch`]) and an `upstream`.
    /// - `when_undecided`: what to do where shared data fails, `"pass"` (default) or `"refuse"`.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        let raw: Raw = policy::config::read(json)?;
        let mut breakers = Vec::with_capacity(raw.breakers.len());
        for (name, breaker) in raw.breakers {
            let upstream = Upstream::new(&name, breaker);
            breakers.push(upstream.map_err(|mistake| mistake.inside(&name).inside("breakers"))?);
        }
        fallback::find_breakers(&mut breakers)?;
        let routes = each("routes", raw.routes, |route| {
            let rule = Match::try_from(route.r#match).map_err(|mistake| mistake.inside("match"))?;
            let index = breakers.iter().position(|breaker| breaker.name == route.upstream);
            let unknown = || ConfigError::at("upstream", format!("no such breaker: {:?}", route.upstream));
            Ok((rule, index.ok_or_else(unknown)?))
        })?;
        Ok(Self { breakers, when_undecided: raw.when_undecided, routes })
    }

    /// Which of the breakers a request meets.
    pub fn find(&self, target: &Target<'_>) -> Option<usize> {
        self.routes.iter().find(|(rule, _)| rule.matches(target)).map(|(_, index)| *index)
    }
}

impl Upstream {
    fn new(name: &str, mut raw: RawBreaker) -> Result<Self, ConfigError> {
        safe_name(name)?;
        let fallback = raw.fallback.take().map(Fallback::from_json).transpose();
        let fallback = fallback.map_err(|mistake| mistake.inside("fallback"))?;
        let bulkhead = raw.bulkhead.map(|most| bulkhead::Limit::new(name, most)).transpose()?;
        let failure_statuses = raw.failure_statuses.as_ref().map(|ranges| Statuses::new(ranges)).unwrap_or_default();
        let limits = Limits::new(&raw)?;
        Ok(Self {
            name: name.to_owned(),
            key: format!("weir.breaker.{name}"),
            limits,
            failure_statuses,
            bulkhead,
            fallback,
        })
    }
}

/// A name that can stand in keys, metrics and logs.
pub(crate) fn safe_name(name: &str) -> Result<(), ConfigError> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(safe) {
        return Ok(());
    }
    Err(ConfigError::at("", "an upstream's name must be 1 to 64 of A-Z a-z 0-9 - _ ."))
}

impl Limits {
    fn new(raw: &RawBreaker) -> Result<Self, ConfigError> {
        let failure_rate = FailureRate::new(raw)?;
        let consecutive_failures = match raw.consecutive_failures {
            None => failure_rate.is_none().then_some(CONSECUTIVE_FAILURES),
            Some(count) => {
                let count = NonZeroU32::new(count);
                Some(count.ok_or_else(|| ConfigError::at("consecutive_failures", "must be at least 1"))?)
            }
        };
        let probes = |name: &str, count: Option<u32>| match count.unwrap_or(PROBES) {
            count @ 1..=PROBES_MAX => Ok(count),
            count => Err(ConfigError::at(name, format!("must be 1 to {PROBES_MAX}, got {count}"))),
        };
        let length = |name: &str, period: Option<Period>, default: Period| match period.unwrap_or(default).length() {
            Duration::ZERO => Err(ConfigError::at(name, "must be longer than 0")),
            length => Ok(length),
        };
        Ok(Self {
            consecutive_failures,
            failure_rate,
            open_for: length("open_for", raw.open_for, OPEN_FOR)?,
            half_open_requests: probes("half_open_requests", raw.half_open_requests)? as usize,
            close_after: probes("close_after", raw.close_after)?,
            probe_timeout: length("probe_timeout", raw.probe_timeout, PROBE_TIMEOUT)?,
        })
    }
}

impl FailureRate {
    fn new(raw: &RawBreaker) -> Result<Option<Self>, ConfigError> {
        let Some(percent) = raw.failure_rate else {
            let lost = [("window", raw.window), ("minimum_calls", raw.minimum_calls)];
            return match lost.into_iter().find(|(_, value)| value.is_some()) {
                Some((name, _)) => Err(ConfigError::at(name, "means nothing without failure_rate")),
                None => Ok(None),
            };
        };
        if !(1..=100).contains(&percent) {
            return Err(ConfigError::at("failure_rate", format!("must be 1 to 100 percent, got {percent}")));
        }
        // Who says a minimum alone wants a window that can hold it.
        let window = raw.window.unwrap_or_else(|| WINDOW.max(raw.minimum_calls.unwrap_or_default()));
        if !(1..=SIZE_MAX).contains(&window) {
            let place = if raw.window.is_some() { "window" } else { "minimum_calls" };
            return Err(ConfigError::at(place, format!("must be 1 to {SIZE_MAX} calls, got {window}")));
        }
        let minimum_calls = raw.minimum_calls.unwrap_or(MINIMUM_CALLS.min(window));
        if !(1..=window).contains(&minimum_calls) {
            let reason = format!("must be 1 to {window}, the size of the window, got {minimum_calls}");
            return Err(ConfigError::at("minimum_calls", reason));
        }
        Ok(Some(Self { percent, window, minimum_calls }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::Headers;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn limits(breaker: &str) -> Limits {
        let json = format!(r#"{{"breakers": {{"spotify": {breaker}}}}}"#);
        Config::from_json(json.as_bytes()).unwrap().breakers.remove(0).limits
    }

    fn seconds(limits: &Limits) -> (u64, u64) {
        (limits.open_for.as_secs(), limits.probe_timeout.as_secs())
    }

    #[test]
    fn a_breaker_that_says_nothing_is_the_contract_s_for_providers() {
        let limits = limits("{}");
        assert_eq!(limits.consecutive_failures.map(NonZeroU32::get), Some(5));
        assert_eq!((limits.failure_rate, limits.half_open_requests, limits.close_after), (None, 2, 2));
        assert_eq!(seconds(&limits), (60, 60));
    }

    #[test]
    fn a_rate_takes_the_place_of_consecutive_failures() {
        let rate = |percent, window, minimum_calls| Some(FailureRate { percent, window, minimum_calls });
        let limits_of_a_rate = limits(r#"{"failure_rate": 50}"#);
        assert_eq!((limits_of_a_rate.consecutive_failures, limits_of_a_rate.failure_rate), (None, rate(50, 100, 20)));
        for (json, expected) in [
            (r#"{"failure_rate": 50, "window": 10}"#, rate(50, 10, 10)),
            (r#"{"failure_rate": 40, "minimum_calls": 10}"#, rate(40, 100, 10)),
            (r#"{"failure_rate": 1, "minimum_calls": 500}"#, rate(1, 500, 500)),
            (r#"{"failure_rate": 100, "window": 1024, "minimum_calls": 1}"#, rate(100, 1024, 1)),
        ] {
            assert_eq!(limits(json).failure_rate, expected, "{json}");
        }
        let both = limits(r#"{"failure_rate": 50, "consecutive_failures": 3}"#);
        assert_eq!(both.consecutive_failures.map(NonZeroU32::get), Some(3));
        assert!(both.failure_rate.is_some());
    }

    #[test]
    fn the_first_route_that_matches_names_the_breaker() {
        let config = Config::from_json(
            br#"{"breakers": {"a": {}, "b": {}}, "routes": [
                {"match": {"prefix": "/b/"}, "upstream": "b"},
                {"match": {"methods": ["GET"]}, "upstream": "a"}
            ]}"#,
        );
        let config = config.unwrap();
        for (method, path, expected) in [("GET", "/b/x", Some("b")), ("GET", "/c", Some("a")), ("POST", "/c", None)] {
            let headers = Headers::from_pairs(&[(b":method", method.as_bytes()), (b":path", path.as_bytes())]);
            let found = config.find(&Target::of(&headers)).map(|index| config.breakers[index].name.as_str());
            assert_eq!(found, expected, "{method} {path}");
        }
        assert_eq!(config.breakers[1].key, "weir.breaker.b");
    }

    #[test]
    fn a_mistake_says_where_it_is_and_what_would_be_right() {
        let breaker = |json: &str| format!(r#"{{"breakers": {{"s": {json}}}}}"#);
        let cases = [
            (breaker(r#"{"consecutive_failures": 0}"#), "breakers.s.consecutive_failures: must be at least 1"),
            (breaker(r#"{"failure_rate": 0}"#), "breakers.s.failure_rate: must be 1 to 100 percent, got 0"),
            (breaker(r#"{"failure_rate": 101}"#), "breakers.s.failure_rate: must be 1 to 100 percent, got 101"),
            (breaker(r#"{"window": 5}"#), "breakers.s.window: means nothing without failure_rate"),
            (breaker(r#"{"minimum_calls": 5}"#), "breakers.s.minimum_calls: means nothing without failure_rate"),
            (breaker(r#"{"failure_rate": 5, "window": 1025}"#), "breakers.s.window: must be 1 to 1024 calls, got 1025"),
            (breaker(r#"{"failure_rate": 5, "window": 0}"#), "breakers.s.window: must be 1 to 1024 calls, got 0"),
            (
                breaker(r#"{"failure_rate": 5, "minimum_calls": 1025}"#),
                "breakers.s.minimum_calls: must be 1 to 1024 calls, got 1025",
            ),
            (
                breaker(r#"{"failure_rate": 5, "window": 10, "minimum_calls": 20}"#),
                "breakers.s.minimum_calls: must be 1 to 10, the size of the window, got 20",
            ),
            (breaker(r#"{"open_for": "0"}"#), "breakers.s.open_for: must be longer than 0"),
            (breaker(r#"{"open_for": 60}"#), "breakers.s.open_for: invalid type: integer `60`, expected a length of"),
            (breaker(r#"{"probe_timeout": "0s"}"#), "breakers.s.probe_timeout: must be longer than 0"),
            (breaker(r#"{"half_open_requests": 0}"#), "breakers.s.half_open_requests: must be 1 to 100, got 0"),
            (breaker(r#"{"close_after": 101}"#), "breakers.s.close_after: must be 1 to 100, got 101"),
            (
                breaker(r#"{"failure_statuses": [503, "50x"]}"#),
                r#"breakers.s.failure_statuses[1]: invalid value: string "50x", expected a status like 503"#,
            ),
            (breaker(r#"{"failures": 3}"#), "breakers.s.failures: unknown field `failures`"),
            (r#"{"breakers": {"a b": {}}}"#.into(), "breakers.a b: an upstream's name must be 1 to 64 of"),
            (r#"{"breakers": {"": {}}}"#.into(), "breakers: an upstream's name must be 1 to 64 of"),
            (r#"{"routes": [{"upstream": "x"}]}"#.into(), r#"routes[0].upstream: no such breaker: "x""#),
            (r#"{"routes": [{}]}"#.into(), "routes[0]: missing field `upstream`"),
            (
                r#"{"breakers": {"a": {}}, "routes": [{"match": {"path": "x"}, "upstream": "a"}]}"#.into(),
                "routes[0].match.path: must begin with /",
            ),
            (r#"{"when_undecided": "open"}"#.into(), "when_undecided: unknown variant `open`"),
        ];
        for (json, expected) in cases {
            let said = Config::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
