//! Who has answered, when, and what: each proxy for itself, since of hundreds that are asked every second, one is always late.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::rollout::sample::Sample;

/// How long a proxy that has moved may say nothing.
pub const SILENCE: Duration = Duration::from_secs(10);

/// What was heard of proxies, by name.
#[derive(Debug, Default)]
pub struct Hearing<'a> {
    heard: BTreeMap<&'a str, Instant>,
    known: BTreeMap<&'a str, Sample>,
}

impl<'a> Hearing<'a> {
    /// From now on, this one is expected to answer. What it has said before is forgotten: it has moved since.
    pub fn expect(&mut self, name: &'a str, now: Instant) {
        if !self.heard.contains_key(name) {
            self.heard.insert(name, now);
            self.known.remove(name);
        }
    }

    /// Takes in what those have counted that have answered just now.
    pub fn hear(&mut self, answers: &BTreeMap<&'a str, Sample>, now: Instant) {
        for (name, sample) in answers {
            self.known.insert(name, sample.clone());
            if let Some(heard) = self.heard.get_mut(name) {
                *heard = now;
            }
        }
    }

    /// One that was expected to answer and has not for too long.
    pub fn silent(&self, now: Instant) -> Option<&'a str> {
        let is_silent = |heard: &Instant| now.saturating_duration_since(*heard) > SILENCE;
        self.heard.iter().find_map(|(name, heard)| is_silent(heard).then_some(*name))
    }

    /// What each has counted when it last answered.
    pub const fn known(&self) -> &BTreeMap<&'a str, Sample> {
        &self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_one_of_hundreds_misses_is_no_silence_of_another() {
        let names: Vec<String> = (0..375).map(|index| format!("edge-{index}")).collect();
        let start = Instant::now();
        let mut hearing = Hearing::default();
        for name in &names {
            hearing.expect(name, start);
        }
        for look in 1..=600_u32 {
            let now = start + Duration::from_secs(1) * look;
            // Every one misses one look of a hundred, so that no look is whole.
            let answers = names.iter().zip(0_u32..).filter(|(_, index)| (index + look) % 100 != 0);
            let sample = Sample { answers: look.into(), ..Sample::default() };
            let answers: BTreeMap<_, _> = answers.map(|(name, _)| (name.as_str(), sample.clone())).collect();
            assert!(answers.len() < names.len());
            hearing.hear(&answers, now);
            assert_eq!(hearing.silent(now), None);
            if look > 1 {
                assert!(names.iter().all(|name| hearing.known()[name.as_str()].answers >= u64::from(look - 1)));
            }
        }
    }

    #[test]
    fn who_says_nothing_is_silent_after_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut hearing = Hearing::default();
        hearing.expect("a", start);
        hearing.expect("b", start);
        for second in 1..=11 {
            // Nobody waits for the last.
            let answers = [("a", Sample::default()), ("c", Sample::default())];
            let answers = answers.into_iter().filter(|(name, _)| *name == "a" || second == 1).collect();
            hearing.hear(&answers, at(second));
            assert_eq!(hearing.silent(at(second)), (second > 10).then_some("b"), "{second}");
        }
    }
}
