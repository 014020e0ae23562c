//! What an issuer's tokens must say of themselves besides who signed them.

use std::time::Duration;

use policy::{ConfigError, Period};

use crate::claim::{EXACT, is_time};
use crate::refusal::Refusal;
use crate::window::Window;
use policy::fields::Fields;
use policy::json::{Json, Members};

/// No token is believed for longer after it was issued.
const AGE_MAX: Period = Period::of(Duration::from_hours(24 * 366));
/// What the header of an access token calls it (RFC 7519 §5.1, RFC 9068 §2.1), where no other names are configured; it may
/// say nothing too.
const TYPES: [&str; 2] = ["JWT", "at+jwt"];

/// What an issuer's tokens must say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expectation {
    /// One of these must be in `aud`; none stands for whatever is there.
    pub audiences: Vec<String>,
    types: Option<Vec<String>>,
    endless: bool,
    age_max: Option<i64>,
    required: Vec<String>,
}

impl Expectation {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, ConfigError> {
        let Some(audiences) = fields.texts("audiences")? else {
            return Err(ConfigError::at("audiences", "is missing; an empty list accepts tokens that are for anybody"));
        };
        let types = fields.texts("typ")?;
        if types.as_ref().is_some_and(|types| types.is_empty() || types.iter().any(String::is_empty)) {
            return Err(ConfigError::at("typ", "must have the names of one type or more"));
        }
        let endless = !fields.flag("require_expiry")?.unwrap_or(true);
        let age_max = fields.period("max_age", AGE_MAX)?.map(|period| period.length().as_secs());
        if endless && age_max.is_none() {
            return Err(ConfigError::at("require_expiry", "must be true, or max_age must say when tokens end"));
        }
        if age_max == Some(0) {
            return Err(ConfigError::at("max_age", "must be at least 1s"));
        }
        let required = fields.texts("required_claims")?.unwrap_or_default();
        if let Some(name) = required.iter().find(|name| name.is_empty() || is_time(name)) {
            return Err(ConfigError::at(
                "required_claims",
                format!("must be other claims than exp, nbf and iat, got {name:?}"),
            ));
        }
        let age_max = age_max.and_then(|seconds| i64::try_from(seconds).ok());
        Ok(Self { audiences, types, endless, age_max, required })
    }

    /// Checks what the header says the token is (RFC 8725 §3.11).
    pub(crate) fn check_type(&self, typ: Option<&str>) -> Result<(), Refusal> {
        let known = match (&self.types, typ) {
            (None, None) => true,
            (None, Some(typ)) => TYPES.iter().any(|known| is_type(known, typ)),
            (Some(types), Some(typ)) => types.iter().any(|known| is_type(known, typ)),
            (Some(_), None) => false,
        };
        if known { Ok(()) } else { Err(Refusal::Type) }
    }

    /// Checks what the claims say, and reads from when to when they hold.
    pub(crate) fn check(&self, claims: &Members, times: Times) -> Result<Window, Refusal> {
        if !self.is_meant(claims.find("aud")) {
            return Err(Refusal::Audience);
        }
        let there = |name: &String| claims.find(name).is_some_and(|json| *json != Json::Null);
        if !self.required.iter().all(there) {
            return Err(Refusal::Incomplete);
        }
        let expires = match times.expires {
            None if !self.endless => return Err(Refusal::Endless),
            expires => expires.unwrap_or(i64::MAX),
        };
        let stale = match (self.age_max, times.issued) {
            (None, _) => i64::MAX,
            (Some(_), None) => return Err(Refusal::Undated),
            (Some(age), Some(issued)) => issued.saturating_add(age),
        };
        // Whoever issued it in the future is to be told so; what is valid from then on is not valid before.
        Ok(Window { expires, stale, not_before: times.not_before, issued: times.issued })
    }

    /// Whether `aud`, a string or a list of strings (RFC 7519 §4.1.3), names one of the audiences, where there are any.
    fn is_meant(&self, aud: Option<&Json>) -> bool {
        let known = |json: &Json| matches!(json, Json::Text(audience) if self.audiences.contains(audience));
        self.audiences.is_empty()
            || match aud {
                Some(Json::List(list)) => list.iter().any(known),
                Some(json) => known(json),
                None => false,
            }
    }
}

/// When a token says that it is valid, in seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) expires: Option<i64>,
    pub(crate) not_before: Option<i64>,
    pub(crate) issued: Option<i64>,
}

impl Times {
    /// Takes the moments out of a token's claims.
    pub(crate) fn take(claims: &mut Members) -> Result<Self, Refusal> {
        let mut moment = |name, whole: fn(f64) -> f64| claims.take(name).map_or(Ok(None), |json| seconds(&json, whole));
        Ok(Self {
            expires: moment("exp", f64::floor)?,
            not_before: moment("nbf", f64::ceil)?,
            issued: moment("iat", f64::floor)?,
        })
    }
}

/// A moment in seconds since the epoch (`NumericDate` of RFC 7519 §2), which may have a fraction, made `whole`.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
fn seconds(json: &Json, whole: fn(f64) -> f64) -> Result<Option<i64>, Refusal> {
    match json {
        Json::Number(number) if number.abs() < EXACT => Ok(Some(whole(*number) as i64)),
        _ => Err(Refusal::Token),
    }
}

/// Whether a type is the one that is meant: in any case, and `application/` may stand before it (RFC 7515 §4.1.9).
fn is_type(known: &str, typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
        _ => typ,
    };
    known.eq_ignore_ascii_case(typ) || known.eq_ignore_ascii_case(short)
}

#[cfg(test)]
mod tests;
