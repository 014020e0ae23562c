//! What a request may be.

use guard::Config;
use guard::config::ANY;
use policy::Headers;
use policy::route::Target;
use serde_json::{Value as Json, json};

use crate::policy::Route;

/// What holds for the request, in words. `bodies` is what reads them, where anything does.
pub(super) fn says(front: &Config, bodies: Option<&Config>, headers: &Headers) -> String {
    let target = Target::of(headers);
    let of = |config: &Config| config.routes.iter().find(|route| route.rule.matches(&target)).cloned();
    let read = bodies.and_then(of);
    let own = read.or_else(|| of(front));
    let most = own.as_ref().map_or(front.body_bytes_max, |route| route.body_bytes_max);
    let mut words =
        vec![if most == ANY { "a body of any length".to_owned() } else { format!("a body of up to {most} bytes") }];
    let types: Vec<_> = own.iter().flat_map(|route| &route.types).map(ToString::to_string).collect();
    if !types.is_empty() {
        words.push(format!("of {}", types.join(" or ")));
    }
    words.join(", ")
}

/// The schema that bodies have to fit on a route, where there is one.
pub(super) fn schema(route: &Route) -> Option<Json> {
    Some(json!({"schema": route.accepts.as_ref()?.to_json().get("schema")?}))
}
