//! The dashboard as Grafana reads it: its panels, and what they ask.

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

/// What each panel asks, by its title.
pub(crate) fn questions(window: &str) -> Vec<(String, String)> {
    let dashboard = read();
    let panels = dashboard["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row");
    let mut questions = Vec::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        let targets = panel["targets"].as_array().filter(|targets| !targets.is_empty()).expect("a panel asks");
        let asked = targets.iter().map(|target| target["expr"].as_str().expect("an expression"));
        questions.extend(asked.map(|asked| (title.to_owned(), filled(asked, window))));
    }
    questions
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
fn each_panel_stands_below_the_row_that_it_is_listed_in() {
    // Grafana takes a panel for one of the row before it in the list, wherever it is drawn.
    let dashboard = read();
    let panels = dashboard["panels"].as_array().expect("panels");
    let places = panels.iter().map(|panel| (panel["gridPos"]["y"].as_u64().expect("a number"), &panel["title"]));
    let places: Vec<_> = places.collect();
    assert!(places.is_sorted_by_key(|(y, _)| *y), "{places:?}");
    let row = panels.iter().position(|panel| panel["title"] == "What Could Not Be Undone").expect("the panel");
    let row = panels[..row].iter().rfind(|panel| panel["type"] == "row").expect("a row");
    assert_eq!(row["title"], "compose");
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
