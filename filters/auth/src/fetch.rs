//! How an issuer's keys are fetched: from where, how often, and what holds while they cannot be.

use std::time::Duration;

use policy::fields::Fields;
use policy::{ConfigError, Period, Url};

/// Longer is no request for a small document.
const TIMEOUT_MAX: Period = Period::of_seconds(30);
/// A client waits no longer than this.
const WAIT_MAX: Period = Period::of_seconds(60);
/// Keys are looked at again at least this often.
const REFRESH_MAX: Period = Period::of(Duration::from_hours(24));
/// An issuer that has been away for longer is not coming back.
const KEEP_MAX: Period = Period::of(Duration::from_hours(30 * 24));
/// A worker holds no more requests than this.
const WAITING_MAX: u32 = 65_536;
/// A larger document would be a burden on shared data.
const BYTES_MAX: u32 = 1 << 20;

/// Where an issuer publishes its keys, and how they are kept up to date.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fetch {
    /// Where they are.
    pub url: Url,
    /// Envoy's cluster that leads there.
    pub cluster: String,
    /// How old a set may get before it is fetched again; the issuer's `max-age` may shorten it.
    pub refresh: Duration,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How old the last good set may get while the issuer is down.
    pub keep: Duration,
    /// The least time between two fetches that tokens of unknown keys cause.
    pub cooldown: Duration,
    /// How long a request may wait for keys.
    pub wait: Duration,
    /// How many requests of one worker may wait for them.
    pub waiting_max: usize,
    /// A longer document is refused.
    pub bytes_max: usize,
}

impl Fetch {
    pub(crate) fn read(mut fields: Fields) -> Result<Self, ConfigError> {
        let text = fields.needed("url")?;
        let reason =
            format!("must be like https://id.example/jwks.json, without blanks, user and fragment, got {text:?}");
        let url = Url::new(text).ok_or_else(|| ConfigError::at("url", reason))?;
        let cluster = fields.needed("cluster")?;
        if cluster.is_empty() {
            return Err(ConfigError::at("cluster", "must not be empty"));
        }
        let mut period = |name: &str, longest: Period, usual: u64| -> Result<Duration, ConfigError> {
            let period = fields.period(name, longest)?.map_or(Duration::from_secs(usual), Period::length);
            let positive = !period.is_zero() || name == "wait" || name == "cooldown";
            if positive { Ok(period) } else { Err(ConfigError::at(name, "must be more than nothing")) }
        };
        let fetch = Self {
            cluster,
            refresh: period("refresh", REFRESH_MAX, 600)?,
            timeout: period("timeout", TIMEOUT_MAX, 2)?,
            keep: period("keep", KEEP_MAX, 24 * 3600)?,
            cooldown: period("cooldown", REFRESH_MAX, 30)?,
            wait: period("wait", WAIT_MAX, 2)?,
            waiting_max: fields.number("waiting_max", 0, WAITING_MAX)?.unwrap_or(256) as usize,
            bytes_max: fields.number("bytes_max", 256, BYTES_MAX)?.unwrap_or(65_536) as usize,
            url,
        };
        if fetch.keep < fetch.refresh {
            return Err(ConfigError::at("keep", "must not be shorter than refresh"));
        }
        fields.end()?;
        Ok(fetch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(json: &str) -> Result<Fetch, String> {
        Fields::read(json.as_bytes()).and_then(Fetch::read).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn a_url_and_a_cluster_suffice() {
        let fetch = read(r#"{"url": "https://id.example:8443/a/jwks?x=1", "cluster": "id"}"#).unwrap();
        assert_eq!((fetch.url.authority(), fetch.url.path()), ("id.example:8443", "/a/jwks?x=1"));
        assert_eq!((fetch.refresh, fetch.timeout), (Duration::from_mins(10), Duration::from_secs(2)));
        assert_eq!((fetch.keep, fetch.cooldown), (Duration::from_hours(24), Duration::from_secs(30)));
        assert_eq!((fetch.wait, fetch.waiting_max, fetch.bytes_max), (Duration::from_secs(2), 256, 65_536));
        let fetch = read(r#"{"url": "http://10.0.0.1", "cluster": "id"}"#).unwrap();
        assert_eq!((fetch.url.authority(), fetch.url.path()), ("10.0.0.1", "/"));
    }

    #[test]
    fn a_mistake_is_said_with_its_place() {
        let with = |more: &str| format!(r#"{{"url": "https://id.example/", "cluster": "id", {more}}}"#);
        for (json, expected) in [
            (r#"{"cluster": "id"}"#.to_owned(), "url: is missing"),
            (r#"{"url": "https://id.example/"}"#.to_owned(), "cluster: is missing"),
            (r#"{"url": "https://id.example/", "cluster": ""}"#.to_owned(), "cluster: must not be empty"),
            (with(r#""refresh": "0""#), "refresh: must be more than nothing"),
            (with(r#""refresh": "2d""#), "refresh: must be a length of time"),
            (with(r#""timeout": "31s""#), "timeout: must be a length of time"),
            (with(r#""keep": "1m""#), "keep: must not be shorter than refresh"),
            (with(r#""wait": "61s""#), "wait: must be a length of time"),
            (with(r#""cooldown": 30"#), "cooldown: must be a string"),
            (with(r#""waiting_max": -1"#), "waiting_max: must be a whole number from 0 to 65536"),
            (with(r#""bytes_max": 10"#), "bytes_max: must be a whole number from 256 to 1048576"),
            (with(r#""keys": []"#), "keys: is not known here"),
        ] {
            let said = read(&json).unwrap_err();
            assert!(said.starts_with(expected), "{json}\n{said}");
        }
        for url in [
            "id.example/a",
            "ftp://id.example/",
            "https://",
            "https:///a",
            "http://a@b/",
            "http://a/ b",
            "http://a/#b",
            "http://a?b",
        ] {
            let said = read(&format!(r#"{{"url": "{url}", "cluster": "id"}}"#)).unwrap_err();
            assert!(said.starts_with("url: must be like https://id.example/jwks.json"), "{url}\n{said}");
        }
    }
}
