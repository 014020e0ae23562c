//! Which limits a request is under, and what their upstreams are listened to for.

use policy::Headers;
use policy::route::Target;
use ratelimit::Config;
use ratelimit::cooldown::Upstream;
use ratelimit::key::Client;
use ratelimit::limit::{Limit, Terms};
use ratelimit::queue::Terms as Waiting;
use ratelimit::rule::{Asked, Rule, Scope};
use ratelimit::window::Kind;

use crate::draft::Draft;
use crate::facts::period;
use crate::gateway::SEED;
use crate::policy::Policy;

/// A line for each rule that is about a request.
pub fn says(config: &Config, headers: &Headers) -> Vec<String> {
    asked(config, headers).into_iter().map(|asked| line(asked, headers)).collect()
}

/// The rules that are about a request.
pub fn asked<'c>(config: &'c Config, headers: &Headers) -> Vec<Asked<'c>> {
    let target = Target::of(headers);
    config.rules.iter().filter_map(|rule| Some((rule, rule.account(&target)?))).collect()
}

fn line((rule, account): Asked<'_>, headers: &Headers) -> String {
    let nobody = Client::parse(None);
    let plan = rule.plan(account, Some(&SEED), headers, &|| &nobody);
    let queue = plan.and_then(|plan| plan.queue.as_ref());
    let limits = plan.map(|plan| plan.limits.iter().map(terms).collect::<Vec<_>>().join(", and "));
    let mut line = format!("`{}`: {}", rule.name(), limits.unwrap_or_else(|| "none".to_owned()));
    if account.cost.get() > 1 {
        line.push_str(&format!(", of which this takes {}", account.cost));
    }
    line.push_str(&beside(rule, queue));
    line
}

fn beside(rule: &Rule, queue: Option<&Waiting>) -> String {
    let mut words = String::new();
    if let Some(queue) = queue {
        words.push_str(&format!("; {} may wait for {}", queue.max_requests, period(queue.max_wait)));
    }
    if rule.scope() == Scope::Fleet {
        words.push_str("; of the whole fleet");
    }
    if rule.is_shadow() {
        words.push_str("; in the shadow");
    }
    words
}

/// Whether requests wait for a limit, or for one of several, or for a tier's.
pub fn waits(draft: &Draft) -> bool {
    draft.items().iter().any(|limit| limit.has("queue") || limit.has("when_empty"))
}

/// Before whom a tier's requests are sent, where they wait.
pub fn priority(policy: &Policy, tier: &str) -> Option<String> {
    let own = policy.tiers.iter().find(|(name, _)| name.value == tier)?.1.to_json();
    let priority = own.get("priority").filter(|priority| **priority != 0)?;
    Some(format!("where it waits, it goes before those of a priority below {priority}"))
}

/// What one limit allows.
pub fn terms(limit: &Limit) -> String {
    match &limit.terms {
        Terms::Bucket(quota) => format!("{} at once, one more every {:?}", quota.burst(), quota.refill()),
        Terms::Window(window) if window.kind() == Kind::Sliding => {
            format!("{} in any {}", window.count(), period(window.length()))
        }
        Terms::Window(window) => format!("{} in each {}", window.count(), period(window.length())),
    }
}

/// A line for each upstream that is left alone when it says so.
pub fn cool_downs(policy: &Policy, config: &Config, target: &Target<'_>) -> Vec<String> {
    let listened = config.upstreams.iter().filter(|upstream| upstream.is_asked(target));
    let line = |upstream: &Upstream| {
        // What it is listened to for is a list of words.
        let said = policy.upstream(&upstream.name).and_then(|upstream| upstream.slow_down.as_ref());
        let words = said.and_then(|said| said.draft.to_json().get("learn").cloned()).unwrap_or_default();
        let (default, longest) = (period(upstream.default), period(upstream.longest));
        format!("`{}` is left alone by {words}, for {default} where it does not say, {longest} at most", upstream.name)
    };
    listened.map(line).collect()
}
