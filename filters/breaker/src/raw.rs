//! A breaker as a configuration writes it, before anybody has asked whether that makes sense.

use policy::fields::Fields;
use policy::json::Json;
use policy::{ConfigError, Period};

use crate::status::{self, Range};

/// The members of a breaker; see [`crate::Config::from_json`].
#[derive(Default)]
pub struct RawBreaker {
    pub(crate) consecutive_failures: Option<u32>,
    pub(crate) failure_rate: Option<u32>,
    pub(crate) slow_rate: Option<u32>,
    pub(crate) slow_after: Option<Period>,
    pub(crate) window: Option<Length>,
    pub(crate) minimum_calls: Option<u32>,
    pub(crate) open_for: Option<Period>,
    pub(crate) open_for_max: Option<Period>,
    pub(crate) open_growth: Option<f64>,
    pub(crate) open_jitter: Option<u32>,
    pub(crate) retry_after_max: Option<Period>,
    pub(crate) half_open_requests: Option<u32>,
    pub(crate) close_after: Option<u32>,
    pub(crate) probe_timeout: Option<Period>,
    pub(crate) order: Option<String>,
    pub(crate) failure_statuses: Option<Vec<Range>>,
    pub(crate) ignored_statuses: Vec<Range>,
    pub(crate) failure_codes: Option<Vec<u32>>,
    pub(crate) ignored_codes: Vec<u32>,
    pub(crate) whole_answer: bool,
    pub(crate) per: RawScope,
    pub(crate) scopes_max: Option<u32>,
    pub(crate) bulkhead: Option<u32>,
    pub(crate) fallback: Option<Json>,
    pub(crate) fleet: Option<Json>,
}

/// How long a window is: `100` calls, or `"30s"`.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// The last so many calls.
    Calls(usize),
    /// Those of this time.
    Time(Period),
}

/// What has a breaker of its own.
#[derive(Debug, Default)]
pub enum RawScope {
    /// `"upstream"`
    #[default]
    Upstream,
    /// `"route"`
    Route,
    /// `"host"`
    Host,
    /// `{"header": "x-tenant"}`
    Header(String),
}

/// Every member, as a mistake names them.
const MEMBERS: [&str; 25] = [
    "consecutive_failures",
    "failure_rate",
    "slow_rate",
    "slow_after",
    "window",
    "minimum_calls",
    "open_for",
    "open_for_max",
    "open_growth",
    "open_jitter",
    "retry_after_max",
    "half_open_requests",
    "close_after",
    "probe_timeout",
    "order",
    "failure_statuses",
    "ignored_statuses",
    "failure_codes",
    "ignored_codes",
    "whole_answer",
    "per",
    "scopes_max",
    "bulkhead",
    "fallback",
    "fleet",
];

const PERIOD: &str = r#"a length of time like "250ms", "30s", "5m", "12h" or "30d", at most ten years"#;

impl RawBreaker {
    /// Reads the members, each by itself.
    ///
    /// # Errors
    /// The first that is not of its kind, or not known.
    pub fn read(mut fields: Fields) -> Result<Self, ConfigError> {
        let raw = Self {
            consecutive_failures: number(&mut fields, "consecutive_failures")?,
            failure_rate: number(&mut fields, "failure_rate")?,
            slow_rate: number(&mut fields, "slow_rate")?,
            slow_after: period(&mut fields, "slow_after")?,
            window: fields.any("window").as_ref().map(window).transpose()?,
            minimum_calls: number(&mut fields, "minimum_calls")?,
            open_for: period(&mut fields, "open_for")?,
            open_for_max: period(&mut fields, "open_for_max")?,
            open_growth: times(&mut fields, "open_growth")?,
            open_jitter: number(&mut fields, "open_jitter")?,
            retry_after_max: period(&mut fields, "retry_after_max")?,
            half_open_requests: number(&mut fields, "half_open_requests")?,
            close_after: number(&mut fields, "close_after")?,
            probe_timeout: period(&mut fields, "probe_timeout")?,
            order: fields.text("order")?,
            failure_statuses: list(&mut fields, "failure_statuses", status::range)?,
            ignored_statuses: list(&mut fields, "ignored_statuses", status::range)?.unwrap_or_default(),
            failure_codes: list(&mut fields, "failure_codes", whole)?,
            ignored_codes: list(&mut fields, "ignored_codes", whole)?.unwrap_or_default(),
            whole_answer: fields.flag("whole_answer")?.unwrap_or_default(),
            per: fields.any("per").map_or(Ok(RawScope::default()), scope)?,
            scopes_max: number(&mut fields, "scopes_max")?,
            bulkhead: number(&mut fields, "bulkhead")?,
            fallback: fields.any("fallback"),
            fleet: fields.any("fleet"),
        };
        fields.end_of(&MEMBERS)?;
        Ok(raw)
    }
}

fn number(fields: &mut Fields, name: &str) -> Result<Option<u32>, ConfigError> {
    fields.number(name, 0, u32::MAX)
}

#[inline(never)]
fn period(fields: &mut Fields, name: &str) -> Result<Option<Period>, ConfigError> {
    let Some(json) = fields.any(name) else { return Ok(None) };
    let Json::Text(text) = json else {
        return Err(ConfigError::at(name, format!("invalid type, expected {PERIOD}")));
    };
    let said = || ConfigError::at(name, format!("invalid value: string {text:?}, expected {PERIOD}"));
    Period::parse(&text).map(Some).ok_or_else(said)
}

fn times(fields: &mut Fields, name: &str) -> Result<Option<f64>, ConfigError> {
    match fields.any(name) {
        None => Ok(None),
        Some(Json::Number(times)) => Ok(Some(times)),
        Some(_) => Err(ConfigError::at(name, "must be a number")),
    }
}

fn list<T>(
    fields: &mut Fields,
    name: &str,
    read: fn(&Json) -> Result<T, ConfigError>,
) -> Result<Option<Vec<T>>, ConfigError> {
    let Some(list) = fields.list(name)? else { return Ok(None) };
    policy::config::each(name, list, |json| read(&json)).map(Some)
}

/// A whole number that is not negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
pub(crate) fn whole(json: &Json) -> Result<u32, ConfigError> {
    match json {
        Json::Number(number) if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number) => {
            Ok(*number as u32)
        }
        _ => Err(ConfigError::at("", "must be a whole number")),
    }
}

fn window(json: &Json) -> Result<Length, ConfigError> {
    let length = match json {
        Json::Text(text) => Period::parse(text).map(Length::Time),
        number => whole(number).ok().map(|calls| Length::Calls(calls as usize)),
    };
    length.ok_or_else(|| ConfigError::at("window", r#"must be a number of calls, or a length of time like "30s""#))
}

fn scope(json: Json) -> Result<RawScope, ConfigError> {
    let mut fields = match json {
        Json::Text(word) if word == "upstream" => return Ok(RawScope::Upstream),
        Json::Text(word) if word == "route" => return Ok(RawScope::Route),
        Json::Text(word) if word == "host" => return Ok(RawScope::Host),
        Json::Text(word) => {
            let reason = format!("unknown variant `{word}`, expected one of `upstream`, `route`, `host`");
            return Err(ConfigError::at("per", reason));
        }
        json => Fields::of(json).map_err(|mistake| mistake.inside("per"))?,
    };
    let name = fields.needed("header").and_then(|name| fields.end_of(&["header"]).map(|()| name));
    name.map(RawScope::Header).map_err(|mistake| mistake.inside("per"))
}
