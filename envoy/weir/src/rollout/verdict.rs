//! Whether a policy has made something worse.
//!
//! Three shares of what proxies answer are compared: errors (5xx), refusals (4xx), and answers that were slow. Slow is what takes
//! longer than the reference's ninety-fifth percentile, and the next bound of Envoy's histogram on top of that, which is about twice
//! as long. A share is worse where it is above the reference's by a margin that matters (1 point for errors, 5 for the others) and
//! by more than [`chance`] explains; how much that may be, [`crate::rollout::jury`] says.
//!
//! There are two references: what the same proxies answered before they moved, and what the others answer meanwhile. A policy is
//! worse where it is so by both: what happens to everybody is not its doing, nor is what was always so here. A reference of fewer
//! requests than are asked for does not count, and where none is left, nothing is said.
//!
//! A proxy that nobody reaches any more answers nothing that could be worse. It is [`lost`] where fewer than a tenth of the requests
//! arrive by its new listener that would have by its own past, and by how much more or less the others are asked meanwhile than they were.

use crate::rollout::chance;
use crate::rollout::sample::Sample;

/// What takes longer than all but so many of the reference's answers is slow, a bound further on.
const SLOW: f64 = 0.05;

/// Less than this of what was to come is nothing.
const LOST: f64 = 0.1;

/// What a share is of, and by how much it may rise.
const MEASURES: [(Measure, f64); 3] = [(Measure::Errors, 0.01), (Measure::Refusals, 0.05), (Measure::Slow, 0.05)];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Measure {
    Errors,
    Refusals,
    Slow,
}

/// What is worse, in words; `None` where nothing is. `least` is how many requests make a reference, and `level` how probable it may
/// be that it says so of what is no worse.
pub fn worse(now: &Sample, past: &Sample, others: &Sample, (least, level): (u64, f64)) -> Option<String> {
    let references: Vec<_> =
        [("before", past), ("elsewhere", others)].into_iter().filter(|(_, one)| one.answers >= least).collect();
    if now.answers < least || references.is_empty() {
        return None;
    }
    MEASURES.into_iter().find_map(|(measure, margin)| {
        let mut told = Vec::new();
        for (name, reference) in &references {
            let (mine, theirs) = shares(measure, now, reference)?;
            if !is_above(mine, theirs, margin, level / portions(measure, reference)) {
                return None;
            }
            told.push(format!("{:.1} % {name}", percent(theirs)));
            if told.len() == references.len() {
                let what = match measure {
                    Measure::Errors => "are errors",
                    Measure::Refusals => "are refused",
                    Measure::Slow => "are slow",
                };
                return Some(format!("{:.1} % of {} requests {what}, and {}", percent(mine), mine.1, told.join(", ")));
            }
        }
        None
    })
}

/// Why nobody seems to reach those that have moved; `None` where somebody does, or nobody asks anywhere. Both their past and what
/// was expected since are `least` requests at least, and so is what the others were asked meanwhile, where there are others.
pub fn lost(now: &Sample, past: &Sample, others: (&Sample, &Sample), least: u64) -> Option<String> {
    let (meanwhile, earlier) = others;
    let mut expected = rate(past)? * number(now.seconds);
    if meanwhile.seconds > 0 {
        if meanwhile.answers < least {
            return None;
        }
        // What is asked now and was asked of fewer before may as well be what has been lost here.
        expected *= rate(earlier).map_or(1.0, |earlier| (rate(meanwhile).unwrap_or_default() / earlier).min(1.0));
    }
    let is_lost = past.answers >= least && expected >= number(least) && number(now.arrived) < LOST * expected;
    let (arrived, seconds) = (now.arrived, now.seconds);
    is_lost.then(|| format!("{arrived} requests in {seconds} s, where about {expected:.0} were to come"))
}

/// Requests in each second of a proxy; `None` where there were none.
fn rate(sample: &Sample) -> Option<f64> {
    (sample.seconds > 0 && sample.answers > 0).then(|| number(sample.answers) / number(sample.seconds))
}

/// How many of how many, of both; `None` where nothing can be compared.
fn shares(measure: Measure, now: &Sample, reference: &Sample) -> Option<((u64, u64), (u64, u64))> {
    match measure {
        Measure::Errors => Some(((now.errors, now.answers), (reference.errors, reference.answers))),
        Measure::Refusals => Some(((now.refusals, now.answers), (reference.refusals, reference.answers))),
        Measure::Slow => {
            let bounds = reference.times.iter().map(|(bound, _)| *bound);
            let mut slow = bounds.skip_while(|bound| ratio(reference.slower(*bound)) > SLOW);
            // The bound of the percentile itself lies somewhere in its bucket; the next is beyond any doubt.
            let bound = slow.nth(1).filter(|bound| bound.is_finite())?;
            Some((now.slower(bound), reference.slower(bound)))
        }
    }
}

/// Among how many a level is divided: the measures, and of what is slow, the bounds that might have been the one.
fn portions(measure: Measure, reference: &Sample) -> f64 {
    let bounds = if measure == Measure::Slow { reference.times.len().max(1) } else { 1 };
    f64::from(u32::try_from(bounds * MEASURES.len()).unwrap_or(u32::MAX))
}

fn is_above(mine: (u64, u64), theirs: (u64, u64), margin: f64, level: f64) -> bool {
    mine.1 > 0 && theirs.1 > 0 && ratio(mine) - ratio(theirs) > margin && chance::explains(mine, theirs) < level
}

fn ratio((some, all): (u64, u64)) -> f64 {
    if all == 0 { 0.0 } else { number(some) / number(all) }
}

fn percent(share: (u64, u64)) -> f64 {
    100.0 * ratio(share)
}

#[allow(clippy::cast_precision_loss, reason = "nobody counts so many requests")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `answers`, so many errors, refusals, and answers that took longer than 80 ms.
    fn sample(answers: u64, errors: u64, refusals: u64, slow: u64) -> Sample {
        let times =
            vec![(10.0, answers - slow), (20.0, answers - slow), (80.0, answers - slow), (f64::INFINITY, answers)];
        Sample { answers, errors, refusals, times, ..Sample::default() }
    }

    #[test]
    fn worse_is_what_is_so_by_all_references_and_not_by_chance() {
        let fine = sample(1000, 1, 20, 10);
        let rows = [
            ("nothing has changed", sample(1000, 1, 20, 10), fine.clone(), fine.clone(), None),
            (
                "every request is refused",
                sample(100, 0, 100, 0),
                fine.clone(),
                fine.clone(),
                Some("100.0 % of 100 requests are refused, and 2.0 % before, 2.0 % elsewhere"),
            ),
            (
                "errors",
                sample(200, 12, 4, 2),
                fine.clone(),
                fine.clone(),
                Some("6.0 % of 200 requests are errors, and 0.1 % before, 0.1 % elsewhere"),
            ),
            (
                "slow",
                sample(200, 0, 4, 100),
                fine.clone(),
                fine.clone(),
                Some("50.0 % of 200 requests are slow, and 1.0 % before, 1.0 % elsewhere"),
            ),
            ("everybody has errors now", sample(200, 100, 4, 2), fine.clone(), sample(500, 250, 0, 0), None),
            ("here it was always so", sample(200, 100, 4, 2), sample(1000, 500, 20, 10), fine.clone(), None),
            ("two of a hundred are chance", sample(100, 2, 2, 1), fine.clone(), fine.clone(), None),
            (
                "a thousandth more does not matter",
                sample(1_000_000, 3000, 0, 0),
                sample(1_000_000, 2000, 0, 0),
                fine.clone(),
                None,
            ),
            (
                "nobody else is left",
                sample(200, 100, 0, 0),
                fine.clone(),
                sample(0, 0, 0, 0),
                Some("50.0 % of 200 requests are errors, and 0.1 % before"),
            ),
            (
                "there is no past",
                sample(200, 100, 0, 0),
                sample(5, 0, 0, 0),
                fine.clone(),
                Some("50.0 % of 200 requests are errors, and 0.1 % elsewhere"),
            ),
            ("too few to judge by", sample(99, 99, 0, 0), fine.clone(), fine.clone(), None),
            ("nothing to compare with", sample(200, 100, 0, 0), sample(5, 0, 0, 0), sample(5, 0, 0, 0), None),
        ];
        for (name, now, past, others, expected) in rows {
            assert_eq!(worse(&now, &past, &others, (100, 1e-5)).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn lost_is_who_is_asked_no_more_while_others_are() {
        let asked = |answers: u64, seconds: u64| Sample { answers, arrived: answers, seconds, ..Sample::default() };
        let (past, alone) = (asked(36_000, 3600), asked(0, 0));
        // Nine others: what they were asked in the ten seconds of each, and before.
        let (fleet, earlier) = (asked(900, 90), asked(324_000, 32_400));
        let rows = [
            ("nothing comes", asked(0, 10), past.clone(), &fleet, &earlier, true),
            ("next to nothing comes", asked(9, 10), past.clone(), &fleet, &earlier, true),
            ("a tenth comes", asked(10, 10), past.clone(), &fleet, &earlier, false),
            ("it is too early", asked(0, 9), past.clone(), &fleet, &earlier, false),
            ("all are asked a tenth of what they were", asked(0, 10), past.clone(), &asked(90, 90), &earlier, false),
            ("and it has been long enough", asked(0, 100), past.clone(), &asked(900, 900), &earlier, true),
            ("nobody asks anywhere", asked(0, 600), past.clone(), &asked(99, 5400), &earlier, false),
            ("the others have its clients", asked(0, 10), past.clone(), &asked(1000, 90), &earlier, true),
            ("it was never asked much", asked(0, 10), asked(99, 9), &fleet, &earlier, false),
            ("it was never asked", asked(0, 600), asked(0, 3600), &fleet, &earlier, false),
            ("nobody knows for how long it was asked", asked(0, 600), asked(36_000, 0), &fleet, &earlier, false),
            ("the others are asked for the first time", asked(0, 10), past.clone(), &fleet, &alone, true),
            ("there are no others", asked(0, 10), past.clone(), &alone, &alone, true),
            ("there are no others, and it is asked", asked(50, 10), past, &alone, &alone, false),
        ];
        for (name, now, past, others, earlier, expected) in rows {
            assert_eq!(lost(&now, &past, (others, earlier), 100).is_some(), expected, "{name}");
        }
        let said = lost(&asked(3, 10), &asked(36_000, 3600), (&fleet, &earlier), 100);
        assert_eq!(said.as_deref(), Some("3 requests in 10 s, where about 100 were to come"));
    }
}
