//! The table of metrics, and what an Envoy shows of them.

use std::collections::{BTreeMap, BTreeSet};

/// How the names of our metrics begin.
const PREFIX: &str = "api_gateway_";
/// The series that a histogram has.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: String,
    kind: String,
    /// By their names, with the values that they may have, where these are not the policy's.
    labels: BTreeMap<String, Vec<String>>,
}

/// One series that Envoy shows.
#[derive(Debug, PartialEq)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
}

impl Series {
    /// Whether it is this metric, or part of it.
    fn is_of(&self, name: &str) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || PARTS.contains(&rest))
    }
}

impl Metric {
    /// An expression that is a number where it has moved; with all its labels, where Prometheus makes it of others.
    pub(crate) fn moves(&self) -> String {
        let name = &self.name;
        match self.kind.as_str() {
            "histogram" => format!("max_over_time({name}_sum[1m]) > 0 and max_over_time({name}_count[1m]) > 0"),
            "recorded" => {
                let labels: Vec<_> = self.labels.keys().map(|label| format!("{label}!=\"\"")).collect();
                format!("max_over_time({name}{{{}}}[1m]) > 0", labels.join(","))
            }
            _ => format!("max_over_time({name}[1m]) > 0"),
        }
    }

    /// Whether Prometheus makes it of others.
    pub(crate) fn is_recorded(&self) -> bool {
        self.kind == "recorded"
    }

    /// The types of the names under which Envoy announces it.
    fn announced(&self) -> Vec<(String, String)> {
        match self.kind.as_str() {
            "recorded" => Vec::new(),
            "histogram" => PARTS.map(|part| (format!("{}{part}", self.name), "counter".to_owned())).to_vec(),
            kind => vec![(self.name.clone(), kind.to_owned())],
        }
    }

    fn wrong_with(&self, series: &Series, upstreams: &BTreeSet<String>) -> Option<String> {
        let mut labels = series.labels.clone();
        let bound = labels.remove("le").and_then(|bound| bound.parse::<f64>().ok());
        let is_named = labels.keys().eq(self.labels.keys()) && bound.is_some() == series.name.ends_with("_bucket");
        let is_known = |(label, value): (&String, &String)| match (label.as_str(), self.labels.get(label)) {
            ("provider", _) => upstreams.contains(value),
            // The policy's own words.
            (_, Some(values)) if values.is_empty() => value.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            (_, Some(values)) => values.contains(value),
            _ => false,
        };
        (!is_named || !labels.iter().all(is_known)).then(|| format!("{}: labels are {:?}", series.name, series.labels))
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The metrics of all tables of a document.
pub(crate) fn read(document: &str) -> Vec<Metric> {
    let metric = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, name, kind, labels, meaning, _] = cells[..] else { return None };
        let name = quoted(name).next().filter(|name| name.starts_with(PREFIX))?.to_owned();
        assert!(!meaning.is_empty(), "{name} has no meaning");
        let mut known = BTreeMap::new();
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let mut words = quoted(label).map(str::to_owned);
            known.insert(words.next().expect("a label"), words.collect());
        }
        Some(Metric { name, kind: kind.to_owned(), labels: known })
    };
    let metrics: Vec<_> = document.lines().filter_map(metric).collect();
    assert!(metrics.len() > 20, "{metrics:?}");
    metrics
}

/// Our series, as Envoy shows them.
fn series(shown: &str) -> Vec<Series> {
    let one = |line: &str| {
        let (series, _) = line.rsplit_once(' ')?;
        let (name, labels) = series.strip_suffix('}')?.split_once('{')?;
        let label = |text: &str| {
            let (name, value) = text.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('"').to_owned()))
        };
        let labels = labels.split(',').filter_map(label).collect();
        Some(Series { name: name.to_owned(), labels })
    };
    shown.lines().filter(|line| line.starts_with(PREFIX)).filter_map(one).collect()
}

/// In what the table and an Envoy disagree.
pub(crate) fn compare(documented: &[Metric], shown: &str, upstreams: &BTreeSet<String>) -> Vec<String> {
    let announced = shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let announced: BTreeSet<_> = announced
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let written: BTreeSet<_> = documented.iter().flat_map(Metric::announced).collect();
    let mut wrong: Vec<_> = announced.difference(&written).map(|one| format!("not in the table: {one:?}")).collect();
    wrong.extend(written.difference(&announced).map(|one| format!("not in Envoy: {one:?}")));
    for one in series(shown) {
        let metric = documented.iter().find(|metric| one.is_of(&metric.name));
        wrong.extend(metric.and_then(|metric| metric.wrong_with(&one, upstreams)));
    }
    wrong
}

#[test]
fn a_table_and_an_envoy_are_compared_in_names_types_and_labels() {
    let line =
        |name: &str, kind, labels| format!("| `api_gateway_{name}` | {kind} | {labels} | It says something. |\n");
    let filler: String = (0..20).map(|n| line(&format!("filler{n}"), "recorded", "`provider`")).collect();
    let histogram = line("wait", "histogram", "`provider`");
    let table = read(&(filler + &line("asks_total", "counter", "`provider`, `status`: `good` `bad`") + &histogram));
    let upstreams = BTreeSet::from(["a".to_owned()]);
    let asks = |kind: &str, labels: &str| {
        format!("# TYPE api_gateway_asks_total {kind}\napi_gateway_asks_total{{{labels}}} 1\n")
    };
    let wait = "# TYPE api_gateway_wait_bucket counter\napi_gateway_wait_bucket{provider=\"a\",le=\"0.5\"} 1\n\
                # TYPE api_gateway_wait_sum counter\n# TYPE api_gateway_wait_count counter\n";
    let wrong = |shown: String| compare(&table, &(shown + wait), &upstreams);
    assert_eq!(wrong(asks("counter", r#"provider="a",status="bad""#)), Vec::<String>::new());
    for (kind, labels, expected) in [
        ("gauge", r#"provider="a",status="bad""#, 2),
        ("counter", r#"provider="b",status="bad""#, 1),
        ("counter", r#"provider="a",status="ugly""#, 1),
        ("counter", r#"provider="a""#, 1),
        ("counter", r#"provider="a",status="bad",user="alice""#, 1),
    ] {
        assert_eq!(wrong(asks(kind, labels)).len(), expected, "{kind} {labels}");
    }
    assert_eq!(wrong(String::new()), [r#"not in Envoy: ("api_gateway_asks_total", "counter")"#]);
}
