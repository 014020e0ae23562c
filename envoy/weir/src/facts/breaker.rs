//! When a request's upstream is left alone, and what answers then.

use breaker::Config;
use breaker::fallback::Fallback;
use breaker::limits::{Limits, Order};
use breaker::scope::Scope;
use breaker::window::Span;
use policy::route::Target;

use crate::draft::Draft;
use crate::facts::period;
use crate::policy::Policy;

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
