//! What Envoy Gateway makes of objects: the configuration of a gateway, with which a real Envoy is started. Routes, clusters, filters and
//! patches are as in its `internal/xds/translator`; what is not rendered is not known here, and stops it.
//!
//! Routes are in the listener, which would ask for them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value as Json, json};

const TYPE: &str = "type.googleapis.com/envoy";
const FILTERS: &str = "/filter_chains/0/filters/0/typed_config/http_filters";

/// The modules, as Envoy Gateway has fetched them.
pub(super) struct Code {
    /// Where it serves each, by its name.
    pub(super) address: SocketAddr,
    /// SHA-256, by the same.
    pub(super) sums: BTreeMap<String, String>,
}

/// A gateway's bootstrap.
pub(super) fn gateway(objects: &[Json], code: &Code) -> Json {
    let [extension] = of_kind(objects, "EnvoyExtensionPolicy")[..] else { panic!("not one") };
    let filters: Vec<_> =
        list(&extension["spec"]["wasm"]).iter().enumerate().map(|(index, entry)| filter(entry, index, code)).collect();
    let mut hosts = hosts(objects, &filters);
    let mut clusters = clusters(objects);
    clusters.push(place("wasm_cluster", &json!(code.address.ip()), &json!(code.address.port())));
    let mut listener = listener(&filters);
    let mut more = Vec::new();
    for patch in
        of_kind(objects, "EnvoyPatchPolicy").into_iter().flat_map(|policy| list(&policy["spec"]["jsonPatches"]))
    {
        let operation = &patch["operation"];
        assert_eq!(operation["op"], "add");
        let (path, at, value) =
            (operation["path"].as_str().unwrap(), operation["jsonPath"].as_str(), operation["value"].clone());
        match (patch["type"].as_str().unwrap().rsplit('.').next().unwrap(), at, path) {
            ("Listener", None, "") => more.push(value),
            ("Cluster", None, "") => clusters.push(value),
            ("Listener", Some("..http_filters"), "0") => {
                listener.pointer_mut(FILTERS).and_then(Json::as_array_mut).unwrap().insert(0, value);
            }
            ("Listener", Some(at), path) => {
                assert_eq!(patch["name"], listener["name"]);
                patched(&mut listener, at)[path] = value;
            }
            ("RouteConfiguration", Some("$.virtual_hosts[*]"), "routes/0") => {
                for host in &mut hosts {
                    host["routes"].as_array_mut().unwrap().insert(0, value.clone());
                }
            }
            ("RouteConfiguration", Some(at), member) => {
                let found = actions(&mut hosts, at);
                assert!(!found.is_empty(), "nothing is at {at}");
                for action in found {
                    action[member] = value.clone();
                }
            }
            other => panic!("{other:?}"),
        }
    }
    let manager = listener.pointer_mut("/filter_chains/0/filters/0/typed_config").unwrap();
    manager["route_config"] = json!({
        "name": "edge/eg/http",
        "ignore_port_in_host_matching": true,
        "virtual_hosts": hosts,
    });
    let listeners: Vec<_> = [listener].into_iter().chain(more).collect();
    let mut bootstrap = json!({"static_resources": {"listeners": listeners, "clusters": clusters}});
    for patch in
        of_kind(objects, "EnvoyProxy").into_iter().flat_map(|proxy| list(&proxy["spec"]["bootstrap"]["jsonPatches"]))
    {
        assert_eq!((&patch["op"], &patch["path"]), (&json!("add"), &json!("/bootstrap_extensions")));
        bootstrap["bootstrap_extensions"] = patch["value"].clone();
    }
    bootstrap
}

fn of_kind<'o>(objects: &'o [Json], kind: &str) -> Vec<&'o Json> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// Another object that one refers to.
fn named<'o>(objects: &'o [Json], reference: &Json) -> &'o Json {
    let found =
        objects.iter().find(|one| one["kind"] == reference["kind"] && one["metadata"]["name"] == reference["name"]);
    &found.unwrap_or_else(|| panic!("there is no {reference}"))["spec"]
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What a path of the one form `..http_filters[?(@.name=='…')].a.b` leads to.
fn patched<'l>(listener: &'l mut Json, path: &str) -> &'l mut Json {
    let rest = path.strip_prefix("..http_filters[?(@.name=='").unwrap();
    let (name, rest) = rest.split_once("')].").unwrap();
    let filters = listener.pointer_mut(FILTERS).and_then(Json::as_array_mut).unwrap();
    let filter = filters.iter_mut().find(|filter| filter["name"] == name).unwrap();
    filter.pointer_mut(&format!("/{}", rest.replace('.', "/"))).unwrap()
}

/// `wasm.go`.
fn filter(entry: &Json, index: usize, code: &Code) -> Json {
    let name = format!("envoy.filters.http.wasm/envoyextensionpolicy/edge/weir/wasm/{index}");
    let image = entry["code"]["image"]["url"].as_str().unwrap();
    let module = image.rsplit('/').next().unwrap().split(':').next().unwrap();
    let uri = json!({"uri": format!("http://envoy-gateway/{module}"), "cluster": "wasm_cluster", "timeout": "10s"});
    let retries = json!({"num_retries": 10, "retry_back_off": {"base_interval": "1s", "max_interval": "30s"}});
    let code = json!({"remote": {"http_uri": uri, "sha256": code.sums[module], "retry_policy": retries}});
    let mut machine = json!({"vm_id": name, "runtime": "envoy.wasm.runtime.v8", "code": code});
    if entry["env"].is_object() {
        machine["environment_variables"] = json!({"host_env_keys": entry["env"]["hostKeys"]});
    }
    let config = json!({
        "name": entry["name"],
        "root_id": entry["rootID"],
        "vm_config": machine,
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": entry["config"].to_string()},
        "fail_open": entry["failOpen"],
    });
    json!({
        "name": name,
        "disabled": true,
        "typed_config": {"@type": format!("{TYPE}.extensions.filters.http.wasm.v3.Wasm"), "config": config},
    })
}

/// The actions of routes that a path of the form `..routes[?(@.name =~ '^…')].route` leads to.
fn actions<'h>(hosts: &'h mut [Json], path: &str) -> Vec<&'h mut Json> {
    let name = path.strip_prefix("..routes[?(@.name =~ '").and_then(|rest| rest.strip_suffix("')].route")).unwrap();
    let name = regex::Regex::new(name).unwrap();
    let routes = hosts.iter_mut().flat_map(|host| host["routes"].as_array_mut().unwrap());
    let routes = routes.filter(|route| route["name"].as_str().is_some_and(|own| name.is_match(own)));
    routes.filter_map(|route| route.get_mut("route")).collect()
}

fn listener(filters: &[Json]) -> Json {
    let router = json!({"name": "envoy.filters.http.router", "typed_config": {"@type": format!("{TYPE}.extensions.filters.http.router.v3.Router")}});
    let filters: Vec<_> = filters.iter().cloned().chain([router]).collect();
    let manager = json!({
        "@type": format!("{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "http-10080",
        "use_remote_address": true,
        // As a `ClientTrafficPolicy` has it.
        "xff_num_trusted_hops": 1,
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "http_filters": filters,
    });
    json!({
        "name": "edge/eg/http",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    })
}

/// One for each rule that leads somewhere.
fn clusters(objects: &[Json]) -> Vec<Json> {
    let mut clusters = Vec::new();
    for route in of_kind(objects, "HTTPRoute") {
        for (index, rule) in
            list(&route["spec"]["rules"]).iter().enumerate().filter(|(_, rule)| rule["backendRefs"].is_array())
        {
            let at = &named(objects, &rule["backendRefs"][0])["endpoints"][0]["ip"];
            let mut one = place(&cluster(route, index), &at["address"], &at["port"]);
            if let Some(breaker) = traffic(objects, route).map(|spec| &spec["circuitBreaker"]) {
                one["circuit_breakers"] = json!({"thresholds": [threshold(breaker)]});
            }
            clusters.push(one);
        }
    }
    clusters
}

/// `buildXdsClusterCircuitBreaker`.
fn threshold(breaker: &Json) -> Json {
    let mut threshold = json!({
        "max_connections": breaker["maxConnections"],
        "max_pending_requests": breaker["maxPendingRequests"],
        "max_requests": breaker["maxParallelRequests"],
    });
    if let Some(budget) = breaker.get("retryBudget") {
        assert_eq!(budget["percent"]["denominator"], 100);
        threshold["retry_budget"] = json!({
            "budget_percent": {"value": budget["percent"]["numerator"]},
            "min_retry_concurrency": budget["minRetryConcurrency"],
        });
    }
    threshold
}

/// What a `BackendTrafficPolicy` says of a route.
fn traffic<'o>(objects: &'o [Json], route: &Json) -> Option<&'o Json> {
    let is_of = |policy: &&Json| {
        list(&policy["spec"]["targetRefs"]).iter().any(|target| target["name"] == route["metadata"]["name"])
    };
    of_kind(objects, "BackendTrafficPolicy").into_iter().find(is_of).map(|policy| &policy["spec"])
}

/// `buildRetryPolicy`, of lengths of time that are whole seconds or milliseconds.
fn retries(retry: &Json) -> Json {
    let length = |text: &Json| match text.as_str().unwrap().split_once("ms") {
        Some((millis, _)) => format!("{}s", millis.parse::<f64>().unwrap() / 1000.0),
        None => text.as_str().unwrap().to_owned(),
    };
    let triggers: Vec<_> = list(&retry["retryOn"]["triggers"]).iter().map(|one| one.as_str().unwrap()).collect();
    let (per_try, pauses) = (&retry["perRetry"]["timeout"], &retry["perRetry"]["backOff"]);
    json!({
        "retry_on": triggers.join(","),
        "retriable_status_codes": retry["retryOn"]["httpStatusCodes"],
        "num_retries": retry["numRetries"],
        "per_try_timeout": length(per_try),
        "retry_back_off": {"base_interval": length(&pauses["baseInterval"]), "max_interval": length(&pauses["maxInterval"])},
    })
}

fn place(name: &str, address: &Json, port: &Json) -> Json {
    let endpoint = json!({"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}});
    let loads = json!({"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]});
    json!({"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": loads})
}

fn cluster(route: &Json, rule: usize) -> String {
    format!("httproute/edge/{}/rule/{rule}", route["metadata"]["name"].as_str().unwrap())
}

/// A virtual host for each name, with its own routes alone: the narrowest first, each with all filters.
fn hosts(objects: &[Json], filters: &[Json]) -> Vec<Json> {
    let on = |filter: &Json| {
        (
            filter["name"].as_str().unwrap().to_owned(),
            json!({"@type": format!("{TYPE}.config.route.v3.FilterConfig"), "config": {}}),
        )
    };
    let on: Json = filters.iter().map(on).collect::<serde_json::Map<_, _>>().into();
    let mut hosts: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let mut routes = of_kind(objects, "HTTPRoute");
    // Of those that were made within the same second, names decide.
    routes.sort_by_key(|route| route["metadata"]["name"].as_str().unwrap());
    for route in routes {
        let names: Vec<_> = list(&route["spec"]["hostnames"]).iter().map(|name| name.as_str().unwrap()).collect();
        for name in if names.is_empty() { vec!["*"] } else { names } {
            let of_host = hosts.entry(name.to_owned()).or_default();
            for (index, rule) in list(&route["spec"]["rules"]).iter().enumerate() {
                for (place, matched) in list(&rule["matches"]).iter().enumerate() {
                    let mut entry = entry(objects, route, index, matched);
                    entry["name"] = json!(format!("{}/match/{place}/{name}", cluster(route, index)));
                    entry["typed_per_filter_config"] = on.clone();
                    of_host.push((rank(matched), entry));
                }
            }
        }
    }
    let host = |(name, mut routes): (String, Vec<(_, Json)>)| {
        routes.sort_by(|(one, _), (other, _)| Ord::cmp(other, one));
        let routes: Vec<_> = routes.into_iter().map(|(_, entry)| entry).collect();
        json!({"name": format!("edge/eg/http/{name}"), "domains": [name], "routes": routes})
    };
    hosts.into_iter().map(host).collect()
}

fn entry(objects: &[Json], route: &Json, index: usize, matched: &Json) -> Json {
    let rule = &route["spec"]["rules"][index];
    let mut entry = json!({"match": condition(matched)});
    if rule["backendRefs"].is_array() {
        entry["route"] = json!({"cluster": cluster(route, index), "timeout": "30s"});
        if let Some(retry) = traffic(objects, route).and_then(|spec| spec.get("retry")) {
            entry["route"]["retry_policy"] = retries(retry);
        }
    }
    for filter in list(&rule["filters"]) {
        apply(objects, filter, matched, &mut entry);
    }
    entry
}

/// `internal/gatewayapi/sort.go`.
fn rank(matched: &Json) -> (u8, usize, usize) {
    let kind = match matched["path"]["type"].as_str().unwrap() {
        "Exact" => 2,
        "RegularExpression" => 1,
        _ => 0,
    };
    let headers = list(&matched["headers"]).len() + usize::from(matched["method"].is_string());
    let length = |path: &str| if path == "/" && kind == 0 { 0 } else { path.len() };
    (kind, length(matched["path"]["value"].as_str().unwrap()), headers)
}

fn condition(matched: &Json) -> Json {
    let path = matched["path"]["value"].as_str().unwrap();
    let mut condition = match matched["path"]["type"].as_str().unwrap() {
        "Exact" => json!({"path": path}),
        "RegularExpression" => json!({"safe_regex": {"regex": path}}),
        _ if path == "/" => json!({"prefix": "/"}),
        _ => json!({"path_separated_prefix": path.trim_end_matches('/')}),
    };
    let exact = |name: &Json, value: &Json| json!({"name": name, "string_match": {"exact": value}});
    let headers = list(&matched["headers"]).iter().map(|header| exact(&header["name"], &header["value"]));
    let method = matched.get("method").map(|method| exact(&json!(":method"), method));
    condition["headers"] = headers.chain(method).collect();
    condition
}

fn apply(objects: &[Json], filter: &Json, matched: &Json, entry: &mut Json) {
    match filter["type"].as_str().unwrap() {
        "URLRewrite" => rewrite(&filter["urlRewrite"], matched, entry),
        "RequestHeaderModifier" => {
            let modifier = &filter["requestHeaderModifier"];
            let set = |header: &Json| json!({"header": {"key": header["name"], "value": header["value"]}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"});
            entry["request_headers_to_add"] = list(&modifier["set"]).iter().map(set).collect();
            entry["request_headers_to_remove"] = json!(list(&modifier["remove"]));
        }
        "ExtensionRef" => {
            let own = named(objects, &filter["extensionRef"]);
            match own["directResponse"]["statusCode"].as_u64() {
                Some(status) => entry["direct_response"] = json!({"status": status}),
                None => rewrite(&own["urlRewrite"], matched, entry),
            }
        }
        other => panic!("{other}"),
    }
}

/// `buildXdsURLRewriteAction`.
fn rewrite(rewrite: &Json, matched: &Json, entry: &mut Json) {
    let action = &mut entry["route"];
    if let Some(host) = rewrite.get("hostname") {
        action["host_rewrite_literal"] = host.clone();
    }
    let by = |pattern: &Json, substitution: &Json| json!({"pattern": {"regex": pattern}, "substitution": substitution});
    let path = &rewrite["path"];
    match path["type"].as_str() {
        None => {}
        Some("ReplaceFullPath") => action["regex_rewrite"] = by(&json!("^/.*$"), &path["replaceFullPath"]),
        Some("ReplaceRegexMatch") => {
            let replaced = &path["replaceRegexMatch"];
            action["regex_rewrite"] = by(&replaced["pattern"], &replaced["substitution"]);
        }
        Some("ReplacePrefixMatch") => {
            assert_eq!(matched["path"]["type"], "PathPrefix");
            let prefix = regex::escape(matched["path"]["value"].as_str().unwrap());
            match path["replacePrefixMatch"].as_str().unwrap() {
                "" | "/" => action["regex_rewrite"] = by(&json!(format!("^{prefix}\\/*")), &json!("/")),
                // The slash at a prefix's end is taken off above, too.
                replaced => action["prefix_rewrite"] = json!(replaced.strip_suffix('/').unwrap_or(replaced)),
            }
        }
        Some(other) => panic!("{other}"),
    }
}
