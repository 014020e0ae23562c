//! What those that have moved answer, beside their past and what the others answer: looked at every second while a step moves and
//! until the next.

use std::collections::BTreeMap;
use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use crate::apply::Failure;
use crate::rollout::Rollout;
use crate::rollout::fleet::Proxy;
use crate::rollout::hearing::{Hearing, SILENCE};
use crate::rollout::jury::{Case, Jury, sum};
use crate::rollout::sample::{Sample, Updates};
use crate::rollout::verdict;
use crate::say;

/// How often statistics are read.
const LOOK: Duration = Duration::from_secs(1);

/// A step, from its first move on.
pub(super) struct Step<'a> {
    /// What each proxy had counted before.
    before: BTreeMap<&'a str, Sample>,
    hearing: Hearing<'a>,
    jury: Jury<'a>,
    looked: Instant,
}

impl<'a> Rollout<'a> {
    /// Begins one of so many steps, after which so many proxies have moved.
    pub(super) fn begin(&self, steps: usize, count: usize) -> Step<'a> {
        let jury = Jury::new(self.options.least, steps, count.max(self.state.moved.len()));
        Step { before: self.counts(), hearing: Hearing::default(), jury, looked: Instant::now() }
    }

    /// Looks at those that have moved, where that is due: a step of hundreds takes minutes to move.
    pub(super) fn glance(&mut self, step: &mut Step<'a>) -> Result<(), Failure> {
        if step.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.look(step).map(drop)
    }

    /// Looks at those that have moved; answers what all have counted that answer. An error is why all went back.
    fn look(&mut self, step: &mut Step<'a>) -> Result<BTreeMap<&'a str, Sample>, Failure> {
        let counts = self.counts();
        let now = Instant::now();
        step.looked = now;
        self.moved().for_each(|proxy| step.hearing.expect(&proxy.name, now));
        step.hearing.hear(&counts, now);
        for (name, sample) in &counts {
            step.before.entry(name).or_insert_with(|| sample.clone());
        }
        if let Some(name) = step.hearing.silent(now) {
            return Err(self.back(&format!("{name} has not answered for {} s", SILENCE.as_secs())));
        }
        match self.judge(step) {
            Some(reason) => Err(self.back(&reason)),
            None => Ok(counts),
        }
    }

    /// Watches until there is enough to judge by. An answer is why it stops here; an error, why all went back.
    pub(super) fn watch(&mut self, step: &mut Step<'a>, moved: &'a [Proxy]) -> Result<Option<String>, Failure> {
        let started = Instant::now();
        let before = self.counts();
        let mut updates: BTreeMap<&str, Updates> = BTreeMap::new();
        loop {
            thread::sleep(LOOK.min(self.options.watch));
            let now = self.look(step)?;
            for (name, sample) in &now {
                updates.entry(name).or_insert_with(|| Updates::since(before.get(name))).look(sample);
            }
            if started.elapsed() >= self.options.watch
                && let Some(reason) = self.lost(moved, &before, &now, started.elapsed())
            {
                return Err(self.back(&reason));
            }
            let known = step.hearing.known();
            let lacking = moved.iter().find_map(|proxy| self.lacks(proxy, known, updates.get(proxy.name.as_str())));
            let others = self.others(step);
            let lacking = match (lacking, self.lacks_reference(others.as_ref())) {
                // Where nobody is left to come up to it, waiting is in vain.
                (None, Some(reason)) if others.is_none() && started.elapsed() >= self.options.watch => {
                    return Ok(Some(reason));
                }
                (lacking, without) => lacking.or(without),
            };
            match lacking {
                None if started.elapsed() >= self.options.watch => {
                    self.tell(moved, known, started.elapsed());
                    return Ok(None);
                }
                Some(_) if started.elapsed() >= self.options.patience.max(self.options.watch) => return Ok(lacking),
                _ => {}
            }
        }
    }

    /// Those that have moved, whatever the step.
    fn moved(&self) -> impl Iterator<Item = &'a Proxy> {
        self.proxies.iter().filter(|proxy| self.state.moved.contains_key(&proxy.name))
    }

    /// Which of those that moved nobody reaches any more, or all of them together, as far as they answer now.
    fn lost(
        &self,
        moved: &[Proxy],
        before: &BTreeMap<&str, Sample>,
        now: &BTreeMap<&str, Sample>,
        watched: Duration,
    ) -> Option<String> {
        let meanwhile = |proxy: &Proxy| {
            let sample = now.get(proxy.name.as_str())?.since(before.get(proxy.name.as_str())?);
            // Uptimes are rough.
            Some(Sample { seconds: watched.as_secs(), ..sample })
        };
        let others = || self.proxies.iter().filter(|proxy| !self.state.moved.contains_key(&proxy.name));
        let elsewhere = all(others().filter_map(meanwhile));
        let earlier = all(others().filter_map(|proxy| before.get(proxy.name.as_str()).cloned()));
        // Of the same times as the others' past, which is since they were started.
        let at = |proxy: &Proxy| match elsewhere.seconds {
            0 => self.past(proxy),
            _ => self.state.moved.get(&proxy.name).map(|moved| moved.at.clone()).unwrap_or_default(),
        };
        let heard: Vec<_> = moved.iter().filter_map(|proxy| Some((proxy, meanwhile(proxy)?, at(proxy)))).collect();
        let lost = |heard: &[(&Proxy, Sample, Sample)]| {
            let (now, past) = (sum(heard.iter().map(|(_, now, _)| now)), sum(heard.iter().map(|(_, _, past)| past)));
            verdict::lost(&now, &past, (&elsewhere, &earlier), self.options.least)
        };
        let each = heard.iter().find_map(|one| Some(format!("{}: {}", one.0.name, lost(slice::from_ref(one))?)));
        each.or_else(|| lost(&heard).map(|lost| format!("those that have moved: {lost}")))
    }

    /// What is missing of a proxy that has moved, to judge by.
    fn lacks(&self, proxy: &Proxy, known: &BTreeMap<&str, Sample>, updates: Option<&Updates>) -> Option<String> {
        let Sample { answers, arrived, .. } = self.since(proxy, known);
        // Whoever came before the listener changed says nothing of whether anybody can come now.
        let answers = answers.min(arrived);
        if answers < self.options.least {
            return Some(format!("{} has answered only {answers} requests since it moved", proxy.name));
        }
        let is_known = updates.is_some_and(Updates::are_enough);
        (!is_known).then(|| format!("{} has not said how long its answers have taken since it moved", proxy.name))
    }

    /// What the others have answered since the step began; `None` where all have moved.
    fn others(&self, step: &Step<'a>) -> Option<Sample> {
        let known = step.hearing.known();
        let others = self.proxies.iter().filter(|proxy| !self.state.moved.contains_key(&proxy.name));
        let meanwhile = |proxy: &Proxy| {
            let name = proxy.name.as_str();
            Some(known.get(name)?.since(step.before.get(name)?))
        };
        let others: Vec<_> = others.map(meanwhile).collect();
        (!others.is_empty()).then(|| all(others.into_iter().flatten()))
    }

    /// Why nothing can be worse: there is neither a past nor anybody else.
    fn lacks_reference(&self, others: Option<&Sample>) -> Option<String> {
        let (least, past) = (self.options.least, all(self.moved().map(|proxy| self.past(proxy))));
        let others = others.map_or(0, |others| others.answers);
        (past.answers < least && others < least).then(|| {
            format!(
                "there is nothing to compare with: before they moved, those that have had answered only {} requests, and \
                 the others have answered {others} since",
                past.answers
            )
        })
    }

    /// What one of those that moved has made worse, or all of them together.
    fn judge(&self, step: &mut Step<'a>) -> Option<String> {
        let known = step.hearing.known();
        let others = self.others(step).unwrap_or_default();
        let heard = self.moved().filter(|proxy| known.contains_key(proxy.name.as_str()));
        let case = |proxy: &'a Proxy| Case { name: &proxy.name, now: self.since(proxy, known), past: self.past(proxy) };
        let cases: Vec<_> = heard.map(case).collect();
        step.jury.look(&cases, &others)
    }

    /// What a proxy has counted since it moved.
    fn since(&self, proxy: &Proxy, known: &BTreeMap<&str, Sample>) -> Sample {
        let moved = self.state.moved.get(&proxy.name);
        let counted = moved.and_then(|moved| Some(known.get(proxy.name.as_str())?.since(&moved.at)));
        counted.unwrap_or_default()
    }

    /// What it had counted before: since the rollout began where that is enough to judge by, else since it was started.
    fn past(&self, proxy: &Proxy) -> Sample {
        let Some(moved) = self.state.moved.get(&proxy.name) else { return Sample::default() };
        let recent = self.state.begun.get(&proxy.name).map(|begun| moved.at.since(begun));
        recent.filter(|recent| recent.answers >= self.options.least).unwrap_or_else(|| moved.at.clone())
    }

    fn tell(&self, moved: &[Proxy], known: &BTreeMap<&str, Sample>, watched: Duration) {
        let Sample { answers, errors, refusals, .. } = all(moved.iter().map(|proxy| self.since(proxy, known)));
        say::progress(format_args!(
            "  {} s: {answers} requests, {errors} errors, {refusals} refusals: not worse than before",
            watched.as_secs()
        ));
    }
}

fn all(samples: impl Iterator<Item = Sample>) -> Sample {
    samples.fold(Sample::default(), |all, one| all.and(&one))
}
