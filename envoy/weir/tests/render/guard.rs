//! What guards and traces a proxy, as it is rendered.

use serde_json::{Value as Json, json};

use super::{accepted, manager, read, read_by, rendered};

/// One of everything that a guard and tracing can say.
const GUARDED: &str = r#"
version: 1
listen: 127.0.0.1:0
correlation: {client_traces: restart}
tracing: {otlp: "https://otel.example/base", sampled: 0.5%, service: edge}
guard:
  body_max: 5MiB
  headers: {x-frame-options: off, content-security-policy: "default-src 'self'", x-own: {value: 100%, replace: true}}
  cors: {origins: ["https://a.example", "https://*.b.example"], methods: [GET], headers: [x-a], expose: [x-b], max_age: 1h}
upstreams:
  near: {url: http://localhost:9, internal: true}
routes:
  - {match: POST /first, upstream: near}
  - {match: POST /one, upstream: near, accepts: {types: [text/csv], body_max: 8KiB, schema: {type: object}}}
  - {match: PUT /two, upstream: near, accepts: {types: ["image/*"]}}
  - {match: GET /three, upstream: near}
"#;

#[test]
fn envoy_accepts_all_that_a_guard_and_tracing_can_say() {
    accepted(&rendered(&read("guarded.yaml", GUARDED)));
    let plain = "version: 1\nguard: {headers: off}\nupstreams: {a: {url: http://127.0.0.1:1}}\nroutes: [{match: /*, upstream: a}]\n";
    let bootstrap = rendered(&read("plain.yaml", plain));
    accepted(&bootstrap);
    let names = filters(&bootstrap);
    assert_eq!(
        names.join(" "),
        "correlated correlation guard auth caller ratelimit cache quota breaker envoy.filters.http.router"
    );
}

fn filters(bootstrap: &Json) -> Vec<&str> {
    let filters = manager(bootstrap)["http_filters"].as_array().unwrap();
    filters.iter().map(|filter| filter["name"].as_str().unwrap()).collect()
}

#[test]
fn headers_are_looked_at_in_front_and_bodies_behind_whoever_judges_their_sender() {
    let document = read("guarded.yaml", GUARDED);
    let front = read_by(&document, "guard");
    assert_eq!(front["body_max"], "5MiB");
    let of = |method: &str, path: &str| json!({"methods": [method], "path": path});
    let routes = json!([
        {"match": of("POST", "/first")},
        {"match": of("POST", "/one"), "types": ["text/csv"], "body_max": "8KiB"},
        {"match": of("PUT", "/two"), "types": ["image/*"]},
    ]);
    assert_eq!(front["routes"], routes);
    let bodies = read_by(&document, "bodies");
    let read =
        json!([{"match": of("POST", "/one"), "types": ["text/csv"], "body_max": "8KiB", "schema": {"type": "object"}}]);
    assert_eq!((&bodies["paths"], &bodies["routes"]), (&json!(false), &read));
    let bootstrap = rendered(&document);
    let names = filters(&bootstrap);
    let place = |name: &str| names.iter().position(|found| *found == name).unwrap();
    assert!(place("cors") < place("guard") && place("guard") < place("auth"), "{names:?}");
    assert!(place("ratelimit") < place("bodies") && place("bodies") < place("cache"), "{names:?}");
    assert_eq!((place("secured"), place("correlated"), place("traced"), place("correlation")), (0, 1, 2, 3));
    let routes = manager(&bootstrap).pointer("/route_config/virtual_hosts/0/routes").unwrap().as_array().unwrap();
    let reading: Vec<_> =
        routes.iter().map(|route| route["typed_per_filter_config"]["bodies"]["disabled"] != true).collect();
    assert_eq!(reading, [false, false, true, false, false], "a preflight, and four routes");
}

#[test]
fn where_clients_traces_end_envoy_does_not_see_them() {
    let removed = |policy: &str| {
        let bootstrap = rendered(&read("traced.yaml", policy));
        let mutations =
            manager(&bootstrap).pointer("/early_header_mutation_extensions/0/typed_config/mutations").cloned();
        mutations
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["remove"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(removed(GUARDED), ["traceparent", "tracestate", "x-envoy-original-path"]);
    assert_eq!(removed(&GUARDED.replace("restart", "continue")), ["x-envoy-original-path"]);
    let tracing = manager(&rendered(&read("guarded.yaml", GUARDED)))["tracing"].clone();
    let exporter = &tracing["provider"]["typed_config"];
    assert_eq!(exporter["http_service"]["http_uri"]["uri"], "https://otel.example/base/v1/traces");
    let share = exporter.pointer("/sampler/typed_config/wrapped_sampler/typed_config/sampling_percentage").unwrap();
    assert_eq!(*share, json!({"numerator": 5000.0, "denominator": "MILLION"}));
}
