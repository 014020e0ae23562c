//! What comes back into the proxy by listeners of a mesh's gateway: who has them, and what stands in them.

use serde_json::{Value as Json, json};
use weir::envoy::internal;
use weir::envoygateway::{self, internal::Code};
use weir::translate;

use super::{
    OF_ENVOY_GATEWAY, OF_ISTIO, PLAIN, POLICY, for_envoy_gateway, for_istio, in_envoy_gateway, keeps_to_schemas,
    of_kind, plan, read, without_cors,
};

#[test]
fn what_comes_back_into_the_proxy_has_ways_of_its_own_in_istio() {
    let objects = for_istio(POLICY);
    let [inside] = of_kind(&objects, "EnvoyFilter")
        .into_iter()
        .filter(|one| one["metadata"]["name"] == "weir-inside")
        .collect::<Vec<_>>()[..]
    else {
        panic!("{objects:?}");
    };
    let patches = inside["spec"]["configPatches"].as_array().unwrap();
    let of = |kind: &str| {
        patches.iter().filter(|one| one["applyTo"] == kind).map(|one| &one["patch"]["value"]).collect::<Vec<_>>()
    };
    let names =
        |values: &[&Json]| values.iter().map(|value| value["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let listeners = of("LISTENER");
    // Nothing is composed, so nobody is charged inside.
    assert_eq!(
        (names(&listeners), names(&of("CLUSTER"))),
        (vec![internal::NAME.into(), internal::AGAIN.into()], names(&listeners))
    );
    assert!(
        listeners
            .iter()
            .all(|listener| listener["internal_listener"] == json!({}) && listener.get("address").is_none())
    );
    // The others are there already, as filters that no plugin could be.
    assert_eq!(names(&of("EXTENSION_CONFIG")), ["weir.correlation"]);
    let manager = &listeners[0]["filter_chains"][0]["filters"][0]["typed_config"];
    let filters: Vec<_> = manager["http_filters"].as_array().unwrap().iter().collect();
    let expected = [
        "correlated",
        "weir.correlation",
        "weir.cache",
        "weir.input",
        "weir.quota",
        "weir.breaker",
        "weir.provider",
        "envoy.filters.http.router",
    ];
    assert_eq!(names(&filters), expected);
    assert!(filters[1..7].iter().all(|filter| filter["config_discovery"]["config_source"]["ads"].is_object()));
    let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array().unwrap();
    assert_eq!(routes[0]["route"]["cluster"], "outbound|443||api.spotify.com");
    assert!(["access_log", "tracing"].iter().all(|member| manager.get(member).is_none()), "these are Istio's");
    // What nobody comes back for has no way back.
    assert_eq!(of_kind(&for_istio(PLAIN), "EnvoyFilter").len(), 2);
}

/// The modules, as somebody serves them.
pub(crate) fn code() -> Code {
    let package = tempfile::tempdir().unwrap();
    let sums = translate::MODULES.map(|name| format!("12ab  {name}.wasm\n"));
    std::fs::write(package.path().join("SHA256SUMS"), sums.concat()).unwrap();
    Code::of("https://files.example:8443/weir/", package.path()).unwrap()
}

#[test]
fn compositions_are_refused_by_envoy_gateway_where_their_filters_have_no_code() {
    let whole = without_cors();
    let said = for_envoy_gateway(&whole).unwrap_err();
    assert!(said.starts_with("`GET /api/v1/products/{id}` belongs to what comes back into the proxy"), "{said}");
    let with_code = |text: &str| envoygateway::objects(&plan(&read(text)), &in_envoy_gateway(Some(code())));
    let objects = with_code(&whole).unwrap();
    keeps_to_schemas(&objects, &OF_ENVOY_GATEWAY);
    let patches = of_kind(&objects, "EnvoyPatchPolicy")[0]["spec"]["jsonPatches"].as_array().unwrap();
    let listeners: Vec<_> = patches
        .iter()
        .filter(|patch| patch["type"] == "type.googleapis.com/envoy.config.listener.v3.Listener")
        .filter(|patch| patch["operation"]["path"] == "")
        .map(|patch| &patch["operation"]["value"])
        .collect();
    assert_eq!(listeners.iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(), internal::NAMES);
    let filters = &listeners[0]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
    let machine = &filters[1]["typed_config"]["config"]["vm_config"];
    let remote = &machine["code"]["remote"];
    assert_eq!(
        (&remote["http_uri"]["uri"], &remote["sha256"], &machine["vm_id"], &machine["configuration"]["value"]),
        (
            &json!("https://files.example:8443/weir/correlation.wasm"),
            &json!("12ab"),
            &json!("weir"),
            &json!("correlation")
        )
    );
    // Outside, too, all are in that one space.
    let spaces = patches.iter().filter(|patch| patch["operation"]["path"] == "vm_id").count();
    assert_eq!(spaces, of_kind(&objects, "EnvoyExtensionPolicy")[0]["spec"]["wasm"].as_array().unwrap().len());
    let routes = json!(of_kind(&objects, "HTTPRoute")).to_string();
    assert!(!routes.contains("/api/v1/stock/"), "what is inside has no route");

    let open = "- {match: 'POST /api/v1/stock/*', upstream: inventory, auth: optional}\n";
    let (before, after) = whole.split_once("\nexamples:").unwrap();
    let said = with_code(&format!("{before}\n  {open}\nexamples:{after}")).unwrap_err();
    assert!(
        said.starts_with("`POST /api/v1/stock/reserve` is inside, and `POST /api/v1/stock/*` would take"),
        "{said}"
    );
    assert_eq!(
        of_kind(&envoygateway::objects(&plan(&read(PLAIN)), &in_envoy_gateway(Some(code()))).unwrap(), "EnvoyProxy"),
        [&json!(null); 0]
    );
}

/// What is stored goes to the bridge by a route that is inside.
const THROUGH: &str = "
version: 1
state: {store: redis, url: http://webdis.weir.svc.cluster.local:7379}
cache: {l2: {through: /kept}}
upstreams:
  a: {url: http://a.shop.svc.cluster.local}
  bridge: {url: http://webdis.weir.svc.cluster.local:7379, internal: true, breaker: {}}
routes:
- {match: POST /kept, upstream: bridge, strip: /kept, inside: true}
- {match: GET /*, upstream: a, cache: {shared: true}}
";

/// Of the route of objects inside: its cluster, and the filters that have nothing to do with it.
fn of_objects(listeners: &[&Json]) -> (String, Vec<String>) {
    let is_inside = |one: &&&Json| one["name"] == internal::NAME && one.get("filter_chains").is_some();
    let inside = listeners.iter().find(is_inside).unwrap();
    let manager = &inside["filter_chains"][0]["filters"][0]["typed_config"];
    let route = &manager["route_config"]["virtual_hosts"][0]["routes"][0];
    assert_eq!(route["match"]["path"], "/kept");
    let off = route["typed_per_filter_config"].as_object().unwrap();
    (route["route"]["cluster"].as_str().unwrap().to_owned(), off.keys().cloned().collect())
}

#[test]
fn what_goes_through_the_proxy_to_the_store_meets_its_breaker_and_no_cache() {
    let objects = for_istio(THROUGH);
    // All that is called is in the mesh.
    let kinds = OF_ISTIO.into_iter().filter(|kind| *kind != "ServiceEntry").collect::<Vec<_>>();
    keeps_to_schemas(&objects, &kinds);
    let patches = of_kind(&objects, "EnvoyFilter");
    let patches = patches.iter().flat_map(|one| one["spec"]["configPatches"].as_array().unwrap());
    let listeners: Vec<_> =
        patches.filter(|one| one["applyTo"] == "LISTENER").map(|one| &one["patch"]["value"]).collect();
    let (cluster, off) = of_objects(&listeners);
    assert_eq!(cluster, "outbound|7379||webdis.weir.svc.cluster.local");
    assert!(off.contains(&"weir.cache".to_owned()) && !off.contains(&"weir.breaker".to_owned()), "{off:?}");

    let said = for_envoy_gateway(THROUGH).unwrap_err();
    assert!(said.starts_with("`POST /kept` belongs to what comes back into the proxy"), "{said}");
    let narrow = THROUGH.replace("GET /*", "GET /a/*");
    let objects = envoygateway::objects(&plan(&read(&narrow)), &in_envoy_gateway(Some(code()))).unwrap();
    let patches = of_kind(&objects, "EnvoyPatchPolicy")[0]["spec"]["jsonPatches"].as_array().unwrap();
    let whole = |name: &str| {
        let added = patches.iter().filter(|patch| patch["operation"]["path"] == "" && patch["name"] == name);
        added.map(|patch| &patch["operation"]["value"]).collect::<Vec<_>>()
    };
    let (cluster, off) = of_objects(&whole(internal::NAME));
    assert!(off.contains(&"cache".to_owned()) && !off.contains(&"breaker".to_owned()), "{off:?}");
    assert_eq!((cluster.as_str(), whole("bridge").len()), ("bridge", 1));
}
