//! The order in which a configuration's routes are tried, those that keep nothing among them.
//!
//! What is kept of a URL ends with a successful unsafe request for it (RFC 9111 §4.4), whatever its route keeps. So the
//! filter has to see requests of routes that keep nothing, and must not take them for requests of a later route that
//! keeps something.

use policy::Match;
use policy::config::ConfigError;
use policy::fields::Fields;
use policy::json::Json;
use policy::route::Target;

use super::{Config, Route};

/// A route that keeps nothing.
#[derive(Clone, Debug)]
pub struct Idle {
    /// Which requests.
    pub matches: Match,
    /// How many of those that keep something are tried before it.
    pub after: usize,
}

/// What a configuration says of a request.
#[derive(Clone, Copy, Debug)]
pub enum Found<'c> {
    /// It is of this route, which is at this index.
    Route(usize, &'c Route),
    /// Its route keeps nothing.
    Idle,
    /// It is of no route.
    Nowhere,
}

/// What a route may say that keeps nothing.
const IDLE_MEMBERS: [&str; 2] = ["match", "keeps"];

/// Reads `routes`: those that keep something, and the others.
pub(super) fn read(fields: &mut Fields) -> Result<(Vec<Route>, Vec<Idle>), ConfigError> {
    let (mut routes, mut idle) = (Vec::new(), Vec::new());
    for (index, json) in fields.list("routes")?.unwrap_or_default().into_iter().enumerate() {
        match one(json).map_err(|mistake| mistake.inside(format_args!("routes[{index}]")))? {
            One::Keeps(route) => routes.push(route),
            One::Idle(matches) => idle.push(Idle { matches, after: routes.len() }),
        }
    }
    Ok((routes, idle))
}

enum One {
    Keeps(Route),
    Idle(Match),
}

fn one(json: Json) -> Result<One, ConfigError> {
    let mut fields = Fields::of(json)?;
    if !fields.has("match") {
        return Err(ConfigError::at("match", "is missing"));
    }
    let matches = Match::read(fields.object("match")?).map_err(|mistake| mistake.inside("match"))?;
    if fields.flag("keeps")? != Some(false) {
        return Route::read(fields, matches).map(One::Keeps);
    }
    fields.end_of(&IDLE_MEMBERS)?;
    Ok(One::Idle(matches))
}

impl Config {
    /// Which of its routes a request is of: the first that matches.
    pub fn find(&self, target: &Target<'_>) -> Found<'_> {
        let found = self.routes.iter().enumerate().find(|(_, route)| route.matches.matches(target));
        let before = found.map_or(self.routes.len(), |(index, _)| index);
        if self.idle.iter().any(|idle| idle.after <= before && idle.matches.matches(target)) {
            return Found::Idle;
        }
        found.map_or(Found::Nowhere, |(index, route)| Found::Route(index, route))
    }

    /// All routes that may keep what a request with this method for a URL is answered with, whatever its headers say.
    pub fn keepers(&self, method: &str, authority: &[u8], path: &[u8]) -> Vec<&Route> {
        let is_about = |matches: &Match| matches.admits(method) && matches.is_about(authority, path);
        let takes_all = |matches: &Match| is_about(matches) && matches.headers().is_empty();
        let mut keepers = Vec::new();
        for (index, route) in self.routes.iter().enumerate() {
            if self.idle.iter().any(|idle| idle.after <= index && takes_all(&idle.matches)) {
                break;
            }
            if is_about(&route.matches) {
                keepers.push(route);
            }
            if takes_all(&route.matches) {
                break;
            }
        }
        keepers
    }
}
