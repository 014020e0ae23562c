//! What is counted: requests by what became of them, and the tokens of shared buckets.

use std::time::Duration;

use shell::metric::{Counter, Gauge, Times};

use crate::limit::Outcome;
use crate::rule::{Account, Asked, Rule};

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    /// It passed.
    Allowed,
    /// It passed, though a rule in the shadow would have refused it.
    Shadow,
    /// A limit was spent.
    Limited,
    /// The limits could not be looked up.
    Undecided,
}

/// The metrics of every provider that the rules name.
pub(super) struct Meters(Vec<Meter>);

struct Meter {
    provider: String,
    allowed: Counter,
    shadow: Counter,
    limited: Counter,
    undecided: Counter,
    /// The name of the rule with the provider's shared bucket, where there is one.
    shared: Option<(String, Gauge)>,
    /// How long requests wait for tokens, where they may.
    waits: Option<Times>,
}

impl Meters {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut meters: Vec<Meter> = Vec::new();
        for provider in rules.iter().flat_map(Rule::accounts).map(|account| account.provider.as_str()) {
            if !meters.iter().any(|meter| meter.provider == provider) {
                let is_its = |rule: &&Rule| rule.accounts().any(|account| account.provider == provider);
                let shared = rules.iter().find(|rule| is_its(rule) && rule.shared_bucket().is_some());
                meters.push(Meter::new(provider, shared, rules.iter().any(|rule| is_its(&rule) && rule.queues())));
            }
        }
        Self(meters)
    }

    /// Counts a request once for each provider that its rules are about.
    pub(super) fn count(&self, asked: &[Asked<'_>], status: Status) {
        self.each(asked, &mut |_| status);
    }

    /// Counts a request that passes, likewise: under a provider whose rule in the shadow refused it, as that.
    pub(super) fn count_pass(&self, asked: &[Asked<'_>], outcomes: &[Outcome<'_>]) {
        self.each(asked, &mut |provider| {
            let mut outcomes = asked.iter().zip(outcomes);
            let refused = outcomes.find(|((_, account), outcome)| account.provider == provider && outcome.is_denied());
            if let Some(((rule, _), _)) = refused {
                log::debug!("rule {} would have refused this request", rule.name());
                return Status::Shadow;
            }
            Status::Allowed
        });
    }

    fn each(&self, asked: &[Asked<'_>], status: &mut dyn FnMut(&str) -> Status) {
        for meter in &self.0 {
            let mut its = asked.iter().map(|(_, account)| account).filter(|account| account.provider == meter.provider);
            let Some(first) = its.next() else { continue };
            let counted = first.allowed || its.any(|account| account.allowed);
            match status(&meter.provider) {
                Status::Allowed if counted => meter.allowed.increment(),
                Status::Allowed => {}
                Status::Shadow => meter.shadow.increment(),
                Status::Limited => meter.limited.increment(),
                Status::Undecided => meter.undecided.increment(),
            }
        }
    }

    /// Says how long a request has waited for tokens that is sent now; one that waits for others' behind this filter is not said to
    /// have waited for none here.
    pub(super) fn waited(&self, account: &Account, wait: Duration) {
        let its = |meter: &&Meter| meter.provider == account.provider && (account.allowed || !wait.is_zero());
        if let Some(waits) = self.0.iter().find(its).and_then(|meter| meter.waits.as_ref()) {
            waits.record(wait);
        }
    }

    /// Says how many tokens are left in a rule's bucket, if all callers share it.
    pub(super) fn tokens(&self, rule: &Rule, tokens: u32) {
        let named = |(name, _): &&(String, Gauge)| name == rule.name();
        if let Some((_, gauge)) = self.0.iter().filter_map(|meter| meter.shared.as_ref()).find(named) {
            gauge.set(u64::from(tokens));
        }
    }
}

impl Meter {
    fn new(provider: &str, shared: Option<&Rule>, queues: bool) -> Self {
        let counter = |status| {
            Counter::new("api_gateway_rate_limit_requests_total", &[("provider", provider), ("status", status)])
        };
        let gauge = |rule: &Rule| {
            let gauge = Gauge::new("api_gateway_rate_limit_tokens", &[("provider", provider)]);
            (rule.name().to_owned(), gauge)
        };
        let waits = || Times::new("api_gateway_rate_limit_wait_seconds", &[("provider", provider)]);
        Self {
            provider: provider.to_owned(),
            allowed: counter("allowed"),
            shadow: counter("shadow"),
            limited: counter("limited"),
            undecided: counter("undecided"),
            shared: shared.map(gauge),
            waits: queues.then(waits),
        }
    }
}
