//! Rollouts by the hundred, without a proxy: what a good policy never meets, and what a bad one always does.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::rollout::fleet::Steps;

/// Requests that a proxy answers between two looks.
const ASKED: u64 = 20;
/// Looks of each step.
const LOOKS: u32 = 30;
const LEAST: u64 = 100;

/// How often something happens to a request: it fails, is refused, or is slow.
type Rates = [f64; 3];

/// xorshift64*: the same numbers for the same seed.
struct Random(u64);

impl Random {
    /// Above 0, at most 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are what such a number has")]
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// To how many of so many requests it happens: from one to the next, it skips as many as it happens not to.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a conversion saturates")]
    fn of(&mut self, requests: u64, rate: f64) -> u64 {
        if rate <= 0.0 || rate >= 1.0 {
            return if rate <= 0.0 { 0 } else { requests };
        }
        let (mut at, mut count, skipped) = (0_u64, 0, (1.0 - rate).ln());
        loop {
            at = at.saturating_add((self.next().ln() / skipped) as u64).saturating_add(1);
            if at > requests {
                return count;
            }
            count += 1;
        }
    }

    fn sample(&mut self, requests: u64, [errors, refusals, slow]: Rates) -> Sample {
        let fast = requests - self.of(requests, slow);
        Sample {
            answers: requests,
            errors: self.of(requests, errors),
            refusals: self.of(requests, refusals),
            times: vec![(10.0, fast), (20.0, fast), (80.0, fast), (f64::INFINITY, requests)],
            ..Sample::default()
        }
    }
}

/// Rolls out what changes `usual` to `moved` from the proxy of this number on, where each has answered `past` requests before. The
/// answer is in which look it is brought back, counted from the first of all.
fn roll(seed: u64, fleet: usize, past: u64, usual: Rates, (first, moved): (usize, Rates)) -> Option<u32> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let names: Vec<String> = (0..fleet).map(|index| format!("edge-{index}")).collect();
    let empty = |name| Case { name, now: Sample::default(), past: Sample::default() };
    let mut cases: Vec<Case<'_>> = Vec::new();
    let steps = "1,25%,100%".parse::<Steps>().unwrap().of(fleet);
    let mut looks = 0;
    for count in &steps {
        for name in names.iter().take(*count).skip(cases.len()) {
            cases.push(Case { past: random.sample(past, usual), ..empty(name) });
        }
        let mut jury = Jury::new(LEAST, steps.len(), *count);
        let mut others = Sample::default();
        for _ in 0..LOOKS {
            looks += 1;
            for (index, case) in cases.iter_mut().enumerate() {
                let rates = if index >= first { moved } else { usual };
                case.now = std::mem::take(&mut case.now).and(&random.sample(ASKED, rates));
            }
            others = others.and(&random.sample(ASKED * u64::try_from(fleet - count).unwrap(), usual));
            if jury.look(&cases, &others).is_some() {
                return Some(looks);
            }
        }
    }
    None
}

#[test]
fn chance_brings_no_good_policy_back() {
    let mut back = Vec::new();
    for rate in [0.0, 0.0005, 0.001, 0.005, 0.01, 0.05] {
        for (fleet, seeds) in [(10, 60), (500, 2)] {
            for past in [LEAST, 2000, 100_000] {
                let rates = [rate, rate, rate];
                let found = (1..=seeds).filter(|seed| roll(*seed, fleet, past, rates, (0, rates)).is_some()).count();
                back.extend((found > 0).then(|| format!("{found} of {seeds}: {fleet} proxies, {past} before, {rate}")));
            }
        }
    }
    assert_eq!(back, [""; 0], "at 1 in 1000, none of these is to be expected");
}

#[test]
fn what_is_worse_is_found_in_a_known_number_of_looks() {
    let five = u32::try_from(LEAST / ASKED).unwrap();
    let mut late = Vec::new();
    for (name, usual, moved, within) in [
        ("all are errors", 0.001, 1.0, five),
        ("half are errors", 0.001, 0.5, five),
        ("half are errors, and it was never good", 0.05, 0.5, five),
        ("5 points more than nothing", 0.0, 0.05, 15),
        ("5 points more than a thousandth", 0.001, 0.051, 20),
        ("5 points more than a hundredth", 0.01, 0.06, 40),
        ("5 points more than 5", 0.05, 0.1, 62),
        ("five times half a hundredth", 0.005, 0.025, 62),
        ("five times a hundredth", 0.01, 0.05, 45),
        ("five times 5", 0.05, 0.25, 8),
    ] {
        for (fleet, seeds) in [(10, 20), (500, 1)] {
            for past in [2000, 100_000] {
                let found = |seed| roll(seed, fleet, past, [usual; 3], (0, [moved, usual, usual]));
                let all: Vec<_> = (1..=seeds).map(found).collect();
                let latest = all.iter().map(|found| found.unwrap_or(u32::MAX)).max().unwrap_or_default();
                late.extend((latest > within).then(|| format!("{name}, {fleet} proxies, {past} before: {latest}")));
            }
        }
    }
    assert_eq!(late, [""; 0]);
}

#[test]
fn one_proxy_that_only_fails_is_found_among_hundreds() {
    for fleet in [10, 500] {
        for seed in 1..=3 {
            // The last one of all, which moves with the last step; of few, all together tell even sooner.
            let found = roll(seed, fleet, 2000, [0.001; 3], (fleet - 1, [1.0, 0.001, 0.001])).map(u64::from);
            let (moves, latest) = (2 * u64::from(LOOKS), 2 * u64::from(LOOKS) + LEAST / ASKED);
            assert!(found.is_some_and(|look| moves < look && look <= latest), "{fleet} proxies, {seed}: {found:?}");
        }
    }
}
