//! The dashboard as Grafana reads it: its panels, and what they ask.

use proxy::Prometheus;
use serde_json::Value;

use super::text;

/// The panels that every gateway of this kind is expected to have, in their order.
const EXPECTED: [&str; 11] = [
    "Request Rate by Provider",
    "Circuit Breaker State",
    "Cache Hit Rate",
    "Rate Limit Tokens Available",
    "Retry Attempts",
    "Response Time Percentiles",
    "Circuit Breaker Opens",
    "Total Failures",
    "Retry Success Rate",
    "Cache Operations per Second",
    "Rate Limit Wait Time",
];

/// One panel.
pub(crate) struct Panel {
    title: String,
    expressions: Vec<String>,
}

impl Panel {
    /// What it asks without an answer that is a number.
    pub(crate) fn without_data(&self, prometheus: &Prometheus, window: &str) -> Vec<String> {
        let is_empty = |expression: &&String| {
            let asked = filled(expression, window);
            let found = prometheus.query(&asked).unwrap_or_else(|wrong| panic!("{}: {asked}: {wrong}", self.title));
            !found.iter().any(|(_, value)| value.is_finite())
        };
        self.expressions.iter().filter(is_empty).map(|expression| format!("{}: {expression}", self.title)).collect()
    }
}

/// An expression with what Grafana puts in the place of its variables.
fn filled(expression: &str, window: &str) -> String {
    let places = [("$__rate_interval", window), ("$__range", window), ("$provider", ".*"), ("$job", ".*")];
    let asked = places.iter().fold(expression.to_owned(), |asked, (place, value)| asked.replace(place, value));
    assert!(!asked.contains("$_") && !asked.contains("${"), "{asked}");
    asked
}

fn read() -> Value {
    serde_json::from_str(&text("envoy/grafana/weir.json")).expect("the dashboard is JSON")
}

/// Every panel that asks something.
pub(crate) fn panels() -> Vec<Panel> {
    let word = |value: &Value| value.as_str().expect("text").to_owned();
    let dashboard = read();
    let all = dashboard["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row");
    all.map(|panel| {
        let targets = panel["targets"].as_array().expect("targets");
        let expressions: Vec<_> = targets.iter().map(|target| word(&target["expr"])).collect();
        assert!(!expressions.is_empty(), "{panel}");
        Panel { title: word(&panel["title"]), expressions }
    })
    .collect()
}

#[test]
fn the_dashboard_has_the_expected_panels_and_a_row_for_each_filter() {
    let dashboard = read();
    let panels = dashboard["panels"].as_array().expect("panels");
    let titles = |is_row: bool| -> Vec<&str> {
        let all = panels.iter().filter(|panel| (panel["type"] == "row") == is_row);
        all.map(|panel| panel["title"].as_str().expect("a title")).collect()
    };
    let filters = weir_filters();
    assert_eq!(titles(true)[0], "Overview");
    assert_eq!(titles(true)[1..], filters, "a row for each filter");
    assert_eq!(titles(false)[..EXPECTED.len()], EXPECTED);
    let next = panels.iter().position(|panel| panel["title"] == filters[0]);
    assert_eq!(next, Some(EXPECTED.len() + 1), "they stand in the first row");
}

#[test]
fn no_panel_lies_on_another() {
    let dashboard = read();
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut taken = std::collections::BTreeMap::new();
    let mut ids = std::collections::BTreeSet::new();
    for panel in panels {
        let side = |name: &str| panel["gridPos"][name].as_u64().expect("a number");
        assert!(ids.insert(panel["id"].as_u64()), "{}: its id is another one's", panel["title"]);
        assert!(side("x") + side("w") <= 24, "{}", panel["title"]);
        for cell in (0..side("w")).flat_map(|x| (0..side("h")).map(move |y| (x, y))) {
            let before = taken.insert((cell.0 + side("x"), cell.1 + side("y")), &panel["title"]);
            assert_eq!(before, None, "{}", panel["title"]);
        }
    }
}

/// The filters that the Makefile builds.
fn weir_filters() -> Vec<String> {
    let makefile = text("Makefile");
    let line = makefile.lines().find_map(|line| line.strip_prefix("FILTERS := ")).expect("the filters");
    line.split(' ').map(str::to_owned).collect()
}
