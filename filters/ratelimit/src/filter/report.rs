//! What is told of limits to whoever asks ([`policy::allowance`]).

use std::time::Duration;

use policy::Instant;
use policy::allowance::{self, Allowance, KEY};
use policy::queue::{self, Crowd};
use shell::shared::{self, Change};

use super::limiter::Limiter;
use crate::rule::{Rule, Scope};
use crate::set::Set;

/// Whoever is outrun so often leaves it to those who were faster.
const ATTEMPTS: u32 = 4;

impl Limiter {
    /// Says how all rules stand, in metrics and to the proxy's operator.
    pub(super) fn report(&self, now: Instant) {
        let rules = &self.config.rules;
        let providers: Vec<_> = rules.iter().map(providers).collect();
        let policies: Vec<_> = rules.iter().map(Rule::policy).collect();
        let lines: Vec<_> = rules.iter().map(|rule| self.line(rule, now)).collect();
        let lines = lines.into_iter().zip(&providers).zip(&policies);
        let lines: Vec<_> = lines.map(|((line, providers), policy)| Allowance { providers, policy, ..line }).collect();
        let told = shared::update(KEY, ATTEMPTS, |bytes| {
            if allowance::write(bytes, now.unix_seconds(), &lines) { Change::Store(()) } else { Change::Keep(()) }
        });
        if let Err(failure) = told {
            log::debug!("limits not told: {failure:?}");
        }
    }

    fn line<'a>(&self, rule: &'a Rule, now: Instant) -> Allowance<'a> {
        let stored = |key: &str| shared::read(key).map(|(bytes, _)| bytes).unwrap_or_default();
        let own = rule.shared_bucket().filter(|_| rule.scope() == Scope::Proxy);
        let shared = own.map(|(key, taker)| [taker.limits.most(), Set::read(&stored(&key), now).tokens(&taker)]);
        if let Some([_, tokens]) = shared {
            self.meters.tokens(rule, tokens);
        }
        let mut crowd = Crowd::default();
        let is_lined = rule.queues() && !rule.is_shared();
        if let Some((key, _)) = rule.shared_bucket().filter(|_| rule.queues()) {
            crowd.add(&stored(&queue::key(&key)), now);
        }
        let cooling = self.cooling(rule).map_or(Duration::ZERO, |left| left + Duration::from_millis(999));
        Allowance {
            at: now.unix_seconds(),
            rule: rule.name(),
            providers: "",
            slots: rule.slots(),
            shared,
            waiting: (!is_lined).then_some(crowd.requests),
            cooling: u32::try_from(cooling.as_secs()).unwrap_or(u32::MAX),
            is_fleet: rule.scope() == Scope::Fleet,
            policy: "",
        }
    }
}

/// The upstreams that a rule is about, each once; one whose name would be read as two words is left out.
fn providers(rule: &Rule) -> String {
    let mut names: Vec<&str> = Vec::new();
    for account in rule.accounts() {
        let name = account.provider.as_str();
        if !names.contains(&name) && !name.contains([' ', ',', '\n']) {
            names.push(name);
        }
    }
    if names.is_empty() { "-".to_owned() } else { names.join(",") }
}
