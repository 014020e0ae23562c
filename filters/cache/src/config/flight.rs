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
