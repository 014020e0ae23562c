//! The watch between two steps: what those that have moved answer, beside their past and what the others answer.

use std::collections::BTreeMap;
use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use crate::apply::Failure;
use crate::rollout::Rollout;
use crate::rollout::fleet::Proxy;
use crate::rollout::sample::{Sample, Updates};
use crate::rollout::verdict;
use crate::say;

/// How often statistics are read.
const LOOK: Duration = Duration::from_secs(1);
/// How long a proxy that has moved may say nothing.
const SILENCE: Duration = Duration::from_secs(10);

impl Rollout<'_> {
    /// Watches until there is enough to judge by. An answer is why it stops here; an error, why all went back.
    pub(super) fn watch(&mut self, moved: &[Proxy]) -> Result<Option<String>, Failure> {
        let started = Instant::now();
        let before = self.counts();
        let mut heard = started;
        let mut updates: BTreeMap<&str, Updates> = BTreeMap::new();
        loop {
            thread::sleep(LOOK.min(self.options.watch));
            let now = self.counts();
            for (name, sample) in &now {
                updates.entry(name).or_insert_with(|| Updates::since(before.get(name))).look(sample);
            }
            match moved.iter().find(|proxy| !now.contains_key(proxy.name.as_str())) {
                None => heard = Instant::now(),
                Some(proxy) if heard.elapsed() > SILENCE => {
                    let reason = format!("{} has not answered for {} s", proxy.name, SILENCE.as_secs());
                    return Err(self.back(reason));
                }
                Some(_) => continue,
            }
            if let Some(reason) = self.judge(moved, &before, &now) {
                return Err(self.back(reason));
            }
            let lost = || self.lost(moved, &before, &now, started.elapsed());
            if started.elapsed() >= self.options.watch
                && let Some(reason) = lost()
            {
                return Err(self.back(reason));
            }
            let lacking = moved.iter().find_map(|proxy| self.lacks(proxy, &now, updates.get(proxy.name.as_str())));
            match lacking {
                None if started.elapsed() >= self.options.watch => {
                    self.tell(moved, &now, started.elapsed());
                    return Ok(None);
                }
                Some(_) if started.elapsed() >= self.options.patience.max(self.options.watch) => return Ok(lacking),
                _ => {}
            }
        }
    }

    /// Which of those that moved nobody reaches any more, or all of them together.
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
        let elsewhere = sum(others().filter_map(meanwhile));
        let earlier = sum(others().filter_map(|proxy| before.get(proxy.name.as_str()).cloned()));
        // Of the same times as the others' past, which is since they were started.
        let at = |proxy: &Proxy| match elsewhere.seconds {
            0 => self.past(proxy),
            _ => self.state.moved.get(&proxy.name).map(|moved| moved.at.clone()).unwrap_or_default(),
        };
        let least = self.options.least;
        let lost = |moved: &[Proxy]| {
            let (now, past) = (sum(moved.iter().filter_map(meanwhile)), sum(moved.iter().map(at)));
            verdict::lost(&now, &past, (&elsewhere, &earlier), least)
        };
        let each = moved.iter().find_map(|proxy| Some(format!("{}: {}", proxy.name, lost(slice::from_ref(proxy))?)));
        each.or_else(|| lost(moved).map(|lost| format!("those that have moved: {lost}")))
    }

    /// What is missing of a proxy that has moved, to judge by.
    fn lacks(&self, proxy: &Proxy, now: &BTreeMap<&str, Sample>, updates: Option<&Updates>) -> Option<String> {
        let Sample { answers, arrived, .. } = self.since(proxy, now);
        // Whoever came before the listener changed says nothing of whether anybody can come now.
        let answers = answers.min(arrived);
        if answers < self.options.least {
            return Some(format!("{} has answered only {answers} requests since it moved", proxy.name));
        }
        let is_known = updates.is_some_and(Updates::are_enough);
        (!is_known).then(|| format!("{} has not said how long its answers have taken since it moved", proxy.name))
    }

    /// What one of those that moved has made worse, or all of them together.
    fn judge(&self, moved: &[Proxy], before: &BTreeMap<&str, Sample>, now: &BTreeMap<&str, Sample>) -> Option<String> {
        let least = self.options.least;
        let others = self.proxies.iter().filter(|proxy| !self.state.moved.contains_key(&proxy.name));
        let others =
            others.filter_map(|proxy| Some(now.get(proxy.name.as_str())?.since(before.get(proxy.name.as_str())?)));
        let others = sum(others);
        let each = moved.iter().find_map(|proxy| {
            let worse = verdict::worse(&self.since(proxy, now), &self.past(proxy), &others, least)?;
            Some(format!("{}: {worse}", proxy.name))
        });
        each.or_else(|| {
            let all = sum(moved.iter().map(|proxy| self.since(proxy, now)));
            let past = sum(moved.iter().map(|proxy| self.past(proxy)));
            verdict::worse(&all, &past, &others, least).map(|worse| format!("those that have moved: {worse}"))
        })
    }

    /// What a proxy has counted since it moved.
    fn since(&self, proxy: &Proxy, now: &BTreeMap<&str, Sample>) -> Sample {
        let moved = self.state.moved.get(&proxy.name);
        let counted = moved.and_then(|moved| Some(now.get(proxy.name.as_str())?.since(&moved.at)));
        counted.unwrap_or_default()
    }

    /// What it had counted before: since the rollout began where that is enough to judge by, else since it was started.
    fn past(&self, proxy: &Proxy) -> Sample {
        let Some(moved) = self.state.moved.get(&proxy.name) else { return Sample::default() };
        let recent = self.state.begun.get(&proxy.name).map(|begun| moved.at.since(begun));
        recent.filter(|recent| recent.answers >= self.options.least).unwrap_or_else(|| moved.at.clone())
    }

    fn tell(&self, moved: &[Proxy], now: &BTreeMap<&str, Sample>, watched: Duration) {
        let all = sum(moved.iter().map(|proxy| self.since(proxy, now)));
        let Sample { answers, errors, refusals, .. } = all;
        say::progress(format_args!(
            "  {} s: {answers} requests, {errors} errors, {refusals} refusals: not worse than before",
            watched.as_secs()
        ));
    }
}

fn sum(samples: impl Iterator<Item = Sample>) -> Sample {
    samples.fold(Sample::default(), |all, one| all.and(&one))
}
