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

use std::num::NonZeroU32;
use std::time::Duration;

use policy::ConfigError;
use policy::route::Target;
use policy::{Match, Period};

use super::members::Members;
use super::{Account, Config, each, matches, named, wrong};
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
pub(super) fn valid(json: &[u8]) -> Result<Vec<Upstream>, ConfigError> {
    let mut upstreams: Vec<Upstream> = Vec::new();
    each("upstreams", json, &mut |json| {
        if upstreams.len() == UPSTREAMS_MAX {
            return Err(ConfigError::at("", format!("is one more than {UPSTREAMS_MAX}")));
        }
        let one = upstream(json)?;
        if upstreams.iter().any(|other| other.name == one.name) {
            return Err(ConfigError::at("name", "is there twice"));
        }
        upstreams.push(one);
        Ok(())
    })?;
    Ok(upstreams)
}

fn upstream(json: &[u8]) -> Result<Upstream, ConfigError> {
    let raw = Members::read(json, &["name", "match", "learn", "longest", "default"])?;
    let name = named("name", &raw.required("name")?)?;
    let words = raw.raw("learn").map_or(Ok(Vec::new()), |_| raw.words("learn"))?;
    let (longest, default) = (raw.text("longest")?, raw.text("default")?);
    let account = Account { provider: name.clone(), allowed: true, cost: NonZeroU32::MIN, pattern: String::new() };
    let routes: Vec<Match> = matches(raw.raw("match"), &account)?.into_iter().map(|route| route.matcher).collect();
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
