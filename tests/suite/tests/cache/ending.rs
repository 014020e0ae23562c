//! RFC 9111 §4.4 in a fleet: what an unsafe request has ended does not come back from Redis.

use proxy::deadline::{Deadline, PATIENCE};
use proxy::redis::Value;
use proxy::{Client, Reply, Request};
use suite::EnvoyStage;

use crate::fleet::{answers, counted, get, proxy, wait_for_level};
use crate::store::Store;

/// What stands under the fleet's keys, by the letters that say so: an object or a variant (`E`), by what a URL's vary (`V`), and
/// that a URL has been ended (`T`).
fn kinds(store: &Store) -> String {
    let script = "local r={} for i,k in ipairs(redis.call('KEYS',KEYS[1])) do r[i]=redis.call('GETRANGE',k,0,0) end \
        table.sort(r) return table.concat(r)";
    match store.redis.call(&["EVAL", script, "1", "weir:cache:weir:2:{*"]).unwrap() {
        Value::Bytes(letters) => String::from_utf8(letters).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn stands(store: &Store, expected: &str) {
    let stands = || kinds(store) == expected;
    assert!(Deadline::after(PATIENCE).wait_until(stands), "{} where {expected} is to stand", kinds(store));
}

/// What one proxy asks for from here on reaches the other. (What it asked for within a round trip to Redis after the end may not.)
fn shares(one: &EnvoyStage, other: &EnvoyStage, request: &Request, body: &[u8]) {
    let (again, stored) = (
        request.clone().header("cache-control", "no-cache"),
        request.clone().header("cache-control", "only-if-cached"),
    );
    let is_shared = || {
        get(one, &again);
        get(other, &stored).body == body
    };
    assert!(Deadline::after(PATIENCE).wait_until(is_shared), "{}", other.envoy.log());
}

#[test]
fn what_the_answer_to_an_unsafe_request_names_is_ended_in_the_fleet() {
    let store = Store::start();
    let (one, other) = (proxy(&store), proxy(&store));
    wait_for_level(&one);
    wait_for_level(&other);
    answers(&one, "old");
    let request = Request::get("/y").header("host", "test").header("x-kind", "1");
    get(&one, &request);
    stands(&store, "EV");
    one.origin.answer(None, Reply::status(201).header("location", "/y"));
    assert_eq!(get(&one, &Request::new("POST", "/x").header("host", "test").body("x")).status, 201);
    answers(&one, "new");
    // What was posted to, and what was named; nobody reaches the variant after.
    stands(&store, "ETT");
    assert_eq!(get(&one, &request).body, b"new");
    shares(&one, &other, &request, b"new");
    stands(&store, "EETV");
}

#[test]
fn what_an_unsafe_request_has_ended_does_not_come_back_from_the_fleet() {
    let store = Store::start();
    let one = proxy(&store);
    wait_for_level(&one);
    answers(&one, "old");
    let request = Request::get("/x").header("host", "test").header("x-kind", "1");
    get(&one, &request);
    stands(&store, "EV");
    answers(&one, "new");
    assert_eq!(get(&one, &Request::new("POST", "/x").header("host", "test").body("x")).status, 200);
    assert_eq!(get(&one, &request).body, b"new");
    let other = proxy(&store);
    wait_for_level(&other);
    shares(&one, &other, &request, b"new");
    // Nobody reaches the old variant any more.
    stands(&store, "EEV");
}

/// What another proxy has asked for before, and stores after.
#[test]
fn what_an_unsafe_request_has_ended_no_other_proxy_brings_back() {
    for vary in [None, Some("x-kind")] {
        let store = Store::start();
        let (one, other) = (proxy(&store), proxy(&store));
        wait_for_level(&one);
        wait_for_level(&other);
        let reply = |body: &str| {
            let reply = Reply::status(200).header("cache-control", "max-age=600").body(body);
            vary.map_or(reply.clone(), |vary| reply.header("vary", vary))
        };
        let request = Request::get("/x").header("host", "test").header("x-kind", "1");
        one.origin.answer(None, reply("old"));
        assert_eq!(get(&one, &request).body, b"old");
        assert!(Deadline::after(PATIENCE).wait_until(|| kinds(&store).contains('E')));
        other.origin.answer(Some("/x"), reply("old").held());
        let (before, mut late) = (other.origin.received().len(), Client::connect(other.envoy.address()).unwrap());
        late.send(&request.clone().header("cache-control", "no-cache"));
        assert_eq!(other.origin.wait_for(before + 1, PATIENCE), before + 1);
        one.origin.answer(None, reply("new"));
        assert_eq!(get(&one, &Request::new("PUT", "/x").header("host", "test").body("x")).status, 200);
        stands(&store, if vary.is_some() { "ET" } else { "T" });
        other.origin.release(Some("/x"));
        assert_eq!(late.receive().unwrap().body, b"old");
        let is_passed_over = || counted(&other, "not_stored") == 1;
        assert!(Deadline::after(PATIENCE).wait_until(is_passed_over), "{vary:?}: {}", kinds(&store));
        let before = one.origin.received().len();
        assert_eq!(get(&one, &request).body, b"new", "{vary:?}: {}", kinds(&store));
        assert_eq!(one.origin.received().len(), before + 1);
        // What is asked for from here on is shared again.
        let third = proxy(&store);
        wait_for_level(&third);
        shares(&one, &third, &request, b"new");
    }
}
