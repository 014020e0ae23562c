//! Many requests at once, on real workers: one flight, or all at once where that is what there is to be had.

use std::time::Instant;

use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Client, Reply, Request};
use suite::{EnvoyStage, Scenario};

use crate::PLAIN;
use crate::storage::goes_on;

fn stage(config: &str, workers: usize) -> EnvoyStage {
    Scenario::new(&[("cache", config)]).workers(workers).envoy().expect("Envoy starts")
}

/// Sends a request on each of so many new connections.
fn send(stage: &EnvoyStage, request: &Request, count: usize) -> Vec<Client> {
    let client = |_| {
        let mut client = Client::connect(stage.envoy.address()).expect("Envoy listens");
        client.send(request);
        client
    };
    (0..count).map(client).collect()
}

#[test]
fn two_hundred_requests_on_four_workers_are_one_to_the_upstream() {
    let stage = stage(PLAIN, 4);
    let body = "b".repeat(100_000);
    let reply = Reply::status(200).header("cache-control", "max-age=600").body(body.clone());
    stage.origin.answer(None, reply.held());
    let mut clients = send(&stage, &Request::get("/a"), 200);
    assert_eq!(stage.origin.wait_for(1, PATIENCE), 1);
    // All of them are with Envoy when the upstream answers.
    let active = || stage.envoy.admin("/stats?filter=http.weir.downstream_rq_active");
    let arrived = Deadline::after(PATIENCE).wait_until(|| active().trim().ends_with(": 200"));
    assert!(arrived, "{}", active());
    let since = Instant::now();
    stage.origin.release(None);
    for client in &mut clients {
        let answer = client.receive().expect("Envoy answers");
        assert_eq!((answer.status, answer.body.len()), (200, body.len()));
    }
    let took = since.elapsed();
    assert_eq!(stage.origin.received().len(), 1, "{took:?}");
    let waits = stage.envoy.admin("/stats?filter=api_gateway_cache_waits_total");
    assert!(waits.contains("_outcome_=collapsed;: 199"), "{waits}");
}

#[test]
fn searches_of_one_meaning_are_one_to_the_upstream() {
    let config = r#"{"routes": [{"match": {}, "ttl": "10m", "shared": true, "body": {"key": "json"}}]}"#;
    let stage = stage(config, 2);
    stage.origin.answer(None, Reply::status(200).body("found").held());
    let search = |body: &str| Request::new("POST", "/s").header("content-type", "application/json").body(body);
    let mut clients = send(&stage, &search(r#"{"a": 1, "b": 2}"#), 20);
    clients.extend(send(&stage, &search(r#"{"b":2.0,"a":1}"#), 20));
    let mut other = send(&stage, &search(r#"{"a": 1, "b": 3}"#), 1);
    let held = || stage.envoy.admin("/stats?filter=api_gateway_cache_held_total");
    assert!(Deadline::after(PATIENCE).wait_until(|| held().contains(": 39")), "{}", held());
    assert_eq!(stage.origin.wait_for(2, PATIENCE), 2);
    stage.origin.release(None);
    for client in clients.iter_mut().chain(&mut other) {
        assert_eq!(client.receive().expect("Envoy answers").body, b"found");
    }
    assert_eq!(stage.origin.received().len(), 2);
}

#[test]
fn what_is_of_no_use_to_others_is_asked_for_by_all_at_once() {
    for said in ["no-store", "max-age=0"] {
        let stage = stage(PLAIN, 4);
        let reply = Reply::status(200).header("cache-control", said).header("etag", "\"v\"").body("own");
        stage.origin.answer(None, reply.held());
        let mut clients = send(&stage, &Request::get("/a"), 100);
        let held = || stage.envoy.stat("wasmcustom.api_gateway_cache_held_total").unwrap_or_default();
        assert!(Deadline::after(PATIENCE).wait_until(|| held() == 99), "{}", held());
        // The first is answered; the others are with the upstream together, before it answers any of them.
        assert_eq!(stage.origin.wait_for(1, PATIENCE), 1);
        stage.origin.release_received();
        assert_eq!(stage.origin.wait_for(100, PATIENCE), 100, "{said}");
        stage.origin.release(None);
        for client in &mut clients {
            assert_eq!(client.receive().expect("Envoy answers").body, b"own");
        }
        assert_eq!(held(), 99, "{said}");
    }
}

#[test]
fn a_leader_that_leaves_before_its_answer_is_followed_by_one() {
    let stage = stage(PLAIN, 2);
    stage.origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("x").held());
    let mut leader = send(&stage, &Request::get("/a"), 1);
    assert_eq!(stage.origin.wait_for(1, PATIENCE), 1);
    let mut clients = send(&stage, &Request::get("/a"), 20);
    let held = || stage.envoy.admin("/stats?filter=api_gateway_cache_held_total");
    assert!(Deadline::after(PATIENCE).wait_until(|| held().contains(": 20")), "{}", held());
    assert_eq!(stage.origin.received().len(), 1);
    leader.pop().expect("one").reset();
    assert_eq!(stage.origin.wait_for(2, PATIENCE), 2);
    stage.origin.release(None);
    for client in &mut clients {
        assert_eq!(client.receive().expect("Envoy answers").body, b"x");
    }
    assert_eq!(stage.origin.received().len(), 2);
}

#[test]
fn a_flood_of_urls_in_flight_stays_within_its_tables() {
    let mut stage = Scenario::new(&[("cache", PLAIN)]).host().expect("the host starts");
    goes_on(&mut stage, "origin 200 cache-control=max-age=60 body=x hold");
    let flood = (0..4500).fold(String::new(), |lines, number| lines + &format!("start GET /{number} as a{number}\n"));
    goes_on(&mut stage, &(flood + "saw 4500"));
    let keys = stage.host.shared_keys("weir");
    let tables: Vec<_> = keys.iter().filter(|key| key.starts_with(b"weir.cache.weir.flight")).collect();
    let bytes: usize = tables.iter().map(|key| stage.host.shared_data("weir", key).map_or(0, <[u8]>::len)).sum();
    assert!(tables.len() <= 128 && bytes <= 128 * 32 * 24, "{} tables of {bytes} bytes", tables.len());
    goes_on(
        &mut stage,
        "start GET /1 as again\nsaw nothing\nrelease /1\nfinish again -> 200 cache-status~collapsed\nsaw nothing",
    );
}

#[test]
fn of_those_who_wait_on_all_workers_one_leads_when_the_leader_has_left() {
    let stage = stage(PLAIN, 4);
    for round in 0..50 {
        let path = format!("/{round}");
        stage.origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("x").held());
        let held = || stage.envoy.stat("wasmcustom.api_gateway_cache_held_total").unwrap_or_default();
        let (before, seen) = (held(), stage.origin.received().len());
        let mut leader = send(&stage, &Request::get(&path), 1);
        assert_eq!(stage.origin.wait_for(seen + 1, PATIENCE), seen + 1);
        let mut clients = send(&stage, &Request::get(&path), 8);
        assert!(Deadline::after(PATIENCE).wait_until(|| held() >= before + 8), "{} {before}", held());
        leader.pop().expect("one").reset();
        assert_eq!(stage.origin.wait_for(seen + 2, PATIENCE), seen + 2);
        stage.origin.release(None);
        for client in &mut clients {
            assert_eq!(client.receive().expect("Envoy answers").body, b"x");
        }
        assert_eq!(stage.origin.received().len(), seen + 2, "in round {round}");
    }
}

#[test]
fn who_comes_as_the_answer_does_asks_nobody() {
    let stage = stage(PLAIN, 4);
    stage.origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("x"));
    let mut clients = send(&stage, &Request::get("/"), 12);
    for client in &mut clients {
        assert_eq!(client.receive().expect("Envoy answers").body, b"x");
    }
    for round in 0..300 {
        let request = Request::get(&format!("/{round}"));
        for client in &mut clients {
            client.send(&request);
        }
        for client in &mut clients {
            assert_eq!(client.receive().expect("Envoy answers").body, b"x");
        }
    }
    assert_eq!(stage.origin.received().len(), 301);
}
