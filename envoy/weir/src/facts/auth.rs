//! What a route asks of its callers.

use auth::Config;
use auth::permission::Granted;
use auth::route::Mode;
use policy::route::Target;
use serde_json::Value as Json;

use crate::draft::Draft;
use crate::policy::{Policy, Route};

/// Whether a credential is asked for, and what its holder must be.
pub(super) fn says(config: &Config, target: &Target<'_>) -> String {
    let route = config.route(target);
    let mut line = word(route.mode).to_owned();
    for demand in &route.allow {
        let (rule, shadow) = (config.permissions.lacking(demand, Granted::default()), demand.shadow);
        line.push_str(&format!(", allows `{}`: {rule}{}", demand.name, if shadow { " (in the shadow)" } else { "" }));
    }
    line
}

/// The rules that a route's callers have to meet, by their names; one without a name by its place.
pub(super) fn means(policy: &Policy, route: &Route) -> Json {
    let permissions = policy.permissions.as_ref().map(Draft::to_json).unwrap_or_default();
    let rules = route.allow.iter().flat_map(Draft::items).enumerate().map(|(index, rule)| match rule.to_json() {
        Json::String(name) => (name.clone(), permissions.get(&name).cloned().unwrap_or_default()),
        rule => (format!("allow[{index}]"), rule),
    });
    Json::Object(rules.collect())
}

const fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Required => "a credential is required",
        Mode::Optional => "a credential is optional",
        Mode::Off => "no credential is looked at",
    }
}
