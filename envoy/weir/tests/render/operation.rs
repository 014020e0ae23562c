//! What is answered beside a policy's routes, and who is let in.

use serde_json::{Value as Json, json};

use super::{EVERYTHING, PLAIN, accepted, demo, manager, read, read_by, rendered};

fn routes(bootstrap: &Json) -> &[Json] {
    manager(bootstrap).pointer("/route_config/virtual_hosts/0/routes").unwrap().as_array().unwrap()
}

fn is_off(route: &Json, filter: &str) -> bool {
    route["typed_per_filter_config"][filter]["disabled"] == true
}

#[test]
fn what_operators_ask_for_comes_before_the_policy_s_routes_and_meets_few_filters() {
    let bootstrap = rendered(&demo());
    let at = |path: &str| {
        let is_it = |route: &&Json| route["match"]["path_separated_prefix"] == path || route["match"]["path"] == path;
        routes(&bootstrap).iter().find(is_it).unwrap()
    };
    for (path, has_auth, has_admin) in [("/health", false, true), ("/admin", true, true), ("/metrics", false, false)] {
        let route = at(path);
        assert_eq!((is_off(route, "auth"), is_off(route, "admin")), (!has_auth, !has_admin), "{path}");
        for filter in ["front", "ratelimit", "cache", "quota", "breaker", "provider"] {
            assert!(is_off(route, filter), "{path}: {filter}");
        }
        assert!(!is_off(route, "correlation"), "{path}");
    }
    let is_own = |route: &&Json| route["match"].get("filter_state").is_none();
    let first: Vec<_> = routes(&bootstrap).iter().filter(is_own).map(|route| is_off(route, "admin")).collect();
    assert!(!first[0] && !first[1] && first[2..].iter().all(|is_off| *is_off), "{first:?}");
    assert_eq!(at("/metrics")["route"]["prefix_rewrite"], "/stats/prometheus");
    let clusters = bootstrap.pointer("/static_resources/clusters").unwrap().as_array().unwrap();
    for name in ["weir_admin", "weir_metrics"] {
        let cluster = clusters.iter().find(|cluster| cluster["name"] == name).unwrap();
        let address =
            cluster.pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address").unwrap();
        assert_eq!(*address, json!({"address": "127.0.0.1", "port_value": 9901}));
    }
    assert_eq!(at("/metrics")["route"]["cluster"], "weir_metrics", "whoever reads them keeps no operator waiting");
}

#[test]
fn the_filter_knows_the_operators_the_cache_and_the_fleet() {
    let with = |admin: &str| EVERYTHING.replace(r#"admin: "[::1]:0""#, &format!("admin: {admin}"));
    let digest = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c";
    let both = with(&format!("{{listen: '[::1]:0', operators: {{role: operator, key_sha256: [{digest}]}}}}"));
    let everything = read("everything.yaml", &both);
    accepted(&rendered(&everything));
    let admin = everything.filters.iter().find(|filter| filter.name == "admin").unwrap();
    assert_eq!(admin.config["operators"]["role"], "operator");
    let data = json!({"name": "weir", "shared": false, "data": [{"provider": "api", "data_type": "things"}]});
    assert_eq!((&admin.config["cache"], &admin.config["state"]["prefix"]), (&data, &"fleet".into()));
    assert_eq!(admin.variables, ["WEIR_SECRET"]);
    assert_eq!(read_by(&everything, "cache")["orders"], true);
    // A key may be shown by nobody in particular; a role has to be somebody's.
    let routes = |policy: &str| read_by(&read("admin.yaml", policy), "auth")["routes"].clone();
    assert_eq!(routes(&both)[2], json!({"match": {"prefix": "/admin"}, "auth": "optional"}));
    let by_role = routes(&with("{operators: {role: operator}}"));
    assert_eq!(by_role[2]["auth"], "required");
    for (place, path) in [(0, "/admin"), (1, "/admin/")] {
        assert_eq!(by_role[place], json!({"match": {"path": path}, "auth": "off"}), "the page asks for nothing");
    }
    let health = with("{}");
    assert_ne!(routes(&health)[2]["match"]["prefix"], "/admin");
    let health = read("health.yaml", &health);
    assert!(read_by(&health, "admin").get("operators").is_none() && read_by(&health, "cache").get("orders").is_none());
}

#[test]
fn the_filter_knows_what_each_other_plugin_is_to_read() {
    let policy = EVERYTHING.replace(r#"admin: "[::1]:0""#, "admin: {listen: '[::1]:0'}");
    let document = read("everything.yaml", &policy);
    let bootstrap = rendered(&document);
    let chain =
        bootstrap.pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters").unwrap();
    let read = |name: &str| {
        let filter = chain.as_array().unwrap().iter().find(|filter| filter["name"] == name).unwrap();
        filter.pointer("/typed_config/config/configuration/value").unwrap().as_str().unwrap().to_owned()
    };
    let plugins = read_by(&document, "admin")["plugins"].clone();
    let names: Vec<_> = plugins.as_array().unwrap().iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    let others = document.filters.iter().map(|filter| filter.name).filter(|name| *name != "admin");
    assert_eq!(names, others.collect::<Vec<_>>());
    for plugin in plugins.as_array().unwrap() {
        let name = plugin["name"].as_str().unwrap();
        assert_eq!(plugin["sha256"], admin::credential::digest(read(name).as_bytes()), "{name}");
    }
    let clusters = bootstrap.pointer("/static_resources/clusters").unwrap().as_array().unwrap();
    for leads in [&read_by(&document, "admin")["envoy"], &read_by(&document, "admin")["key_sets"][0]] {
        assert!(clusters.iter().any(|cluster| cluster["name"] == leads["cluster"]), "{leads}");
    }
}

#[test]
fn a_policy_that_names_no_more_than_an_address_answers_nothing_itself() {
    for policy in [PLAIN.to_owned(), format!("{PLAIN}admin: 127.0.0.1:9902\n")] {
        let document = read("plain.yaml", &policy);
        assert!(document.filters.iter().all(|filter| filter.name != "admin"));
        let bootstrap = rendered(&document);
        assert_eq!(routes(&bootstrap).len(), 1);
        assert!(!["weir_admin", "weir_metrics"].iter().any(|name| bootstrap.to_string().contains(name)));
    }
}
