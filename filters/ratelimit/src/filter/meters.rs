//! What is counted: requests by what became of them, and the tokens of shared buckets.

use std::time::Duration;

use shell::metric::{Counter, Gauge, Histogram};

use crate::limit::Outcome;
use crate::rule::{Asked, Rule};

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
    /// How long requests wait for the tokens of that rule, where they may.
    waits: Option<Histogram>,
}

impl Meters {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut meters: Vec<Meter> = Vec::new();
        for provider in rules.iter().flat_map(Rule::accounts).map(|account| account.provider.as_str()) {
            if !meters.iter().any(|meter| meter.provider == provider) {
                let is_its = |rule: &&Rule| rule.accounts().any(|account| account.provider == provider);
                let shared = rules.iter().find(|rule| is_its(rule) && rule.shared_bucket().is_some());
                meters.push(Meter::new(provider, shared));
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

    /// Says how long a request has waited for a rule's tokens that is sent now. A histogram of the host takes whole numbers:
    /// to the nearest second, so that the sum is right on average.
    pub(super) fn waited(&self, rule: &Rule, wait: Duration) {
        let its = |meter: &&Meter| meter.shared.as_ref().is_some_and(|(name, _)| name == rule.name());
        if let Some(histogram) = self.0.iter().find(its).and_then(|meter| meter.waits) {
            histogram.record((wait + Duration::from_millis(500)).as_secs());
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
    fn new(provider: &str, shared: Option<&Rule>) -> Self {
        let counter = |status| {
            Counter::new("api_gateway_rate_limit_requests_total", &[("provider", provider), ("status", status)])
        };
        let gauge = |rule: &Rule| {
            let gauge = Gauge::new("api_gateway_rate_limit_tokens", &[("provider", provider)]);
            (rule.name().to_owned(), gauge)
        };
        let waits = || Histogram::new("api_gateway_rate_limit_wait_seconds", &[("provider", provider)]);
        Self {
            provider: provider.to_owned(),
            allowed: counter("allowed"),
            shadow: counter("shadow"),
            limited: counter("limited"),
            undecided: counter("undecided"),
            shared: shared.map(gauge),
            waits: shared.filter(|rule| rule.queue.is_some()).map(|_| waits()),
        }
    }
}
