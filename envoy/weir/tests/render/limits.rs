//! Which limits hold where, and who counts what.

use serde_json::{Value as Json, json};
use weir::policy::Route;
use weir::policy::route::Limit;

use super::{EVERYTHING, demo, manager, read, read_by, rendered};

#[test]
fn every_limited_route_counts_under_its_upstream_and_is_allowed_by_one_filter() {
    for document in [demo(), read("everything.yaml", EVERYTHING)] {
        let [callers] = read_by(&document, "ratelimit")["rules"].as_array().unwrap().as_slice() else { panic!() };
        let quotas = read_by(&document, "quota")["rules"].as_array().unwrap();
        // What a composition asks for has been counted with it.
        let is_limited = |route: &&Route| route.limit == Limit::Tier && !route.inside;
        let limited: Vec<_> = document.policy.routes.iter().filter(is_limited).collect();
        let entries = callers["routes"].as_array().unwrap();
        assert_eq!(entries.len(), limited.len());
        for (entry, route) in entries.iter().zip(limited) {
            let upstream = route.upstream.value.as_str();
            assert_eq!((&entry["match"], entry["upstream"].as_str()), (&route.matcher.draft.to_json(), Some(upstream)));
            let quota = quotas.iter().find(|rule| rule["upstream"] == upstream);
            assert_eq!(entry.get("count_allowed").is_some_and(|count| count == false), quota.is_some(), "{upstream}");
            let behind =
                |quota: &Json| quota["match"].as_array().is_some_and(|matches| matches.contains(&entry["match"]));
            assert!(quota.is_none_or(behind), "{upstream}: nobody would count what passes");
        }
    }
}

#[test]
fn a_limit_on_addresses_stands_in_front_of_credentials_and_the_others_behind() {
    let document = read("everything.yaml", EVERYTHING);
    let names: Vec<_> = document.filters.iter().map(|filter| filter.name).collect();
    assert_eq!(names, ["correlation", "front", "auth", "ratelimit", "cache", "quota", "breaker"]);
    let front = &read_by(&document, "front")["rules"][0];
    assert_eq!((&front["key"][0], &front["limit"]["burst"]), (&"address".into(), &100.into()));
    assert!(front.get("overrides").is_none() && front.get("shadow").is_none());
    let callers = &read_by(&document, "ratelimit")["rules"][0];
    assert_eq!((&callers["shadow"], &callers["overrides"][0]["key"][0]), (&true.into(), &"alice".into()));
    let costs: Vec<_> = callers["routes"].as_array().unwrap().iter().map(|route| route.get("cost")).collect();
    assert_eq!(costs, [None, Some(&3.into()), None, None, None]);
    assert_eq!(read_by(&document, "quota")["rules"][0]["limits"][1]["window"], "30s");
    let bootstrap = rendered(&document);
    let routes = manager(&bootstrap).pointer("/route_config/virtual_hosts/0/routes").unwrap().as_array().unwrap();
    let own = routes.iter().filter(|route| route.pointer("/match/filter_state").is_none());
    for (route, limited) in own.zip(document.policy.routes.iter().map(|route| route.limit == Limit::Tier)) {
        assert_eq!(route.pointer("/typed_per_filter_config/front").is_none(), limited);
    }
}

#[test]
fn who_waits_for_an_upstream_is_told_by_its_limit_and_sent_by_its_tier() {
    let document = demo();
    let quota = read_by(&document, "quota");
    let rule = |name: &str| quota["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == name).unwrap();
    let waits = json!({"queue": {"max_wait": "10s", "max_requests": 10}});
    assert_eq!(rule("musicbrainz")["limit"], json!({"rate": "1/s", "burst": 1, "when_empty": waits}));
    assert_eq!(rule("spotify")["limit"], json!({"rate": "10/s", "burst": 20}));
    assert_eq!(quota["tiers"]["enterprise"]["priority"], 9);
    let document = read("everything.yaml", EVERYTHING);
    let tiers = &read_by(&document, "ratelimit")["tiers"];
    assert_eq!(tiers["pro"]["when_empty"], json!({"queue": {"max_wait": "2s"}}));
    assert_eq!(tiers["anonymous"].get("when_empty"), None);
}
