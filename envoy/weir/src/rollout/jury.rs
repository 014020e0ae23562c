//! Who judges a step: every proxy that has moved, and all of them together, look after look, by [`verdict`].
//!
//! **Chance.** With five hundred proxies and a look every second, what happens once in thirty thousand times happens in every
//! rollout. So what chance may explain is divided ([`ALARM`]): by the steps, by the proxies of a step and all of them together, by
//! what is measured, and among the looks at one proxy, of which the first `n` take `n / (n + 1)` of what there is. However many
//! looks there are, a policy that changes nothing is brought back once in a thousand rollouts at most, as long as requests fail
//! independently of each other.

use std::collections::BTreeMap;

use crate::rollout::sample::Sample;
use crate::rollout::verdict;

/// In how many rollouts of a policy that makes nothing worse chance may bring it back.
const ALARM: f64 = 0.001;

/// What a proxy that has moved has counted.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Since it moved.
    pub now: Sample,
    /// Before.
    pub past: Sample,
}

/// The judges of one step.
#[derive(Debug)]
pub struct Jury<'a> {
    /// How many requests it takes to judge.
    least: u64,
    /// What chance may explain of one proxy.
    level: f64,
    /// How often each has been looked at; under no name, all together.
    looks: BTreeMap<&'a str, u32>,
}

impl<'a> Jury<'a> {
    /// For one of so many steps, after which so many proxies have moved. `least` is how many requests it takes to judge.
    pub fn new(least: u64, steps: usize, proxies: usize) -> Self {
        let count = |count: usize| f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX));
        Self { least, level: ALARM / count(steps) / (count(proxies) + 1.0), looks: BTreeMap::new() }
    }

    /// What one of those that moved has made worse, or all of them together, beside what the `others` answer meanwhile.
    pub fn look(&mut self, cases: &[Case<'a>], others: &Sample) -> Option<String> {
        let each = cases.iter().find_map(|case| {
            let worse = self.judge(case.name, &case.now, &case.past, others)?;
            Some(format!("{}: {worse}", case.name))
        });
        each.or_else(|| {
            let now = sum(cases.iter().map(|case| &case.now));
            let past = sum(cases.iter().map(|case| &case.past));
            let worse = self.judge("", &now, &past, others)?;
            Some(format!("those that have moved: {worse}"))
        })
    }

    fn judge(&mut self, name: &'a str, now: &Sample, past: &Sample, others: &Sample) -> Option<String> {
        // A look at what nobody can judge yet costs nothing.
        if now.answers < self.least {
            return None;
        }
        let looks = self.looks.entry(name).or_default();
        *looks = looks.saturating_add(1);
        let level = self.level / f64::from(*looks) / (f64::from(*looks) + 1.0);
        verdict::worse(now, past, others, (self.least, level))
    }
}

/// All samples together.
pub fn sum<'s>(samples: impl Iterator<Item = &'s Sample>) -> Sample {
    samples.fold(Sample::default(), Sample::and)
}

#[cfg(test)]
#[path = "jury/simulation.rs"]
mod simulation;
