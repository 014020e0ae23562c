//! A rule: which requests it is about, whose bucket they take from, how much that holds, and under what they are counted.

use std::fmt::Write;
use std::num::NonZeroU32;
use std::time::Duration;

use policy::handover::header;
use policy::headers::Sole;
use policy::route::Target;
use policy::{Fingerprint, Headers, Match, Seed};

use crate::charge::Charge;
use crate::fields;
use crate::key::{Client, Key};
use crate::limit::Limits;
use crate::rate::PerUnit;
use crate::set::Taker;

/// The tier of a caller that has none, or one that is not configured.
pub const ANONYMOUS: &str = "anonymous";

/// The keys of shared data that this filter uses begin with this.
const PREFIX: &str = "weir.ratelimit.";

/// One rule of a configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    pub(crate) name: String,
    /// The first that matches counts; at least one.
    pub(crate) routes: Vec<Route>,
    pub(crate) key: Key,
    pub(crate) allowance: Allowance,
    pub(crate) cost: NonZeroU32,
    pub(crate) headers: bool,
    pub(crate) scope: Scope,
    /// The longest windows that any of its callers has.
    pub(crate) longest: PerUnit<Duration>,
    pub(crate) slots: NonZeroU32,
}

/// Who keeps a rule's limits together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The workers of one proxy.
    Proxy,
    /// A fleet of proxies ([`crate::fleet`]).
    Fleet,
}

/// Some of the requests that a rule is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Route {
    pub(crate) matcher: Match,
    pub(crate) account: Account,
}

/// Under what requests are counted in metrics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The label `provider`: the upstream, or the rule's own name.
    pub provider: String,
    /// Whether one that passes is counted here. It is not where it comes to this filter once more, which then does.
    pub allowed: bool,
}

/// A rule that is about a request, and under what it counts that request.
pub type Asked<'a> = (&'a Rule, &'a Account);

/// How much a caller may.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Allowance {
    /// As much as every other.
    Same(Plan),
    /// By its tier.
    Tiered { anonymous: Plan, others: Vec<(String, Plan)> },
}

impl Allowance {
    /// What any caller may have.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &Plan> {
        let (first, others): (_, &[(String, Plan)]) = match self {
            Self::Same(plan) => (plan, &[]),
            Self::Tiered { anonymous, others } => (anonymous, others),
        };
        std::iter::once(first).chain(others.iter().map(|(_, plan)| plan))
    }
}

/// Limits, and what clients are told of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// The limits.
    pub limits: Limits,
    /// The value of `RateLimit-Policy`.
    pub policy: String,
}

impl Plan {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { policy: fields::policy(&limits), limits }
    }
}

impl Rule {
    /// Its name, which no other rule has.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything that it may count a request under.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.routes.iter().map(|route| &route.account)
    }

    /// Whether all callers share one bucket.
    pub fn is_shared(&self) -> bool {
        self.key.is_shared()
    }

    /// Who keeps its limits together.
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether clients are told of its limits.
    pub const fn is_shown(&self) -> bool {
        self.headers
    }

    /// Whether it looks at a request's headers, its method and path among them.
    pub fn reads_headers(&self) -> bool {
        let by_tier = matches!(self.allowance, Allowance::Tiered { .. });
        by_tier || self.key.reads_headers() || self.routes.iter().any(|route| route.matcher != Match::default())
    }

    /// Under what it counts this request; `None` where it is not about it.
    pub fn account(&self, target: &Target<'_>) -> Option<&Account> {
        self.routes.iter().find(|route| route.matcher.matches(target)).map(|route| &route.account)
    }

    /// The limits of this request's caller.
    pub fn plan(&self, headers: &Headers) -> &Plan {
        match &self.allowance {
            Allowance::Same(plan) => plan,
            Allowance::Tiered { anonymous, others } => match headers.sole(header::TIER) {
                Sole::Value(tier) => {
                    others.iter().find(|(name, _)| name.as_bytes() == tier).map_or(anonymous, |(_, plan)| plan)
                }
                Sole::Absent | Sole::Repeated => anonymous,
            },
        }
    }

    /// What a request under `plan` has to pay and where. `None` without the proxy's seed: then nobody knows which slot
    /// is whose.
    pub fn charge<'a, 'c>(
        &'a self,
        plan: &'a Plan,
        seed: Option<&Seed>,
        headers: &Headers,
        client: impl FnOnce() -> &'c Client,
    ) -> Option<Charge<'a>> {
        let (key, print) = if let Some(key) = self.own_key() {
            (key, SHARED)
        } else {
            let print = self.key.fingerprint(seed?, headers, client);
            (self.slot_key(print.slot(self.slots)), print)
        };
        let taker = Taker { print, limits: &plan.limits, longest: &self.longest, cost: self.cost };
        Some(Charge { key, taker })
    }

    /// Where all callers share one bucket: its key of shared data, and its limits. It has a key of its own, so a flood of
    /// clients cannot touch it.
    pub fn shared_bucket(&self) -> Option<(String, Taker<'_>)> {
        let Allowance::Same(plan) = &self.allowance else { return None };
        let taker = Taker { print: SHARED, limits: &plan.limits, longest: &self.longest, cost: self.cost };
        Some((self.own_key()?, taker))
    }

    fn own_key(&self) -> Option<String> {
        self.key.is_shared().then(|| format!("{PREFIX}{}", self.name))
    }

    fn slot_key(&self, slot: u32) -> String {
        let mut key = String::with_capacity(PREFIX.len() + self.name.len() + 6);
        key.push_str(PREFIX);
        key.push_str(&self.name);
        // A string takes in whatever is written to it.
        let _ = write!(key, "/{slot}");
        key
    }
}

/// Stands for all callers, where they share one bucket.
const SHARED: Fingerprint = Fingerprint::from_bytes([0; 16]);

/// The longest window of each unit of time in some plans.
pub(crate) fn longest<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> PerUnit<Duration> {
    let mut longest: PerUnit<Duration> = PerUnit::default();
    for limit in plans.into_iter().flat_map(|plan| plan.limits.iter()) {
        let window = longest.at_mut(limit.unit);
        *window = (*window).max(limit.quota.window());
    }
    longest
}
