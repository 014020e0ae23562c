//! A rule: which requests it is about, whose bucket they take from, how much that holds, and under what they are counted.

use std::num::NonZeroU32;

use policy::allowance;
use policy::handover::header;
use policy::headers::Sole;
use policy::route::Target;
use policy::{Fingerprint, Headers, Match, Seed};

use crate::charge::Charge;
use crate::debt::Longest;
use crate::fields;
use crate::key::{Client, Key};
use crate::limit::Limits;
use crate::queue::Terms;
use crate::set::Taker;

/// The tier of a caller that has none, or one that is not configured.
pub const ANONYMOUS: &str = "anonymous";

/// The keys of shared data that this filter uses begin with this.
pub(crate) const PREFIX: &str = "weir.ratelimit.";

/// One rule of a configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    pub(crate) name: String,
    /// The first that matches counts; at least one.
    pub(crate) routes: Vec<Route>,
    pub(crate) key: Key,
    pub(crate) allowance: Allowance,
    pub(crate) headers: bool,
    /// Whether it only says what it would have refused.
    pub(crate) shadow: bool,
    /// Who keeps its limits together.
    pub(crate) scope: Scope,
    /// The longest windows that any of its callers has.
    pub(crate) longest: Longest,
    pub(crate) slots: NonZeroU32,
    /// Whether any plan lets requests wait.
    pub(crate) queues: bool,
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

/// What a route says of its requests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The label `provider` of metrics: the upstream, or the rule's own name.
    pub provider: String,
    /// Whether one that passes is counted here. It is not where it comes to this filter once more, which then does.
    pub allowed: bool,
    /// How many tokens one takes.
    pub cost: NonZeroU32,
    /// The template, path or prefix that the route matches, as it is configured.
    pub pattern: String,
}

/// A rule that is about a request, and under what it counts that request.
pub type Asked<'a> = (&'a Rule, &'a Account);

/// How much a caller may.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Allowance {
    /// Every plan; the first is that of callers for whom there is no other.
    pub(crate) plans: Vec<Plan>,
    /// The tiers that have a plan of their own, each with its index; `None` where the tier says nothing.
    pub(crate) tiers: Option<Vec<(String, usize)>>,
    /// The callers that have a plan of their own: the parts of their key, and the plan's index.
    pub(crate) overrides: Vec<(Vec<String>, usize)>,
    /// The same by fingerprint, in order, once there is a seed.
    pub(crate) bound: Vec<(Fingerprint, usize)>,
}

impl Allowance {
    /// The limits of a caller.
    pub(crate) fn plan(&self, print: Fingerprint, headers: &Headers) -> Option<&Plan> {
        let own = self.bound.binary_search_by_key(&print, |(bound, _)| *bound).ok();
        let index = match (own.and_then(|at| self.bound.get(at)), &self.tiers) {
            (Some((_, index)), _) => *index,
            (None, None) => 0,
            (None, Some(tiers)) => match headers.sole(header::TIER) {
                Sole::Value(tier) => {
                    tiers.iter().find(|(name, _)| name.as_bytes() == tier).map_or(0, |(_, index)| *index)
                }
                Sole::Absent | Sole::Repeated => 0,
            },
        };
        self.plans.get(index)
    }
}

/// Limits, and what clients are told of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// The limits.
    pub limits: Limits,
    /// The value of `RateLimit-Policy`.
    pub policy: String,
    /// Whether requests wait for tokens, and how.
    pub queue: Option<Terms>,
}

impl Plan {
    pub(crate) fn new(limits: Limits, queue: Option<Terms>) -> Self {
        Self { policy: fields::policy(&limits), limits, queue }
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

    /// Whether requests wait for tokens of it, of some callers at least.
    pub const fn queues(&self) -> bool {
        self.queues
    }

    /// Who keeps its limits together.
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// Which requests wait for its tokens, where any do; callers of some tiers may wait on other terms.
    pub fn queue(&self) -> Option<&Terms> {
        self.allowance.plans.iter().find_map(|plan| plan.queue.as_ref())
    }

    /// Whether clients are told of its limits.
    pub const fn is_shown(&self) -> bool {
        self.headers
    }

    /// Whether it only says what it would have refused, and lets everything pass.
    pub const fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// Whether it looks at a request's headers, its method and path among them.
    pub fn reads_headers(&self) -> bool {
        let by_tier = self.allowance.tiers.is_some();
        by_tier || self.key.reads_headers() || self.routes.iter().any(|route| route.matcher != Match::default())
    }

    /// Under what it counts this request; `None` where it is not about it.
    pub fn account(&self, target: &Target<'_>) -> Option<&Account> {
        self.routes.iter().find(|route| route.matcher.matches(target)).map(|route| &route.account)
    }

    /// Finds out under which fingerprints the callers come that have limits of their own.
    pub fn bind(&mut self, seed: &Seed) {
        let Self { key, allowance: Allowance { overrides, bound, .. }, .. } = self;
        bound.clear();
        for (words, plan) in overrides {
            let print = key.fingerprint_of(seed, words);
            // One at a time in its place: the compiler's sorting would be larger than all else here.
            bound.insert(bound.partition_point(|(other, _)| *other < print), (print, *plan));
        }
    }

    /// What a request has to pay and where, and the plan by which it does. `None` without the proxy's seed: then nobody
    /// knows which slot is whose.
    pub fn charge<'a, 'c>(
        &'a self,
        account: &Account,
        seed: Option<&Seed>,
        headers: &Headers,
        client: &dyn Fn() -> &'c Client,
    ) -> Option<(&'a Plan, Charge<'a>)> {
        let (key, print) = self.place(account, seed, headers, client)?;
        let plan = self.allowance.plan(print, headers)?;
        let taker = Taker { print, limits: &plan.limits, longest: &self.longest, cost: account.cost };
        Some((plan, Charge { key, taker, shadow: self.shadow }))
    }

    /// The plan by which a request pays. `None` without the proxy's seed, where callers have limits of their own.
    pub fn plan<'c>(
        &self,
        account: &Account,
        seed: Option<&Seed>,
        headers: &Headers,
        client: &dyn Fn() -> &'c Client,
    ) -> Option<&Plan> {
        if self.allowance.overrides.is_empty() {
            return self.allowance.plan(SHARED, headers);
        }
        let (_, print) = self.place(account, seed, headers, client)?;
        self.allowance.plan(print, headers)
    }

    /// Which bucket a request's is under a seed: the key of shared data where its slot is, and the fingerprint of its caller.
    pub fn place<'c>(
        &self,
        account: &Account,
        seed: Option<&Seed>,
        headers: &Headers,
        client: &dyn Fn() -> &'c Client,
    ) -> Option<(String, Fingerprint)> {
        if let Some(key) = self.own_key() {
            return Some((key, SHARED));
        }
        let print = self.key.fingerprint(seed?, headers, account, client);
        Some((allowance::slot(&self.name, print.slot(self.slots)), print))
    }

    /// Where all callers share one bucket: its key of shared data, and its limits. It has a key of its own, so a flood of
    /// clients cannot touch it.
    pub fn shared_bucket(&self) -> Option<(String, Taker<'_>)> {
        let plan = self.allowance.plans.first()?;
        let taker = Taker { print: SHARED, limits: &plan.limits, longest: &self.longest, cost: NonZeroU32::MIN };
        Some((self.own_key()?, taker))
    }

    fn own_key(&self) -> Option<String> {
        self.key.is_shared().then(|| allowance::key(&self.name))
    }

    /// The plan of a tier's callers, unless they have one of their own.
    pub fn plan_of(&self, tier: &str) -> Option<&Plan> {
        let tiers = self.allowance.tiers.iter().flatten();
        let index = tiers.into_iter().find(|(name, _)| name == tier).map_or(0, |(_, index)| *index);
        self.allowance.plans.get(index)
    }

    /// What clients without a plan of their own are told of it.
    pub fn policy(&self) -> &str {
        self.allowance.plans.first().map_or("", |plan| &plan.policy)
    }

    /// In how many slots the buckets of its callers are; none where all share one.
    pub fn slots(&self) -> u32 {
        if self.key.is_shared() { 0 } else { self.slots.get() }
    }
}

/// Stands for all callers, where they share one bucket.
const SHARED: Fingerprint = Fingerprint::from_bytes([0; 16]);

/// The longest window of each place in some plans.
pub(crate) fn longest(plans: &[Plan]) -> Longest {
    let mut longest = Longest::new();
    for limit in plans.iter().flat_map(|plan| plan.limits.iter()) {
        let window = limit.terms.window();
        match longest.iter_mut().find(|(place, _)| *place == limit.place) {
            Some((_, length)) => *length = window.max(*length),
            None => longest.push((limit.place, window)),
        }
    }
    longest
}
