//! Limits and the queues behind them, retries, and how long anybody waits.

use policy::Period;
use ratelimit::limit::Limits;
use ratelimit::queue::Terms;
use ratelimit::rule::Rule;

use crate::code::Code;
use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::gateway::{Gateway, written};
use crate::policy::{Policy, Route, Upstream};

/// The methods that RFC 9110 §9.2.2 does not call idempotent.
const ONCE: [&str; 2] = ["POST", "PATCH"];

/// Looks for times and numbers that do not fit together.
pub fn look(gateway: &Gateway<'_>, found: &mut Mistakes) {
    for rule in &gateway.quota.rules {
        queue_of_upstream(gateway.policy, rule, found);
    }
    queues_of_tiers(gateway, found);
    for upstream in &gateway.policy.upstreams {
        retries(upstream, &gateway.policy.routes, found);
    }
    early_idle(gateway.policy, found);
}

fn queue_of_upstream(policy: &Policy, rule: &Rule, found: &mut Mistakes) {
    let Some(terms) = rule.queue() else { return };
    let Some((_, taker)) = rule.shared_bucket() else { return };
    let limit = policy.upstream(rule.name()).and_then(|upstream| upstream.limit.as_ref());
    let Some(limit) = limit.and_then(|limit| limit.items().first()) else { return };
    let whose = format!("for `{}`", rule.name());
    queue(&whose, terms, taker.limits, limit, found);
    wait(&whose, terms, limit, policy, found);
}

/// Each caller of a tier has a queue of its own.
fn queues_of_tiers(gateway: &Gateway<'_>, found: &mut Mistakes) {
    let Some(rule) = gateway.callers.rules.first() else { return };
    for (name, tier) in &gateway.policy.tiers {
        let plan = rule.plan_of(&name.value);
        if let Some((plan, terms)) = plan.and_then(|plan| Some((plan, plan.queue.as_ref()?))) {
            let whose = format!("for one caller of `{}`", name.value);
            queue(&whose, terms, &plan.limits, tier, found);
            wait(&whose, terms, tier, gateway.policy, found);
        }
    }
}

/// A queue of which the last can never be sent in time; `said` is the limit or the tier that has it.
fn queue(whose: &str, terms: &Terms, limits: &Limits, said: &Draft, found: &mut Mistakes) {
    // Each waits for those before it, and all limits hold at once: the slowest sets the pace.
    let pace = limits.iter().map(|limit| limit.terms.pace()).max().unwrap_or_default();
    let served = terms.max_wait.as_nanos() / pace.as_nanos().max(1);
    if u128::from(terms.max_requests.get()) <= served.max(1) {
        return;
    }
    // A number that nobody has said is nobody's mistake.
    let Some(path) = paths(said, "max_requests").next() else { return };
    let (at, most) = (said.locate(&path), served.max(1));
    let wrong = format!(
        "{} may wait {whose}, but only {served} can be sent within {} s",
        terms.max_requests,
        terms.max_wait.as_secs_f32()
    );
    found.add_as(Code::LongQueue, &at, wrong, format!("say `max_requests: {most}`, or let them wait for longer"));
}

/// A queue in which a request may wait for longer than Envoy lets it arrive.
fn wait(whose: &str, terms: &Terms, said: &Draft, policy: &Policy, found: &mut Mistakes) {
    let most = policy.clients.request_timeout;
    if terms.max_wait < most.length() {
        return;
    }
    let path = paths(said, "max_wait").chain(paths(said, "max_requests")).next().unwrap_or_default();
    let longest = Period::of(terms.max_wait);
    let wrong = format!("a request may wait {whose} for {longest}, but one without a body is cut off after {most}");
    let fix = format!("say `clients: {{request_timeout: …}}` of more than {longest}, or a shorter `max_wait`");
    found.add_as(Code::LongWait, &said.locate(&path), wrong, fix);
}

/// Where a limit or a tier says this of its queue.
fn paths(said: &Draft, key: &'static str) -> impl Iterator<Item = String> {
    let json = said.to_json();
    let is_said = move |path: &String| json.pointer(&format!("/{}", path.replace('.', "/"))).is_some();
    ["queue", "when_empty.queue"].into_iter().map(move |queue| format!("{queue}.{key}")).filter(is_said)
}

fn retries(upstream: &Upstream, routes: &[Route], found: &mut Mistakes) {
    let (Some(retry), name) = (&upstream.retry, &upstream.name) else { return };
    // What a provider is sent is a `GET`, whatever its client sent.
    if let Some(method) = ONCE.iter().find(|method| retry.methods.iter().any(|own| own == *method))
        && upstream.provider.is_none()
    {
        let wrong = format!("a `{method}` to `{}` may be sent more than once", name.value);
        found.add_as(Code::RetryUnsafe, &name.span, wrong, "leave it out of `retry.methods`");
    }
    let late = |whose: &str, timeout: &Period, place: &Span, found: &mut Mistakes| {
        let wrong = format!("the first retry {whose} waits {}, its time is over after {timeout}", retry.wait);
        let fix = "say a shorter `retry.wait`, a longer `timeout`, or `retry: off`";
        found.add_as(Code::RetryLate, place, wrong, fix);
    };
    let own: Vec<_> = routes.iter().filter(|route| route.upstream.value == name.value).collect();
    if retry.wait >= upstream.timeout && (own.is_empty() || own.iter().any(|route| route.timeout.is_none())) {
        late(&format!("to `{}`", name.value), &upstream.timeout, &name.span, found);
    }
    let is_retried = |route: &Route| retry.methods.iter().any(|method| route.matcher.rule.admits(method));
    for route in own.into_iter().filter(|route| is_retried(route)) {
        if let Some(timeout) = route.timeout.filter(|timeout| retry.wait >= *timeout) {
            late(&format!("by `{}`", written(route)), &timeout, &route.span, found);
        }
    }
}

/// Envoy's time for streams on which nothing moves, against that for an answer.
fn early_idle(policy: &Policy, found: &mut Mistakes) {
    let idle = policy.clients.idle_timeout;
    let fix = |timeout| format!("say `clients: {{idle_timeout: …}}` of more than {timeout}, or a shorter `timeout`");
    for upstream in policy.upstreams.iter().filter(|upstream| upstream.timeout >= idle) {
        let wrong = format!(
            "`{}` has {} to answer, but its client is cut off after {idle}",
            upstream.name.value, upstream.timeout
        );
        found.add_as(Code::EarlyIdle, &upstream.name.span, wrong, fix(upstream.timeout));
    }
    for route in &policy.routes {
        if let Some(timeout) = route.timeout.filter(|timeout| *timeout >= idle) {
            let wrong =
                format!("`{}` has {timeout} to be answered, but its client is cut off after {idle}", written(route));
            found.add_as(Code::EarlyIdle, &route.span, wrong, fix(timeout));
        }
    }
}
