//! What the configuration says of upstreams that are listened to: `upstreams`.
//!
//! ```json
//! {"name": "spotify", "match": {"prefix": "/api/spotify/"}, "learn": ["retry_after", "429"], "longest": "10m", "default": "5s"}
//! ```
//!
//! | member | meaning | default |
//! |---|---|---|
//! | `name` | its name: the label `provider`, and the `upstream` of rules whose buckets are empty at the end | required |
//! | `match` | which requests go there, as with rules; a request goes to the first upstream that matches | every request |
//! | `learn` | what is listened to ([`crate::signal`]): `retry_after`, `ratelimit_headers`, `429`, `503`, `lastfm` | required |
//! | `longest` | no cool-down is longer, whatever the upstream says; at most a day | `10m` |
//! | `default` | how long one is where the upstream does not say | `5s` |
//!
//! Listen only to an upstream that means all of its callers when it refuses one, as third parties do that know us by one
//! credential: of a service that refuses *one user*, that user would have it left alone for all.

use std::time::Duration;

use policy::config::{self, ConfigError};
use policy::route::Target;
use policy::{Match, Period};
use serde_json::value::RawValue;

use super::members::Members;
use super::{Account, Config, matches, named, wrong};
use crate::cooldown::Upstream;
use crate::rule::PREFIX;
use crate::signal::Learn;

/// The longest cool-down where nothing is said.
const LONGEST: Duration = Duration::from_mins(10);
/// How long one is where neither the upstream nor the configuration says.
const DEFAULT: Duration = Duration::from_secs(5);
/// Nobody is left alone for longer.
const LONGEST_MAX: Duration = Duration::from_hours(24);
/// Each request is compared with each, and the state store is asked about all at once.
const UPSTREAMS_MAX: usize = 64;

impl Config {
    /// Which of [`Config::upstreams`] a request goes to, by its place.
    pub fn upstream(&self, target: &Target<'_>) -> Option<usize> {
        self.upstreams.iter().position(|upstream| upstream.is_asked(target))
    }
}

/// Reads `upstreams`.
pub(super) fn valid(raw: Vec<Box<RawValue>>) -> Result<Vec<Upstream>, ConfigError> {
    if raw.len() > UPSTREAMS_MAX {
        return Err(ConfigError::at("upstreams", format!("must be at most {UPSTREAMS_MAX}")));
    }
    let upstreams = config::each("upstreams", raw, |json| upstream(&json))?;
    for (index, upstream) in upstreams.iter().enumerate() {
        if upstreams.iter().take(index).any(|other| other.name == upstream.name) {
            return Err(ConfigError::at(format!("upstreams[{index}].name"), "is there twice"));
        }
    }
    Ok(upstreams)
}

fn upstream(json: &RawValue) -> Result<Upstream, ConfigError> {
    let mut members = Members::read(json)?;
    let name = Members::required(members.text("name")?, "name")?;
    let (routes, words) = (members.take("match"), members.texts("learn")?.unwrap_or_default());
    let (longest, default) = (members.text("longest")?, members.text("default")?);
    members.finish()?;
    let name = named("name", &name)?;
    let account = Account { provider: name.clone(), allowed: true };
    let routes: Vec<Match> = matches(routes.as_deref(), &account)?.into_iter().map(|route| route.matcher).collect();
    let mut learn = Learn::default();
    for (index, word) in words.iter().enumerate() {
        let known = Learn::WORDS.iter().find(|(known, _)| known == word);
        let Some((_, part)) = known else {
            let right = "must be retry_after, ratelimit_headers, 429, 503 or lastfm";
            return Err(wrong(&format!("learn[{index}]"), right, word));
        };
        learn = learn.and(*part);
    }
    if learn == Learn::default() {
        return Err(ConfigError::at("learn", "must name retry_after, ratelimit_headers, 429, 503 or lastfm"));
    }
    let longest = period("longest", longest.as_deref(), LONGEST_MAX, LONGEST)?;
    let default = period("default", default.as_deref(), longest, DEFAULT.min(longest))?;
    Ok(Upstream { key: [PREFIX, "cool:", &name].concat(), name, routes, learn, longest, default })
}

fn period(field: &str, text: Option<&str>, most: Duration, default: Duration) -> Result<Duration, ConfigError> {
    let Some(text) = text else { return Ok(default) };
    let length = Period::parse(text).map(Period::length).filter(|length| !length.is_zero() && *length <= most);
    let right = match field {
        "longest" => "must be a length of time like \"30s\", at most a day",
        _ => "must be a length of time like \"5s\", at most `longest`",
    };
    length.ok_or_else(|| wrong(field, right, text))
}
