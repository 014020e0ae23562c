//! A breaker for each value of a header, under a flood of values: what is stored, and who is forgotten.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use breaker::limits::Order;
use breaker::state::State;
use host::{Answer, Arrival, Host, Plugin, Request};

/// Two workers with two slots of eight breakers, in front of an upstream that fails for `x-tenant: bad…`.
fn proxy(breaker: &str) -> Host {
    let answer = |request: &Arrival| {
        let tenant = request.headers.first("x-tenant").unwrap_or_default();
        Answer::status(if tenant.starts_with(b"bad") { 500 } else { 200 })
    };
    let config = format!(
        r#"{{"breakers": {{"s": {{"per": {{"header": "x-tenant"}}, "scopes_max": 16, {breaker}}}}},
            "routes": [{{"upstream": "s"}}]}}"#
    );
    let plugin = Plugin::new("breaker", suite::module::path("breaker")).configuration(config);
    Host::builder().workers(2).plugin(plugin).upstream(answer).start().unwrap()
}

fn send(proxy: &mut Host, worker: usize, tenant: &str) -> u16 {
    let exchange = proxy.send(worker, Request::get("/").header("x-tenant", tenant));
    exchange.status().expect("an answer")
}

#[test]
fn a_flood_of_failing_tenants_fills_the_table_and_no_more() {
    let mut proxy = proxy(r#""consecutive_failures": 1, "open_for": "1h""#);
    let mut bytes_after = |from: usize, to: usize| {
        for tenant in from..to {
            assert_eq!(send(&mut proxy, tenant % 2, &format!("bad-{tenant}")), 500);
        }
        let keys = proxy.shared_keys("weir").len();
        assert!(keys <= 4, "two slots, the seed and the configuration, not {keys} keys");
        proxy.shared_bytes("weir")
    };
    let before = bytes_after(0, 200);
    assert_eq!(bytes_after(200, 2000), before);
}

#[test]
fn a_flood_of_healthy_tenants_forgets_none_that_is_open() {
    let mut proxy = proxy(r#""failure_rate": 50, "window": 4, "minimum_calls": 2, "open_for": "1h""#);
    for _ in 0..2 {
        assert_eq!(send(&mut proxy, 0, "bad"), 500);
    }
    assert_eq!(send(&mut proxy, 1, "bad"), 503);
    for tenant in 0..500 {
        assert_eq!(send(&mut proxy, tenant % 2, &format!("good-{tenant}")), 200);
    }
    assert_eq!(send(&mut proxy, 0, "bad"), 503);
}

#[test]
fn an_order_for_the_upstream_holds_for_each_of_its_breakers() {
    let mut proxy = proxy(r#""consecutive_failures": 1, "open_for": "1h""#);
    assert_eq!((send(&mut proxy, 0, "bad"), send(&mut proxy, 1, "bad")), (500, 503));
    let state = |order: Option<Order>| {
        let (mut state, mut bytes) = (State::default(), Vec::new());
        state.force(order);
        state.write(&mut bytes);
        bytes
    };
    for (order, expected) in [
        (Some(Order::ForcedOpen), [503, 503]),
        (Some(Order::Disabled), [500, 200]),
        (Some(Order::MetricsOnly), [500, 200]),
        (None, [500, 200]),
    ] {
        proxy.set_shared_data("weir", "weir.breaker.s", state(order));
        assert_eq!([send(&mut proxy, 0, "bad"), send(&mut proxy, 1, "good")], expected, "{order:?}");
    }
    assert_eq!(send(&mut proxy, 1, "bad"), 503);
}
