//! What a route says of lifetimes, whatever the upstream says: `ttl` with `statuses`, `negative`, and `despite` for both.

use policy::ConfigError;
use policy::config;
use policy::fields::Fields;
use policy::json::Json;

use crate::admission;

/// The statuses that `negative` is about: there is no such thing.
const NEGATIVE: [u16; 2] = [404, 410];

/// A lifetime that replaces the upstream's.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Forced {
    /// In seconds.
    pub lifetime: u32,
    /// For responses of these statuses.
    pub statuses: Vec<u16>,
    /// Also where the response says any of this.
    pub despite: Despite,
}

/// What would keep a response from being stored, and is overlooked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Despite {
    /// It is private.
    pub private: bool,
    /// It says `no-store`.
    pub no_store: bool,
    /// It sets cookies, which are not stored.
    pub set_cookie: bool,
}

impl Despite {
    /// Whether all that is overlooked of `other` is overlooked here, too.
    pub const fn covers(self, other: Self) -> bool {
        self.private >= other.private && self.no_store >= other.no_store && self.set_cookie >= other.set_cookie
    }
}

impl Forced {
    /// Reads a route's lifetimes; no status has two.
    pub(super) fn read(fields: &mut Fields) -> Result<Vec<Self>, ConfigError> {
        let (ttl, negative) = (lifetime(fields, "ttl")?, lifetime(fields, "negative")?);
        let given = fields.list("statuses")?;
        let despite = despite(&fields.texts("despite")?.unwrap_or_default())?;
        if ttl.is_none() && given.is_some() {
            return Err(ConfigError::at("statuses", "needs a ttl"));
        }
        if ttl.is_none() && negative.is_none() && despite != Despite::default() {
            return Err(ConfigError::at("despite", "needs a ttl"));
        }
        let statuses = given.map_or_else(|| Ok(vec![200]), statuses)?;
        let mut lifetimes = Vec::new();
        if let Some(lifetime) = negative {
            if ttl.is_some() && NEGATIVE.iter().any(|status| statuses.contains(status)) {
                return Err(ConfigError::at("negative", "must be the only lifetime of 404 and 410"));
            }
            lifetimes.push(Self { lifetime, statuses: NEGATIVE.to_vec(), despite });
        }
        if let Some(lifetime) = ttl {
            lifetimes.push(Self { lifetime, statuses, despite });
        }
        Ok(lifetimes)
    }
}

fn lifetime(fields: &mut Fields, name: &str) -> Result<Option<u32>, ConfigError> {
    match super::period(fields, name)? {
        Some(0) => Err(ConfigError::at(name, "must be at least 1s")),
        lifetime => Ok(lifetime),
    }
}

fn statuses(given: Vec<Json>) -> Result<Vec<u16>, ConfigError> {
    if given.is_empty() {
        return Err(ConfigError::at("statuses", "must not be empty"));
    }
    config::each("statuses", given, |json| {
        let status = super::whole(&json).and_then(|status| u16::try_from(status).ok());
        let kept = status.filter(|&status| admission::may_be_stored(status));
        let given = status.map_or_else(|| "something else".to_owned(), |status| status.to_string());
        kept.ok_or_else(|| {
            let reason = format!("must be the status of a response that can be stored, got {given}");
            ConfigError::at("", reason)
        })
    })
}

fn despite(words: &[String]) -> Result<Despite, ConfigError> {
    let mut despite = Despite::default();
    for (index, word) in words.iter().enumerate() {
        match word.as_str() {
            "private" => despite.private = true,
            "no-store" => despite.no_store = true,
            "set-cookie" => despite.set_cookie = true,
            other => {
                let reason = format!("must be private, no-store or set-cookie, got {other:?}");
                return Err(ConfigError::at(format!("despite[{index}]"), reason));
            }
        }
    }
    Ok(despite)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(json: &str) -> Result<Vec<Forced>, String> {
        let mut fields = Fields::read(json.as_bytes()).unwrap();
        Forced::read(&mut fields).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn what_is_not_there_has_a_lifetime_of_its_own() {
        let lifetimes = |json: &str| -> Vec<(u32, Vec<u16>)> {
            read(json).unwrap().into_iter().map(|forced| (forced.lifetime, forced.statuses)).collect()
        };
        assert_eq!(lifetimes("{}"), []);
        assert_eq!(lifetimes(r#"{"ttl": "1h"}"#), [(3600, vec![200])]);
        assert_eq!(lifetimes(r#"{"negative": "5m"}"#), [(300, vec![404, 410])]);
        let both = r#"{"ttl": "1h", "statuses": [200, 301], "negative": "5m"}"#;
        assert_eq!(lifetimes(both), [(300, vec![404, 410]), (3600, vec![200, 301])]);
        let both = read(r#"{"ttl": "1h", "negative": "5m", "despite": ["private"]}"#).unwrap();
        assert!(both.iter().all(|forced| forced.despite.private && !forced.despite.no_store));
        assert!(read(r#"{"negative": "5m", "despite": ["no-store"]}"#).unwrap()[0].despite.no_store);
    }

    #[test]
    fn a_mistake_says_what_would_be_right() {
        for (json, expected) in [
            (r#"{"negative": "0s"}"#, "negative: must be at least 1s"),
            (r#"{"negative": "5m", "statuses": [200]}"#, "statuses: needs a ttl"),
            (
                r#"{"negative": "5m", "ttl": "1h", "statuses": [200, 404]}"#,
                "negative: must be the only lifetime of 404 and 410",
            ),
            (r#"{"despite": ["private"]}"#, "despite: needs a ttl"),
        ] {
            assert_eq!(read(json).unwrap_err(), expected);
        }
    }
}
