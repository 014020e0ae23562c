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
    let kinds = ["Backend", "BackendTrafficPolicy", "EnvoyExtensionPolicy", "HTTPRoute", "HTTPRouteFilter"];
    keeps_to_schemas(&objects, &kinds);
    let rule = |method: &str| {
        json!({
            "matches": [{"path": {"type": "PathPrefix", "value": "/shop/"}, "method": method}],
            "backendRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "weir-a"}],
            "timeouts": {"request": "5s"},
            "filters": [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}],
        })
    };
    let [route, lost] = of_kind(&objects, "HTTPRoute")[..] else { panic!("not two") };
    assert_eq!(route["spec"]["rules"], json!([rule("GET"), rule("POST")]));
    let reference = json!({"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "weir-not.found"});
    let rule = json!({
        "matches": [{"path": {"type": "Exact", "value": "/shop"}}],
        "filters": [{"type": "ExtensionRef", "extensionRef": reference}],
    });
    assert_eq!(lost["spec"]["rules"], json!([rule]), "the path itself is not below it");
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
    let stripped = |n: usize| {
        format!("- {{match: {{prefix: /{n:02}, methods: [GET, POST, PUT]}}, upstream: a, strip: /{n:02}, auth: off}}")
    };
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
    let apart = "`pool` and `retry.budget` count for each rule alone, of which some upstreams have more than one: spotify (4), catalog (2)";
    assert_eq!(prerequisite::of_envoy_gateway(&plan(&document), &objects), [enabled, named, taken, apart]);

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
    keeps_to_schemas(&objects, &super::OF_ENVOY_GATEWAY);
    let wasm = of_kind(&objects, "EnvoyExtensionPolicy")[0]["spec"]["wasm"].as_array().unwrap();
    let reference = json!({"kind": "Secret", "name": "regcred"});
    assert!(wasm.iter().map(|entry| &entry["code"]["image"]["pullSecretRef"]).all(|one: &Json| *one == reference));
}

#[test]
fn each_port_of_a_host_is_called_in_istio_as_the_policy_says() {
    let status = "  status: {url: 'http://api.partner.example:8080', retry: off, pool: {connections: 7}}\n";
    let pay = "  pay: {url: https://api.partner.example, connect_timeout: 2s}\n";
    let routes = "- {match: GET /pay, upstream: pay, auth: off}\n- {match: GET /status, upstream: status, auth: off}";
    let tls = json!({"mode": "SIMPLE", "sni": "api.partner.example", "subjectAltNames": ["api.partner.example"]});
    for upstreams in [[status, pay], [pay, status]] {
        let objects = for_istio(&policy(&upstreams.concat(), routes));
        keeps_to_schemas(&objects, &super::OF_ISTIO);
        let [rule] = of_kind(&objects, "DestinationRule")[..] else { panic!("not one") };
        let whole = &rule["spec"]["trafficPolicy"];
        let [port] = &whole["portLevelSettings"].as_array().unwrap()[..] else { panic!("not one") };
        let (plain, secret) = if upstreams[0] == status { (whole, port) } else { (port, whole) };
        assert_eq!((plain.get("tls"), secret.get("tls")), (None, Some(&tls)));
        let tcp = |traffic: &Json| {
            ["maxConnections", "connectTimeout"].map(|key| traffic["connectionPool"]["tcp"][key].clone())
        };
        assert_eq!((tcp(plain), tcp(secret)), ([json!(7), json!("5s")], [json!(100), json!("2s")]));
        let number = if upstreams[0] == status { 443 } else { 8080 };
        assert_eq!(port["port"], json!({"number": number}));
    }
}

#[test]
fn what_istio_takes_for_one_is_told_or_refused() {
    let routes = "- {match: GET /a, upstream: a, auth: off}\n- {match: GET /b, upstream: b, auth: off}";
    let told = |one: &str, other: &str| {
        let text = policy(&format!("  a: {{url: '{one}'}}\n  b: {{url: '{other}'}}"), routes);
        let document = read(&text.replace("x'}", "', pool: {connections: 7}}"));
        let settings = istio::Settings { place: place(), selector: ("istio".to_owned(), "x".to_owned()) };
        let objects = istio::objects(&plan(&document), &settings)?;
        Ok::<_, String>(prerequisite::of_istio(&plan(&document), &objects, &place()))
    };
    let refused = told("http://h.example:8443", "https://h.example:8443/v1").unwrap_err();
    assert!(refused.starts_with("`a` and `b` are one port of one host, h.example:8443"), "{refused}");
    assert_eq!(told("https://h.example/v1", "https://h.example/v2"), Ok(vec![]));
    assert_eq!(told("https://10.0.0.1", "http://10.0.0.1"), Ok(vec![]));
    let [shared] = &told("https://h.example", "https://h.example/x").unwrap()[..] else { panic!("not one") };
    assert!(
        shared.starts_with("`a` and `b` are one port of one host, so Istio calls both as the former says"),
        "{shared}"
    );
    let [budget] = &told("https://h.example", "https://h.example:8443").unwrap()[..] else { panic!("not one") };
    assert!(budget.contains("`b` is at another port than `a`"), "{budget}");
}

#[test]
fn what_an_http_route_would_choose_otherwise_is_refused() {
    let upstreams = "  a: {url: http://10.0.0.1}\n  b: {url: http://10.0.0.2}";
    let said = |routes: &[(&str, &str)]| {
        let lines: Vec<_> =
            routes.iter().map(|(to, line)| format!("- {{match: {line}, upstream: {to}, auth: off}}")).collect();
        for_envoy_gateway(&policy(upstreams, &lines.join("\n"))).map(|_| ())
    };
    let cases: [(&[(&str, &str)], &str); 6] = [
        (
            &[("a", "'GET /x/{id}'"), ("b", "GET /x/me")],
            "`GET /x/{id}` comes before `GET /x/me`, which an HTTPRoute prefers",
        ),
        (
            &[("a", "'/x/{id}/bb'"), ("b", "'/x/bb/{id}'")],
            "`/x/{id}/bb` comes before `/x/bb/{id}`, and to an HTTPRoute neither",
        ),
        (&[("a", "'/x/{id}/bb'"), ("a", "'/x/bb/{id}'")], ""),
        // A method is no more than a header there.
        (
            &[("a", "GET /x"), ("b", "{path: /x, headers: {x-k: v}}")],
            "`GET /x` comes before `/x x-k=v`, and to an HTTPRoute neither",
        ),
        (&[("a", "GET /x/*"), ("b", "{prefix: /x, headers: {x-k: v}}"), ("a", "/*")], ""),
        (
            &[("a", "/x/*"), ("b", "{prefix: /x, headers: {x-k: v}}"), ("a", "GET /*")],
            "`/x[/*] x-k=v` for `/x` comes before `GET /*` for `/x`",
        ),
    ];
    for (routes, expected) in cases {
        let said = said(routes).err().unwrap_or_default();
        assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{routes:?}: {said}");
    }
}
