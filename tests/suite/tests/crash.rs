//! A breaker whose worker dies: what it had promised lapses, and what it knew is known to the others.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Duration;

use host::{Answer, Arrival, Exchange, Host, Plugin, Request};

const CONFIG: &str = r#"{
    "breakers": {"spotify": {"consecutive_failures": 1, "open_for": "10s", "half_open_requests": 1, "close_after": 1,
        "probe_timeout": "30s"}},
    "routes": [{"upstream": "spotify"}]
}"#;

/// Two workers in front of an upstream that answers `/fail` with 500, `/hang` not at all, and all else with 200.
fn proxy() -> Host {
    let answer = |request: &Arrival| match request.path() {
        "/fail" => Answer::status(500),
        "/hang" => Answer::held(),
        _ => Answer::status(200),
    };
    let plugin = Plugin::new("breaker", suite::module::path("breaker")).configuration(CONFIG);
    Host::builder().workers(2).plugin(plugin).upstream(answer).start().unwrap()
}

/// Whether the breaker has refused it.
fn is_refused(exchange: &Exchange) -> bool {
    exchange.status() == Some(503) && exchange.text().contains("CIRCUIT_BREAKER_OPEN")
}

#[test]
fn a_worker_that_dies_with_a_probe_keeps_its_place_no_longer_than_a_probe_may() {
    let mut proxy = proxy();
    assert_eq!(proxy.send(0, Request::get("/fail")).status(), Some(500));
    proxy.advance(Duration::from_secs(10));
    let probe = proxy.send(0, Request::get("/hang")).stream;
    assert!(proxy.exchange(probe).is_waiting());
    proxy.crash(0, "breaker");
    for worker in [0, 1] {
        assert!(
            is_refused(&proxy.send(worker, Request::get("/"))),
            "worker {worker}: the state has outlived the crash"
        );
    }
    proxy.advance(Duration::from_secs(29));
    assert!(is_refused(&proxy.send(1, Request::get("/"))));
    proxy.advance(Duration::from_secs(1));
    let next = proxy.send(1, Request::get("/hang")).stream;
    assert!(proxy.exchange(next).is_waiting(), "its place is free");
    assert!(is_refused(&proxy.send(0, Request::get("/"))), "and taken again");
    let [.., held] = &proxy.held()[..] else { panic!("no probe at the upstream") };
    let call = held.call;
    proxy.release(call, Answer::status(200));
    assert_eq!(proxy.send(0, Request::get("/")).status(), Some(200));
    assert_eq!(proxy.metric("api_gateway_circuit_breaker_state_provider_=spotify;"), Some(0));
}

#[test]
fn an_open_breaker_is_open_for_a_worker_that_starts_anew() {
    let mut proxy = proxy();
    assert_eq!(proxy.send(0, Request::get("/fail")).status(), Some(500));
    proxy.crash(1, "breaker");
    assert!(is_refused(&proxy.send(1, Request::get("/"))));
    proxy.reload("breaker", CONFIG.replace("10s", "5s")).unwrap();
    assert!(is_refused(&proxy.send(0, Request::get("/"))), "a reload does not close it");
    proxy.advance(Duration::from_secs(10));
    assert_eq!(proxy.send(0, Request::get("/")).status(), Some(200));
}
