//! What is rendered is what Envoy accepts, and says what the policy says.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "render/acceptance.rs"]
mod acceptance;
#[path = "render/breaker.rs"]
mod breaker;
#[path = "render/guard.rs"]
mod guard;
#[path = "render/limits.rs"]
mod limits;
#[path = "render/older.rs"]
mod older;
#[path = "render/operation.rs"]
mod operation;
#[path = "render/parties.rs"]
mod parties;

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use weir::document::{self, Document, Reading};
use weir::envoy::{Plan, bootstrap};

use acceptance::accepted;

/// One of everything that a policy can say.
const EVERYTHING: &str = r#"
version: 1
listen: 127.0.0.1:0
admin: "[::1]:0"
clients: {connections: 7, trusted_hops: 2, idle_timeout: 1m, request_timeout: 5s, headers: 50, header_bytes: 16KiB}
correlation: {client_ids: replace, client_traces: restart, agents: [MyBot]}
ratelimit: {slots: 128, per_address: {rate: 50/s, burst: 100}, overrides: [{key: [alice], tier: pro}], shadow: true}
state: {store: redis, url: http://127.0.0.1:7379/, password: {env: WEIR_SECRET}, timeout: 500ms, prefix: fleet}
cache: {budget_bytes: 16MiB}
identity:
  jwt:
    - issuer: https://id.example/
      audiences: [gateway]
      algorithms: [HS256]
      typ: [JWT]
      max_age: 12h
      require_expiry: false
      required_claims: [jti]
      jwks: {keys: [{kty: oct, kid: a, alg: HS256, env: WEIR_SECRET}]}
    - {issuer: b, audiences: [], jwks: {url: "https://id.example/jwks.json?app=1", refresh: 5m, keep: 1d, wait: 1s, waiting_max: 9}}
    - {issuer: c, audiences: [], jwks: {url: "https://id.example:443/c"}}
    - {issuer: d, audiences: [], jwks: {url: "http://[::1]:9400/keys"}}
  revoked: {tokens: [t-1], subjects: [{sub: alice, before: 1767225600}], keys: [old]}
  revocation: {refresh: 2s, unavailable_after: 1m, when_unavailable: continue}
  tokens: {from: [{header: authorization}, {header: x-token}, {cookie: session}, {query: access_token}]}
  api_keys:
    query: key
    pepper: {env: WEIR_PEPPER}
    keys: [{id: a, hmac: b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c, expires: 2036-01-01T00:00:00Z}]
  hand_on: [{claim: realm_access.roles, header: x-roles}, {claim: [a.b], header: x-ab}]
permissions:
  editors: {any: [{role: editor}, {scope: "catalog:write"}, {claim: [https://id.example/roles], contains: editor}]}
  strong: {claim: amr, contains: mfa, shadow: true}
tiers: {anonymous: {per_second: 5, burst: 10}, pro: {per_minute: 100, algorithm: sliding_window, queue: {max_wait: 2s}}}
upstreams:
  api:
    url: https://api.example.com/v1
    headers: {authorization: {env: WEIR_SECRET}, user-agent: "100% weir", x-said: {env: WEIR_NO_SUCH, default: nothing}}
    timeout: 10s
    retry: {times: 2, wait: 100ms, longest_wait: 1s, per_try: 3s, statuses: [503], methods: [GET, PUT], budget: 30}
    pool: {connections: 10, pending: 20, requests: 30}
    limit: [{rate: 10/s, burst: 20, queue: {max_wait: 5s, max_requests: 50}}, {count: 90, window: 30s, algorithm: sliding_window}]
    slow_down: {learn: [retry_after, 503, ratelimit_headers], longest: 1h, default: 10s}
    breaker:
      failure_rate: 50
      minimum_calls: 10
      window: 20
      open_for: 5s
      bulkhead: 40
      fleet: {quorum: 50%}
      fallback: {stale: 1d, upstream: address}
  address: {url: "https://[::1]:8443", connect_timeout: 250ms, retry: off, slow_down: {learn: [429]}, breaker: {per: route, fallback: {static: {status: 203, headers: {x-a: "1"}, body: "[]"}}}}
  near: {url: http://localhost:9, internal: true}
routes:
  - match: {prefix: /api, methods: [GET, POST], hosts: [a.example, "*.b.example"], headers: {x-kind: a}}
    upstream: api
    strip: /api
    cache: {data_type: things, ttl: 1h}
  - {match: "/things/{id}/parts", upstream: api, auth: optional, timeout: 1500ms, cost: 3}
  - {match: /below/*, upstream: address, auth: off, limit: off}
  - {match: GET|HEAD /one, upstream: near, auth: off}
  - {match: PUT /one, upstream: near, auth: required, allow: [editors, strong, {not: {claim: age, at_most: 17.5}}]}
  - {match: {}, upstream: near, auth: required}
"#;

/// As little as a policy can say.
const PLAIN: &str = "version: 1\nupstreams: {a: {url: http://127.0.0.1:1}}\nroutes: [{match: /*, upstream: a}]\n";

/// What the variables `WEIR_SECRET` and `WEIR_PEPPER` hold while these policies are read.
const SECRET: &str = "dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIGluIGJhc2U2NHVybA";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(name: &str, text: &str) -> Document {
    let variable = |name: &str| ["WEIR_PEPPER", "WEIR_SECRET"].contains(&name).then(|| SECRET.to_owned());
    let reading = Reading { variable: Some(&variable), ..Reading::default() };
    document::read(Path::new(name), text.as_bytes(), &reading).unwrap_or_else(|refused| {
        panic!("{}", refused.render(false));
    })
}

fn rendered(document: &Document) -> Json {
    let built = || repository().join("target/wasm");
    let wasm = std::env::var_os("WEIR_WASM_DIR").map_or_else(built, PathBuf::from);
    bootstrap::standalone(&Plan { policy: &document.policy, filters: &document.filters, wasm: &wasm })
}

fn demo() -> Document {
    read("demo.yaml", &std::fs::read_to_string(repository().join("envoy/policies/demo.yaml")).unwrap())
}

#[test]
fn envoy_accepts_everything_that_a_policy_can_say() {
    accepted(&rendered(&read("everything.yaml", EVERYTHING)));
}

#[test]
fn envoy_accepts_the_demo() {
    accepted(&rendered(&demo()));
}

#[test]
fn a_policy_without_identity_tiers_and_limits_is_one_too() {
    accepted(&rendered(&read("least.yaml", PLAIN)));
}

/// A filter's configuration, as the filter reads it.
fn read_by<'d>(document: &'d Document, filter: &str) -> &'d Json {
    &document.filters.iter().find(|found| found.name == filter).unwrap().config
}

#[test]
fn a_route_with_a_breaker_of_its_own_keeps_its_name_wherever_it_stands() {
    let name = |policy: &str, path: &str| {
        let document = read("routes.yaml", policy);
        let routes = read_by(&document, "breaker")["routes"].as_array().unwrap().clone();
        let route = routes.into_iter().find(|route| route["match"]["path"] == path).unwrap();
        route.get("name").map(|name| name.as_str().unwrap().to_owned())
    };
    let policy = "version: 1\nupstreams: {a: {url: http://127.0.0.1:1, breaker: {per: route}}, b: {url: http://127.0.0.1:2, breaker: {}}}\n\
                  routes: [{match: GET /one, upstream: a}, {match: PUT /one, upstream: a}, {match: /b, upstream: b}]\n";
    let one = name(policy, "/one").unwrap();
    assert!(one.starts_with("one.") && one.len() == 12, "{one}");
    let inserted = policy.replace("routes: [", "routes: [{match: GET /zero, upstream: a}, ");
    assert_eq!(name(&inserted, "/one"), Some(one.clone()));
    assert_ne!(name(&policy.replace("{match: GET /one, upstream: a}, ", ""), "/one"), Some(one), "another method");
    assert_eq!(name(policy, "/b"), None);
}

#[test]
fn breakers_meet_their_fleet_where_there_is_one() {
    let everything = read("everything.yaml", EVERYTHING);
    let breaker = everything.filters.iter().find(|filter| filter.name == "breaker").unwrap();
    assert_eq!(
        (&breaker.config["state"]["prefix"], breaker.variables.join(" ")),
        (&"fleet".into(), "WEIR_SECRET".to_owned())
    );
    assert!(read_by(&demo(), "breaker").get("state").is_none());
}

/// The value at a path of the first listener's connection manager.
fn manager(bootstrap: &Json) -> &Json {
    bootstrap.pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config").unwrap()
}

#[test]
fn the_filters_stand_in_the_order_of_a_requests_way_and_fail_closed() {
    let bootstrap = rendered(&demo());
    let filters = manager(&bootstrap)["http_filters"].as_array().unwrap();
    let names: Vec<_> = filters.iter().map(|filter| filter["name"].as_str().unwrap()).collect();
    let expected = "secured correlated correlation cors guard auth caller ratelimit admin bodies compose cache input quota breaker provider envoy.filters.http.router";
    assert_eq!(names.join(" "), expected);
    for filter in filters.iter().filter(|filter| filter.pointer("/typed_config/config").is_some()) {
        let config = &filter["typed_config"]["config"];
        assert_eq!(config["vm_config"]["vm_id"], "weir");
        assert_eq!(config["root_id"], filter["name"]);
        assert_eq!(config["failure_policy"], "FAIL_RELOAD");
        assert_eq!(config["allow_on_headers_stop_iteration"], true);
        let variables = match filter["name"].as_str() {
            // Both are of one module: with other variables, they could not share a machine.
            Some("provider" | "input") => {
                let names = "BEATPORT_CLIENT_ID BEATPORT_CLIENT_SECRET DISCOGS_KEY DISCOGS_SECRET LASTFM_API_KEY \
                             SPOTIFY_CLIENT_ID SPOTIFY_CLIENT_SECRET";
                json!({"host_env_keys": names.split_whitespace().collect::<Vec<_>>()})
            }
            _ => Json::Null,
        };
        assert_eq!(config["vm_config"]["environment_variables"], variables, "nothing that the policy does not name");
    }
}

#[test]
fn a_secret_of_the_environment_is_named_and_never_written() {
    let bootstrap = rendered(&read("everything.yaml", EVERYTHING)).to_string();
    assert!(bootstrap.contains(r#""host_env_keys":["WEIR_PEPPER","WEIR_SECRET"]"#), "{bootstrap}");
    assert!(bootstrap.contains("%ENVIRONMENT(WEIR_SECRET)%"));
    assert!(!bootstrap.contains(SECRET));
    assert!(bootstrap.contains("100%% weir"), "a percent sign is no command");
}

#[test]
fn keys_are_fetched_through_clusters_that_are_named_after_their_addresses() {
    let document = read("everything.yaml", EVERYTHING);
    let bootstrap = rendered(&document);
    let clusters = bootstrap.pointer("/static_resources/clusters").unwrap().as_array().unwrap();
    let find = |name: &str| clusters.iter().filter(|cluster| cluster["name"] == name).collect::<Vec<_>>();
    let [https] = find("jwks.https.id.example.443")[..] else { panic!("one for both issuers: {clusters:?}") };
    assert_eq!((&https["type"], &https["connect_timeout"]), (&"STRICT_DNS".into(), &"1s".into()));
    assert_eq!(https.pointer("/transport_socket/typed_config/sni").unwrap(), "id.example");
    let [plain] = find("jwks.http.::1.9400")[..] else { panic!("{clusters:?}") };
    assert_eq!((&plain["type"], plain.get("transport_socket")), (&"STATIC".into(), None));
    let auth = document.filters.iter().find(|filter| filter.name == "auth").unwrap();
    let expected = serde_json::json!({
        "url": "https://id.example/jwks.json?app=1", "cluster": "jwks.https.id.example.443",
        "refresh": "5m", "keep": "1d", "wait": "1s", "waiting_max": 9,
    });
    assert_eq!(auth.config.pointer("/issuers/1/jwks"), Some(&expected));
    assert_eq!(auth.config.pointer("/issuers/3/jwks/cluster").unwrap(), "jwks.http.::1.9400");
}

#[test]
fn the_state_store_is_a_cluster_of_its_own_that_the_filter_knows() {
    let bootstrap = rendered(&read("everything.yaml", EVERYTHING));
    let clusters = bootstrap.pointer("/static_resources/clusters").unwrap().as_array().unwrap();
    let state = clusters.iter().find(|cluster| cluster["name"] == "state").unwrap();
    assert_eq!(state.pointer("/circuit_breakers/thresholds/0/max_connections").unwrap(), 32);
    let filters = manager(&bootstrap)["http_filters"].as_array().unwrap();
    let auth = filters.iter().find(|filter| filter["name"] == "auth").unwrap();
    let config = auth["typed_config"]["config"]["configuration"]["value"].as_str().unwrap();
    let config: Json = serde_json::from_str(config).unwrap();
    let expected = serde_json::json!({
        "cluster": "state", "dialect": "webdis", "env": "WEIR_SECRET", "timeout": "500ms", "prefix": "fleet",
        "authority": "127.0.0.1:7379", "path": "/",
    });
    assert_eq!((&config["state"], &config["revocation"]["refresh"]), (&expected, &"2s".into()));
}

#[test]
fn an_upstream_that_is_listened_to_is_not_asked_again_at_once() {
    let document = read("everything.yaml", EVERYTHING);
    let quota = read_by(&document, "quota");
    let [api, address] = quota["upstreams"].as_array().unwrap().as_slice() else { panic!("{quota}") };
    let learn = serde_json::json!(["retry_after", "503", "ratelimit_headers"]);
    assert_eq!((&api["name"], &api["learn"], &api["longest"]), (&"api".into(), &learn, &"1h".into()));
    assert_eq!(api["match"], quota["rules"][0]["match"]);
    assert_eq!((&address["name"], &address["learn"]), (&"address".into(), &serde_json::json!(["429"])));
    assert_eq!(quota["state"], read_by(&document, "auth")["state"]);
    for name in ["ratelimit", "quota"] {
        let filter = document.filters.iter().find(|filter| filter.name == name).unwrap();
        assert_eq!(filter.variables, ["WEIR_SECRET"], "{name}");
    }
    let routes = |document: &Document| {
        let rendered = rendered(document);
        manager(&rendered).pointer("/route_config/virtual_hosts/0/routes").unwrap().as_array().unwrap().clone()
    };
    let resets = |route: &serde_json::Value| {
        let headers = route.pointer("/route/retry_policy/rate_limited_retry_back_off/reset_headers").unwrap();
        let said =
            headers.as_array().unwrap().iter().map(|one| [&one["name"], &one["format"]].map(ToString::to_string));
        said.map(|said| said.join(" ").replace('"', "")).collect::<Vec<_>>().join(", ")
    };
    let everything = routes(&document);
    let to_api = everything.iter().find(|route| route["route"]["cluster"] == "api").unwrap();
    let expected = "retry-after SECONDS, x-ratelimit-reset SECONDS, x-ratelimit-reset UNIX_TIMESTAMP";
    assert_eq!(resets(to_api), expected, "headers of its own are read, so by retries, too");
    let routes = routes(&demo());
    for (cluster, statuses, on_gateway_error) in [
        ("spotify", &[500, 502, 503, 504][..], true),
        ("musicbrainz", &[500, 502, 504], false),
        ("discogs", &[500, 502, 503, 504], true),
    ] {
        let route = routes.iter().find(|route| route["route"]["cluster"] == cluster).unwrap();
        assert_eq!(resets(route), "retry-after SECONDS", "{cluster}");
        let retry = &route["route"]["retry_policy"];
        assert_eq!(retry["retriable_status_codes"], serde_json::json!(statuses), "{cluster}");
        assert_eq!(retry["retry_on"].as_str().unwrap().contains("gateway-error"), on_gateway_error, "{cluster}");
    }
}

#[test]
fn an_upstream_that_stands_in_has_a_route_before_the_usual_one() {
    let document = read("everything.yaml", EVERYTHING);
    let bootstrap = rendered(&document);
    let routes = manager(&bootstrap).pointer("/route_config/virtual_hosts/0/routes").unwrap().as_array().unwrap();
    let said = json!([{"key": "wasm.weir.fallback", "string_match": {"exact": "address"}}]);
    // Two of the five routes lead to the upstream that has one.
    assert_eq!(routes.len(), document.policy.routes.len() + 2);
    for pair in routes[..4].as_chunks::<2>().0 {
        let [other, usual] = pair;
        assert_eq!((&other["route"]["cluster"], &usual["route"]["cluster"]), (&"address".into(), &"api".into()));
        assert_eq!((&other["match"]["filter_state"], usual["match"].get("filter_state")), (&said, None));
        let mut conditions = other["match"].clone();
        conditions.as_object_mut().unwrap().remove("filter_state");
        assert_eq!(conditions, usual["match"]);
    }
    assert!(routes[4..].iter().all(|route| route["match"].get("filter_state").is_none()));
    // What is stored is the cache's to send, and the rest the breaker's.
    assert_eq!(read_by(&document, "cache")["routes"][0]["stale_if_error"], "1d");
    assert_eq!(read_by(&document, "breaker")["breakers"]["api"]["fallback"], json!({"upstream": "address"}));
    let clusters = bootstrap.pointer("/static_resources/clusters").unwrap().as_array().unwrap();
    let budget = |name: &str| {
        let cluster = clusters.iter().find(|cluster| cluster["name"] == name).unwrap();
        cluster.pointer("/circuit_breakers/thresholds/0/retry_budget/budget_percent/value").cloned()
    };
    assert_eq!((budget("api"), budget("address")), (Some(30.into()), None));
}

#[test]
fn a_query_that_may_hold_credentials_is_logged_without_them() {
    for (text, expected) in [(EVERYTHING, "%FILTER_STATE(wasm.weir.query:PLAIN)%"), (PLAIN, "%CEL(request.query)%")] {
        let bootstrap = rendered(&read("policy.yaml", text));
        let logs = manager(&bootstrap)["access_log"].as_array().unwrap();
        for log in logs {
            assert_eq!(log.pointer("/typed_config/log_format/json_format/query").unwrap(), expected);
        }
    }
}

#[test]
fn another_sandbox_takes_the_place_of_the_usual_one() {
    let text = std::fs::read_to_string(repository().join("envoy/policies/demo.yaml")).unwrap();
    let reading = Reading { sandbox: Some("http://127.0.0.2:77/"), ..Reading::default() };
    let document = document::read(Path::new("demo.yaml"), text.as_bytes(), &reading).unwrap();
    let bootstrap = rendered(&document).to_string();
    assert!(!bootstrap.contains("9400") && bootstrap.contains(r#""address":"127.0.0.2","port_value":77"#));
    let commands: Vec<_> = document.policy.examples.iter().flat_map(|one| one.commands("http://here")).collect();
    assert!(commands.iter().any(|command| command.contains("http://127.0.0.2:77/id/token?tier=pro")), "{commands:?}");
}
