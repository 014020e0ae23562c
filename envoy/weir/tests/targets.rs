//! What is rendered for Istio and Envoy Gateway is what their resource definitions accept and says what the policy says; what is
//! written for filesystem xDS is what Envoy serves.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "targets/cluster.rs"]
mod cluster;
#[path = "targets/every.rs"]
mod every;
#[path = "targets/inward.rs"]
mod inward;
#[path = "leaf/mod.rs"]
mod leaf;
#[path = "targets/rules.rs"]
mod rules;
#[path = "targets/schema.rs"]
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proxy::{Envoy, Origin, Reply, Request, client};
use schema::Schemas;
use serde_json::{Value as Json, json};
use weir::document::{self, Document, Reading};
use weir::envoy::Plan;
use weir::envoygateway::internal::Code;
use weir::kubernetes::Place;
use weir::{envoygateway, istio, translate, xds};

/// What the filters need most: keys that are fetched, a store, a provider, searches, a limit, another upstream that stands in.
const POLICY: &str = "
version: 1
state: {store: redis, url: http://webdis.weir.svc.cluster.local:7379, password: {env: WEIR_SECRET}}
identity:
  jwt: [{issuer: https://id.example/, audiences: [gateway], jwks: {url: https://id.example/jwks.json}}]
  revocation: {}
tiers: {anonymous: {per_second: 5}, pro: {per_second: 50}}
upstreams:
  spotify:
    url: https://api.spotify.com/v1
    profile: spotify
    credentials: {oauth2: {token_url: https://accounts.spotify.com/api/token, client_id: {env: WEIR_SECRET}, client_secret: {env: WEIR_SECRET}}}
    limit: {rate: 10/s}
    breaker: {}
  catalog: {url: http://catalog.shop.svc.cluster.local:8080, internal: true, pool: {connections: 10, pending: 20, requests: 30}}
  near: {url: http://10.0.0.1:9000/base, headers: {x-said: by-us}, retry: {times: 2, statuses: [503]}, breaker: {fallback: {upstream: catalog}}}
routes:
- {match: POST /api/spotify/search, upstream: spotify, strip: /api/spotify, auth: optional, cache: {ttl: 1d, shared: true, body: {key: json}}}
- {match: 'GET /api/spotify/track/{id}', upstream: spotify, strip: /api/spotify, auth: optional}
- {match: GET /catalog/*, upstream: catalog, timeout: 5s}
- {match: {prefix: /near, hosts: [near.example], headers: {x-kind: a}}, upstream: near, strip: /near, auth: off}
";

/// Nothing that a plugin could not be told.
const PLAIN: &str = "
version: 1
upstreams: {a: {url: http://a.shop.svc.cluster.local, internal: true}}
routes: [{match: GET /a, upstream: a}]
";

fn read(text: &str) -> Document {
    let variable = |name: &str| (name == "WEIR_SECRET").then(|| "secret-of-the-tests".to_owned());
    let reading = Reading { variable: Some(&variable), ..Reading::default() };
    document::read(Path::new("p.yaml"), text.as_bytes(), &reading)
        .unwrap_or_else(|report| panic!("{}", report.render(false)))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The demo without its compositions, and without what only they ask for.
fn demo() -> String {
    let text = without_cors();
    let (before, rest) = text.split_once("  # The product gateway: one").unwrap();
    let after = &rest[rest.find("  - {match: GET /api/v1/products, ").unwrap()..];
    // Nor is there a way for what a batch asks for.
    let (after, rest) = after.split_once("  # Up to fifty requests").unwrap();
    let after = [after, &rest[rest.find("\nexamples:").unwrap()..]].concat();
    let open = after.lines().filter(|line| !line.contains("inside: true")).map(|line| format!("{line}\n"));
    before.to_owned() + &open.collect::<String>()
}

/// The demonstration, but for what Envoy Gateway has a `SecurityPolicy` for.
fn without_cors() -> String {
    let text = std::fs::read_to_string(repository().join("envoy/policies/demo.yaml")).unwrap();
    let others = text.lines().filter(|line| !line.starts_with("  cors: {")).map(|line| format!("{line}\n"));
    others.collect()
}

fn plan(document: &Document) -> Plan<'_> {
    Plan { policy: &document.policy, filters: &document.filters, wasm: Path::new("") }
}

fn place() -> Place {
    let (namespace, images) = ("edge".to_owned(), "registry.example/weir".to_owned());
    Place { namespace, images, digests: BTreeMap::new(), pull_secret: None }
}

fn for_istio(text: &str) -> Vec<Json> {
    let settings = istio::Settings { place: place(), selector: ("istio".to_owned(), "ingressgateway".to_owned()) };
    istio::objects(&plan(&read(text)), &settings).unwrap()
}

fn for_envoy_gateway(text: &str) -> Result<Vec<Json>, String> {
    envoygateway::objects(&plan(&read(text)), &in_envoy_gateway(None))
}

fn in_envoy_gateway(code: Option<Code>) -> envoygateway::Settings {
    envoygateway::Settings { place: place(), gateway: "eg".to_owned(), listener: "http".to_owned(), code }
}

/// All objects of a kind.
fn of_kind<'o>(objects: &'o [Json], kind: &str) -> Vec<&'o Json> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// Keeps to the schemas, of which there is one for each of these kinds.
#[track_caller]
fn keeps_to_schemas(objects: &[Json], kinds: &[&str]) {
    assert_eq!(rules::broken(objects), [""; 0]);
    let schemas = Schemas::read();
    let mut checked = BTreeSet::new();
    for (object, mistakes) in objects.iter().zip(schemas.mistakes(objects)) {
        if let Some(mistakes) = mistakes {
            assert_eq!(mistakes, [""; 0], "{object:#}");
            checked.insert(object["kind"].as_str().unwrap());
        } else {
            assert!(!schemas.is_whole(), "there is no schema of {}", object["kind"]);
        }
    }
    assert!(!schemas.is_whole() || checked.iter().eq(kinds), "{checked:?}");
}

/// The kinds that are rendered for Istio.
const OF_ISTIO: [&str; 5] = ["DestinationRule", "EnvoyFilter", "ServiceEntry", "Telemetry", "WasmPlugin"];
/// And for Envoy Gateway.
const OF_ENVOY_GATEWAY: [&str; 7] = [
    "Backend",
    "BackendTrafficPolicy",
    "EnvoyExtensionPolicy",
    "EnvoyPatchPolicy",
    "EnvoyProxy",
    "HTTPRoute",
    "HTTPRouteFilter",
];

#[test]
fn istio_accepts_what_is_rendered() {
    keeps_to_schemas(&for_istio(POLICY), &OF_ISTIO);
    let objects = for_istio(&std::fs::read_to_string(repository().join("envoy/policies/demo.yaml")).unwrap());
    keeps_to_schemas(&objects, &OF_ISTIO);
    for cluster in ["weir_admin", "weir_metrics"] {
        assert!(!json!(objects).to_string().contains(cluster), "nothing leads to Envoy's administration");
    }
}

#[test]
fn envoy_gateway_accepts_what_is_rendered() {
    keeps_to_schemas(&for_envoy_gateway(POLICY).unwrap(), &OF_ENVOY_GATEWAY);
    let demo = for_envoy_gateway(&demo()).unwrap();
    keeps_to_schemas(&demo, &OF_ENVOY_GATEWAY);
    let patient = POLICY.replace("timeout: 5s}", "timeout: 100500ms}").replace(
        "internal: true, pool:",
        "internal: true, timeout: 2m, retry: {times: 1, per_try: 100s, longest_wait: 150s}, pool:",
    );
    let patient = for_envoy_gateway(&patient).unwrap();
    keeps_to_schemas(&patient, &OF_ENVOY_GATEWAY);
    // The last two are Envoy's own.
    for length in ["1m40s500ms", "2m", "100s", "150s"] {
        assert!(json!(patient).to_string().contains(&format!("\"{length}\"")), "{length}");
    }
    let price = of_kind(&demo, "HTTPRouteFilter").into_iter().find(|one| one["metadata"]["name"] == "weir-pricing-1-1");
    let replaced = &price.unwrap()["spec"]["urlRewrite"]["path"]["replaceRegexMatch"];
    assert_eq!(*replaced, json!({"pattern": "^/?", "substitution": "/pricing/"}));
}

#[test]
fn a_schema_refuses_what_is_not_in_it() {
    let described = Schemas::described();
    let of = |kind: &str, spec: Json| {
        let object = json!({"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": kind, "spec": spec});
        described.mistakes(&[object])[0].clone().unwrap()
    };
    let backend = |endpoint: Json| of("Backend", json!({"endpoints": [endpoint]}));
    assert_eq!(backend(json!({"fqdn": {"hostname": "x", "port": 1}})), [""; 0]);
    assert_eq!(
        backend(json!({"fqdn": {"hostname": "x", "port": "1"}})),
        ["spec.endpoints[0].fqdn.port: is no \"integer\": \"1\""]
    );
    assert_eq!(backend(json!({"name": "x"})), ["spec.endpoints[0].name: is not known"]);
    assert_eq!(backend(json!({"fqdn": {"hostname": "x"}})), ["spec.endpoints[0].fqdn: \"port\" is missing"]);
    assert_eq!(of("Backend", json!({"endpoints": []})), ["spec.endpoints: has 0"]);
    let target = json!({"group": "x", "kind": "x", "name": "x"});
    let merged = of("EnvoyPatchPolicy", json!({"type": "Merge", "targetRef": target}));
    assert!(merged[0].starts_with("spec.type: \"Merge\" is none of"), "{merged:?}");
    let config = json!({"wasm": [{"code": {"type": "Image"}, "config": {"anything": [1]}}]});
    assert_eq!(of("EnvoyExtensionPolicy", config), [""; 0]);

    let schemas = Schemas::read();
    let rule = json!({"matches": [{"path": {"type": "Near", "value": "/"}}]});
    let objects = [
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "spec": {"rules": [rule]}}),
        json!({"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "spec": {"phase": "LATE"}}),
        json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "spec": {"configPatches": 1}}),
    ];
    let mistakes = schemas.mistakes(&objects);
    assert!(!schemas.is_whole() || mistakes.iter().all(|found| !found.as_ref().unwrap().is_empty()), "{mistakes:?}");
}

#[test]
fn filters_keep_their_order_in_istio() {
    let objects = for_istio(POLICY);
    let mut plugins: Vec<_> = of_kind(&objects, "WasmPlugin").into_iter().map(|plugin| &plugin["spec"]).collect();
    plugins.sort_by_key(|spec| std::cmp::Reverse(spec["priority"].as_u64()));
    let names: Vec<_> = plugins.iter().map(|spec| spec["pluginName"].as_str().unwrap()).collect();
    assert_eq!(names, ["correlation", "auth", "ratelimit"]);
    assert_eq!(plugins[1]["vmConfig"]["env"], json!([{"name": "WEIR_SECRET", "valueFrom": "HOST"}]));
    assert_eq!(plugins[1]["url"], concat!("oci://registry.example/weir/auth:", env!("CARGO_PKG_VERSION")));
    let filters = of_kind(&objects, "EnvoyFilter")[0]["spec"]["configPatches"].as_array().unwrap();
    let inserted = filters.iter().filter(|patch| patch["applyTo"] == "HTTP_FILTER");
    let inserted: Vec<_> = inserted.map(|patch| patch["patch"]["value"]["name"].as_str().unwrap()).collect();
    assert_eq!(inserted, ["caller", "weir.cache", "weir.input", "weir.quota", "weir.breaker", "weir.provider"]);
    for patch in filters.iter().filter(|patch| patch["applyTo"] == "EXTENSION_CONFIG") {
        let config = &patch["patch"]["value"]["typed_config"]["config"];
        assert_eq!(
            (&config["allow_on_headers_stop_iteration"], &config["vm_config"]["vm_id"]),
            (&json!(true), &json!(""))
        );
    }
    // Without bodies to hold and routes to be left out of, there is nothing that a plugin could not be.
    assert_eq!(of_kind(&for_istio(PLAIN), "WasmPlugin").len(), 6);
}

#[test]
fn what_is_called_has_istio_s_names() {
    let objects = for_istio(POLICY);
    let auth =
        of_kind(&objects, "WasmPlugin").into_iter().find(|plugin| plugin["spec"]["pluginName"] == "auth").unwrap();
    let config = &auth["spec"]["pluginConfig"];
    assert_eq!(config["issuers"][0]["jwks"]["cluster"], "outbound|443||id.example");
    assert_eq!(config["state"]["cluster"], "outbound|7379||webdis.weir.svc.cluster.local");
    assert!(json!(objects).to_string().contains("outbound|443||accounts.spotify.com"), "the cluster of tokens");
    let hosts = of_kind(&objects, "ServiceEntry").into_iter().map(|entry| entry["spec"]["hosts"][0].as_str().unwrap());
    assert_eq!(
        hosts.collect::<Vec<_>>(),
        ["api.spotify.com", "weir-near.internal", "id.example", "accounts.spotify.com"]
    );
    let rules = of_kind(&objects, "DestinationRule");
    let rule = |host: &str| &rules.iter().find(|rule| rule["spec"]["host"] == host).unwrap()["spec"]["trafficPolicy"];
    assert_eq!(rule("api.spotify.com")["tls"]["sni"], "api.spotify.com");
    assert_eq!(rule("catalog.shop.svc.cluster.local")["connectionPool"]["tcp"]["maxConnections"], 10);
    let routes = of_kind(&objects, "EnvoyFilter")[1]["spec"]["configPatches"].as_array().unwrap();
    let values: Vec<_> = routes.iter().rev().map(|patch| &patch["patch"]["value"]).collect();
    // The provider's own first, then the routes, the fallback of one before it.
    assert_eq!(values.len(), 1 + 2 + 1 + 2);
    assert_eq!(values[0]["route"]["cluster"], "outbound|443||api.spotify.com");
    assert_eq!(values[4]["match"]["filter_state"][0]["string_match"]["exact"], "catalog");
    assert_eq!(values[4]["route"]["cluster"], "outbound|8080||catalog.shop.svc.cluster.local");
    let off: Vec<_> = values[3]["typed_per_filter_config"].as_object().unwrap().keys().collect();
    let expected = ["weir.breaker", "weir.cache", "weir.input", "weir.provider", "weir.quota"];
    assert_eq!(off, expected, "no plugin can be left out");
    let rendered = json!(objects).to_string();
    assert!(!rendered.contains("secret-of-the-tests"));
}

/// The cluster that tokens are fetched through.
const TOKENS: &str = "oauth.https.accounts.spotify.com.443";

#[test]
fn envoy_gateway_is_told_of_routes_filters_and_patches() {
    let objects = for_envoy_gateway(POLICY).unwrap();
    let wasm = of_kind(&objects, "EnvoyExtensionPolicy")[0]["spec"]["wasm"].as_array().unwrap();
    let names: Vec<_> = wasm.iter().map(|entry| entry["rootID"].as_str().unwrap()).collect();
    assert_eq!(names, ["correlation", "auth", "ratelimit", "cache", "input", "quota", "breaker", "provider"]);
    assert!(wasm.iter().all(|entry| entry["failOpen"] == false));
    let routes = of_kind(&objects, "HTTPRoute");
    let near = &routes.iter().find(|route| route["metadata"]["name"] == "weir-near-1").unwrap()["spec"];
    assert_eq!(near["hostnames"], json!(["near.example"]));
    let rule = &near["rules"][0];
    assert_eq!(rule["matches"][0]["headers"], json!([{"type": "Exact", "name": "x-kind", "value": "a"}]));
    assert_eq!(rule["filters"][0]["urlRewrite"]["path"]["replacePrefixMatch"], "/base");
    assert_eq!(rule["filters"][1]["requestHeaderModifier"]["set"], json!([{"name": "x-said", "value": "by-us"}]));
    let catalog =
        &routes.iter().find(|route| route["metadata"]["name"] == "weir-catalog-1").unwrap()["spec"]["rules"][0];
    assert_eq!(catalog["timeouts"]["request"], "5s");
    let traffic = of_kind(&objects, "BackendTrafficPolicy");
    let near = &traffic.iter().find(|policy| policy["metadata"]["name"] == "weir-near").unwrap()["spec"];
    assert_eq!(near["circuitBreaker"]["retryBudget"]["percent"]["numerator"], 20);
    assert!(near.get("retry").is_none(), "there, it is one of every method");
    let patches = of_kind(&objects, "EnvoyPatchPolicy")[0]["spec"]["jsonPatches"].as_array().unwrap();
    let names: Vec<_> = patches.iter().map(|patch| patch["name"].as_str().unwrap()).collect();
    let http = "edge/eg/http";
    let clusters = ["state", "jwks.https.id.example.443", TOKENS];
    assert_eq!(names, [&[http; 3][..], &clusters, &[http; 5]].concat());
    let of_routes: Vec<_> = patches[6..].iter().map(|patch| &patch["operation"]).collect();
    let near = "..routes[?(@.name =~ '^httproute/edge/weir-near-1/rule/[0-9]+/match/')].route";
    let at: Vec<_> =
        of_routes.iter().map(|one| [&one["jsonPath"], &one["path"]].map(|at| at.as_str().unwrap())).collect();
    let all = ["$.virtual_hosts[*]", "routes/0"];
    let members = ["retry_policy", "host_rewrite_literal", "append_x_forwarded_host"].map(|member| [near, member]);
    assert_eq!(at, [&members[..], &[all; 2]].concat());
    // As Envoy's own routes have it.
    let own = weir::envoy::bootstrap::standalone(&plan(&read(POLICY)));
    let manager = &own["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let own = manager["route_config"]["virtual_hosts"][0]["routes"].as_array().unwrap();
    let own = own.iter().map(|route| &route["route"]).find(|action| action["cluster"] == "near").unwrap();
    assert_eq!((&of_routes[0]["value"], &of_routes[1]["value"]), (&own["retry_policy"], &own["host_rewrite_literal"]));
    assert!(own["retry_policy"]["retriable_request_headers"].is_array());
    assert_eq!(of_routes[3]["value"]["match"]["filter_state"][0]["string_match"]["exact"], "catalog");
    assert_eq!(of_routes[3]["value"]["route"]["cluster"], "httproute/edge/weir-catalog-1/rule/0");
    assert_eq!(of_routes[4]["value"]["route"]["cluster"], "httproute/edge/weir-spotify-1/rule/0");
}

#[test]
fn filters_of_one_module_are_told_apart_by_root_and_share_one_space() {
    let document = read(POLICY);
    let filters = translate::bundled(&document.filters);
    let plan = Plan { filters: &filters, ..plan(&document) };
    let digests = BTreeMap::from([("weir".to_owned(), "sha256:12ab".to_owned())]);
    let place = Place { digests, ..place() };
    let settings = istio::Settings { place: place.clone(), selector: ("istio".to_owned(), "x".to_owned()) };
    let objects = istio::objects(&plan, &settings).unwrap();
    for plugin in of_kind(&objects, "WasmPlugin") {
        assert_eq!(plugin["spec"]["url"], "oci://registry.example/weir/weir@sha256:12ab");
    }
    let patches = of_kind(&objects, "EnvoyFilter")[0]["spec"]["configPatches"].as_array().unwrap();
    let extensions = patches.iter().filter(|patch| patch["applyTo"] == "EXTENSION_CONFIG");
    let extensions = extensions.map(|patch| &patch["patch"]["value"]["typed_config"]["config"]);
    let roots: Vec<_> = extensions.map(|config| (&config["name"], &config["root_id"])).collect();
    let expected = [("cache", "cache"), ("input", "provider"), ("quota", "ratelimit")];
    let expected = expected.map(|(name, root)| (json!(name), json!(root)));
    assert_eq!(roots[..3], expected.each_ref().map(|(name, root)| (name, root)), "a plugin's name is not its filter's");
    keeps_to_schemas(&objects, &OF_ISTIO);

    let settings = envoygateway::Settings { place, gateway: "eg".to_owned(), listener: "http".to_owned(), code: None };
    let objects = envoygateway::objects(&plan, &settings).unwrap();
    let wasm = of_kind(&objects, "EnvoyExtensionPolicy")[0]["spec"]["wasm"].as_array().unwrap();
    let roots: Vec<_> = wasm.iter().map(|entry| entry["rootID"].as_str().unwrap()).collect();
    assert_eq!(roots, ["correlation", "auth", "ratelimit", "cache", "provider", "ratelimit", "breaker", "provider"]);
    let operations = of_kind(&objects, "EnvoyPatchPolicy")[0]["spec"]["jsonPatches"].as_array().unwrap();
    let shared = operations.iter().map(|patch| &patch["operation"]).filter(|operation| operation["path"] == "vm_id");
    let shared: Vec<_> = shared.map(|operation| &operation["value"]).collect();
    assert_eq!(shared, [&json!("weir"); 8]);
    keeps_to_schemas(&objects, &OF_ENVOY_GATEWAY);
}

#[test]
fn what_envoy_gateway_cannot_say_is_refused() {
    let refused = |from: &str, to: &str| for_envoy_gateway(&POLICY.replace(from, to)).unwrap_err();
    let said =
        refused("- {match: GET /catalog/*", "- {match: /*, upstream: near, auth: off}\n- {match: GET /catalog/*");
    assert!(said.starts_with("`/*` comes before `GET /catalog/*`"), "{said}");
    let said = refused(
        "- {match: GET /catalog/*",
        "- {match: GET /catalog/x, upstream: catalog, limit: off}\n- {match: GET /catalog/*",
    );
    assert!(said.starts_with("`ratelimit` would also see requests of `GET /catalog/x`"), "{said}");
    let said = refused("x-said: by-us", "x-said: {env: WEIR_SECRET}");
    assert!(said.starts_with("`near` has a header from the environment"), "{said}");
    let said = refused("routes:\n", "guard: {cors: {origins: ['https://app.example']}}\nroutes:\n");
    assert!(said.starts_with("`cors` of `guard` answers on routes of its own there"), "{said}");
}

#[test]
fn a_folder_of_xds_files_serves_and_is_not_written_over() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("x"));
    let policy = format!(
        "version: 1\nlisten: 127.0.0.1:0\nupstreams: {{up: {{url: 'http://{}', internal: true}}}}\n\
         routes:\n- {{match: GET /one, upstream: up}}\n- {{match: GET /inside, upstream: up, inside: true}}\n",
        origin.address()
    );
    let folder = tempfile::tempdir().unwrap();
    let wasm = std::env::var_os("WEIR_WASM_DIR").map_or_else(|| repository().join("target/wasm"), PathBuf::from);
    let document = read(&policy);
    let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: &wasm };
    xds::write(&plan, "p.yaml", folder.path()).unwrap();
    let bootstrap = std::fs::read_to_string(folder.path().join(xds::BOOTSTRAP)).unwrap();
    let envoy = Envoy::start(&bootstrap).unwrap();
    let status = |path: &str| client::call(envoy.address(), &Request::get(path)).unwrap().status;
    assert_eq!((status("/one"), status("/two"), status("/inside")), (200, 404, 404), "{}", envoy.log());
    let refused = xds::write(&plan, "p.yaml", folder.path()).unwrap_err().to_string();
    assert_eq!(refused, "there is a policy already: `weir apply` brings another in its place");
}
