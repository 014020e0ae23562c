//! Routes that are composed, and routes for their calls alone: which listener has them, and what is said of mistakes.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::path::Path;

use serde_json::Value;
use weir::document::{self, Document, Reading};
use weir::envoy::{Plan, bootstrap};

fn read(routes: &str) -> Result<Document, String> {
    let policy = format!("version: 1\nupstreams:\n  a: {{url: 'http://127.0.0.1:1'}}\nroutes:\n{routes}");
    document::read(Path::new("p"), policy.as_bytes(), &Reading::default()).map_err(|refused| refused.render(false))
}

const GOOD: &str = "
  - {match: 'GET /x/{id}', compose: {name: x, steps: [{name: s, call: 'GET /x/${path/id}'}], answer: '${s}'}}
  - {match: 'GET /x/{id}', upstream: a, inside: true}
  - {match: GET /y, upstream: a}
";

#[test]
fn what_is_inside_is_no_clients_and_what_is_composed_is_not_inside() {
    let document = read(GOOD).unwrap();
    let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: Path::new("w") };
    let rendered = bootstrap::standalone(&plan);
    let listeners = rendered["static_resources"]["listeners"].as_array().unwrap();
    let parts = |listener: &Value| {
        let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
        let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array().unwrap();
        let ends = routes.iter().map(|route| match &route["direct_response"]["status"] {
            Value::Null => route["route"]["cluster"].as_str().unwrap().to_owned(),
            status => status.to_string(),
        });
        let filters = manager["http_filters"].as_array().unwrap();
        (ends.collect::<Vec<_>>(), filters.iter().any(|filter| filter["name"] == "compose"))
    };
    let ends = |ends: &[&str]| ends.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(parts(&listeners[0]), (ends(&["503", "404", "a"]), true));
    assert_eq!(parts(&listeners[1]), (ends(&["a", "a"]), false));
}

#[test]
fn a_mistake_in_a_composition_is_shown_where_it_stands() {
    for (wrong, right, said) in [
        ("'GET /x/${path/ix}'", "'GET /x/${path/id}'", "${path/ix}: path has no ix"),
        ("answer: '${t}'", "answer: '${s}'", "${t}: there is no t here, only request, path, s"),
        ("inside: true, upstream: nobody", "upstream: a, inside: true", "there is no upstream `nobody`"),
        ("compose: {nmae: x, name: x,", "compose: {name: x,", "did you mean `name`?"),
        ("cache: {}, compose: {name: x,", "compose: {name: x,", "this means nothing where an answer is composed"),
    ] {
        let report = read(&GOOD.replacen(right, wrong, 1)).err().unwrap_or_else(|| panic!("{wrong} is good"));
        assert!(report.contains(said), "{wrong}: {report}");
    }
}
