//! What a route asks of its callers.

use auth::Config;
use auth::permission::Granted;
use auth::route::Mode;
use policy::route::Target;

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

const fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Required => "a credential is required",
        Mode::Optional => "a credential is optional",
        Mode::Off => "no credential is looked at",
    }
}
