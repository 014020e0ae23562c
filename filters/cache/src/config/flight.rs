//! What the configuration says of requests that wait for another's answer (`flight`), and of refreshes beside them (`refresh`).

use std::time::Duration;

use policy::fields::Fields;
use policy::{ConfigError, Period};

/// Nobody waits for longer: Envoy gives a stream up on which nothing moves for five minutes.
const WAIT_MAX: Period = Period::of_seconds(60);

/// How requests wait for another's answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Flight {
    /// For how long.
    pub max_wait: Duration,
    /// How many on one worker, whatever they wait for; none where this is zero.
    pub max_waiting: usize,
}

impl Flight {
    /// Reads `flight`.
    pub(super) fn read(members: &mut Fields) -> Result<Self, ConfigError> {
        let inside = |mistake: ConfigError| mistake.inside("flight");
        let mut flight = Self { max_wait: Duration::from_secs(5), max_waiting: 1024 };
        if members.has("flight") {
            let mut fields = members.object("flight")?;
            if let Some(wait) = fields.period("max_wait", WAIT_MAX).map_err(inside)? {
                flight.max_wait = wait.length();
            }
            if let Some(waiting) = fields.number("max_waiting", 0, 65_536).map_err(inside)? {
                flight.max_waiting = waiting as usize;
            }
            fields.end_of(&["max_wait", "max_waiting"]).map_err(inside)?;
        }
        Ok(flight)
    }
}

/// How stale responses are refreshed beside the requests that they answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refresh {
    /// The cluster that leads to this proxy's own listener.
    pub cluster: String,
    /// How many are under way at a time, on one worker.
    pub max: usize,
    /// How long one may take.
    pub timeout: Duration,
}

impl Refresh {
    /// Reads `refresh`; without it, the first request that finds a response stale refreshes it, and waits.
    pub(super) fn read(members: &mut Fields) -> Result<Option<Self>, ConfigError> {
        if !members.has("refresh") {
            return Ok(None);
        }
        let fields = members.object("refresh")?;
        Self::of(fields).map(Some).map_err(|mistake| mistake.inside("refresh"))
    }

    fn of(mut fields: Fields) -> Result<Self, ConfigError> {
        let cluster = fields.needed("cluster")?;
        let max = fields.number("max", 1, 1024)?.unwrap_or(64) as usize;
        let timeout = fields.period("timeout", WAIT_MAX)?.map_or(Duration::from_secs(10), Period::length);
        if timeout < Duration::from_millis(1) {
            return Err(ConfigError::at("timeout", "must be at least 1ms"));
        }
        fields.end_of(&["cluster", "max", "timeout"])?;
        Ok(Self { cluster, max, timeout })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn waits_and_refreshes_have_bounds() {
        let config = Config::from_json(b"{}").unwrap();
        let usual = Flight { max_wait: Duration::from_secs(5), max_waiting: 1024 };
        assert_eq!((config.flight, config.refresh), (usual, None));
        let json = br#"{"flight": {"max_wait": "250ms", "max_waiting": 0}, "refresh": {"cluster": "a"}}"#;
        let config = Config::from_json(json).unwrap();
        let refresh = Refresh { cluster: "a".to_owned(), max: 64, timeout: Duration::from_secs(10) };
        assert_eq!(config.flight, Flight { max_wait: Duration::from_millis(250), max_waiting: 0 });
        assert_eq!(config.refresh, Some(refresh));
        for (json, expected) in [
            (r#"{"flight": {"max_wait": "2m"}}"#, "flight.max_wait: must be a length of time like"),
            (r#"{"flight": {"max_waiting": 65537}}"#, "flight.max_waiting: must be a whole number from 0 to 65536"),
            (r#"{"flight": {"wait": "1s"}}"#, "flight.wait: unknown field `wait`, expected"),
            (r#"{"refresh": {}}"#, "refresh.cluster: "),
            (r#"{"refresh": {"cluster": "a", "max": 0}}"#, "refresh.max: must be a whole number from 1 to 1024"),
            (r#"{"refresh": {"cluster": "a", "timeout": "0s"}}"#, "refresh.timeout: must be at least 1ms"),
        ] {
            let said = Config::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
