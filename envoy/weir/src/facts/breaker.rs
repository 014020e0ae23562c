//! When a request's upstream is left alone, and what answers then.

use std::time::Duration;

use breaker::Config;
use breaker::fallback::Fallback;
use breaker::limits::{Limits, Order};
use breaker::scope::Scope;
use breaker::window::Span;
use policy::route::Target;
use serde_json::Value as Json;

use crate::draft::Draft;
use crate::facts::period;
use crate::policy::Policy;

/// How long a `Retry-After` counts at most where nobody has said anything.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// The breaker that a request meets, in words; `None` where there is none.
pub(super) fn says(policy: &Policy, config: &Config, target: &Target<'_>) -> Option<String> {
    let upstream = config.breakers.get(config.find(target)?.upstream)?;
    let whose = match &upstream.scope {
        Scope::Upstream => "",
        Scope::Route => ", for each route,",
        Scope::Host(_) => ", for each host,",
        Scope::Header(name, _) => &format!(", for each value of `{name}`,"),
    };
    let mut line = format!("`{}`{whose} opens after {}", upstream.name, failures(&upstream.limits));
    match upstream.limits.order {
        Order::Automatic => {}
        order => line.push_str(&format!(", but is ordered to be {order:?}")),
    }
    let draft = policy.upstream(&upstream.name).and_then(|upstream| upstream.breaker.as_ref()).map(Draft::to_json);
    let statuses = draft.as_ref().and_then(|draft| draft.get("failure_statuses"));
    line.push_str(&format!(
        " (of {}), for {}; closes after {} good probes, {} at a time, each within {}",
        statuses.map_or_else(|| "500 and above".to_owned(), ToString::to_string),
        period(upstream.limits.open_for),
        upstream.limits.close_after,
        upstream.limits.half_open_requests,
        period(upstream.limits.probe_timeout),
    ));
    line.push_str(&beside(&upstream.limits, draft.as_ref()));
    if let Some(bulkhead) = &upstream.bulkhead {
        line.push_str(&format!("; {} under way at most", bulkhead.most));
    }
    match &upstream.fallback {
        None => {}
        Some(Fallback::Static(answer)) => {
            let body = String::from_utf8_lossy(&answer.body);
            line.push_str(&format!("; meanwhile {} {:?} {body}", answer.status, answer.headers));
        }
        Some(Fallback::Upstream { name, .. }) => line.push_str(&format!("; meanwhile `{name}`")),
    }
    Some(line)
}

/// What is not as it is where nobody has said anything.
fn beside(limits: &Limits, draft: Option<&Json>) -> String {
    let mut words = String::new();
    if limits.open_for_max > limits.open_for {
        let times = f64::from(limits.open_growth) / 1000.0;
        words.push_str(&format!("; {times} times as long each time, up to {}", period(limits.open_for_max)));
    }
    if limits.open_jitter > 0 {
        words.push_str(&format!("; up to {} % longer or shorter", limits.open_jitter));
    }
    if limits.retry_after_max != RETRY_AFTER_MAX {
        words.push_str(&format!("; as long as `Retry-After` says, up to {}", period(limits.retry_after_max)));
    }
    for (member, what) in [
        ("ignored_statuses", "statuses that say nothing"),
        ("failure_codes", "codes of gRPC that are failures"),
        ("ignored_codes", "codes of gRPC that say nothing"),
        ("whole_answer", "calls last for the whole answer"),
        ("scopes_max", "told apart at most"),
        ("fleet", "opened by other proxies"),
    ] {
        if let Some(said) = draft.and_then(|draft| draft.get(member)).filter(|said| **said != Json::Bool(false)) {
            words.push_str(&format!("; {what}: {said}"));
        }
    }
    words
}

fn failures(limits: &Limits) -> String {
    let in_a_row = limits.consecutive_failures.map(|count| format!("{count} failures in a row"));
    let rates = limits.rates.iter().flat_map(|rates| {
        let last = match rates.span {
            Span::Calls(calls) => format!("{calls}"),
            Span::Seconds { step, buckets } => format!("{} s", u64::from(step) * u64::from(buckets)),
        };
        let of = format!("of the last {last}, {} at least", rates.minimum_calls);
        let failed = rates.failures.map(|percent| format!("{percent} % failures {of}"));
        let slow = rates.slow.map(|slow| format!("{} % slower than {} {of}", slow.percent, period(slow.after)));
        failed.into_iter().chain(slow)
    });
    in_a_row.into_iter().chain(rates).collect::<Vec<_>>().join(" or ")
}
