//! Metrics as both proxies name them: `name_<label>_=<value>;…`.

use policy::metric::LABELS;
use proxy::Envoy;

use crate::step::{Amount, Metric};

/// One series: its full name, and its value (of a histogram, how many values it has taken in).
pub type Series = (String, f64);

/// What Envoy puts before the names of metrics that filters define.
const PREFIX: &str = "wasmcustom.";

/// Whether the sum over the series that a line means is the expected one; `Err` says what there is.
pub fn judge(metric: &Metric, all: &[Series]) -> Result<(), String> {
    let meant = all.iter().filter(|(name, _)| is_meant(metric, name));
    // The sum of nothing would be -0.
    let sum = meant.fold(0.0, |sum, (_, value)| sum + value);
    if metric.value.holds(sum) {
        return Ok(());
    }
    let wish = match metric.value {
        Amount::Exactly(value) => value.to_string(),
        Amount::AtLeast(value) => format!("at least {value}"),
        Amount::AtMost(value) => format!("at most {value}"),
    };
    let there: Vec<String> = all.iter().map(|(name, value)| format!("  {name} {value}")).collect();
    let there = if there.is_empty() { "no metrics at all".to_owned() } else { format!("\n{}", there.join("\n")) };
    Err(format!("{}: expected {wish}, got {sum}, of {there}", metric.name))
}

/// Whether a full name is the metric's, with all its labels and perhaps more.
fn is_meant(metric: &Metric, full: &str) -> bool {
    let Some(labels) = full.strip_prefix(&metric.name).and_then(labels) else { return false };
    let wanted = || metric.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // What follows `hits` in `hits_total_provider_=x;` would be a label called `total_provider`.
    let known = |label: &str| LABELS.contains(&label) || wanted().any(|(name, _)| name == label);
    labels.iter().all(|(name, _)| known(name)) && wanted().all(|label| labels.contains(&label))
}

/// The labels that follow a name, or `None` where what follows is the rest of another name.
fn labels(rest: &str) -> Option<Vec<(&str, &str)>> {
    let labels = rest.split_terminator(';').map(|label| label.strip_prefix('_')?.split_once("_="));
    labels.collect()
}

/// The metrics that Envoy's filters have defined.
pub fn read(envoy: &Envoy) -> Vec<Series> {
    let stats = envoy.admin("/stats?histogram_buckets=cumulative&filter=wasmcustom");
    stats.lines().filter_map(parse).collect()
}

/// One line of `/stats`.
fn parse(line: &str) -> Option<Series> {
    let (name, value) = line.strip_prefix(PREFIX)?.split_once(": ")?;
    let value = match value.parse() {
        Ok(value) => value,
        // Of a histogram, the last bucket has all values: `B0.5(0,0) … B3.6e+06(1,4)`, this interval's and all.
        Err(_) => value.rsplit_once(',').and_then(|(_, all)| all.strip_suffix(')')?.parse().ok()).unwrap_or_default(),
    };
    Some((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(words: &str) -> Metric {
        crate::gauge::metric(&crate::word::split(words).expect(words)).expect(words)
    }

    #[test]
    fn the_sum_is_over_all_series_with_these_labels() {
        let all = [
            ("hits_total_provider_=x;_data_type_=track_metadata;", 2.0),
            ("hits_total_data_type_=search;_provider_=x;", 3.0),
            ("hits_total_provider_=y;_data_type_=search;", 4.0),
            ("hits_total_more", 100.0),
            ("hits", 200.0),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let cases = [
            ("hits_total 9", true),
            ("hits_total{provider=x} 5", true),
            ("hits_total{data_type=search,provider=x} 3", true),
            ("hits_total{provider=z} 0", true),
            ("hits_total{provider=x} >=5", true),
            ("hits 200", true),
            ("hits_total{provider=x} 4", false),
            ("hits_total{provider=x} >=6", false),
            ("hits_total{provider=x} <=4", false),
            ("hits_total{other=x} 1", false),
            ("hit 1", false),
        ];
        for (words, holds) in cases {
            assert_eq!(judge(&metric(words), &all).is_ok(), holds, "{words}");
        }
        let report = judge(&metric("misses_total 1"), &all[4..]).expect_err("there is none");
        assert_eq!(report, "misses_total: expected 1, got 0, of \n  hits 200");
    }

    #[test]
    fn envoys_lines_are_read() {
        let cases = [
            ("wasmcustom.a_provider_=x;: 7", Some(("a_provider_=x;", 7.0))),
            ("wasmcustom.h: B0.5(0,0) B3.6e+06(1,4)", Some(("h", 4.0))),
            ("wasmcustom.h: No recorded values", Some(("h", 0.0))),
            ("cluster.origin.x: 1", None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line), expected.map(|(name, value)| (name.to_owned(), value)), "{line}");
        }
    }
}
