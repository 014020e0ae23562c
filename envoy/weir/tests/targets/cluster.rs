//! What a cluster makes of objects: it accepts their names and their rules, and has what they need.

use serde_json::{Value as Json, json};
use weir::kubernetes::Place;
use weir::{envoygateway, istio, prerequisite};

use super::{
    POLICY, for_envoy_gateway, for_istio, in_envoy_gateway, keeps_to_schemas, of_kind, place, plan, read, without_cors,
};

/// A policy with these lines of upstreams and routes.
fn policy(upstreams: &str, routes: &str) -> String {
    format!("version: 1\nupstreams:\n{upstreams}\nroutes:\n{routes}\n")
}

const SHOP: &str = "  a: {url: http://a.shop.svc.cluster.local:8080, internal: true, timeout: 5s}";

#[test]
fn what_replaces_a_prefix_has_a_rule_for_each_of_its_matches() {
    let objects =
        for_envoy_gateway(&policy(SHOP, "- {match: 'GET|POST /shop/*', upstream: a, strip: /shop, auth: off}"))
            .unwrap();
    keeps_to_schemas(&objects, &["Backend", "BackendTrafficPolicy", "EnvoyExtensionPolicy", "HTTPRoute"]);
    let rule = |method: &str| {
        json!({
            "matches": [{"path": {"type": "PathPrefix", "value": "/shop/"}, "method": method}],
            "backendRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "weir-a"}],
            "timeouts": {"request": "5s"},
            "filters": [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}],
        })
    };
    let [route] = of_kind(&objects, "HTTPRoute")[..] else { panic!("not one") };
    assert_eq!(route["spec"]["rules"], json!([rule("GET"), rule("POST")]));
    // What replaces none has all of its matches in one.
    let whole = for_envoy_gateway(&policy(SHOP, "- {match: 'GET|POST /shop/*', upstream: a, auth: off}")).unwrap();
    assert_eq!(of_kind(&whole, "HTTPRoute")[0]["spec"]["rules"].as_array().unwrap().len(), 1);
}

#[test]
fn a_route_has_no_more_rules_and_matches_than_it_may() {
    let rules = |line: &dyn Fn(usize) -> String, count: usize| -> Vec<usize> {
        let routes: Vec<_> = (0..count).map(line).collect();
        let objects = for_envoy_gateway(&policy(SHOP, &routes.join("\n"))).unwrap();
        keeps_to_schemas(&objects, &["Backend", "BackendTrafficPolicy", "EnvoyExtensionPolicy", "HTTPRoute"]);
        let routes = of_kind(&objects, "HTTPRoute");
        routes.into_iter().map(|route| route["spec"]["rules"].as_array().unwrap().len()).collect()
    };
    let stripped = |n: usize| format!("- {{match: 'GET|POST|PUT /{n:02}/*', upstream: a, strip: /{n:02}, auth: off}}");
    assert_eq!(rules(&stripped, 6), [15, 3]);
    let all = "GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH";
    assert_eq!(rules(&|n| format!("- {{match: '{all} /{n:02}', upstream: a, auth: off}}"), 16), [14, 2]);
}

#[test]
fn a_base_comes_before_every_path_of_an_upstream() {
    let upstreams = "  far: {url: https://far.example/base}";
    let routes =
        "- {match: 'GET /x/{id}', upstream: far, strip: /x, auth: off}\n- {match: /*, upstream: far, auth: off}";
    let objects = for_envoy_gateway(&policy(upstreams, routes)).unwrap();
    let rules = of_kind(&objects, "HTTPRoute")[0]["spec"]["rules"].as_array().unwrap();
    for rule in rules {
        let rewrite = json!({"type": "URLRewrite", "urlRewrite": {"hostname": "far.example"}});
        assert_eq!((&rule["filters"][0], &rule["filters"][1]["type"]), (&rewrite, &json!("ExtensionRef")));
    }
    let expressions = of_kind(&objects, "HTTPRouteFilter").into_iter();
    let expressions: Vec<_> = expressions.map(|one| &one["spec"]["urlRewrite"]["path"]["replaceRegexMatch"]).collect();
    let expected = [("^/x/?", "/base/"), ("^/?", "/base/")];
    assert_eq!(
        expressions,
        expected.map(|(from, to)| json!({"pattern": from, "substitution": to})).iter().collect::<Vec<_>>()
    );
}

#[test]
fn what_the_api_server_would_refuse_is_refused_with_its_name() {
    let two = "  a_b: {url: http://10.0.0.1:80}\n  a-b: {url: http://10.0.0.2:80}";
    let both = policy(two, "- {match: GET /a, upstream: a_b, auth: off}\n- {match: GET /b, upstream: a-b, auth: off}");
    let ending = policy("  a_: {url: http://10.0.0.1:80}", "- {match: GET /a, upstream: a_, auth: off}");
    for (policy, expected) in [
        (&both, "`a_b` and `a-b` would both be called `weir-a-b` in Kubernetes"),
        (&ending, "`a_` would be called `weir-a-` in Kubernetes"),
    ] {
        let settings = istio::Settings { place: place(), selector: ("istio".to_owned(), "x".to_owned()) };
        let for_istio = istio::objects(&plan(&read(policy)), &settings).unwrap_err();
        for said in [for_istio, for_envoy_gateway(policy).unwrap_err()] {
            assert!(said.starts_with(expected), "{said}");
        }
    }
    for (line, expected) in [
        ("PURGE /a", "`PURGE /a` is for a method, PURGE, that an HTTPRoute cannot name"),
        ("GET /a//b", "`GET /a//b` has a path that an HTTPRoute cannot have"),
        ("GET /a%2fb", "`GET /a%2fb` has a path that an HTTPRoute cannot have"),
    ] {
        let said =
            for_envoy_gateway(&policy(SHOP, &format!("- {{match: {line}, upstream: a, auth: off}}"))).unwrap_err();
        assert_eq!(said, expected);
    }
}

#[test]
fn what_pods_need_is_in_an_envoy_proxy_and_told_beside_the_objects() {
    let objects = for_envoy_gateway(POLICY).unwrap();
    let secret = json!({"name": "WEIR_SECRET", "valueFrom": {"secretKeyRef": {"name": "weir", "key": "WEIR_SECRET"}}});
    let container = json!({"container": {"env": [secret]}});
    let spec = json!({"provider": {"type": "Kubernetes", "kubernetes": {"envoyDeployment": container}}});
    let [proxy] = of_kind(&objects, "EnvoyProxy")[..] else { panic!("not one") };
    assert_eq!(proxy["spec"], spec);
    let enabled = "EnvoyGateway must say `extensionApis: {enableBackend: true, enableEnvoyPatchPolicy: true}`";
    let named = "the Gateway must name the EnvoyProxy `weir` in its `infrastructure.parametersRef`";
    let taken =
        "the EnvoyProxy takes WEIR_SECRET from a Secret called `weir`, which must be where the gateway's pods are";
    let document = read(POLICY);
    assert_eq!(prerequisite::of_envoy_gateway(&plan(&document), &objects), [enabled, named, taken]);

    let needed =
        "the gateway's containers need WEIR_SECRET: put them into a Secret, and that into `envFrom` of the deployment";
    assert_eq!(prerequisite::of_istio(&plan(&document), &for_istio(POLICY), &place()), [needed]);
    // A header's value is Envoy's own matter, and it reads the same environment.
    let headers = "  a: {url: http://a.shop.svc.cluster.local, headers: {x-key: {env: WEIR_SECRET}}}";
    let headers = policy(headers, "- {match: GET /a, upstream: a, auth: off}");
    assert_eq!(prerequisite::of_istio(&plan(&read(&headers)), &for_istio(&headers), &place()), [needed]);
    let none = policy(SHOP, "- {match: GET /a, upstream: a, auth: off}");
    assert_eq!(prerequisite::of_istio(&plan(&read(&none)), &for_istio(&none), &place()), [""; 0]);

    // Where the policy has a default, a pod starts without.
    let demo = read(&without_cors());
    let lines = prerequisite::of_istio(&plan(&demo), &[], &place());
    assert!(lines[0].contains("SPOTIFY_CLIENT_ID (or its default)"), "{lines:?}");
}

#[test]
fn a_secret_stands_wherever_an_image_is_pulled_with_one() {
    let place = Place { pull_secret: Some("regcred".to_owned()), ..place() };
    let document = read(POLICY);
    let settings = istio::Settings { place: place.clone(), selector: ("istio".to_owned(), "x".to_owned()) };
    let objects = istio::objects(&plan(&document), &settings).unwrap();
    keeps_to_schemas(&objects, &super::OF_ISTIO);
    let plugins = of_kind(&objects, "WasmPlugin");
    assert!(plugins.len() == 3 && plugins.iter().all(|plugin| plugin["spec"]["imagePullSecret"] == "regcred"));
    let said = prerequisite::of_istio(&plan(&document), &objects, &place);
    let patched = "`regcred` is for what comes as WasmPlugin; breaker, cache, correlation, provider, ratelimit come as EnvoyFilter, and \
                   are pulled without a secret";
    assert_eq!(said[1], patched);
    let settings = envoygateway::Settings { place, ..in_envoy_gateway(None) };
    let objects = envoygateway::objects(&plan(&document), &settings).unwrap();
    keeps_to_schemas(&objects, &super::OF_ENVOY_GATEWAY[..6]);
    let wasm = of_kind(&objects, "EnvoyExtensionPolicy")[0]["spec"]["wasm"].as_array().unwrap();
    let reference = json!({"kind": "Secret", "name": "regcred"});
    assert!(wasm.iter().map(|entry| &entry["code"]["image"]["pullSecretRef"]).all(|one: &Json| *one == reference));
}
