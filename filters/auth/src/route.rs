//! What a route asks of a request's credential.

use policy::fields::Fields;
use policy::json::Json;
use policy::route::Target;
use policy::{ConfigError, Match};

use crate::permission::{Demand, Granted, Permissions};

/// Which requests, and what is asked of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// Whether there must be a credential.
    pub mode: Mode,
    /// What its callers must be, all of it.
    pub allow: Vec<Demand>,
    pattern: Match,
}

/// What a route asks of a request's credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// There must be one, and it must be good.
    Required,
    /// There need not be one, but a bad one is refused.
    Optional,
    /// Nobody looks at it, and it passes as it is.
    Off,
}

impl Route {
    /// The route of all requests that no other is about.
    pub fn of_the_rest(mode: Mode) -> Self {
        Self { mode, allow: Vec::new(), pattern: Match::default() }
    }

    /// What of its demands a caller does not meet, be it only tried.
    pub fn unmet(&self, granted: Granted) -> impl Iterator<Item = &Demand> {
        self.allow.iter().filter(move |demand| !granted.meets(demand))
    }

    /// Whether it turns such a caller away.
    pub fn forbids(&self, granted: Granted) -> bool {
        self.unmet(granted).any(|demand| !demand.shadow)
    }

    /// Whether it is about this request.
    pub fn matches(&self, target: &Target<'_>) -> bool {
        self.pattern.matches(target)
    }

    pub(crate) fn read(json: Json, place: &str, permissions: &mut Permissions) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        if !fields.has("match") {
            return Err(ConfigError::at("match", "is missing; an empty object matches every request"));
        }
        let pattern = Match::read(fields.object("match")?).map_err(|mistake| mistake.inside("match"))?;
        let mode = Mode::read(&mut fields, "auth")?.ok_or_else(|| ConfigError::at("auth", "is missing"))?;
        let allow = match fields.any("allow") {
            None => Vec::new(),
            Some(_) if mode == Mode::Off => {
                return Err(ConfigError::at(
                    "allow",
                    "must not stand where auth is off: nobody knows the caller there",
                ));
            }
            Some(json) => permissions.demands(&json, place).map_err(|mistake| mistake.inside("allow"))?,
        };
        fields.end()?;
        Ok(Self { mode, allow, pattern })
    }
}

impl Mode {
    pub(crate) fn read(fields: &mut Fields, name: &str) -> Result<Option<Self>, ConfigError> {
        match fields.text(name)?.as_deref() {
            None => Ok(None),
            Some("required") => Ok(Some(Self::Required)),
            Some("optional") => Ok(Some(Self::Optional)),
            Some("off") => Ok(Some(Self::Off)),
            Some(other) => Err(ConfigError::at(name, format!("must be required, optional or off, got {other:?}"))),
        }
    }
}
