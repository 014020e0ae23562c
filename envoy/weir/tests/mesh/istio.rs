//! What Istio makes of objects: the configuration of a gateway, with which a real Envoy is started. It applies what it is given as
//! Istio's `pilot/pkg/networking/core` does, knows no kind of patch but those that are rendered, and stops at any other.
//!
//! Three things are otherwise: services are where their `ServiceEntry` says, or nowhere; what would come over ADS comes from files; and images
//! are files already, as Istio's agent has them before Envoy sees their names.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

const MANAGER: &str = "envoy.filters.network.http_connection_manager";
const ROUTER: &str = "envoy.filters.http.router";

/// A gateway's bootstrap; files that it follows come into `folder`.
pub(super) fn gateway(objects: &[Json], wasm: &Path, folder: &Path) -> Json {
    let mut gateway = Gateway::of(objects);
    let patches = of_kind(objects, "EnvoyFilter");
    let patches: Vec<&Json> = patches.iter().flat_map(|one| list(&one["spec"]["configPatches"])).collect();
    let of =
        |kind: &str| patches.iter().filter(|one| one["applyTo"] == kind).map(|one| checked(one)).collect::<Vec<_>>();
    // What is there is patched first, and what is added after that is left as it is.
    for patch in of("HTTP_FILTER") {
        let at = &patch["match"]["listener"]["filterChain"]["filter"];
        assert_eq!(at["name"], MANAGER);
        let place = match patch["patch"]["operation"].as_str().unwrap() {
            "INSERT_FIRST" if at["subFilter"].is_null() => 0,
            "INSERT_BEFORE" if at["subFilter"]["name"] == ROUTER => gateway.filters.len() - 1,
            other => panic!("{other} {at}"),
        };
        gateway.filters.insert(place, patch["patch"]["value"].clone());
    }
    for patch in of("HTTP_ROUTE") {
        assert_eq!(patch["patch"]["operation"], "INSERT_FIRST");
        gateway.routes.insert(0, patch["patch"]["value"].clone());
    }
    let added = |kind: &str| of(kind).into_iter().map(added).collect::<Vec<_>>();
    gateway.clusters.extend(added("CLUSTER"));
    gateway.configs.extend(added("EXTENSION_CONFIG"));
    let known = ["HTTP_FILTER", "HTTP_ROUTE", "CLUSTER", "EXTENSION_CONFIG", "LISTENER"];
    assert!(patches.iter().all(|one| known.iter().any(|kind| one["applyTo"] == *kind)));
    let mut listeners = vec![gateway.listener()];
    listeners.extend(added("LISTENER"));
    let mut bootstrap = json!({
        "node": {"id": "router~10.0.0.1~gateway.edge~edge.svc.cluster.local", "cluster": "gateway.edge"},
        // As in `tools/packaging/common/envoy_bootstrap.json`.
        "bootstrap_extensions": [{
            "name": "envoy.bootstrap.internal_listener",
            "typed_config": {
                "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
                "type_url": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
                "value": {"buffer_size_kb": 64},
            },
        }],
        "static_resources": {"listeners": listeners, "clusters": gateway.clusters},
    });
    let files = discovered(&mut gateway.configs, wasm, folder);
    from_files(&mut bootstrap, &files);
    bootstrap
}

struct Gateway {
    /// The filters of the one listener that it has.
    filters: Vec<Json>,
    /// Its routes.
    routes: Vec<Json>,
    clusters: Vec<Json>,
    /// What is asked for by name.
    configs: Vec<Json>,
    /// What is to be told of each request.
    telemetry: Json,
}

impl Gateway {
    /// One without any patch.
    fn of(objects: &[Json]) -> Self {
        let mut plugins = of_kind(objects, "WasmPlugin");
        plugins.sort_by_key(|plugin| std::cmp::Reverse(plugin["spec"]["priority"].as_u64().unwrap()));
        let source = json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
        let types = [
            "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        ];
        let filter = |plugin: &&Json| json!({"name": resource(plugin), "config_discovery": {"config_source": source, "type_urls": types}});
        let own = |name: &str, kind: &str| json!({"name": name, "typed_config": {"@type": format!("type.googleapis.com/envoy.extensions.filters.http.{kind}")}});
        let mut filters: Vec<_> = plugins.iter().map(filter).collect();
        filters.extend([own("envoy.filters.http.cors", "cors.v3.Cors"), own(ROUTER, "router.v3.Router")]);
        Self {
            filters,
            routes: vec![json!({"match": {"prefix": "/"}, "direct_response": {"status": 421}})],
            clusters: of_kind(objects, "ServiceEntry").into_iter().flat_map(|entry| clusters(objects, entry)).collect(),
            configs: plugins.into_iter().map(plugin).collect(),
            telemetry: told(objects),
        }
    }

    fn listener(&self) -> Json {
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "outbound_0.0.0.0_8080",
            "use_remote_address": true,
            // As `gatewayTopology: {numTrustedProxies: 1}` has it.
            "xff_num_trusted_hops": 1,
            "normalize_path": true,
            "server_name": "istio-envoy",
            "access_log": [self.telemetry],
            "http_filters": self.filters,
            "route_config": {
                "name": "http.8080",
                "virtual_hosts": [{"name": "*:8080", "domains": ["*"], "routes": self.routes}],
            },
        });
        json!({
            "name": "0.0.0.0_8080",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [{"name": MANAGER, "typed_config": manager}]}],
        })
    }
}

/// What `Telemetry` says of metrics and spans, as a line of a log: both are made when a request is over, of the same expressions.
fn told(objects: &[Json]) -> Json {
    let [telemetry] = of_kind(objects, "Telemetry")[..] else { panic!("not one") };
    let metric = &telemetry["spec"]["metrics"][0]["overrides"][0]["tagOverrides"]["weir_tier"]["value"];
    let span = &telemetry["spec"]["tracing"][0]["customTags"]["weir.tier"]["formatter"]["value"];
    let line = json!({
        "path": "%PATH(NQ:ORIG_OR_PATH)%",
        "status": "%RESPONSE_CODE%",
        "metric": format!("%CEL({})%", metric.as_str().unwrap()),
        "span": span,
    });
    let kind = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
    json!({"name": "envoy.access_loggers.stdout", "typed_config": {"@type": kind, "log_format": {"json_format": line}}})
}

/// The objects of a kind, in the order in which Istio takes those of one age.
fn of_kind<'o>(objects: &'o [Json], kind: &str) -> Vec<&'o Json> {
    let mut found: Vec<_> = objects.iter().filter(|object| object["kind"] == kind).collect();
    found.sort_by_key(|object| object["metadata"]["name"].as_str().unwrap());
    found
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap()
}

fn checked(patch: &Json) -> &Json {
    assert_eq!(patch["match"]["context"], "GATEWAY");
    patch
}

fn added(patch: &Json) -> Json {
    assert_eq!((&patch["patch"]["operation"], patch["match"].as_object().unwrap().len()), (&json!("ADD"), 1));
    patch["patch"]["value"].clone()
}

/// By which name a plugin's configuration is asked for.
fn resource(plugin: &Json) -> String {
    let part = |name: &str| plugin["metadata"][name].as_str().unwrap();
    format!("extensions.istio.io/wasmplugin/{}.{}", part("namespace"), part("name"))
}

/// `pilot/pkg/model/extensions.go`.
fn plugin(plugin: &Json) -> Json {
    let spec = &plugin["spec"];
    let uri = json!({"uri": spec["url"], "timeout": "30s", "cluster": "_"});
    let mut machine =
        json!({"runtime": "envoy.wasm.runtime.v8", "code": {"remote": {"http_uri": uri, "sha256": "nil"}}});
    if let Some(variables) = spec["vmConfig"]["env"].as_array() {
        assert!(variables.iter().all(|variable| variable["valueFrom"] == "HOST"));
        let names: Vec<_> = variables.iter().map(|variable| &variable["name"]).collect();
        machine["environment_variables"] = json!({"host_env_keys": names});
    }
    let config = json!({
        "name": resource(plugin),
        "root_id": spec["pluginName"],
        "vm_config": machine,
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": spec["pluginConfig"].to_string()},
        "failure_policy": spec["failStrategy"],
    });
    let kind = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    json!({"name": resource(plugin), "typed_config": {"@type": kind, "config": config}})
}

/// One for each port. No name is looked up but `localhost`.
fn clusters(objects: &[Json], entry: &Json) -> Vec<Json> {
    let spec = &entry["spec"];
    let host = spec["hosts"][0].as_str().unwrap();
    let near = json!([{"address": "127.0.0.1"}]);
    let endpoints = spec["endpoints"].as_array().or(near.as_array().filter(|_| host == "localhost"));
    let endpoints = endpoints.map(Vec::as_slice).unwrap_or_default();
    let cluster = |port: &Json| {
        let name = format!("outbound|{}||{host}", port["number"]);
        let endpoint = |one: &Json| json!({"endpoint": {"address": {"socket_address": {"address": one["address"], "port_value": port["number"]}}}});
        let endpoints: Vec<_> = endpoints.iter().map(endpoint).collect();
        let loads = json!({"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]});
        let mut cluster = json!({"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": loads});
        let policy = traffic(objects, host, &port["number"]);
        assert!(policy["connectionPool"]["tcp"]["maxConnections"].is_u64(), "nothing is said of {name}");
        if policy["tls"]["mode"] == "SIMPLE" {
            cluster["transport_socket"] = json!({
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                    "sni": policy["tls"]["sni"],
                },
            });
        }
        cluster
    };
    list(&spec["ports"]).iter().map(cluster).collect()
}

/// `GetPortLevelTrafficPolicy`: what is said of a port, or else of its host; nothing of the one is inherited by the other.
fn traffic<'o>(objects: &'o [Json], host: &str, port: &Json) -> &'o Json {
    let rules = of_kind(objects, "DestinationRule");
    let rule = rules.into_iter().find(|rule| rule["spec"]["host"] == host).unwrap();
    let policy = &rule["spec"]["trafficPolicy"];
    let ports = policy["portLevelSettings"].as_array().map(Vec::as_slice).unwrap_or_default();
    ports.iter().find(|one| one["port"]["number"] == *port).unwrap_or(policy)
}

/// Puts each configuration into a file of its own, with its code where it is: the files, by name.
fn discovered(configs: &mut [Json], wasm: &Path, folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (index, config) in configs.iter_mut().enumerate() {
        let code = &mut config["typed_config"]["config"]["vm_config"]["code"];
        let remote = &code["remote"];
        assert_eq!(remote["sha256"], "nil");
        let image = remote["http_uri"]["uri"].as_str().unwrap().strip_prefix("oci://").unwrap();
        let module = image.rsplit('/').next().unwrap().split(':').next().unwrap();
        *code = json!({"local": {"filename": wasm.join(format!("{module}.wasm"))}});
        config["@type"] = json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig");
        let file = folder.join(format!("{index}.json"));
        std::fs::write(&file, json!({"resources": [config]}).to_string()).unwrap();
        let name = config["name"].as_str().unwrap().to_owned();
        assert!(files.insert(name, file.to_string_lossy().into_owned()).is_none(), "two have one name");
    }
    files
}

/// Whoever asks for a configuration reads its file.
fn from_files(value: &mut Json, files: &BTreeMap<String, String>) {
    if let Some(source) = value.pointer_mut("/config_discovery/config_source").map(Json::take) {
        assert!(source["ads"].is_object() && source["initial_fetch_timeout"] == "0s");
        let file = &files[value["name"].as_str().unwrap()];
        value["config_discovery"]["config_source"] =
            json!({"path_config_source": {"path": file}, "resource_api_version": "V3"});
    }
    match value {
        Json::Object(members) => members.values_mut().for_each(|value| from_files(value, files)),
        Json::Array(items) => items.iter_mut().for_each(|item| from_files(item, files)),
        _ => {}
    }
}
