//! The filter's configuration.

use policy::config::each;
use policy::fields::Fields;
use policy::json::Json;
use policy::{ConfigError, Match};

use crate::media::Range;
use crate::schema::Schema;

/// What an operator decides; see [`Config::from_json`] for how it is written.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether paths are looked at.
    pub checks_paths: bool,
    /// How long a body may be where no route says it, in bytes; [`ANY`] is any length.
    pub body_bytes_max: u64,
    /// What is said of some requests; the first that matches counts.
    pub routes: Vec<Route>,
}

/// What is said of some requests.
#[derive(Clone, Debug)]
pub struct Route {
    /// Of which.
    pub rule: Match,
    /// How long their bodies may be, in bytes; [`ANY`] is any length.
    pub body_bytes_max: u64,
    /// What their bodies may be; anything where there is none.
    pub types: Vec<Range>,
    /// What their bodies say.
    pub schema: Option<Schema>,
}

/// Any length of a body.
pub const ANY: u64 = u64::MAX;
const BODY_BYTES: u64 = 1 << 20;
/// A body that is checked is held, and a stream of HTTP/2 holds 64 KiB as `weir` has Envoy open it.
const HELD_BYTES: u64 = 60 << 10;
const HELD_BYTES_MAX: u64 = 1 << 20;

impl Config {
    /// Reads a configuration, of which every member may be left out:
    ///
    /// - `paths`: whether paths are looked at. Default: `true`.
    /// - `body_max`: how long a body may be, as in `1048576`, `"64KiB"` or `"off"`. Default: `"1MiB"`.
    /// - `routes`: what is said of some requests; the first that matches counts. Each has
    ///   - `match`: of which (see [`policy::route::RawMatch`]).
    ///   - `body_max`: how long a body may be. Default: that of all; with a `schema`, at most `"60KiB"` of it. With a
    ///     `schema`, at most `"1MiB"`.
    ///   - `types`: the media types that a body may have, as in `"application/json"`, `"image/*"` or `"application/*+json"`.
    ///     Default: any; with a `schema`, `["application/json", "application/*+json"]`.
    ///   - `schema`: what a body says, as a JSON Schema (see [`crate::schema`] for what is offered).
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        let mut fields = Fields::read(json)?;
        let checks_paths = fields.flag("paths")?.unwrap_or(true);
        let body_bytes_max = size(&mut fields)?.unwrap_or(BODY_BYTES);
        let routes = fields.list("routes")?.unwrap_or_default();
        let routes = each("routes", routes, |json| Route::read(json, body_bytes_max))?;
        fields.end_of(&["paths", "body_max", "routes"])?;
        Ok(Self { checks_paths, body_bytes_max, routes })
    }
}

impl Route {
    fn read(json: Json, of_all: u64) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let rule = Match::read(fields.object("match")?).map_err(|mistake| mistake.inside("match"))?;
        let said = size(&mut fields)?;
        let types = fields.texts("types")?;
        let schema = fields.any("schema").map(|json| Schema::compile(&json)).transpose();
        let schema = schema.map_err(|mistake| mistake.inside("schema"))?;
        let otherwise = if schema.is_some() { of_all.min(HELD_BYTES) } else { of_all };
        let body_bytes_max = said.unwrap_or(otherwise);
        if schema.is_some() && body_bytes_max > HELD_BYTES_MAX {
            return Err(ConfigError::at("body_max", "must be at most 1MiB where there is a schema"));
        }
        let types = match (types, &schema) {
            (None, Some(_)) => vec!["application/json".to_owned(), "application/*+json".to_owned()],
            (types, _) => types.unwrap_or_default(),
        };
        let types = each("types", types, |text| Range::parse(&text))?;
        fields.end_of(&["match", "body_max", "types", "schema"])?;
        Ok(Self { rule, body_bytes_max, types, schema })
    }
}

/// Reads `body_max`, where it is said.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
fn size(fields: &mut Fields) -> Result<Option<u64>, ConfigError> {
    const NAME: &str = "body_max";
    let Some(json) = fields.any(NAME) else { return Ok(None) };
    let size = match &json {
        Json::Text(text) if text == "off" => Some(ANY),
        Json::Text(text) => [("KiB", 10), ("MiB", 20), ("GiB", 30)].iter().find_map(|(unit, shift)| {
            let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
            Some(u64::from(number) << shift)
        }),
        Json::Number(number) if number.fract() == 0.0 && (0.0..=1e15).contains(number) => Some(*number as u64),
        _ => None,
    };
    size.map(Some).ok_or_else(|| {
        ConfigError::at(NAME, r#"must be a number of bytes, a text like "64KiB", "1MiB" or "1GiB", or "off""#)
    })
}

#[cfg(test)]
mod tests;
