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
    let cluster = clusters.iter().find(|cluster| cluster["name"] == "weir_admin").unwrap();
    let address =
        cluster.pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address").unwrap();
    assert_eq!(*address, json!({"address": "127.0.0.1", "port_value": 9901}));
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
    let first = |policy: &str| read_by(&read("admin.yaml", policy), "auth")["routes"][0].clone();
    assert_eq!(first(&both), json!({"match": {"prefix": "/admin"}, "auth": "optional"}));
    assert_eq!(first(&with("{operators: {role: operator}}"))["auth"], "required");
    let health = with("{}");
    assert_ne!(first(&health)["match"]["prefix"], "/admin");
    let health = read("health.yaml", &health);
    assert!(read_by(&health, "admin").get("operators").is_none() && read_by(&health, "cache").get("orders").is_none());
}

#[test]
fn a_policy_that_names_no_more_than_an_address_answers_nothing_itself() {
    for policy in [PLAIN.to_owned(), format!("{PLAIN}admin: 127.0.0.1:9902\n")] {
        let document = read("plain.yaml", &policy);
        assert!(document.filters.iter().all(|filter| filter.name != "admin"));
        let bootstrap = rendered(&document);
        assert_eq!(routes(&bootstrap).len(), 1);
        assert!(!bootstrap.to_string().contains("weir_admin"));
    }
}
