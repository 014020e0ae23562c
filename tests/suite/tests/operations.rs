//! What an operator installs, held against what runs: the demo under load in a real Envoy, with a real Redis, seen by a real
//! Prometheus. Every metric is documented and moves, every panel of the dashboard shows something, every alert has its inputs.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "operations/dashboard.rs"]
mod dashboard;
#[path = "operations/gateway.rs"]
mod gateway;
mod store;
#[path = "operations/table.rs"]
mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy::Prometheus;
use proxy::deadline::Deadline;
use proxy::prometheus::promtool;

use gateway::Gateway;

/// How long it may take until everything that is to be seen has been: less than ten seconds on a machine that is not busy.
const PATIENCE: Duration = Duration::from_secs(40);
/// How often the gateway is looked at, in place of `15s`; and what Grafana makes of that.
const INTERVAL: &str = "500ms";
const WINDOW: &str = "30s";

/// What moves where Redis is away; and where memory fails, an upstream for hours, or thousands order, which is not to be had here.
const AWAY: [&str; 2] = ["api_gateway_auth_revocations_unknown", "api_gateway_rate_limit_fleet_away"];
const BROKEN: [&str; 3] =
    ["api_gateway_cache_errors_total", "api_gateway_compose_alarms_total", "api_gateway_compose_forgotten_total"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the repository.
fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The shipped Prometheus, with this gateway as its target and less patience.
fn prometheus(gateway: &Gateway) -> Prometheus {
    let shipped = text("envoy/prometheus/prometheus.yml");
    let mut config = shipped.clone();
    for (place, value) in [("127.0.0.1:9901", gateway.envoy.admin_address().to_string().as_str()), ("15s", INTERVAL)] {
        assert!(config.contains(place), "{shipped}");
        config = config.replace(place, value);
    }
    let [retries, alerts] = ["retries.yaml", "alerts.yaml"].map(|name| text(&format!("envoy/prometheus/{name}")));
    let files = [("retries.yaml", retries.as_bytes()), ("alerts.yaml", alerts.as_bytes())];
    Prometheus::start(&config, &files).unwrap_or_else(|failure| panic!("{failure}"))
}

/// What is not a number in time, of expressions that are told apart by what they are asked for.
fn unanswered(prometheus: &Prometheus, questions: &[(String, String)]) -> Vec<String> {
    let deadline = Deadline::after(PATIENCE);
    let asked = questions.iter().map(|(what, asked)| (what, asked, prometheus.wait_for_number(asked, deadline)));
    asked.filter_map(|(what, asked, said)| Some(format!("{what}: {asked}: {}", said.err()?))).collect()
}

#[test]
fn the_rules_and_the_configuration_are_as_prometheus_wants_them() {
    let folder = root().join("envoy/prometheus");
    for arguments in [&["check", "config", "prometheus.yml"][..], &["check", "rules", "retries.yaml", "alerts.yaml"]] {
        promtool(&folder, arguments).unwrap_or_else(|wrong| panic!("{arguments:?}: {wrong}"));
    }
}

#[test]
fn each_alert_fires_when_it_should_and_only_then() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations");
    promtool(&folder, &["test", "rules", "alerts.yaml", "retries.yaml"]).unwrap_or_else(|wrong| panic!("{wrong}"));
    let (rules, cases) = (text("envoy/prometheus/alerts.yaml"), text("tests/suite/tests/operations/alerts.yaml"));
    let names: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(names, ["CircuitBreakerOpen", "HighCacheMissRate", "HighErrorRate", "HighLatency", "RedisDown"]);
    for name in names {
        assert!(cases.contains(&format!("alertname: {name}\n")), "no case in which {name} fires");
        assert!(cases.contains(&format!("alertname: {name}}}\n")), "no case in which {name} does not");
    }
}

#[test]
fn what_runs_is_documented_shown_and_watched() {
    let mut gateway = Gateway::start();
    let prometheus = prometheus(&gateway);
    let documented = table::read(&text("envoy/prometheus/README.md"));
    let alerts = alerts(&prometheus);
    gateway.under_load(|| {
        let others = |metric: &&table::Metric| ![&AWAY[..], &BROKEN].concat().contains(&metric.name.as_str());
        let moving = documented.iter().filter(others);
        let mut questions: Vec<_> = moving.map(|metric| ("it moves".to_owned(), metric.moves())).collect();
        questions.extend(dashboard::questions(WINDOW));
        questions.extend(alerts.iter().flat_map(|(name, asks)| inputs(asks).map(|input| (name.clone(), input))));
        assert_eq!(unanswered(&prometheus, &questions), Vec::<String>::new());
        let recorded = documented.iter().filter(|metric| metric.is_recorded()).map(|metric| metric.name.clone());
        let asked: Vec<_> = recorded.chain(dashboard::questions(WINDOW).into_iter().map(|(_, asked)| asked)).collect();
        assert_eq!(strangers(&prometheus, &asked, &gateway.upstreams()), Vec::<String>::new(), "nobody's provider");
    });
    let wrong = table::compare(&documented, &gateway.envoy.prometheus(), &gateway.upstreams());
    assert_eq!(wrong, Vec::<String>::new(), "envoy/prometheus/README.md and Envoy disagree");
    let mut down = alerts.into_iter().filter(|(name, _)| name == "RedisDown").collect::<Vec<_>>();
    assert_eq!(prometheus.query(&down[0].1), Ok(Vec::new()), "Redis is there");
    gateway.store.redis.kill();
    let failing = r#"envoy_cluster_upstream_rq_xx{envoy_cluster_name="state",envoy_response_code_class="5"} > 0"#;
    down.push(("the store fails".to_owned(), failing.to_owned()));
    down.extend(AWAY.iter().map(|name| ("it moves".to_owned(), format!("{name} > 0"))));
    assert_eq!(unanswered(&prometheus, &down), Vec::<String>::new());
}

/// What is shown as a provider's, and is none's.
fn strangers(prometheus: &Prometheus, asked: &[String], upstreams: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for asked in asked {
        for (labels, _) in prometheus.query(asked).unwrap_or_else(|why| panic!("{asked}: {why}")) {
            let shown = ["provider", "envoy_cluster_name"].map(|label| labels[label].as_str().map(str::to_owned));
            let strange = shown.into_iter().flatten().filter(|name| !upstreams.contains(name));
            wrong.extend(strange.map(|name| format!("{name}: {asked}")));
        }
    }
    wrong
}

/// The alerts that Prometheus has loaded, by their names, with what they ask.
fn alerts(prometheus: &Prometheus) -> Vec<(String, String)> {
    let loaded = prometheus.ask("rules?type=alert").expect("Prometheus tells its rules");
    let rules = loaded["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let part = |rule: &serde_json::Value, name: &str| rule[name].as_str().unwrap().to_owned();
    let rules: Vec<_> = rules.map(|rule| (part(rule, "name"), part(rule, "query"))).collect();
    assert_eq!(rules.len(), 5);
    rules
}

/// The metrics that an expression is made of.
fn inputs(expression: &str) -> impl Iterator<Item = String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let labels = ["envoy_cluster_name", "envoy_response_code_class", "envoy_http_conn_manager_prefix"];
    let words: BTreeSet<_> = expression.split(|c| !is_part(c)).filter(|word| !labels.contains(word)).collect();
    let is_metric = |word: &&str| word.starts_with("envoy_") || word.starts_with("api_gateway_");
    words.into_iter().filter(is_metric).map(str::to_owned).collect::<Vec<_>>().into_iter()
}
