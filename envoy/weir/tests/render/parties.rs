//! What third parties are sent, and by which route.

use super::*;

#[test]
fn a_third_party_learns_nothing_of_the_caller() {
    let bootstrap = rendered(&demo());
    let routes = manager(&bootstrap).pointer("/route_config/virtual_hosts/0/routes").unwrap().as_array().unwrap();
    // By the others leaves what the provider filter has made, with nothing of the caller's in it.
    let is_own = |route: &&Json| {
        route["route"]["cluster"].as_str().is_some_and(|cluster| !["weir_metrics", "weir_nowhere"].contains(&cluster))
    };
    for route in routes.iter().filter(|route| route.pointer("/match/filter_state").is_none()).filter(is_own) {
        let cluster = route["route"]["cluster"].as_str().unwrap();
        let removed = route["request_headers_to_remove"].as_array().cloned().unwrap_or_default();
        let internal = ["inventory", "pricing", "discovery", "sona", "sync", "auth"].contains(&cluster);
        assert_eq!(removed.contains(&"x-weir-user".into()), !internal, "{cluster}");
        assert_eq!(removed.contains(&"authorization".into()), !internal, "{cluster}");
        assert_eq!(route["route"].get("retry_policy").is_some(), !internal, "{cluster}");
    }
}

#[test]
fn a_third_party_sees_no_header_of_credentials_or_claims() {
    let document = read("everything.yaml", EVERYTHING);
    let bootstrap = rendered(&document);
    let routes = manager(&bootstrap).pointer("/route_config/virtual_hosts/0/routes").unwrap().as_array().unwrap();
    for route in routes {
        let removed = route["request_headers_to_remove"].as_array().cloned().unwrap_or_default();
        let internal = route["route"]["cluster"] == "near";
        for header in ["x-token", "x-api-key", "x-roles", "x-ab"] {
            assert_eq!(removed.contains(&header.into()), !internal, "{header} {}", route["route"]["cluster"]);
        }
    }
}

#[test]
fn a_providers_own_request_leaves_by_a_route_that_no_client_can_choose() {
    let bootstrap = rendered(&demo());
    let routes = manager(&bootstrap).pointer("/route_config/virtual_hosts/0/routes").unwrap().as_array().unwrap();
    let (departures, others): (Vec<_>, Vec<_>) =
        routes.iter().partition(|route| route.pointer("/match/filter_state").is_some());
    let names: Vec<_> = departures.iter().map(|route| route["route"]["cluster"].as_str().unwrap()).collect();
    assert_eq!(names, ["spotify", "musicbrainz", "lastfm", "beatport", "discogs", "acousticbrainz"]);
    for (route, name) in departures.iter().zip(names) {
        let said = json!([{"key": "wasm.weir.provider", "string_match": {"exact": name}}]);
        assert_eq!(route["match"], json!({"prefix": "/", "filter_state": said}));
        assert!(route["route"].get("regex_rewrite").is_none() && route["route"]["retry_policy"].is_object());
        assert_eq!(route["request_headers_to_remove"], json!(["x-forwarded-proto"]));
    }
    let lead_there = |route: &&&Json| route["route"]["cluster"] == "lastfm";
    assert_eq!(others.iter().filter(lead_there).count(), 2);
    for route in others {
        let is_idle = route.pointer("/typed_per_filter_config/provider").is_some();
        let is_provider = departures.iter().any(|other| other["route"]["cluster"] == route["route"]["cluster"]);
        assert_eq!(is_idle, !is_provider, "{route}");
        assert!(!is_provider || route["route"].get("regex_rewrite").is_none(), "{route}");
    }
}
