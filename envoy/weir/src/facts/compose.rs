//! What a route's one answer is made of.

use compose::Config;
use policy::method::is_unsafe;
use policy::route::Target;
use serde_json::Value as Json;

use crate::draft::Draft;
use crate::facts::period;
use crate::gateway::written_matcher;
use crate::policy::Route;

/// What the words below leave out.
pub(super) fn means(own: &Draft) -> Json {
    let mut means = own.clone();
    for said in ["name", "at_once", "deadline", "batch"] {
        means.take(said);
    }
    means.to_json()
}

/// The composition that answers a request; `None` where there is none.
pub(super) fn says(config: &Config, route: &Route, target: &Target<'_>) -> Option<String> {
    let plan = config.find(target)?;
    let made = if route.calls.is_empty() {
        let steps: Vec<_> = plan.steps.iter().map(|step| format!("`{}`", step.name)).collect();
        format!("from {}", steps.join(", "))
    } else {
        let calls: Vec<_> = route.calls.iter().map(|call| format!("`{}`", written_matcher(&call.matcher))).collect();
        let most = plan.batch().map_or(0, compose::batch::Batch::most);
        format!("from up to {most} requests of the client's, each one of {}", calls.join(", "))
    };
    let (at_once, bytes) = (plan.at_once, plan.body_bytes_max);
    let body = if plan.body.is_some() { format!(", by a body of up to {bytes} bytes") } else { String::new() };
    let ends = if config.tells_cache && is_unsafe(target.method) {
        ", and calls that change anything end what is kept of its URL"
    } else {
        ""
    };
    Some(format!("`{}` answers {made}, {at_once} at a time, within {}{body}{ends}", plan.name, period(plan.deadline)))
}
