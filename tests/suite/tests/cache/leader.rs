//! What those who wait make of their leader: how soon they hear of it, and what becomes of them where it dies or is reloaded.

use std::time::Duration;

use suite::Scenario;

use crate::PLAIN;
use crate::storage::goes_on;

#[test]
fn a_wait_adds_an_eighth_to_the_upstreams_time_on_whichever_worker() {
    for (worker, lasted, added) in [(1, 80, 1), (2, 80, 10), (2, 8, 1), (2, 4000, 20)] {
        let mut stage = Scenario::new(&[("cache", PLAIN)]).host().expect("the host starts");
        let lines = format!(
            "origin 200 cache-control=max-age=60 body=x hold
             start GET /a @1 as a
             saw GET /a
             start GET /a @{worker} as b
             advance {lasted}ms
             release"
        );
        goes_on(&mut stage, &lines);
        stage.host.advance(Duration::from_millis(added + 1));
        let metrics = stage.host.metrics();
        let collapsed = metrics.iter().find(|(name, _)| *name == "api_gateway_cache_waits_total_outcome_=collapsed;");
        let collapsed = collapsed.map(|(_, metric)| metric.value());
        assert_eq!(collapsed, Some(1), "on worker {worker}, {lasted} ms after its leader");
    }
}

#[test]
fn a_leader_whose_machine_dies_is_followed_by_another() {
    let config = PLAIN.replace("{\"routes\"", "{\"flight\": {\"max_wait\": \"1m\"}, \"routes\"");
    let mut stage = Scenario::new(&[("cache", &config)]).host().expect("the host starts");
    goes_on(
        &mut stage,
        "origin 200 cache-control=max-age=60 body=x hold
         start GET /a @1 as a
         saw GET /a
         start GET /a @2 as b
         start GET /a @2 as c
         advance 10s
         saw nothing",
    );
    stage.host.crash(0, "cache");
    goes_on(&mut stage, "advance 4s\nsaw GET /a\nsaw nothing\nrelease");
    goes_on(&mut stage, "eventually GET /a @1 -> 200 body=x cache-status~hit\nsaw nothing");
}

#[test]
fn a_reload_leaves_those_who_wait_where_they_are() {
    let mut stage = Scenario::new(&[("cache", PLAIN)]).host().expect("the host starts");
    goes_on(
        &mut stage,
        "origin 200 cache-control=max-age=60 body=x hold
         start GET /a @1 as a
         saw GET /a
         start GET /a @1 as b
         start GET /a @2 as c
         saw nothing",
    );
    let other = PLAIN.replace("search_results", "other");
    stage.host.reload("cache", other).expect("the configuration is good");
    goes_on(
        &mut stage,
        "start GET /a @2 as d
         saw nothing
         release
         finish d -> 200 body=x cache-status~collapsed
         saw nothing
         metric api_gateway_cache_waits_total{outcome=collapsed} 3",
    );
}
