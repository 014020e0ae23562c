//! Composed requests: no cache sees them, and what is kept of their URLs ends with the calls that they are made of.

use policy::Seed;
use policy::handover::{header, shared};
use policy::part;
use suite::{Scenario, check};

use crate::storage::goes_on;

/// What is kept of `/orders` and `/notes`, and of nothing else.
const CACHE: &str = r#"{"routes": [
    {"match": {"path": "/orders", "methods": ["GET"]}, "upstream": "orders", "ttl": "1h", "query": {"ignore": ["utm_*"]}},
    {"match": {"path": "/notes", "methods": ["GET"]}, "upstream": "orders", "ttl": "1h"},
    {"match": {}, "keeps": false}]}"#;

/// `POST /orders` reads and changes the stock, `POST /notes` reads it only; a `GET` changes it, too.
const COMPOSE: &str = r#"{"cluster": "back", "tells_cache": true, "compositions": [
    {"name": "order", "match": {"path": "/orders", "methods": ["POST"]}, "answer": "${take}", "status": 201,
     "steps": [{"name": "look", "call": "GET /stock"}, {"name": "take", "after": ["look"], "call": "POST /stock"}]},
    {"name": "note", "match": {"path": "/notes", "methods": ["POST"]}, "answer": "${look}",
     "steps": [{"name": "look", "call": "GET /stock"}]},
    {"name": "odd", "match": {"path": "/odd", "methods": ["GET"]}, "answer": "${take}",
     "steps": [{"name": "take", "call": "POST /stock"}]}]}"#;

#[test]
fn what_is_kept_of_a_composed_request_s_url_ends_with_what_its_calls_change() {
    Scenario::new(&[("compose", COMPOSE), ("cache", CACHE)]).back("back").check(
        r#"
        origin 200 body="{}"
        2 times GET /orders -> 200
        GET /notes -> 200 cache-status~stored
        saw 2
        GET /orders @2 -> 200 cache-status~hit
        POST /orders -> 201
        saw POST /stock !x-weir-part-of
        GET /orders -> 200 cache-status~uri-miss
        # As the route keeps it.
        POST /orders?utm_source=a -> 201
        GET /orders -> 200 cache-status~uri-miss
        GET /orders -> 200 cache-status~hit
        # What has failed has changed nothing.
        origin /stock 404
        POST /orders -> 404
        GET /orders -> 200 cache-status~hit
        # Nor has what only looks, or what is no change of this URL.
        origin /stock 200 body="{}"
        POST /notes -> 200
        GET /odd -> 200
        GET /notes -> 200 cache-status~hit
        GET /orders -> 200 cache-status~hit
    "#,
    );
}

#[test]
fn nobody_else_can_say_of_what_a_request_is_part() {
    let said = part::write(&Seed::from_random([7; 16]), b"/orders").expect("a short path");
    check(
        "cache",
        CACHE,
        &format!(
            r#"
            origin 200 body=x
            GET /orders -> 200 cache-status~stored
            POST /stock body=x x-weir-part-of={said} -> 200
            saw POST /stock !x-weir-part-of
            POST /stock body=x x-weir-part-of=/orders -> 200
            POST /stock body=x x-weir-part-of="" -> 200
            POST /stock body=x x-weir-part-of="0"*60000 -> 200
            GET /orders -> 200 cache-status~hit
            "#
        ),
    );
}

#[test]
fn what_this_proxy_says_is_heard() {
    let mut stage = Scenario::new(&[("cache", CACHE)]).host().expect("the host starts");
    goes_on(&mut stage, "origin 200 body=x\nGET /orders @1 -> 200 cache-status~stored\nsaw GET /orders");
    let seed = stage.host.shared_data("weir", shared::SEED).expect("a seed").try_into().expect("16 bytes");
    let said = part::write(&Seed::from_random(seed), b"/orders").expect("a short path");
    let name = header::PART_OF;
    goes_on(
        &mut stage,
        &format!(
            "origin /stock 500
             POST /stock body=x {name}={said} -> 500
             saw POST /stock !{name}
             GET /orders @1 -> 200 cache-status~hit
             origin /stock 200
             GET /stock {name}={said} -> 200
             GET /orders @1 -> 200 cache-status~hit
             POST /stock body=x {name}={said} -> 200
             GET /orders @1 -> 200 cache-status~uri-miss"
        ),
    );
}
