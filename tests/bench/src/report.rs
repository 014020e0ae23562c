//! What was measured: medians, ratios, budgets; as a table for people and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::json;

use crate::load::Cost;

/// All that was measured, by variant, in the order of the rounds.
#[derive(Default)]
pub(crate) struct Report {
    order: Vec<&'static str>,
    costs: BTreeMap<&'static str, Vec<Cost>>,
}

/// A ceiling: what one variant adds, or costs as a whole, as a multiple of what another does.
pub(crate) struct Budget {
    /// The variant that must be cheap.
    pub(crate) variant: &'static str,
    /// What it is measured against.
    pub(crate) against: &'static str,
    /// The most that it may be, as a multiple.
    pub(crate) ratio: f64,
}

impl Report {
    /// Adds one round's figures of one variant.
    pub(crate) fn add(&mut self, variant: &'static str, cost: Cost) {
        if !self.order.contains(&variant) {
            self.order.push(variant);
        }
        self.costs.entry(variant).or_default().push(cost);
    }

    /// The median CPU time of a variant, in microseconds.
    fn cpu_us(&self, variant: &str) -> f64 {
        median(self.costs.get(variant).into_iter().flatten().map(|cost| cost.cpu_us))
    }

    fn rps(&self, variant: &str) -> f64 {
        median(self.costs.get(variant).into_iter().flatten().map(|cost| cost.rps))
    }

    /// The median over the rounds of a variant's p99, in microseconds.
    fn p99_us(&self, variant: &str) -> f64 {
        median(self.costs.get(variant).into_iter().flatten().map(|cost| cost.p99_us))
    }

    /// The median over the rounds of what a variant adds to a proxy without filters *in the same round*: what the
    /// machine does meanwhile hits both alike.
    pub(crate) fn added_us(&self, variant: &str) -> f64 {
        let (Some(own), Some(bare)) = (self.costs.get(variant), self.costs.get("none")) else { return f64::NAN };
        median(own.iter().zip(bare).map(|(own, bare)| own.cpu_us - bare.cpu_us))
    }

    /// The table that people read.
    pub(crate) fn table(&self) -> String {
        let (noop, native) = (self.added_us("noop"), self.added_us("jwt_authn"));
        let mut table = String::from("variant            CPU µs   added µs   × noop   × jwt_authn      rps   p99 µs\n");
        for variant in &self.order {
            let added = self.added_us(variant);
            let _ = writeln!(
                table,
                "{variant:<17} {:>7.1} {added:>10.1} {:>8.2} {:>13.2} {:>8.0} {:>8.0}",
                self.cpu_us(variant),
                added / noop,
                added / native,
                self.rps(variant),
                self.p99_us(variant),
            );
        }
        table
    }

    /// A line for each budget whose two variants were measured: kept or not.
    pub(crate) fn verdicts(&self, budgets: &[Budget]) -> String {
        let mut lines = String::new();
        let measured = |budget: &&Budget| [budget.variant, budget.against].iter().all(|name| self.order.contains(name));
        for Budget { variant, against, ratio } in budgets.iter().filter(measured) {
            let found = self.added_us(variant) / self.added_us(against);
            let verdict = if found <= *ratio { "kept" } else { "EXCEEDED" };
            let _ = writeln!(lines, "budget {verdict:<9} {variant} adds {found:.2} × {against} (at most {ratio:.2})");
        }
        lines
    }

    /// As [`Report::verdicts`], of what the variants cost as a whole: the median over the rounds of one by the other.
    pub(crate) fn wholes(&self, budgets: &[Budget]) -> String {
        let mut lines = String::new();
        for Budget { variant, against, ratio } in budgets {
            let (Some(own), Some(other)) = (self.costs.get(variant), self.costs.get(against)) else { continue };
            let found = median(own.iter().zip(other).map(|(own, other)| own.cpu_us / other.cpu_us));
            let verdict = if found <= *ratio { "kept" } else { "EXCEEDED" };
            let _ = writeln!(lines, "budget {verdict:<9} {variant} costs {found:.2} × {against} (at most {ratio:.2})");
        }
        lines
    }

    /// A line for a floor, where both were measured: how many times as many requests one variant serves as another.
    pub(crate) fn throughput(&self, variant: &str, against: &str, least: f64) -> String {
        if ![variant, against].iter().all(|name| self.costs.contains_key(name)) {
            return String::new();
        }
        let found = self.rps(variant) / self.rps(against);
        let verdict = if found >= least { "kept" } else { "MISSED" };
        format!("budget {verdict:<9} {variant} serves {found:.2} × {against} (at least {least:.2})\n")
    }

    /// A line for a ceiling, where both were measured: how long the slowest hundredth of one variant's answers takes, as a
    /// multiple of another's in the same round.
    pub(crate) fn tail(&self, variant: &str, against: &str, most: f64) -> String {
        let (Some(own), Some(other)) = (self.costs.get(variant), self.costs.get(against)) else { return String::new() };
        let found = median(own.iter().zip(other).map(|(own, other)| own.p99_us / other.p99_us));
        let verdict = if found <= most { "kept" } else { "EXCEEDED" };
        format!("budget {verdict:<9} the p99 of {variant} is {found:.2} × that of {against} (at most {most:.2})\n")
    }

    /// `{variant: {"cpu_us", "added_us", "rps", "p99_us"}}`.
    pub(crate) fn json(&self) -> serde_json::Value {
        let rounded = |number: f64| (number * 10.0).round() / 10.0;
        let variants = self.order.iter().map(|variant| {
            let figures = json!({
                "cpu_us": rounded(self.cpu_us(variant)),
                "added_us": rounded(self.added_us(variant)),
                "rps": self.rps(variant).round(),
                "p99_us": self.p99_us(variant).round(),
            });
            ((*variant).to_owned(), figures)
        });
        serde_json::Value::Object(variants.collect())
    }
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    match (numbers.len() / 2, numbers.len() % 2) {
        (_, _) if numbers.is_empty() => f64::NAN,
        (middle, 1) => numbers[middle],
        (middle, _) => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rows: &[(&'static str, &[f64])]) -> Report {
        let mut report = Report::default();
        for (variant, costs) in rows {
            for &cpu_us in *costs {
                report.add(variant, Cost { cpu_us, rps: 1e6 / cpu_us, p99_us: cpu_us * 4.0 });
            }
        }
        report
    }

    #[test]
    fn what_is_added_is_compared_within_a_round() {
        let report = report(&[("none", &[50.0, 100.0, 60.0]), ("noop", &[66.0, 116.0, 90.0])]);
        assert!((report.added_us("noop") - 16.0).abs() < 1e-9);
        assert!((report.cpu_us("noop") - 90.0).abs() < 1e-9);
    }

    #[test]
    fn a_budget_can_be_exceeded() {
        let report = report(&[("none", &[50.0]), ("noop", &[60.0]), ("auth", &[65.0])]);
        let budget = |ratio| [Budget { variant: "auth", against: "noop", ratio }];
        assert_eq!(report.verdicts(&budget(1.5)), "budget kept      auth adds 1.50 × noop (at most 1.50)\n");
        assert_eq!(report.verdicts(&budget(1.4)), "budget EXCEEDED  auth adds 1.50 × noop (at most 1.40)\n");
    }

    #[test]
    fn what_is_compared_as_a_whole_is_compared_within_a_round() {
        let report = report(&[("hit", &[10.0, 30.0, 20.0]), ("proxied", &[20.0, 50.0, 42.0])]);
        let budget = |against, ratio| [Budget { variant: "hit", against, ratio }];
        assert_eq!(
            report.wholes(&budget("proxied", 0.5)),
            "budget kept      hit costs 0.50 × proxied (at most 0.50)\n"
        );
        assert_eq!(
            report.wholes(&budget("proxied", 0.4)),
            "budget EXCEEDED  hit costs 0.50 × proxied (at most 0.40)\n"
        );
        assert_eq!(report.wholes(&budget("other", 0.5)), "");
    }

    #[test]
    fn a_floor_of_throughput_can_be_missed() {
        let report = report(&[("none", &[50.0]), ("noop", &[100.0])]);
        assert_eq!(
            report.throughput("none", "noop", 2.0),
            "budget kept      none serves 2.00 × noop (at least 2.00)\n"
        );
        assert_eq!(
            report.throughput("none", "noop", 3.0),
            "budget MISSED    none serves 2.00 × noop (at least 3.00)\n"
        );
        assert_eq!(report.throughput("none", "other", 3.0), "");
    }

    #[test]
    fn a_tail_can_be_too_long() {
        let report = report(&[("none", &[50.0, 500.0]), ("refused", &[100.0, 900.0])]);
        let said = |verdict: &str, most| {
            format!("budget {verdict:<9} the p99 of refused is 1.90 × that of none (at most {most})\n")
        };
        assert_eq!(report.tail("refused", "none", 2.0), said("kept", "2.00"));
        assert_eq!(report.tail("refused", "none", 1.5), said("EXCEEDED", "1.50"));
        assert_eq!(report.tail("refused", "other", 2.0), "");
    }

    #[test]
    fn nothing_is_said_of_what_was_not_measured() {
        let report = report(&[("none", &[50.0]), ("noop", &[60.0])]);
        assert_eq!(report.verdicts(&[Budget { variant: "auth", against: "noop", ratio: 1.4 }]), "");
    }

    #[test]
    fn the_json_has_the_four_figures_of_each_variant() {
        let report = report(&[("none", &[50.0]), ("noop", &[62.5])]);
        assert_eq!(report.json()["noop"], json!({"cpu_us": 62.5, "added_us": 12.5, "rps": 16000.0, "p99_us": 250.0}));
    }
}
